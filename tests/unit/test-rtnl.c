/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rtnl.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink.h"
#include "world.h"

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static const struct RuleCase {
  const char *name;
  CgRule rule;
} rule_cases[] = {
    {"ipv4", {AF_INET, 198, FR_ACT_TO_TBL, FALSE, 500, 198000001, {1500, 1500}, NULL}},
    {"ipv6", {AF_INET6, 198, FR_ACT_TO_TBL, FALSE, 500, 198000001, {1500, 1600}, NULL}},
    {"small-table", {AF_INET, 198, FR_ACT_TO_TBL, FALSE, 1, 7, {1, G_MAXUINT32 - 1}, NULL}},
    {"from-an-address",
     {.family = AF_INET6,
      .protocol = 198,
      .action = FR_ACT_TO_TBL,
      .priority = 500,
      .table = 198000001,
      .source = {AF_INET6, 128, {0xfd, 0x77}}}},
    {"largest", {AF_INET, 198, FR_ACT_TO_TBL, FALSE, 32765, G_MAXUINT32, {1, 1}, NULL}},
};

static void
rule_comes_back (gconstpointer data)
{
  const struct RuleCase *test = data;
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) rules = cg_rules_new ();
  cg_rtnl_put_rule (message, &test->rule, TRUE);
  g_assert_cmpint (message->nlmsg_type, ==, RTM_NEWRULE);
  g_assert_cmphex (message->nlmsg_flags & ~NLM_F_EXCL, ==, NLM_F_CREATE);
  g_assert_true (cg_rtnl_parse_rule (message, rules));
  g_assert_cmpuint (rules->len, ==, 1);
  g_assert_cmpint (cg_rule_compare (&g_array_index (rules, CgRule, 0), &test->rule), ==, 0);
  g_assert_null (g_array_index (rules, CgRule, 0).message);
}

static const struct RouteCase {
  const char *name;
  const char *destination;
  CgRoute route;
} route_cases[] = {
    {"ipv4-tunnel", "0.0.0.0/0", {.type = RTN_UNICAST, .table = 42, .ifindex = 7}},
    {"ipv6-tunnel", "::/0", {.type = RTN_UNICAST, .table = 42, .metric = 1024, .ifindex = 7}},
    {"ipv4-prohibit", "0.0.0.0/0", {.type = RTN_PROHIBIT, .table = 42, .metric = G_MAXUINT32}},
    {"ipv6-prohibit", "::/0", {.type = RTN_PROHIBIT, .table = 42, .metric = G_MAXUINT32}},
    {"ipv4-throw", "192.168.1.0/24", {.type = RTN_THROW, .table = G_MAXUINT32}},
    {"ipv6-throw", "fd77::/64", {.type = RTN_THROW, .table = 42, .metric = 1024}},
    {"ipv4-host", "10.0.0.1", {.type = RTN_THROW, .table = 1}},
    {"ipv6-host", "fd77::1", {.type = RTN_THROW, .table = 1}},
};

static CgRoute
route_of (const struct RouteCase *test)
{
  CgRoute route = test->route;
  g_assert_true (cg_prefix_parse (test->destination, &route.destination));
  route.family = route.destination.family;
  route.protocol = CG_PROTOCOL;
  return route;
}

static void
route_comes_back (gconstpointer data)
{
  CgRoute route = route_of (data);
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) routes = cg_routes_new ();
  cg_rtnl_put_route (message, &route, TRUE);
  g_assert_cmpint (message->nlmsg_type, ==, RTM_NEWROUTE);
  g_assert_cmphex (message->nlmsg_flags, ==, NLM_F_CREATE | NLM_F_EXCL);
  g_assert_true (cg_rtnl_parse_route (message, routes));
  g_assert_cmpuint (routes->len, ==, 1);
  g_assert_cmpint (cg_route_compare (&g_array_index (routes, CgRoute, 0), &route), ==, 0);
}

