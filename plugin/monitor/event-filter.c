/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event-filter.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "facts.h"
#include "firewall.h"
#include "guard.h"
#include "netlink.h"

typedef struct {
  char name[IFNAMSIZ];
  guint32 ifindex; /* 0 if there is none of that name */
} Interface;

struct CgEventFilter {
  GArray *interfaces; /* Interface */
  GArray *tables;     /* guint32 */
  gboolean has_guard, has_bypass;
};

CgEventFilter *
cg_event_filter_new (void)
{
  static const char *const none[] = {NULL};
  CgEventFilter *filter = g_new0 (CgEventFilter, 1);
  filter->interfaces = g_array_new (FALSE, TRUE, sizeof (Interface));
  filter->tables = g_array_new (FALSE, TRUE, sizeof (guint32));
  cg_event_filter_set_interfaces (filter, none);
  return filter;
}

void
cg_event_filter_free (CgEventFilter *filter)
{
  g_array_unref (filter->interfaces);
  g_array_unref (filter->tables);
  g_free (filter);
}

static const Interface *
find_interface (const GArray *interfaces, const char *name)
{
  for (guint i = 0; i < interfaces->len; i++) {
    const Interface *known = &g_array_index (interfaces, Interface, i);
    if (strcmp (known->name, name) == 0)
      return known;
  }
  return NULL;
}

/* Whether it was not known before. */
static gboolean
append_interface (GArray *interfaces, const GArray *before, const char *name)
{
  const Interface *known = find_interface (before, name);
  Interface interface = {.ifindex = known ? known->ifindex : 0};
  g_strlcpy (interface.name, name, sizeof interface.name);
  g_array_append_val (interfaces, interface);
  return !known;
}

gboolean
cg_event_filter_set_interfaces (CgEventFilter *filter, const char *const *names)
{
  g_autoptr (GArray) before = g_steal_pointer (&filter->interfaces);
  filter->interfaces = g_array_new (FALSE, TRUE, sizeof (Interface));
  /* the kernel hangs IPv6 routes that lead nowhere on it, and drops them when it goes down */
  append_interface (filter->interfaces, before, "lo");
  gboolean is_new = FALSE;
  for (; *names; names++)
    is_new = append_interface (filter->interfaces, before, *names) || is_new;
  return is_new;
}

static gboolean
has_table (const GArray *tables, guint32 table)
{
  for (guint i = 0; i < tables->len; i++)
    if (g_array_index (tables, guint32, i) == table)
      return TRUE;
  return FALSE;
}

gboolean
cg_event_filter_set_tables (CgEventFilter *filter, const guint32 *tables, gsize n)
{
  gboolean is_new = FALSE;
  for (gsize i = 0; i < n; i++)
    is_new = is_new || !has_table (filter->tables, tables[i]);
  g_array_set_size (filter->tables, 0);
  if (n > 0)
    g_array_append_vals (filter->tables, tables, (guint) n);
  return is_new;
}

void
cg_event_filter_set_machine (CgEventFilter *filter, gboolean has_guard, gboolean has_bypass)
{
  filter->has_guard = has_guard;
  filter->has_bypass = has_bypass;
}

void
cg_event_filter_refresh (CgEventFilter *filter)
{
  for (guint i = 0; i < filter->interfaces->len; i++) {
    Interface *interface = &g_array_index (filter->interfaces, Interface, i);
    interface->ifindex = if_nametoindex (interface->name);
  }
}

/* The attribute of that type, or NULL if there is none of the right form. */
static const struct nlattr *
find_attribute (const struct nlmsghdr *message,
                gsize header,
                guint16 type,
                enum mnl_attr_data_type form)
{
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, (unsigned) header)
  {
    if (mnl_attr_get_type (attribute) == type)
      return mnl_attr_validate (attribute, form) < 0 ? NULL : attribute;
  }
  return NULL;
}

static gboolean
is_any (const CgEventFilter *filter)
{
  return find_interface (filter->interfaces, CG_ANY_INTERFACE) != NULL;
}

static gboolean
has_udp_port (const struct nlmsghdr *message)
{
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (CgLink));
  return cg_rtnl_parse_link (message, links) && links->len > 0 &&
         g_array_index (links, CgLink, 0).port;
}

/* A name of ours that another index has now, or an index of ours that has another name now or is
 * gone. */
