/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rtnl.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink.h"

#define NO_SUPPRESSION G_MAXUINT32 /* what an unset FRA_SUPPRESS_* holds, net/core/fib_rules.c */

/* The types of the attributes that we look at; MNL_TYPE_UNSPEC for those of which only the presence
 * counts. */
typedef struct {
  guint16 attribute;
  enum mnl_attr_data_type type;
} Expected;

typedef struct {
  const struct nlattr **attributes; /* by type, up to last */
  guint16 last;
  const Expected *expected; /* ends with attribute 0 */
  const guint8 *next;       /* behind the last attribute seen */
} Gather;

static int
gather_attribute (const struct nlattr *attribute, void *data)
{
  Gather *gather = data;
  guint16 type = mnl_attr_get_type (attribute);
  gather->next = (const guint8 *) attribute + MNL_ALIGN (attribute->nla_len);
  if (type > gather->last)
    return MNL_CB_OK; /* of a later kernel */
  for (const Expected *expected = gather->expected; expected->attribute; expected++)
    if (expected->attribute == type && mnl_attr_validate (attribute, expected->type) < 0)
      return MNL_CB_ERROR;
  gather->attributes[type] = attribute;
  return MNL_CB_OK;
}

/* The fixed part of a message, with its attributes sorted by type; NULL if something is malformed.
 */
static const void *
open_message (const struct nlmsghdr *message,
              gsize header,
              const struct nlattr **attributes,
              guint16 last,
              const Expected *expected)
{
  const guint8 *start = (const guint8 *) message;
  gsize fixed = NLMSG_HDRLEN + NLMSG_ALIGN (header);
  if (!cg_netlink_has_header (message, header))
    return NULL;
  Gather gather = {attributes, last, expected, start + fixed};
  /* libmnl stops at an attribute that is cut off and says nothing of it */
  if (mnl_attr_parse (message, (unsigned) header, gather_attribute, &gather) < MNL_CB_STOP ||
      gather.next != start + message->nlmsg_len)
    return NULL;
  return mnl_nlmsg_get_payload (message);
}

static guint32
get_u32 (const struct nlattr *attribute, guint32 otherwise)
{
  return attribute ? mnl_attr_get_u32 (attribute) : otherwise;
}

static guint8
get_u8 (const struct nlattr *attribute, guint8 otherwise)
{
  return attribute ? mnl_attr_get_u8 (attribute) : otherwise;
}

/* What the message says of one object, to name it by when the kernel is to delete it. */
static GBytes *
keep_message (const struct nlmsghdr *message)
{
  gsize size = mnl_nlmsg_get_payload_len (message);
  if (size > CG_NETLINK_MESSAGE_MAX - NLMSG_HDRLEN)
    return NULL;
  return g_bytes_new (mnl_nlmsg_get_payload (message), size);
}

static void
put_kept (struct nlmsghdr *message, GBytes *kept)
{
  gsize size;
  gconstpointer bytes = g_bytes_get_data (kept, &size);
  memcpy (mnl_nlmsg_put_extra_header (message, size), bytes, size);
}