static void
deleting_names_the_same (gconstpointer data)
{
  CgRoute route = route_of (data);
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) routes = cg_routes_new ();
  cg_rtnl_put_route (message, &route, FALSE);
  g_assert_cmpint (message->nlmsg_type, ==, RTM_DELROUTE);
  g_assert_cmphex (message->nlmsg_flags, ==, 0);
  const struct rtmsg *header = mnl_nlmsg_get_payload (message);
  g_assert_cmpint (header->rtm_scope, ==, RT_SCOPE_NOWHERE);
  g_assert_true (cg_rtnl_parse_route (message, routes));
  g_assert_cmpuint (routes->len, ==, 0); /* not what the kernel says of a route that there is */
  message->nlmsg_type = RTM_NEWROUTE;
  g_assert_true (cg_rtnl_parse_route (message, routes));
  g_assert_cmpint (cg_route_compare (&g_array_index (routes, CgRoute, 0), &route), ==, 0);
}

/* What a message has besides what we would ask for. */
static const struct OddCase {
  const char *name;
  guint16 attribute;
  guint32 value;
  gboolean odd;
} odd_rule_cases[] = {
    {"fwmark", FRA_FWMARK, 1, TRUE},
    {"fwmask", FRA_FWMASK, 1, TRUE},
    {"incoming-interface", FRA_IIFNAME, 'l', TRUE},
    {"outgoing-interface", FRA_OIFNAME, 'l', TRUE},
    {"realm", FRA_FLOW, 1, TRUE},
    {"tunnel-id", FRA_TUN_ID, 1, TRUE},
    {"l3mdev", FRA_L3MDEV, 1, TRUE},
    {"ip-protocol", FRA_IP_PROTO, 6, TRUE},
    {"source-port", FRA_SPORT_RANGE, 0x10001, TRUE},
    {"destination-port", FRA_DPORT_RANGE, 0x10001, TRUE},
    {"goto", FRA_GOTO, 1, TRUE},
    {"suppresses-prefixes", FRA_SUPPRESS_PREFIXLEN, 0, TRUE},
    {"suppresses-groups", FRA_SUPPRESS_IFGROUP, 0, TRUE},
    {"suppresses-no-prefixes", FRA_SUPPRESS_PREFIXLEN, G_MAXUINT32, FALSE},
    {"suppresses-no-groups", FRA_SUPPRESS_IFGROUP, G_MAXUINT32, FALSE},
    {"attribute-of-a-later-kernel", FRA_MAX + 7, 1, FALSE},
};

static void
knows_odd_rule (gconstpointer data)
{
  const struct OddCase *test = data;
  Message space, again;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) rules = cg_rules_new ();
  cg_rtnl_put_rule (message, &rule_cases[0].rule, TRUE);
  mnl_attr_put_u32 (message, test->attribute, test->value);
  g_assert_true (cg_rtnl_parse_rule (message, rules));
  const CgRule *rule = &g_array_index (rules, CgRule, 0);
  g_assert_cmpint (rule->odd, ==, test->odd);
  g_assert_cmpint (rule->message != NULL, ==, test->odd);
  if (!test->odd)
    return;
  /* deleted by all that it says, lest another goes in its place */
  struct nlmsghdr *request = mnl_nlmsg_put_header (&again);
  cg_rtnl_put_rule (request, rule, FALSE);
  g_assert_cmpint (request->nlmsg_type, ==, RTM_DELRULE);
  g_assert_cmpmem (mnl_nlmsg_get_payload (request), mnl_nlmsg_get_payload_len (request),
                   mnl_nlmsg_get_payload (message), mnl_nlmsg_get_payload_len (message));
}

static const struct OddCase odd_route_cases[] = {
    {"gateway", RTA_GATEWAY, 1, TRUE},
    {"gateway-of-the-other-family", RTA_VIA, 1, TRUE},
    {"several-next-hops", RTA_MULTIPATH, 0, TRUE},
    {"next-hop-object", RTA_NH_ID, 1, TRUE},
    {"encapsulation", RTA_ENCAP, 0, TRUE},
    {"preferred-source", RTA_PREFSRC, 1, TRUE},
    {"route-preference", RTA_PREF, 0, FALSE},
    {"cache-information", RTA_CACHEINFO, 0, FALSE},
    {"attribute-of-a-later-kernel", RTA_MAX + 7, 1, FALSE},
};