static CgConcern
link_concern (CgEventFilter *filter, const struct nlmsghdr *message)
{
  const struct ifinfomsg *header = mnl_nlmsg_get_payload (message);
  if (header->ifi_family != AF_UNSPEC)
    return CG_CONCERN_NONE; /* a bridge's view of its port */
  const struct nlattr *attribute =
      find_attribute (message, sizeof *header, IFLA_IFNAME, MNL_TYPE_NUL_STRING);
  const char *name = attribute ? mnl_attr_get_str (attribute) : "";
  guint32 ifindex = (guint32) header->ifi_index;
  gboolean gone = message->nlmsg_type == RTM_DELLINK, ours = is_any (filter);
  for (guint i = 0; i < filter->interfaces->len; i++) {
    Interface *interface = &g_array_index (filter->interfaces, Interface, i);
    gboolean named = strcmp (interface->name, name) == 0;
    ours = ours || named || interface->ifindex == ifindex;
    if (interface->ifindex == ifindex && (gone || !named))
      interface->ifindex = 0;
    else if (named && !gone)
      interface->ifindex = ifindex;
  }
  if (ours)
    return CG_CONCERN_TUNNEL;
  return filter->has_guard && has_udp_port (message) ? CG_CONCERN_CHECK : CG_CONCERN_NONE;
}

static gboolean
has_index (const CgEventFilter *filter, guint32 ifindex)
{
  for (guint i = 0; i < filter->interfaces->len; i++)
    if (g_array_index (filter->interfaces, Interface, i).ifindex == ifindex)
      return TRUE;
  return FALSE;
}

static CgConcern
address_concern (const CgEventFilter *filter, const struct nlmsghdr *message)
{
  const struct ifaddrmsg *header = mnl_nlmsg_get_payload (message);
  if (has_index (filter, header->ifa_index) || is_any (filter))
    return CG_CONCERN_TUNNEL;
  return filter->has_guard ? CG_CONCERN_CHECK : CG_CONCERN_NONE;
}

/* A reverse path filter of a tunnel, or of all interfaces. What is written to /proc/sys is nobody's
 * message: as long as a run of ours is under way it is taken for ours. */
static CgConcern
filter_concern (const CgEventFilter *filter, const struct nlmsghdr *message, guint32 own)
{
  const gsize size = sizeof (struct netconfmsg);
  const struct nlattr *ifindex = find_attribute (message, size, NETCONFA_IFINDEX, MNL_TYPE_U32);
  if (own || !ifindex || !find_attribute (message, size, NETCONFA_RP_FILTER, MNL_TYPE_U32))
    return CG_CONCERN_NONE;
  guint32 index = mnl_attr_get_u32 (ifindex);
  return index == (guint32) NETCONFA_IFINDEX_ALL || has_index (filter, index) ? CG_CONCERN_LOSS
                                                                              : CG_CONCERN_NONE;
}

/* Others' rules are reported by status, and no run could do anything about them. */
static CgConcern
rule_concern (const struct nlmsghdr *message)
{
  const struct nlattr *protocol =
      find_attribute (message, sizeof (struct fib_rule_hdr), FRA_PROTOCOL, MNL_TYPE_U8);
  return protocol && mnl_attr_get_u8 (protocol) == CG_PROTOCOL ? CG_CONCERN_LOSS : CG_CONCERN_NONE;
}

/* A route of somebody else in a table of ours would be a way out. */
static CgConcern
route_concern (const CgEventFilter *filter, const struct nlmsghdr *message)
{
  const struct rtmsg *header = mnl_nlmsg_get_payload (message);
  const struct nlattr *attribute =
      find_attribute (message, sizeof *header, RTA_TABLE, MNL_TYPE_U32);
  guint32 table = attribute ? mnl_attr_get_u32 (attribute) : header->rtm_table;
  gboolean ours = header->rtm_protocol == CG_PROTOCOL || has_table (filter->tables, table) ||
                  cg_facts_table_is_derived (table);
  if (ours)
    return CG_CONCERN_LOSS;
  return filter->has_bypass && table == RT_TABLE_MAIN ? CG_CONCERN_CHECK : CG_CONCERN_NONE;
}

