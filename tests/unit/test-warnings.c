/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The warnings of a run: names that go past the tunnel, and what others do. */

#include "warnings.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "link-dns.h"
#include "world.h"

static const char *const all[] = {NULL};

static const struct DnsCase {
  const char *name;
  const char *lines;
  const char *resolv_conf; /* the system's */
  const char *pattern;     /* NULL: no warning */
} dns_cases[] = {
    {"system-is-local", "Users=alice\n", "nameserver 127.0.0.53\n",
     "wg0: names are asked for past the tunnel: */etc/resolv.conf names 127.0.0.53, on this "
     "machine, *(now 192.0.2.1, 192.0.2.7)* give DNS="},
    {"second-is-local", "Users=alice\n", "nameserver 198.51.100.1\nnameserver ::1\n",
     "wg0: * ::1, on this machine, and the resolver there asks others as another user, *"},
    {"system-is-the-lans-address", "Users=alice\n", "nameserver 192.0.2.2\n",
     "wg0: * 192.0.2.2, on this machine, *"},
    {"system-is-the-tunnels-address", "Users=alice\n", "nameserver 10.64.0.2\n",
     "wg0: * 10.64.0.2, on this machine, *"},
    {"system-is-in-a-bypass", "Users=alice\nBypass=192.0.2.0/24\n", "nameserver 192.0.2.1\n",
     "wg0: names are asked for past the tunnel: /etc/resolv.conf names 192.0.2.1, to which "
     "Bypass=192.0.2.0/24 leads; give DNS="},
    {"system-is-the-lans-router", "Users=alice\n", "nameserver 192.0.2.1\n",
     "wg0: names may not be found: /etc/resolv.conf names 192.0.2.1, of the local network "
     "192.0.2.0/24, and questions to it go into the tunnel; give DNS="},
    {"system-is-the-lans-router-ipv6", "Users=alice\n", "nameserver 2001:db8:1::1\n",
     "wg0: names may not be found: * of the local network 2001:db8:1::/64, *"},
    {"system-is-of-one-interface", "Users=alice\n", "nameserver fe80::1%eth0\n",
     "wg0: names may not be found: /etc/resolv.conf names fe80::1%eth0, of one interface alone, *"},
    {"system-is-in-the-tunnel", "Users=alice\n", "nameserver 10.64.0.1\n", NULL},
    {"system-is-elsewhere", "Users=alice\n", "nameserver 198.51.100.1\n", NULL},
    {"users-read-the-systems", "Users=alice\nGuard=yes\nDNS=10.0.0.1\n", "nameserver 192.0.2.1\n",
     "wg0: the programs of Users= *192.0.2.1*"},
    {"guard-holds-a-local-one", "Users=alice\nGuard=yes\nDNS=10.0.0.1\n", "nameserver ::1\n",
     "wg0: the programs of Users= *::1*"},
    {"users-read-the-same", "Users=alice\nGuard=yes\nDNS=10.0.0.1\n", "nameserver 10.0.0.1\n",
     NULL},
    {"no-guard", "Users=alice\nGuard=no\nDNS=10.0.0.1\n", "nameserver 127.0.0.1\n",
     "wg0: with Guard=no *127.0.0.1*"},
    {"no-guard-and-the-lans-address", "Users=alice\nGuard=no\nDNS=10.0.0.1\n",
     "nameserver 192.0.2.2\n", "wg0: with Guard=no *192.0.2.2*"},
    {"no-guard-needed", "Users=alice\nGuard=no\nDNS=10.0.0.1\n", "nameserver 192.0.2.1\n", NULL},
    {"bypass-around-a-server", "Users=alice\nDNS=10.0.0.1\nBypass=10.0.0.0/8\n", "",
     "wg0: Bypass=10.0.0.0/8 covers the name server 10.0.0.1, which is reached through the tunnel "
     "all the same, and by no other way; *name 10.0.0.1 itself in Bypass="},
    {"bypass-is-the-server", "Users=alice\nDNS=10.0.0.1\nBypass=10.0.0.1\n", "",
     "wg0: names are asked for past the tunnel: Bypass= names the server 10.0.0.1 of DNS= itself"},
    {"server-on-loopback", "Users=alice\nDNS=127.0.0.1\nBypass=127.0.0.0/8\n", "", NULL},
};

static void
add_address (World *world, guint32 ifindex, const char *address, const char *network)
{
  CgAddress one = {.ifindex = ifindex};
  g_assert_true (cg_prefix_parse (address, &one.address));
  g_assert_true (cg_prefix_parse (network, &one.network));
  g_array_append_val (world->facts->addresses, one);
}

