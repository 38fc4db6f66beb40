/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event-filter.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "guard.h"
#include "netlink.h"
#include "nft.h"

#define OWN    4711 /* the port of our own run */
#define OTHERS 815
#define TABLE  1000 /* a Table= */

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static CgEventFilter *
filter_new (void)
{
  static const char *const names[] = {"wg0", NULL};
  const guint32 table = TABLE;
  CgEventFilter *filter = cg_event_filter_new ();
  g_assert_true (cg_event_filter_set_interfaces (filter, names));
  g_assert_true (cg_event_filter_set_tables (filter, &table, 1));
  return filter;
}

static struct nlmsghdr *
start (Message *space, guint16 type, guint32 port)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  message->nlmsg_type = type;
  message->nlmsg_pid = port;
  return message;
}

static CgConcern
hear (CgEventFilter *filter, const struct nlmsghdr *message)
{
  CgCulprit culprit = {0};
  return cg_event_filter_in_route (filter, message, OWN, &culprit);
}

static CgConcern
link_changes (CgEventFilter *filter, guint16 type, int ifindex, const char *name)
{
  Message space;
  struct nlmsghdr *message = start (&space, type, 0);
  struct ifinfomsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ifi_index = ifindex;
  mnl_attr_put_strz (message, IFLA_IFNAME, name);
  return hear (filter, message);
}

static CgConcern
address_changes (CgEventFilter *filter, guint32 ifindex)
{
  Message space;
  struct nlmsghdr *message = start (&space, RTM_NEWADDR, 0);
  struct ifaddrmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ifa_index = ifindex;
  return hear (filter, message);
}

static void
a_tunnel_is_followed_through_its_life (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 7, "wg0"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 7, "other"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 7, "other"), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 7, "wg0"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (link_changes (filter, RTM_DELLINK, 7, "wg0"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 9, "wg0"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (address_changes (filter, 9), ==, CG_CONCERN_TUNNEL);
}

static void
other_interfaces_do_not_concern_us_but_loopback_does (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 3, "eth0"), ==, CG_CONCERN_NONE);
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_DELLINK, 3, "eth0"), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 1, "lo"), ==, CG_CONCERN_TUNNEL);
}

/* A bridge tells of its ports in messages of its own, and that one is no longer its port is no end
 * of the interface. */
static void
what_a_bridge_says_of_a_port_does_not_concern_us (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 7, "wg0"), ==, CG_CONCERN_TUNNEL);
  Message space;
  struct nlmsghdr *message = start (&space, RTM_DELLINK, 0);
  struct ifinfomsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ifi_family = AF_BRIDGE;
  header->ifi_index = 7;
  mnl_attr_put_strz (message, IFLA_IFNAME, "wg0");
  g_assert_cmpint (hear (filter, message), ==, CG_CONCERN_NONE);
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_TUNNEL);
}

static void
every_interface_may_be_one_that_is_not_known (void)
{
  static const char *const names[] = {CG_ANY_INTERFACE, NULL}, *const none[] = {NULL};
  g_autoptr (CgEventFilter) filter = filter_new ();
  cg_event_filter_set_interfaces (filter, names);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 3, "tun3"), ==, CG_CONCERN_TUNNEL);
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_TUNNEL);
  cg_event_filter_set_interfaces (filter, none);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 3, "tun3"), ==, CG_CONCERN_NONE);
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_NONE);
}

static void
one_that_stays_keeps_its_index (void)
{
  static const char *const more[] = {"wg0", "wg1", NULL}, *const less[] = {"wg1", NULL};
  g_autoptr (CgEventFilter) filter = filter_new ();
  link_changes (filter, RTM_NEWLINK, 7, "wg0");
  g_assert_true (cg_event_filter_set_interfaces (filter, more));
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_TUNNEL);
  g_assert_false (cg_event_filter_set_interfaces (filter, more));
  g_assert_false (cg_event_filter_set_interfaces (filter, less));
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_NONE);
}

static CgConcern
rule_changes (CgEventFilter *filter, guint8 protocol, guint32 port)
{
  Message space;
  struct nlmsghdr *message = start (&space, RTM_DELRULE, port);
  struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->family = AF_INET;
  mnl_attr_put_u32 (message, FRA_PRIORITY, 500);
  mnl_attr_put_u8 (message, FRA_PROTOCOL, protocol);
  return hear (filter, message);
}