/* What of a message is always there, and what is made of one that is shorter. */
static const struct Kind {
  guint16 types[2];
  guint8 header;
  CgConcern otherwise;
} kinds[] = {
    {{RTM_NEWLINK, RTM_DELLINK}, sizeof (struct ifinfomsg), CG_CONCERN_TUNNEL},
    {{RTM_NEWADDR, RTM_DELADDR}, sizeof (struct ifaddrmsg), CG_CONCERN_TUNNEL},
    {{RTM_NEWRULE, RTM_DELRULE}, sizeof (struct fib_rule_hdr), CG_CONCERN_LOSS},
    {{RTM_NEWROUTE, RTM_DELROUTE}, sizeof (struct rtmsg), CG_CONCERN_LOSS},
    {{RTM_NEWNETCONF, RTM_NEWNETCONF}, sizeof (struct netconfmsg), CG_CONCERN_LOSS},
};

static CgConcern
concern_by_type (CgEventFilter *filter, const struct nlmsghdr *message, guint32 own)
{
  const guint16 type = message->nlmsg_type;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if ((type == kinds[i].types[0] || type == kinds[i].types[1]) &&
        !cg_netlink_has_header (message, kinds[i].header))
      return kinds[i].otherwise;
  switch (type) {
  case RTM_NEWLINK:
  case RTM_DELLINK:
    return link_concern (filter, message);
  case RTM_NEWADDR:
  case RTM_DELADDR:
    return address_concern (filter, message);
  case RTM_NEWRULE:
  case RTM_DELRULE:
    return rule_concern (message);
  case RTM_NEWROUTE:
  case RTM_DELROUTE:
    return route_concern (filter, message);
  case RTM_NEWNETCONF:
    return filter_concern (filter, message, own);
  default:
    return CG_CONCERN_NONE;
  }
}

/* The tunnel's kernel side, too, takes routes away; then nobody is to blame. */
static CgConcern
blame (CgConcern concern, const struct nlmsghdr *message, guint32 own, CgCulprit *culprit)
{
  if (own && message->nlmsg_pid == own)
    return CG_CONCERN_NONE;
  if (concern == CG_CONCERN_LOSS && message->nlmsg_pid)
    *culprit = (CgCulprit){.port = message->nlmsg_pid};
  return concern;
}

CgConcern
cg_event_filter_in_route (CgEventFilter *filter,
                          const struct nlmsghdr *message,
                          guint32 own,
                          CgCulprit *culprit)
{
  return blame (concern_by_type (filter, message, own), message, own, culprit);
}

/* Behind the messages of each transaction comes one that names who made it. */
static void
take_name (const struct nlmsghdr *message, CgCulprit *culprit)
{
  const struct nlattr *name =
      find_attribute (message, sizeof (struct nfgenmsg), NFTA_GEN_PROC_NAME, MNL_TYPE_NUL_STRING);
  if (name && culprit->port && culprit->port == message->nlmsg_pid)
    g_strlcpy (culprit->name, mnl_attr_get_str (name), sizeof culprit->name);
}

/* A firewall that is loaded anew has its check again, and our pass no more. What goes on in its
 * other chains and in its sets, where addresses may come and go all the time, does not matter. */
static gboolean
is_about_check (const struct nlmsghdr *message, const char *table)
{
  const struct nfgenmsg *header = mnl_nlmsg_get_payload (message);
  const guint16 type = message->nlmsg_type & 0xff;
  if (type != NFT_MSG_NEWRULE && type != NFT_MSG_DELRULE)
    return FALSE;
  const struct nlattr *chain =
      find_attribute (message, sizeof *header, NFTA_RULE_CHAIN, MNL_TYPE_NUL_STRING);
  return chain && cg_firewall_has_chain (header->nfgen_family, table, mnl_attr_get_str (chain));
}

CgConcern
cg_event_filter_in_nft (const struct nlmsghdr *message, guint32 own, CgCulprit *culprit)
{
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
    return CG_CONCERN_NONE;
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return CG_CONCERN_LOSS;
  if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
    take_name (message, culprit);
    return CG_CONCERN_NONE;
  }
  const struct nlattr *attribute =
      find_attribute (message, sizeof (struct nfgenmsg), CG_NFT_TABLE, MNL_TYPE_NUL_STRING);
  const char *table = attribute ? mnl_attr_get_str (attribute) : "";
  CgConcern concern = g_str_equal (table, CG_GUARD_TABLE_NAME) ? CG_CONCERN_LOSS
                      : is_about_check (message, table)        ? CG_CONCERN_CHECK
                                                               : CG_CONCERN_NONE;
  return blame (concern, message, own, culprit);
}