static void
warns_of_dns (gconstpointer data)
{
  const struct DnsCase *test = data;
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", test->lines, 7, LINK_ALL);
  add_address (world, 1, "127.0.0.1", "127.0.0.0/8");
  add_address (world, 2, "192.0.2.2", "192.0.2.0/24");
  add_address (world, 2, "2001:db8:1::2", "2001:db8:1::/64");
  add_address (world, 3, "10.64.0.9", "10.64.0.0/10");
  add_address (world, 7, "10.64.0.2", "10.64.0.0/24");
  cg_resolvconf_parse (test->resolv_conf, world->facts->resolvers);
  cg_resolvconf_parse_zoned (test->resolv_conf, world->facts->zoned);
  cg_resolvconf_parse ("nameserver 192.0.2.1\nnameserver 192.0.2.7\n", world->facts->upstream);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, test->pattern ? 1 : 0);
  if (test->pattern && !g_pattern_match_simple (test->pattern, warnings->pdata[0]))
    g_test_fail_printf ("'%s' is not '%s'", (char *) warnings->pdata[0], test->pattern);
}

/* The tunnel's other end chose it, so there is nothing to write into Bypass=. */
static void
warns_of_a_pushed_server_in_a_bypass (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = world_add (world, "wg0", "Users=alice\nDNS=auto\nBypass=10.0.0.1\n", 0, 0);
  cg_link_dns_add (tunnel->gateway->dns, "10.0.0.1 10.0.0.2");
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_cmpstr (warnings->pdata[0], ==,
                   "wg0: Bypass=10.0.0.1/32 covers the name server 10.0.0.1, which is reached "
                   "through the tunnel all the same, and by no other way");
}

static const struct RuleCase {
  const char *name;
  CgRule rule;
  gboolean warns;
} rule_cases[] = {
    {"for-everybody-before-ours",
     {AF_INET, RTPROT_BOOT, FR_ACT_TO_TBL, FALSE, 499, 52, {0, G_MAXUINT32}, NULL},
     TRUE},
    {"for-our-uid-before-ours",
     {AF_INET6, RTPROT_STATIC, FR_ACT_TO_TBL, FALSE, 10, 254, {1500, 1500}, NULL},
     TRUE},
    {"goto-before-ours",
     {AF_INET, RTPROT_BOOT, FR_ACT_GOTO, TRUE, 499, 0, {0, G_MAXUINT32}, NULL},
     TRUE},
    {"behind-ours",
     {AF_INET, RTPROT_BOOT, FR_ACT_TO_TBL, FALSE, 501, 52, {0, G_MAXUINT32}, NULL},
     FALSE},
    {"for-other-uids",
     {AF_INET, RTPROT_BOOT, FR_ACT_TO_TBL, FALSE, 10, 52, {1501, 1600}, NULL},
     FALSE},
    {"that-blocks",
     {AF_INET, RTPROT_BOOT, FR_ACT_PROHIBIT, FALSE, 10, 0, {0, G_MAXUINT32}, NULL},
     FALSE},
    {"of-table-local",
     {AF_INET, RTPROT_KERNEL, FR_ACT_TO_TBL, FALSE, 0, RT_TABLE_LOCAL, {0, G_MAXUINT32}, NULL},
     FALSE},
    {"of-ours", {AF_INET, CG_PROTOCOL, FR_ACT_TO_TBL, FALSE, 10, 42, {1500, 1500}, NULL}, FALSE},
};

static void
warns_of_rule (gconstpointer data)
{
  const struct RuleCase *test = data;
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\n", 0, 0);
  g_array_append_val (world->facts->rules, test->rule);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, test->warns ? 1 : 0);
  if (test->warns)
    g_assert_true (g_pattern_match_simple ("wg0: a rule that is not ours *", warnings->pdata[0]));
}

static void
warns_of_a_table_that_others_use (void)
{
  g_autoptr (World) world = world_new ();
  CgRoute route = {.family = AF_INET,
                   .protocol = RTPROT_STATIC,
                   .type = RTN_UNICAST,
                   .table = 42,
                   .destination = cg_prefix_default (AF_INET),
                   .ifname = "lan0"};
  CgTunnel *tunnel = world_add (world, "wg0", "Users=alice\nTable=42\n", 0, 0);
  tunnel->table = cg_facts_table_candidate (tunnel->gateway, 1);
  g_array_append_val (world->facts->foreign, route);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_true (g_pattern_match_simple ("wg0: table 42 holds a route that is not ours*"
                                         "default dev lan0 table 42*",
                                         warnings->pdata[0]));
}

/* Its gateways are g0, which has no guard, and g1 and more. */
static World *
world_of_kinds (const char *const *kinds)
{
  World *world = world_new ();
  for (guint i = 0; kinds[i]; i++) {
    g_autofree char *name = g_strdup_printf ("g%u", i);
    g_autofree char *lines = g_strdup_printf ("Users=%u\nGuard=%s\n", 2000 + i, i ? "yes" : "no");
    CgTunnel *tunnel = world_add (world, name, lines, 7, LINK_ALL);
    g_strlcpy (tunnel->kind, kinds[i], sizeof tunnel->kind);
  }
  return world;
}