static void
knows_odd_route (gconstpointer data)
{
  const struct OddCase *test = data;
  CgRoute route = route_of (&route_cases[0]);
  Message space, again;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) routes = cg_routes_new ();
  cg_rtnl_put_route (message, &route, TRUE);
  mnl_attr_put_u32 (message, test->attribute, test->value);
  g_assert_true (cg_rtnl_parse_route (message, routes));
  const CgRoute *parsed = &g_array_index (routes, CgRoute, 0);
  g_assert_cmpint (parsed->odd, ==, test->odd);
  g_assert_cmpint (parsed->message != NULL, ==, test->odd);
  if (!test->odd)
    return;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&again);
  cg_rtnl_put_route (request, parsed, FALSE);
  g_assert_cmpmem (mnl_nlmsg_get_payload (request), mnl_nlmsg_get_payload_len (request),
                   mnl_nlmsg_get_payload (message), mnl_nlmsg_get_payload_len (message));
}

typedef gboolean (*Parse) (const struct nlmsghdr *message, GArray *out);

/* An attribute of size bytes, appended to an otherwise good message. */
static const struct SizeCase {
  const char *name;
  guint16 message;
  guint16 attribute;
  guint8 size;
} size_cases[] = {
    {"rule/priority-too-short", RTM_NEWRULE, FRA_PRIORITY, 2},
    {"rule/priority-too-long", RTM_NEWRULE, FRA_PRIORITY, 8},
    {"rule/table-too-short", RTM_NEWRULE, FRA_TABLE, 1},
    {"rule/table-too-long", RTM_NEWRULE, FRA_TABLE, 8},
    {"rule/protocol-empty", RTM_NEWRULE, FRA_PROTOCOL, 0},
    {"rule/protocol-too-long", RTM_NEWRULE, FRA_PROTOCOL, 4},
    {"rule/suppress-prefixlen-too-short", RTM_NEWRULE, FRA_SUPPRESS_PREFIXLEN, 3},
    {"rule/suppress-ifgroup-too-short", RTM_NEWRULE, FRA_SUPPRESS_IFGROUP, 3},
    {"rule/uid-range-too-short", RTM_NEWRULE, FRA_UID_RANGE, 4},
    {"rule/uid-range-too-long", RTM_NEWRULE, FRA_UID_RANGE, 12},
    {"route/table-too-short", RTM_NEWROUTE, RTA_TABLE, 2},
    {"route/table-too-long", RTM_NEWROUTE, RTA_TABLE, 8},
    {"route/metric-too-short", RTM_NEWROUTE, RTA_PRIORITY, 0},
    {"route/metric-too-long", RTM_NEWROUTE, RTA_PRIORITY, 8},
    {"route/interface-too-short", RTM_NEWROUTE, RTA_OIF, 3},
    {"route/interface-too-long", RTM_NEWROUTE, RTA_OIF, 5},
    {"route/destination-too-short", RTM_NEWROUTE, RTA_DST, 3},
    {"route/destination-of-the-other-family", RTM_NEWROUTE, RTA_DST, 16},
    {"address/flags-too-short", RTM_NEWADDR, IFA_FLAGS, 1},
    {"address/flags-too-long", RTM_NEWADDR, IFA_FLAGS, 8},
    {"address/own-too-short", RTM_NEWADDR, IFA_LOCAL, 3},
    {"address/other-of-the-other-family", RTM_NEWADDR, IFA_ADDRESS, 16},
};