void
cg_rtnl_get_link (struct nlmsghdr *request, const char *ifname)
{
  request->nlmsg_type = RTM_GETLINK;
  mnl_nlmsg_put_extra_header (request, sizeof (struct ifinfomsg));
  mnl_attr_put_strz (request, IFLA_IFNAME, ifname);
  mnl_attr_put_u32 (request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

void
cg_rtnl_get_links (struct nlmsghdr *request)
{
  request->nlmsg_type = RTM_GETLINK;
  request->nlmsg_flags = NLM_F_DUMP;
  mnl_nlmsg_put_extra_header (request, sizeof (struct ifinfomsg));
  mnl_attr_put_u32 (request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

void
cg_rtnl_get_route_to (struct nlmsghdr *request, const CgPrefix *address)
{
  request->nlmsg_type = RTM_GETROUTE;
  struct rtmsg *header = mnl_nlmsg_put_extra_header (request, sizeof *header);
  header->rtm_family = address->family;
  header->rtm_dst_len = (guint8) (8 * cg_family_bytes (address->family));
  mnl_attr_put (request, RTA_DST, cg_family_bytes (address->family), address->address);
}

void
cg_rtnl_get_addresses (struct nlmsghdr *request, int family)
{
  request->nlmsg_type = RTM_GETADDR;
  request->nlmsg_flags = NLM_F_DUMP;
  struct ifaddrmsg *header = mnl_nlmsg_put_extra_header (request, sizeof *header);
  header->ifa_family = (guint8) family;
}

void
cg_rtnl_get_rules (struct nlmsghdr *request, int family)
{
  request->nlmsg_type = RTM_GETRULE;
  request->nlmsg_flags = NLM_F_DUMP;
  struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header (request, sizeof *header);
  header->family = (guint8) family;
}

void
cg_rtnl_get_routes (struct nlmsghdr *request, int family, guint32 table, guint8 protocol)
{
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_DUMP;
  struct rtmsg *header = mnl_nlmsg_put_extra_header (request, sizeof *header);
  header->rtm_family = (guint8) family;
  header->rtm_protocol = protocol;
  if (table)
    mnl_attr_put_u32 (request, RTA_TABLE, table);
}

void
cg_rtnl_put_rule (struct nlmsghdr *message, const CgRule *rule, gboolean add)
{
  message->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
  /* Not NLM_F_EXCL: the kernel would compare each new rule with all that there are (fib_nl_newrule
   * in net/core/fib_rules.c), which doubles the time of a thousand. The lock and the diff keep us
   * from adding one twice. One that is there twice all the same, since a dump may leave out one
   * while others take rules away, confines as well, and goes with its gateway. */
  message->nlmsg_flags = add ? NLM_F_CREATE : 0;
  if (!add && rule->message) {
    put_kept (message, rule->message);
    return;
  }
  struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->family = rule->family;
  header->action = rule->action;
  struct fib_rule_uid_range uids = {.start = rule->uids.first, .end = rule->uids.last};
  mnl_attr_put_u32 (message, FRA_PRIORITY, rule->priority);
  mnl_attr_put_u32 (message, FRA_TABLE, rule->table);
  mnl_attr_put (message, FRA_UID_RANGE, sizeof uids, &uids);
  if (rule->source.length) {
    header->src_len = rule->source.length;
    mnl_attr_put (message, FRA_SRC, cg_family_bytes (rule->family), rule->source.address);
  }
  mnl_attr_put_u8 (message, FRA_PROTOCOL, rule->protocol);
}

void
cg_rtnl_put_route (struct nlmsghdr *message, const CgRoute *route, gboolean add)
{
  message->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
  message->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
  if (!add && route->message) {
    put_kept (message, route->message);
    return;
  }
  struct rtmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->rtm_family = route->family;
  header->rtm_dst_len = route->destination.length;
  header->rtm_protocol = route->protocol;
  header->rtm_type = route->type;
  /* as ip-route(8) does it: RT_SCOPE_NOWHERE deletes whatever the scope, and a route to an
   * interface without a gateway has link scope; IPv6 takes no notice */
  if (!add)
    header->rtm_scope = RT_SCOPE_NOWHERE;
  else
    header->rtm_scope = route->type == RTN_UNICAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  mnl_attr_put_u32 (message, RTA_TABLE, route->table);
  if (route->destination.length)
    mnl_attr_put (message, RTA_DST, cg_family_bytes (route->family), route->destination.address);
  if (route->metric)
    mnl_attr_put_u32 (message, RTA_PRIORITY, route->metric);
  if (route->ifindex)
    mnl_attr_put_u32 (message, RTA_OIF, route->ifindex);
}

static gboolean
is_within (const struct nlattr *part, const struct nlattr *whole)
{
  const char *end = (const char *) mnl_attr_get_payload (whole) + mnl_attr_get_payload_len (whole);
  return mnl_attr_ok (part, (int) (end - (const char *) part));
}

/* The attribute of IFLA_INFO_DATA that holds the UDP port, in network order; 0 if the kind has
 * none. */
static guint16
port_attribute (const char *kind)
{
  static const struct {
    const char *kind;
    guint16 attribute;
  } kinds[] = {
      {"vxlan", IFLA_VXLAN_PORT}, {"geneve", IFLA_GENEVE_PORT}, {"bareudp", IFLA_BAREUDP_PORT}};
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].kind, kind))
      return kinds[i].attribute;
  return 0;
}

static guint16
read_port (const struct nlattr *data, const char *kind)
{
  const guint16 attribute = port_attribute (kind);
  const struct nlattr *part = mnl_attr_get_payload (data);
  for (; attribute && is_within (part, data); part = mnl_attr_next (part))
    if (mnl_attr_get_type (part) == attribute && mnl_attr_validate (part, MNL_TYPE_U16) >= 0)
      return ntohs (mnl_attr_get_u16 (part));
  return 0;
}

gboolean
cg_rtnl_parse_link (const struct nlmsghdr *message, GArray *links)
{
  static const Expected expected[] = {{IFLA_LINKINFO, MNL_TYPE_NESTED}, {0}};
  if (message->nlmsg_type != RTM_NEWLINK)
    return TRUE;
  const struct nlattr *given[IFLA_LINKINFO + 1] = {NULL}, *info, *data = NULL;
  const struct ifinfomsg *header =
      open_message (message, sizeof *header, given, IFLA_LINKINFO, expected);
  if (!header || header->ifi_index <= 0)
    return FALSE;
  CgLink link = {.ifindex = (guint32) header->ifi_index, .flags = header->ifi_flags};
  for (info = given[IFLA_LINKINFO] ? mnl_attr_get_payload (given[IFLA_LINKINFO]) : NULL;
       info && is_within (info, given[IFLA_LINKINFO]); info = mnl_attr_next (info)) {
    if (mnl_attr_get_type (info) == IFLA_INFO_KIND &&
        mnl_attr_validate (info, MNL_TYPE_NUL_STRING) >= 0)
      g_strlcpy (link.kind, mnl_attr_get_str (info), sizeof link.kind);
    if (mnl_attr_get_type (info) == IFLA_INFO_DATA)
      data = info;
  }
  if (data)
    link.port = read_port (data, link.kind);
  g_array_append_val (links, link);
  return TRUE;
}

gboolean
cg_rtnl_parse_address (const struct nlmsghdr *message, GArray *addresses)
{
  static const Expected expected[] = {{IFA_FLAGS, MNL_TYPE_U32}, {0}};
  if (message->nlmsg_type != RTM_NEWADDR)
    return TRUE;
  const struct nlattr *given[IFA_FLAGS + 1] = {NULL};
  const struct ifaddrmsg *header =
      open_message (message, sizeof *header, given, IFA_FLAGS, expected);
  if (!header)
    return FALSE;
  guint bytes = cg_family_bytes (header->ifa_family);
  CgAddress address = {
      .ifindex = header->ifa_index,
      .flags = get_u32 (given[IFA_FLAGS], header->ifa_flags),
      .family = header->ifa_family,
      .scope = header->ifa_scope,
      .address = {.family = header->ifa_family, .length = (guint8) (bytes * 8)},
  };
  /* on a link between two points IFA_ADDRESS is the other end's (linux/if_addr.h) */
  const struct nlattr *own = given[IFA_LOCAL] ? given[IFA_LOCAL] : given[IFA_ADDRESS];
  if (own) {
    if (mnl_attr_get_payload_len (own) != bytes)
      return FALSE;
    memcpy (address.address.address, mnl_attr_get_payload (own), bytes);
  }
  const struct nlattr *far = given[IFA_ADDRESS] ? given[IFA_ADDRESS] : own;
  address.network = address.address;
  address.network.length = MIN (header->ifa_prefixlen, address.address.length);
  if (far) {
    if (mnl_attr_get_payload_len (far) != bytes)
      return FALSE;
    memcpy (address.network.address, mnl_attr_get_payload (far), bytes);
  }
  address.network = cg_prefix_masked (&address.network);
  g_array_append_val (addresses, address);
  return TRUE;
}

static gboolean
is_our_family (guint8 family)
{
  return family == AF_INET || family == AF_INET6;
}

/* Whether the rule does or asks more than "packets of these uids look up this table". */
static gboolean
rule_is_odd (const struct fib_rule_hdr *header, const struct nlattr **given)
{
  static const guint16 selectors[] = {
      FRA_FWMARK, FRA_FWMASK,   FRA_IIFNAME,     FRA_OIFNAME,     FRA_FLOW, FRA_TUN_ID,
      FRA_L3MDEV, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_GOTO,
  };
  for (guint i = 0; i < G_N_ELEMENTS (selectors); i++)
    if (given[selectors[i]])
      return TRUE;
  return header->dst_len || header->tos || (header->flags & FIB_RULE_INVERT) ||
         get_u32 (given[FRA_SUPPRESS_PREFIXLEN], NO_SUPPRESSION) != NO_SUPPRESSION ||
         get_u32 (given[FRA_SUPPRESS_IFGROUP], NO_SUPPRESSION) != NO_SUPPRESSION ||
         !given[FRA_UID_RANGE];
}

/* A rule that selects by its source is an odd one, unless it may be one that we add. */
static void
read_source (const struct fib_rule_hdr *header, const struct nlattr **given, CgRule *rule)
{
  guint bytes = cg_family_bytes (header->family);
  const struct nlattr *source = given[FRA_SRC];
  if (!header->src_len)
    return;
  rule->odd = rule->odd || rule->protocol != CG_PROTOCOL || rule->action != FR_ACT_TO_TBL ||
              header->src_len != bytes * 8 || !source || mnl_attr_get_payload_len (source) != bytes;
  if (rule->odd)
    return;
  rule->source = (CgPrefix){.family = header->family, .length = header->src_len};
  memcpy (rule->source.address, mnl_attr_get_payload (source), bytes);
}

gboolean
cg_rtnl_parse_rule (const struct nlmsghdr *message, GArray *rules)
{
  static const Expected expected[] = {
      {FRA_PRIORITY, MNL_TYPE_U32},
      {FRA_TABLE, MNL_TYPE_U32},
      {FRA_SUPPRESS_PREFIXLEN, MNL_TYPE_U32},
      {FRA_SUPPRESS_IFGROUP, MNL_TYPE_U32},
      {FRA_PROTOCOL, MNL_TYPE_U8},
      {0},
  };
  if (message->nlmsg_type != RTM_NEWRULE)
    return TRUE;
  const struct nlattr *given[FRA_MAX + 1] = {NULL};
  const struct fib_rule_hdr *header =
      open_message (message, sizeof *header, given, FRA_MAX, expected);
  if (!header)
    return FALSE;
  if (!is_our_family (header->family))
    return TRUE; /* multicast routing has rules too */

  struct fib_rule_uid_range uids = {0, G_MAXUINT32};
  if (given[FRA_UID_RANGE]) {
    if (mnl_attr_get_payload_len (given[FRA_UID_RANGE]) != sizeof uids)
      return FALSE;
    memcpy (&uids, mnl_attr_get_payload (given[FRA_UID_RANGE]), sizeof uids);
    if (uids.start > uids.end)
      return FALSE;
  }
  CgRule rule = {
      .family = header->family,
      .protocol = get_u8 (given[FRA_PROTOCOL], 0),
      .action = header->action,
      .odd = rule_is_odd (header, given),
      .priority = get_u32 (given[FRA_PRIORITY], 0),
      .table = header->action == FR_ACT_TO_TBL ? get_u32 (given[FRA_TABLE], header->table) : 0,
      .uids = {uids.start, uids.end},
  };
  read_source (header, given, &rule);
  if (rule.protocol == CG_PROTOCOL && (rule.odd || rule.action != FR_ACT_TO_TBL))
    rule.message = keep_message (message);
  g_array_append_val (rules, rule);
  return TRUE;
}

/* Whether the route does more than send packets out of one interface, or refuse them. */
static gboolean
route_is_odd (const struct rtmsg *header, const struct nlattr **given)
{
  static const guint16 extras[] = {RTA_GATEWAY, RTA_VIA,   RTA_MULTIPATH,
                                   RTA_NH_ID,   RTA_ENCAP, RTA_PREFSRC};
  if (header->rtm_src_len || header->rtm_tos)
    return TRUE;
  if (header->rtm_type != RTN_UNICAST)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (extras); i++)
    if (given[extras[i]])
      return TRUE;
  return FALSE;
}