/* In BPF the guard knows them by their sockets. */
static void
warns_of_a_tunnel_that_a_guard_by_uid_does_not_know (void)
{
  static const char *const kinds[] = {"gtp",  "gtp",   "wireguard", "tun",     "gre",
                                      "ovpn", "vxlan", "",          "bareudp", NULL};
  g_autoptr (World) world = world_of_kinds (kinds);
  g_autoptr (GPtrArray) none = cg_warnings (world->facts, all);
  g_assert_cmpuint (none->len, ==, 0);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_autoptr (GString) told = g_string_new (NULL);
  for (guint i = 0; i < warnings->len; i++)
    if (strstr (warnings->pdata[i], "of the kind"))
      g_string_append_printf (told, "%.2s ", (const char *) warnings->pdata[i]);
  g_assert_cmpstr (told->str, ==, "g1 g8 ");
}

static void
warns_of_a_guard_that_goes_by_uid (void)
{
  static const char *const kinds[] = {"tun", "tun", NULL};
  g_autoptr (World) world = world_of_kinds (kinds);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_true (g_pattern_match_simple ("g1: *(no BPF here), so it goes by uid in nftables: *",
                                         warnings->pdata[0]));
  g_array_index (world->facts->tunnels, CgTunnel, 1).unguarded = TRUE;
  g_autoptr (GPtrArray) closed = cg_warnings (world->facts, all);
  g_assert_cmpuint (closed->len, ==, 1);
  g_assert_true (
      g_pattern_match_simple ("g1: *(no BPF here), and Guard=required keeps *", closed->pdata[0]));
}

/* A process that may not look at BPF knows nothing of it. */
static void
says_nothing_of_what_is_hidden (void)
{
  static const char *const kinds[] = {"tun", "tun", NULL};
  g_autoptr (World) world = world_of_kinds (kinds);
  world->facts->guard->impossible = g_strdup ("not permitted");
  world->facts->guard->is_hidden = TRUE;
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, 0);
}

static void
warns_of_a_table_that_cannot_be_seen (void)
{
  static const char *const kinds[] = {"tun", "tun", NULL};
  g_autoptr (World) world = world_of_kinds (kinds);
  world->facts->table.unseen = g_strdup ("no nftables here");
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_true (
      g_pattern_match_simple ("g1: the guard's table *: no nftables here", warnings->pdata[0]));
}

static void
warns_of_the_named_alone (void)
{
  static const char *const names[] = {"wg1", NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nServices=x.service\n", 0, 0);
  world_add (world, "wg1", "Users=bob\n", 0, 0);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, names);
  g_assert_cmpuint (warnings->len, ==, 0);
}

/* A thousand foreign rules must not hide what else is wrong. */
static void
warnings_have_a_limit (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\n", 0, 0);
  for (guint i = 0; i < 1000; i++)
    g_array_append_val (world->facts->rules, rule_cases[0].rule);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, >, 0);
  g_assert_cmpuint (warnings->len, <, 20);
}

/* Nor may many of one kind hide one of another. */
static void
each_kind_has_its_own (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = world_add (world, "wg0", "Users=alice\n", 0, 0);
  CgGateway *gateway = (CgGateway *) tunnel->gateway;
  for (guint i = 0; i < 20; i++) {
    CgServiceFact *fact = cg_service_fact_new ("a.service");
    fact->load_state = g_strdup ("loaded");
    g_ptr_array_add (gateway->found, fact);
  }
  g_array_append_val (world->facts->rules, rule_cases[0].rule);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  gboolean told = FALSE;
  for (guint i = 0; i < warnings->len; i++)
    told = told || strstr (warnings->pdata[i], "can lead traffic past the tunnel");
  g_assert_true (told);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/warnings/dns", dns_cases, warns_of_dns);
  ADD_CASES ("/warnings/rule", rule_cases, warns_of_rule);
  g_test_add_func ("/warnings/pushed-server-in-a-bypass", warns_of_a_pushed_server_in_a_bypass);
  g_test_add_func ("/warnings/table-that-others-use", warns_of_a_table_that_others_use);
  g_test_add_func ("/warnings/guard/kind-of-tunnel",
                   warns_of_a_tunnel_that_a_guard_by_uid_does_not_know);
  g_test_add_func ("/warnings/guard/by-uid", warns_of_a_guard_that_goes_by_uid);
  g_test_add_func ("/warnings/guard/hidden", says_nothing_of_what_is_hidden);
  g_test_add_func ("/warnings/guard/table-unseen", warns_of_a_table_that_cannot_be_seen);
  g_test_add_func ("/warnings/of-the-named-alone", warns_of_the_named_alone);
  g_test_add_func ("/warnings/limit", warnings_have_a_limit);
  g_test_add_func ("/warnings/limit-of-each-kind", each_kind_has_its_own);
  return g_test_run ();
}