static struct nlmsghdr *
put_good (Message *space, guint16 type, Parse *parse, GArray **out)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  CgRoute route = route_of (&route_cases[4]);
  switch (type) {
  case RTM_NEWRULE:
    cg_rtnl_put_rule (message, &rule_cases[0].rule, TRUE);
    *parse = cg_rtnl_parse_rule;
    *out = cg_rules_new ();
    break;
  case RTM_NEWROUTE:
    cg_rtnl_put_route (message, &route, TRUE);
    *parse = cg_rtnl_parse_route;
    *out = cg_routes_new ();
    break;
  case RTM_NEWADDR:
    cg_rtnl_get_addresses (message, AF_INET);
    ((struct ifaddrmsg *) mnl_nlmsg_get_payload (message))->ifa_index = 7;
    *parse = cg_rtnl_parse_address;
    *out = g_array_new (FALSE, TRUE, sizeof (CgAddress));
    break;
  default:
    cg_rtnl_get_link (message, "wg0");
    ((struct ifinfomsg *) mnl_nlmsg_get_payload (message))->ifi_index = 7;
    *parse = cg_rtnl_parse_link;
    *out = g_array_new (FALSE, TRUE, sizeof (CgLink));
  }
  message->nlmsg_type = type;
  return message;
}

static void
refuses_size (gconstpointer data)
{
  static const guint8 zeros[16];
  const struct SizeCase *test = data;
  Message space;
  Parse parse;
  g_autoptr (GArray) out = NULL;
  struct nlmsghdr *message = put_good (&space, test->message, &parse, &out);
  mnl_attr_put (message, test->attribute, test->size, zeros);
  g_assert_false (parse (message, out));
  g_assert_cmpuint (out->len, ==, 0);
}

/* The same bytes, in memory that ends where the message ends. */
static struct nlmsghdr *
cut (const struct nlmsghdr *message, guint32 length)
{
  struct nlmsghdr *copy = g_memdup2 (message, MAX (length, sizeof *copy));
  copy->nlmsg_len = length;
  return copy;
}

/* The machine's address, the other one of the message, and what it leads to. */
static const struct NetworkCase {
  const char *name;
  const char *local; /* NULL: the message has none */
  const char *address;
  guint8 length;
  const char *own, *network;
} network_cases[] = {
    {"of-a-network", "10.64.0.2", "10.64.0.2", 24, "10.64.0.2", "10.64.0.0/24"},
    {"other-end", "10.64.0.2", "10.9.0.1", 32, "10.64.0.2", "10.9.0.1/32"},
    {"ipv6", NULL, "fd77::2", 64, "fd77::2", "fd77::/64"},
    {"length-beyond-the-address", "10.64.0.2", "10.64.0.2", 255, "10.64.0.2", "10.64.0.2/32"},
};

static void
reads_network (gconstpointer data)
{
  const struct NetworkCase *test = data;
  Message space;
  CgPrefix own, other, network;
  g_autoptr (GArray) out = g_array_new (FALSE, TRUE, sizeof (CgAddress));
  g_assert_true (cg_prefix_parse (test->address, &other));
  g_assert_true (cg_prefix_parse (test->own, &own));
  g_assert_true (cg_prefix_parse (test->network, &network));
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  cg_rtnl_get_addresses (message, other.family);
  message->nlmsg_type = RTM_NEWADDR;
  ((struct ifaddrmsg *) mnl_nlmsg_get_payload (message))->ifa_prefixlen = test->length;
  mnl_attr_put (message, IFA_ADDRESS, cg_family_bytes (other.family), other.address);
  if (test->local)
    mnl_attr_put (message, IFA_LOCAL, cg_family_bytes (own.family), own.address);
  g_assert_true (cg_rtnl_parse_address (message, out));
  const CgAddress *address = &g_array_index (out, CgAddress, 0);
  g_assert_true (cg_prefix_equal (&address->address, &own));
  g_assert_true (cg_prefix_equal (&address->network, &network));
}