static void
rules_of_ours_that_others_touch (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (rule_changes (filter, CG_PROTOCOL, OTHERS), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (rule_changes (filter, CG_PROTOCOL, 0), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (rule_changes (filter, CG_PROTOCOL, OWN), ==, CG_CONCERN_NONE);
  g_assert_cmpint (rule_changes (filter, RTPROT_STATIC, OTHERS), ==, CG_CONCERN_NONE);
}

static CgConcern
route_changes (CgEventFilter *filter, guint8 protocol, guint32 table, guint32 port)
{
  Message space;
  struct nlmsghdr *message = start (&space, RTM_NEWROUTE, port);
  struct rtmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->rtm_family = AF_INET6;
  header->rtm_protocol = protocol;
  mnl_attr_put_u32 (message, RTA_TABLE, table);
  return hear (filter, message);
}

static void
routes_of_ours_and_in_our_tables (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (route_changes (filter, RTPROT_BOOT, 254, OTHERS), ==, CG_CONCERN_NONE);
  g_assert_cmpint (route_changes (filter, CG_PROTOCOL, 254, OTHERS), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (route_changes (filter, CG_PROTOCOL, 254, OWN), ==, CG_CONCERN_NONE);
  g_assert_cmpint (route_changes (filter, RTPROT_BOOT, TABLE, OTHERS), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (route_changes (filter, RTPROT_BOOT, 198000000, OTHERS), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (route_changes (filter, RTPROT_BOOT, 198999999, OTHERS), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (route_changes (filter, RTPROT_BOOT, 199000000, OTHERS), ==, CG_CONCERN_NONE);
}

/* A guard must know the machine's addresses, whatever interface has them. */
static void
addresses_of_any_interface_while_there_is_a_guard (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_NONE);
  cg_event_filter_set_machine (filter, TRUE, FALSE);
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_CHECK);
  link_changes (filter, RTM_NEWLINK, 7, "wg0");
  g_assert_cmpint (address_changes (filter, 7), ==, CG_CONCERN_TUNNEL);
  cg_event_filter_set_machine (filter, FALSE, FALSE);
  g_assert_cmpint (address_changes (filter, 3), ==, CG_CONCERN_NONE);
}

static CgConcern
tunnel_of_another_comes (CgEventFilter *filter, const char *kind, guint16 port)
{
  Message space;
  struct nlmsghdr *message = start (&space, RTM_NEWLINK, OTHERS);
  struct ifinfomsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ifi_index = 9;
  mnl_attr_put_strz (message, IFLA_IFNAME, "other");
  struct nlattr *info = mnl_attr_nest_start (message, IFLA_LINKINFO);
  mnl_attr_put_strz (message, IFLA_INFO_KIND, kind);
  struct nlattr *data = mnl_attr_nest_start (message, IFLA_INFO_DATA);
  mnl_attr_put_u16 (message, IFLA_VXLAN_PORT, htons (port));
  mnl_attr_nest_end (message, data);
  mnl_attr_nest_end (message, info);
  return hear (filter, message);
}

/* What is sent to its port by loopback the kernel would unwrap. */
static void
tunnels_that_unwrap_udp_while_there_is_a_guard (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  g_assert_cmpint (tunnel_of_another_comes (filter, "vxlan", 4789), ==, CG_CONCERN_NONE);
  cg_event_filter_set_machine (filter, TRUE, FALSE);
  g_assert_cmpint (tunnel_of_another_comes (filter, "vxlan", 4789), ==, CG_CONCERN_CHECK);
  g_assert_cmpint (tunnel_of_another_comes (filter, "dummy", 4789), ==, CG_CONCERN_NONE);
  g_assert_cmpint (link_changes (filter, RTM_NEWLINK, 9, "other"), ==, CG_CONCERN_NONE);
}

/* They say by which interface a bypass leads. */
static void
routes_of_the_machine_while_there_is_a_bypass (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  cg_event_filter_set_machine (filter, TRUE, FALSE);
  g_assert_cmpint (route_changes (filter, RTPROT_DHCP, RT_TABLE_MAIN, OTHERS), ==, CG_CONCERN_NONE);
  cg_event_filter_set_machine (filter, TRUE, TRUE);
  g_assert_cmpint (route_changes (filter, RTPROT_DHCP, RT_TABLE_MAIN, OTHERS), ==,
                   CG_CONCERN_CHECK);
  g_assert_cmpint (route_changes (filter, RTPROT_DHCP, 77, OTHERS), ==, CG_CONCERN_NONE);
  g_assert_cmpint (route_changes (filter, CG_PROTOCOL, RT_TABLE_MAIN, OTHERS), ==, CG_CONCERN_LOSS);
}

static CgConcern
filter_changes (CgEventFilter *filter, int ifindex, guint16 what, guint32 own)
{
  Message space;
  CgCulprit culprit;
  struct nlmsghdr *message = start (&space, RTM_NEWNETCONF, 0);
  struct netconfmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->ncm_family = AF_INET;
  mnl_attr_put_u32 (message, NETCONFA_IFINDEX, (guint32) ifindex);
  mnl_attr_put_u32 (message, what, 1);
  return cg_event_filter_in_route (filter, message, own, &culprit);
}

static void
the_reverse_path_filter (void)
{
  g_autoptr (CgEventFilter) filter = filter_new ();
  link_changes (filter, RTM_NEWLINK, 7, "wg0");
  g_assert_cmpint (filter_changes (filter, 7, NETCONFA_RP_FILTER, 0), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (filter_changes (filter, -1, NETCONFA_RP_FILTER, 0), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (filter_changes (filter, 8, NETCONFA_RP_FILTER, 0), ==, CG_CONCERN_NONE);
  g_assert_cmpint (filter_changes (filter, 7, NETCONFA_FORWARDING, 0), ==, CG_CONCERN_NONE);
  g_assert_cmpint (filter_changes (filter, 7, NETCONFA_RP_FILTER, OWN), ==, CG_CONCERN_NONE);
}

static CgConcern
nft_says (guint8 type, const char *table, guint32 port, CgCulprit *culprit)
{
  Message space;
  struct nlmsghdr *message = start (&space, (guint16) (NFNL_SUBSYS_NFTABLES << 8 | type), port);
  mnl_nlmsg_put_extra_header (message, sizeof (struct nfgenmsg));
  if (type == NFT_MSG_NEWGEN)
    mnl_attr_put_strz (message, NFTA_GEN_PROC_NAME, "rogue");
  else
    mnl_attr_put_strz (message, CG_NFT_TABLE, table);
  return cg_event_filter_in_nft (message, OWN, culprit);
}

static void
guards_and_who_broke_them (void)
{
  CgCulprit culprit = {0};
  g_assert_cmpint (nft_says (NFT_MSG_DELTABLE, "filter", OTHERS, &culprit), ==, CG_CONCERN_NONE);
  g_assert_cmpint (nft_says (NFT_MSG_NEWGEN, NULL, OTHERS, &culprit), ==, CG_CONCERN_NONE);
  g_assert_cmpstr (culprit.name, ==, "");
  g_assert_cmpint (nft_says (NFT_MSG_DELTABLE, CG_GUARD_TABLE_NAME "-x", OTHERS, &culprit), ==,
                   CG_CONCERN_NONE);
  g_assert_cmpint (nft_says (NFT_MSG_DELTABLE, CG_GUARD_TABLE_NAME, OWN, &culprit), ==,
                   CG_CONCERN_NONE);
  g_assert_cmpint (nft_says (NFT_MSG_DELTABLE, CG_GUARD_TABLE_NAME, OTHERS, &culprit), ==,
                   CG_CONCERN_LOSS);
  g_assert_cmpuint (culprit.port, ==, OTHERS);
  g_assert_cmpint (nft_says (NFT_MSG_NEWGEN, NULL, OTHERS + 1, &culprit), ==, CG_CONCERN_NONE);
  g_assert_cmpstr (culprit.name, ==, "");
  g_assert_cmpint (nft_says (NFT_MSG_NEWGEN, NULL, OTHERS, &culprit), ==, CG_CONCERN_NONE);
  g_assert_cmpstr (culprit.name, ==, "rogue");
}

static CgConcern
firewall_says (guint8 type, guint8 family, const char *table, const char *chain, guint32 port)
{
  Message space;
  CgCulprit culprit = {0};
  struct nlmsghdr *message = start (&space, (guint16) (NFNL_SUBSYS_NFTABLES << 8 | type), port);
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->nfgen_family = family;
  mnl_attr_put_strz (message, CG_NFT_TABLE, table);
  mnl_attr_put_strz (message, NFTA_RULE_CHAIN, chain); /* of an element, the name of its set */
  CgConcern concern = cg_event_filter_in_nft (message, OWN, &culprit);
  g_assert_cmpuint (culprit.port, ==, 0); /* a firewall may do as it likes */
  return concern;
}

static void
rules_where_a_firewall_checks_the_reverse_path (void)
{
  static const char table[] = "firewalld", chain[] = "filter_PREROUTING";
  const guint8 inet = NFPROTO_INET;
  g_assert_cmpint (firewall_says (NFT_MSG_NEWRULE, inet, table, chain, OTHERS), ==,
                   CG_CONCERN_CHECK);
  g_assert_cmpint (firewall_says (NFT_MSG_DELRULE, inet, table, chain, OTHERS), ==,
                   CG_CONCERN_CHECK);
  g_assert_cmpint (firewall_says (NFT_MSG_NEWRULE, inet, table, chain, OWN), ==, CG_CONCERN_NONE);
  g_assert_cmpint (firewall_says (NFT_MSG_NEWRULE, NFPROTO_IPV6, table, chain, OTHERS), ==,
                   CG_CONCERN_NONE);
  g_assert_cmpint (firewall_says (NFT_MSG_NEWRULE, inet, table, "filter_INPUT", OTHERS), ==,
                   CG_CONCERN_NONE);
  g_assert_cmpint (firewall_says (NFT_MSG_NEWRULE, inet, "filter", chain, OTHERS), ==,
                   CG_CONCERN_NONE);
  g_assert_cmpint (firewall_says (NFT_MSG_NEWSETELEM, inet, table, chain, OTHERS), ==,
                   CG_CONCERN_NONE);
}

/* Whatever it was, it is looked at. */
static void
what_is_too_short_concerns_us (void)
{
  static const guint16 types[] = {RTM_NEWLINK,  RTM_DELLINK,  RTM_NEWADDR,
                                  RTM_DELADDR,  RTM_NEWRULE,  RTM_DELRULE,
                                  RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNETCONF};
  g_autoptr (CgEventFilter) filter = filter_new ();
  CgCulprit culprit;
  Message space;
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    g_assert_cmpint (hear (filter, start (&space, types[i], OTHERS)), !=, CG_CONCERN_NONE);
  struct nlmsghdr *message = start (&space, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, OTHERS);
  g_assert_cmpint (cg_event_filter_in_nft (message, OWN, &culprit), ==, CG_CONCERN_LOSS);
  g_assert_cmpint (hear (filter, start (&space, RTM_NEWNEIGH, OTHERS)), ==, CG_CONCERN_NONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/event-filter/tunnel", a_tunnel_is_followed_through_its_life);
  g_test_add_func ("/event-filter/others", other_interfaces_do_not_concern_us_but_loopback_does);
  g_test_add_func ("/event-filter/bridge", what_a_bridge_says_of_a_port_does_not_concern_us);
  g_test_add_func ("/event-filter/any", every_interface_may_be_one_that_is_not_known);
  g_test_add_func ("/event-filter/stays", one_that_stays_keeps_its_index);
  g_test_add_func ("/event-filter/rules", rules_of_ours_that_others_touch);
  g_test_add_func ("/event-filter/routes", routes_of_ours_and_in_our_tables);
  g_test_add_func ("/event-filter/addresses", addresses_of_any_interface_while_there_is_a_guard);
  g_test_add_func ("/event-filter/unwrapping", tunnels_that_unwrap_udp_while_there_is_a_guard);
  g_test_add_func ("/event-filter/main", routes_of_the_machine_while_there_is_a_bypass);
  g_test_add_func ("/event-filter/reverse-path", the_reverse_path_filter);
  g_test_add_func ("/event-filter/guards", guards_and_who_broke_them);
  g_test_add_func ("/event-filter/checks", rules_where_a_firewall_checks_the_reverse_path);
  g_test_add_func ("/event-filter/malformed", what_is_too_short_concerns_us);
  return g_test_run ();
}