gboolean
cg_rtnl_parse_route (const struct nlmsghdr *message, GArray *routes)
{
  static const Expected expected[] = {
      {RTA_TABLE, MNL_TYPE_U32}, {RTA_PRIORITY, MNL_TYPE_U32}, {RTA_OIF, MNL_TYPE_U32}, {0}};
  if (message->nlmsg_type != RTM_NEWROUTE)
    return TRUE;
  const struct nlattr *given[RTA_MAX + 1] = {NULL};
  const struct rtmsg *header = open_message (message, sizeof *header, given, RTA_MAX, expected);
  if (!header)
    return FALSE;
  if (!is_our_family (header->rtm_family))
    return TRUE;

  CgRoute route = {
      .family = header->rtm_family,
      .protocol = header->rtm_protocol,
      .type = header->rtm_type,
      .odd = route_is_odd (header, given),
      .table = get_u32 (given[RTA_TABLE], header->rtm_table),
      .metric = get_u32 (given[RTA_PRIORITY], 0),
      /* IPv6 shows loopback for the types that lead nowhere */
      .ifindex = header->rtm_type == RTN_UNICAST ? get_u32 (given[RTA_OIF], 0) : 0,
      .destination = {.family = header->rtm_family, .length = header->rtm_dst_len},
  };
  guint bytes = cg_family_bytes (route.family);
  if (header->rtm_dst_len > bytes * 8)
    return FALSE;
  if (given[RTA_DST]) {
    if (mnl_attr_get_payload_len (given[RTA_DST]) != bytes)
      return FALSE;
    memcpy (route.destination.address, mnl_attr_get_payload (given[RTA_DST]), bytes);
  }
  if (route.protocol == CG_PROTOCOL && route.odd)
    route.message = keep_message (message);
  g_array_append_val (routes, route);
  return TRUE;
}