static const struct CutCase {
  const char *name;
  guint16 type;
  gsize header;
} cut_cases[] = {
    {"link", RTM_NEWLINK, sizeof (struct ifinfomsg)},
    {"address", RTM_NEWADDR, sizeof (struct ifaddrmsg)},
    {"rule", RTM_NEWRULE, sizeof (struct fib_rule_hdr)},
    {"route", RTM_NEWROUTE, sizeof (struct rtmsg)},
};

static void
refuses_cut_header (gconstpointer data)
{
  const struct CutCase *test = data;
  Message space;
  Parse parse;
  g_autoptr (GArray) out = NULL;
  const struct nlmsghdr *message = put_good (&space, test->type, &parse, &out);
  for (guint32 length = NLMSG_HDRLEN; length < NLMSG_HDRLEN + test->header; length++) {
    g_autofree struct nlmsghdr *part = cut (message, length);
    g_assert_false (parse (part, out));
  }
  g_assert_cmpuint (out->len, ==, 0);
}

/* Cut between two attributes a message is a whole one that says less; cut inside of one it is
 * malformed. Either way nothing behind its end is read, which only a sanitizer sees. */
static void
refuses_cut_attribute (gconstpointer data)
{
  const struct CutCase *test = data;
  Message space;
  Parse parse;
  g_autoptr (GArray) out = NULL;
  const struct nlmsghdr *message = put_good (&space, test->type, &parse, &out);
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, test->header)
  {
    guint32 start = (guint32) ((const guint8 *) attribute - (const guint8 *) message);
    for (guint32 length = start; length < start + attribute->nla_len; length++) {
      g_autofree struct nlmsghdr *part = cut (message, length);
      if (parse (part, out) != (length == start))
        g_test_fail_printf ("%u of %u bytes were %s", length, message->nlmsg_len,
                            length == start ? "refused" : "taken for a whole message");
    }
  }
}

static void
other_types_say_nothing (void)
{
  static const guint16 types[] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWRULE, RTM_NEWROUTE};
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    for (guint j = 0; j < G_N_ELEMENTS (types); j++) {
      Message space;
      Parse parse;
      g_autoptr (GArray) out = NULL;
      struct nlmsghdr *message = put_good (&space, types[i], &parse, &out);
      message->nlmsg_type = types[j];
      g_assert_true (parse (message, out));
      g_assert_cmpuint (out->len, ==, i == j ? 1 : 0);
    }
}

static void
other_families_say_nothing (void)
{
  static const guint16 types[] = {RTM_NEWRULE, RTM_NEWROUTE};
  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    Message space;
    Parse parse;
    g_autoptr (GArray) out = NULL;
    struct nlmsghdr *message = put_good (&space, types[i], &parse, &out);
    *(guint8 *) mnl_nlmsg_get_payload (message) = RTNL_FAMILY_IPMR;
    g_assert_true (parse (message, out));
    g_assert_cmpuint (out->len, ==, 0);
  }
}

static void
refuses_nonsense (void)
{
  Message space;
  Parse parse;
  GArray *out;
  struct nlmsghdr *message = put_good (&space, RTM_NEWRULE, &parse, &out);
  struct fib_rule_uid_range backwards = {.start = 9, .end = 8};
  mnl_attr_put (message, FRA_UID_RANGE, sizeof backwards, &backwards);
  g_assert_false (parse (message, out));
  g_array_unref (out);
  message = put_good (&space, RTM_NEWROUTE, &parse, &out);
  ((struct rtmsg *) mnl_nlmsg_get_payload (message))->rtm_dst_len = 33;
  g_assert_false (parse (message, out));
  g_array_unref (out);
  message = put_good (&space, RTM_NEWLINK, &parse, &out);
  ((struct ifinfomsg *) mnl_nlmsg_get_payload (message))->ifi_index = 0;
  g_assert_false (parse (message, out));
  g_array_unref (out);
}

/* A link of that kind. data: what the kind says of itself, of so many bytes; what is said of the
 * lengths of it, of what holds it, and of the attribute in it may be untrue. */
typedef struct {
  const char *name;
  const char *kind;
  guint16 attribute;        /* 0: no data at all */
  guint16 size;             /* of its value */
  gint16 inner, data, info; /* by how much the lengths lie */
  gboolean kind_last;
  guint16 port;
} PortCase;

static const PortCase port_cases[] = {
    {.name = "vxlan", .kind = "vxlan", .attribute = IFLA_VXLAN_PORT, .size = 2, .port = 0x1234},
    {.name = "geneve", .kind = "geneve", .attribute = IFLA_GENEVE_PORT, .size = 2, .port = 0x1234},
    {.name = "bareudp",
     .kind = "bareudp",
     .attribute = IFLA_BAREUDP_PORT,
     .size = 2,
     .port = 0x1234},
    {.name = "kind-behind-its-data",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .kind_last = TRUE,
     .port = 0x1234},
    {.name = "another-attribute", .kind = "vxlan", .attribute = IFLA_VXLAN_TTL, .size = 2},
    {.name = "another-kind", .kind = "wireguard", .attribute = IFLA_VXLAN_PORT, .size = 2},
    {.name = "no-data", .kind = "vxlan"},
    {.name = "too-short", .kind = "vxlan", .attribute = IFLA_VXLAN_PORT, .size = 1},
    {.name = "empty", .kind = "vxlan", .attribute = IFLA_VXLAN_PORT, .size = 0},
    {.name = "too-long", .kind = "vxlan", .attribute = IFLA_VXLAN_PORT, .size = 4},
    {.name = "inner-past-the-end",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .inner = 4},
    {.name = "inner-shorter-than-its-header",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .inner = -4},
    {.name = "data-past-the-end",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .data = 4},
    {.name = "data-shorter-than-its-header",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .data = -10},
    {.name = "data-that-ends-in-the-port",
     .kind = "vxlan",
     .attribute = IFLA_VXLAN_PORT,
     .size = 2,
     .data = -3},
};

static void
lie (struct nlattr *attribute, gint16 by)
{
  attribute->nla_len = (guint16) (attribute->nla_len + by);
}

static struct nlmsghdr *
put_tunnel (Message *space, const PortCase *test)
{
  static const guint8 value[] = {0x12, 0x34, 0x12, 0x34};
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  message->nlmsg_type = RTM_NEWLINK;
  struct ifinfomsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ifi_index = 7;
  struct nlattr *info = mnl_attr_nest_start (message, IFLA_LINKINFO);
  if (!test->kind_last)
    mnl_attr_put_strz (message, IFLA_INFO_KIND, test->kind);
  if (test->attribute) {
    struct nlattr *data = mnl_attr_nest_start (message, IFLA_INFO_DATA);
    struct nlattr *inner = mnl_nlmsg_get_payload_tail (message);
    mnl_attr_put (message, test->attribute, test->size, value);
    mnl_attr_nest_end (message, data);
    lie (inner, test->inner);
    lie (data, test->data);
  }
  if (test->kind_last)
    mnl_attr_put_strz (message, IFLA_INFO_KIND, test->kind);
  mnl_attr_nest_end (message, info);
  lie (info, test->info);
  return message;
}

/* In memory that ends where the message ends, so that a sanitizer sees a read past it. */
static void
reads_port (gconstpointer data)
{
  const PortCase *test = data;
  Message space;
  const struct nlmsghdr *message = put_tunnel (&space, test);
  g_autofree struct nlmsghdr *exact = cut (message, message->nlmsg_len);
  g_autoptr (GArray) links = g_array_new (FALSE, TRUE, sizeof (CgLink));
  g_assert_true (cg_rtnl_parse_link (exact, links));
  g_assert_cmpuint (links->len, ==, 1);
  const CgLink *link = &g_array_index (links, CgLink, 0);
  g_assert_cmpuint (link->port, ==, test->port);
  g_assert_cmpstr (link->kind, ==, test->kind);
}

/* What holds it all must not reach past the message. */
static void
refuses_a_nest_past_the_end (void)
{
  const PortCase test = {.kind = "vxlan", .attribute = IFLA_VXLAN_PORT, .size = 2, .info = 4};
  Message space;
  const struct nlmsghdr *message = put_tunnel (&space, &test);
  g_autofree struct nlmsghdr *exact = cut (message, message->nlmsg_len);
  g_autoptr (GArray) links = g_array_new (FALSE, TRUE, sizeof (CgLink));
  g_assert_false (cg_rtnl_parse_link (exact, links));
}

static void
all_links_are_asked_for_without_statistics (void)
{
  Message space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  cg_rtnl_get_links (request);
  g_assert_cmpint (request->nlmsg_type, ==, RTM_GETLINK);
  g_assert_cmphex (request->nlmsg_flags & NLM_F_DUMP, ==, NLM_F_DUMP);
  const struct nlattr *attribute;
  guint seen = 0;
  mnl_attr_for_each (attribute, request, sizeof (struct ifinfomsg))
  {
    seen++;
    g_assert_cmpint (mnl_attr_get_type (attribute), ==, IFLA_EXT_MASK);
    g_assert_cmphex (mnl_attr_get_u32 (attribute), ==, RTEXT_FILTER_SKIP_STATS);
  }
  g_assert_cmpuint (seen, ==, 1);
}

/* Root's packet to the whole address, and no dump. */
static void
a_route_is_asked_for_by_its_destination (void)
{
  static const struct {
    const char *address;
    guint8 family, bits, bytes;
  } cases[] = {{"192.0.2.1", AF_INET, 32, 4}, {"2001:db8::1", AF_INET6, 128, 16}};
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Message space;
    CgPrefix address;
    struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
    g_assert_true (cg_prefix_parse (cases[i].address, &address));
    cg_rtnl_get_route_to (request, &address);
    const struct rtmsg *header = mnl_nlmsg_get_payload (request);
    const struct nlattr *destination = mnl_nlmsg_get_payload_offset (request, sizeof *header);
    g_assert_cmpint (request->nlmsg_type, ==, RTM_GETROUTE);
    g_assert_cmphex (request->nlmsg_flags & NLM_F_DUMP, ==, 0);
    g_assert_cmpint (header->rtm_family, ==, cases[i].family);
    g_assert_cmpint (header->rtm_dst_len, ==, cases[i].bits);
    g_assert_cmpint (mnl_attr_get_type (destination), ==, RTA_DST);
    g_assert_cmpmem (mnl_attr_get_payload (destination), mnl_attr_get_payload_len (destination),
                     address.address, cases[i].bytes);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/rtnl/rule", rule_cases, rule_comes_back);
  ADD_CASES ("/rtnl/route", route_cases, route_comes_back);
  ADD_CASES ("/rtnl/route-deleted", route_cases, deleting_names_the_same);
  ADD_CASES ("/rtnl/odd-rule", odd_rule_cases, knows_odd_rule);
  ADD_CASES ("/rtnl/odd-route", odd_route_cases, knows_odd_route);
  ADD_CASES ("/rtnl/size", size_cases, refuses_size);
  ADD_CASES ("/rtnl/cut-header", cut_cases, refuses_cut_header);
  ADD_CASES ("/rtnl/cut-attribute", cut_cases, refuses_cut_attribute);
  g_test_add_func ("/rtnl/other-types-say-nothing", other_types_say_nothing);
  g_test_add_func ("/rtnl/other-families-say-nothing", other_families_say_nothing);
  g_test_add_func ("/rtnl/nonsense", refuses_nonsense);
  ADD_CASES ("/rtnl/network", network_cases, reads_network);
  ADD_CASES ("/rtnl/port", port_cases, reads_port);
  g_test_add_func ("/rtnl/port/nest-past-the-end", refuses_a_nest_past_the_end);
  g_test_add_func ("/rtnl/get-links", all_links_are_asked_for_without_statistics);
  g_test_add_func ("/rtnl/get-route-to", a_route_is_asked_for_by_its_destination);
  return g_test_run ();
}
