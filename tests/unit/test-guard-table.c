/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The text of the guard's table in nftables, in both of its forms. That it does what it says is
 * shown with packets, in tests/netns. */

#include "guard.h"

#include <string.h>

#include "world.h"

/* An array of one CgGuarded, the tunnel of which is the world's last. */
static GArray *
guarded_of (World *world, guint n)
{
  GArray *guarded = g_array_new (FALSE, FALSE, sizeof (CgGuarded));
  for (guint i = 0; i < n; i++) {
    const CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, i);
    const CgGuarded one = {tunnel, tunnel->gateway->uids};
    g_array_append_val (guarded, one);
  }
  return guarded;
}

static GArray *
prefixes_of (const char *addresses)
{
  g_auto (GStrv) words = g_strsplit (addresses, " ", -1);
  GArray *prefixes = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  for (char **word = words; *word; word++) {
    CgPrefix prefix;
    g_assert_true (cg_prefix_parse (*word, &prefix));
    g_array_append_val (prefixes, prefix);
  }
  return prefixes;
}

static CgTunnel *
add_wg0 (World *world, const char *lines, const char *addresses)
{
  CgTunnel *tunnel = world_add (world, "wg0", lines, 7, LINK_ALL);
  tunnel->table = 42;
  tunnel->held = prefixes_of (addresses);
  return tunnel;
}

/* by_uid: "1600-1609 ", uids of no gateway, or NULL: the form beside BPF. */
static char *
text_of (World *world, guint n, const CgUidRange *by_uid, guint n_uids)
{
  g_autoptr (GArray) guarded = guarded_of (world, n);
  g_autoptr (GArray) others = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  if (n_uids > 0)
    g_array_append_vals (others, by_uid, n_uids);
  g_autoptr (GArray) former = world_prefixes ("");
  g_autoptr (GArray) homes = g_array_new (FALSE, FALSE, sizeof (CgHome));
  return cg_guard_text (guarded, former, homes, by_uid ? others : NULL);
}

static char *
text_beside_bpf (World *world)
{
  return text_of (world, world->facts->tunnels->len, NULL, 0);
}

static char *
text_by_uid (World *world)
{
  static const CgUidRange none = {0, 0};
  return text_of (world, world->facts->tunnels->len, &none, 0);
}

#define HAS(text, part)                                                                            \
  if (!strstr (text, part))                                                                        \
  g_test_fail_printf ("no '%s' in '%s'", part, text)
#define LACKS(text, part)                                                                          \
  if (strstr (text, part))                                                                         \
  g_test_fail_printf ("'%s' in '%s'", part, text)

#define NO_MULTIPATH "tcp flags & syn == syn tcp option 30 exists goto stop; "
#define WAYS         "chain ways-42 { " NO_MULTIPATH
#define WRAPPERS     "meta l4proto { 4, 41, 47, 50, 51 } accept; "
#define REST         "oifname \"lo\" fib saddr type local accept; "

static void
addresses_have_their_homes (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2 fd00::2");
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "set addresses4 { type ipv4_addr; elements = { 10.0.0.2 }; }; ");
  HAS (text, "set addresses6 { type ipv6_addr; elements = { fd00::2 }; }; ");
  HAS (text, "set homes4 { type ipv4_addr . ifname; elements = { 10.0.0.2 . \"wg0\" }; }; ");
  HAS (text, "set homes6 { type ipv6_addr . ifname; elements = { fd00::2 . \"wg0\" }; }; ");
  HAS (text, "set former4 { type ipv4_addr; }; ");
}

static void
another_tunnel_that_has_the_address_is_a_home (void)
{
  const CgHome home = {.address = {AF_INET, 32, {10, 0, 0, 2}}, .ifname = "wg7"};
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  tunnel->homes = g_array_new (FALSE, FALSE, sizeof (CgHome));
  g_array_append_val (tunnel->homes, home);
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "elements = { 10.0.0.2 . \"wg0\", 10.0.0.2 . \"wg7\" }; }; ");
}

/* Another program may have it by now; what has no socket is still to be held. */
static void
a_former_address_is_held_of_what_has_no_socket (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2")->former = prefixes_of ("10.0.0.9");
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "set addresses4 { type ipv4_addr; elements = { 10.0.0.2, 10.0.0.9 }; }; ");
  HAS (text, "set former4 { type ipv4_addr; elements = { 10.0.0.9 }; }; ");
  HAS (text, "ip saddr @former4 meta skuid != 4294967295 return; ");
  HAS (text, "ip daddr @former4 return; ");
}

/* A gateway at rest confines no uid. */
static void
at_rest_all_addresses_are_former (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Services=a\nGuard=yes", "10.0.0.2");
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "set addresses4 { type ipv4_addr; elements = { 10.0.0.2 }; }; ");
  HAS (text, "set former4 { type ipv4_addr; elements = { 10.0.0.2 }; }; ");
}

static void
what_leaves_or_comes_elsewhere_is_dropped (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "chain source { oifname \"lo\" return; ip saddr . oifname @homes4 return; ");
  HAS (text, "chain destination { iifname \"lo\" return; ip daddr . iifname @homes4 return; ");
  HAS (text, "counter name dropped drop; }; chain destination");
  HAS (text, "chain postrouting { type filter hook postrouting priority 99; policy accept; "
             "ip saddr @addresses4 jump source; ip6 saddr @addresses6 jump source; ");
  HAS (text, "chain prerouting { type filter hook prerouting priority -350; policy accept; "
             "ip daddr @addresses4 jump destination; ip6 daddr @addresses6 jump destination; "
             "iifname \"wg0\" jump inside; }; }");
  HAS (text, "oifname != \"lo\" meta l4proto tcp meta length < 200 fib daddr type local "
             "counter name dropped drop; ");
}

/* Of those whose names are asked of chosen servers. */
static void
a_question_that_is_led_elsewhere_is_dropped (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes\nDNS=10.0.0.1", "10.0.0.2");
  world_add (world, "wg1", "Users=carol\nGuard=yes", 8, LINK_ALL);
  world_add (world, "wg2", "Users=bob 2000-2009\nGuard=yes\nDNS=10.0.0.1", 9, LINK_ALL);
  g_autofree char *text = text_beside_bpf (world);
  HAS (text, "chain redirected { meta skuid 1500-1501 counter name dropped drop; "
             "meta skuid 2000-2009 counter name dropped drop; }; ");
  HAS (text, "ct status dnat ct original proto-dst 53 ");
  LACKS (text, "1502");
}

static void
beside_bpf_no_uid_is_looked_at (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes\nBypass=192.0.2.0/24", "10.0.0.2");
  g_autofree char *text = text_beside_bpf (world);
  LACKS (text, "1500");
  LACKS (text, "hook output");
  LACKS (text, "chain stop");
  LACKS (text, "192.0.2.0");
}

static void
by_uid_each_gateway_has_its_chains (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  world_add (world, "wg1", "Users=bob 2000-2009\nGuard=yes", 8, LINK_ALL)->table = 43;
  g_autofree char *text = text_by_uid (world);
  HAS (text, "chain output { type filter hook output priority 300; policy accept; "
             "meta skuid 1500 goto gateway-42; meta skuid 1501 goto gateway-43; "
             "meta skuid 2000-2009 goto gateway-43; }; ");
  HAS (text, "fib daddr type local counter name dropped drop; meta skuid 1500 goto gateway-42; ");
  HAS (text, WAYS "oifname \"wg0\" accept; " REST "goto stop; }; ");
  HAS (text, "chain gateway-42 { " WRAPPERS "goto ways-42; }; ");
  HAS (text, "chain stop { counter name dropped drop; }; ");
}

/* A file is bad, and a rule of ours confines what may stand in it. */
static void
by_uid_what_is_of_no_gateway_reaches_loopback_alone (void)
{
  static const CgUidRange others[] = {{1600, 1600}, {1700, 1709}};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *text = text_of (world, 1, others, G_N_ELEMENTS (others));
  g_autofree char *alone = text_of (world, 0, others, G_N_ELEMENTS (others));
  HAS (text, "policy accept; meta skuid 1600 oifname != \"lo\" goto stop; "
             "meta skuid 1700-1709 oifname != \"lo\" goto stop; "
             "meta skuid 1500 goto gateway-42; ");
  HAS (alone, "meta skuid 1700-1709 oifname != \"lo\" goto stop; ");
}

static const struct ByUidCase {
  const char *name;
  const char *lines;
  const char *has;
  const char *lacks; /* or NULL */
} by_uid_cases[] = {
    {"no-ipv6", "IPv6=block", WAYS "meta nfproto ipv4 oifname \"wg0\" accept; " REST, NULL},
    {"bypass", "Bypass=192.0.2.0/24 198.51.100.7 fd00::/8",
     REST "ip daddr 192.0.2.0/24 fib saddr type local accept; "
          "ip daddr 198.51.100.7/32 fib saddr type local accept; "
          "ip6 daddr fd00::/8 fib saddr type local accept; goto stop; }; ",
     NULL},
    {"dns", "DNS=10.0.0.1 fd00::1",
     "tcp dport 53 ip daddr 10.0.0.1 goto ways-42; udp dport 53 ip daddr 10.0.0.1 goto ways-42; "
     "tcp dport 53 ip6 daddr fd00::1 goto ways-42; udp dport 53 ip6 daddr fd00::1 goto ways-42; "
     "tcp dport 53 goto stop; udp dport 53 goto stop; goto ways-42; }; ",
     NULL},
    {"dns-still-unknown", "DNS=auto",
     "chain gateway-42 { " WRAPPERS
     "tcp dport 53 goto stop; udp dport 53 goto stop; goto ways-42; }; ",
     "daddr 10"},
    {"no-dns", "", "chain gateway-42 { " WRAPPERS "goto ways-42; }; ", "dport 53"},
    {"no-interface-yet", "Connection=work", WAYS REST "goto stop; }; ", "homes4 { 10"},
};

static void
by_uid (gconstpointer data)
{
  const struct ByUidCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strconcat ("Users=alice\nGuard=yes\n", test->lines, NULL);
  add_wg0 (world, lines, "10.0.0.2");
  g_autofree char *text = text_by_uid (world);
  HAS (text, test->has);
  if (test->lacks)
    LACKS (text, test->lacks);
}

static void
by_uid_wireguard_is_known_by_its_port (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, "Users=alice\nGuard=yes\nDNS=10.0.0.1", "10.0.0.2");
  tunnel->wireguard.port = 51820;
  g_autofree char *plain = text_by_uid (world);
  HAS (plain, WRAPPERS "udp sport 51820 accept; tcp dport 53");
  tunnel->wireguard.mark = 0xca6c;
  g_autofree char *marked = text_by_uid (world);
  HAS (marked, WRAPPERS "udp sport 51820 meta mark 0x0000ca6c accept; tcp dport 53");
}

/* By what the way into the tunnel gives a packet, and no program can; other kinds need none of it.
 */
static void
by_uid_what_the_kernel_has_wrapped_is_known_by_its_priority (void)
{
  static const char *const kinds[] = {"ovpn", "vxlan", "geneve"};
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *plain = text_by_uid (world);
  LACKS (plain, "meta priority");
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_strlcpy (tunnel->kind, kinds[i], sizeof tunnel->kind);
    g_autofree char *text = text_by_uid (world);
    HAS (text, WRAPPERS "meta l4proto udp meta priority 00c6:0000 accept; ");
    HAS (text, WAYS "oifname \"wg0\" meta priority set 00c6:0000 accept; ");
  }
}

/* In the transaction that fills it: its chains stay, so that a packet meets all of the old rules or
 * all of the new ones. It must be there for that. */
static void
what_stood_is_emptied_in_the_same_transaction (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *text = text_beside_bpf (world);
  const char *made = strstr (text, "table inet custom-gateway { set addresses4 "),
             *emptied = strstr (text, "}; flush table inet custom-gateway; flush set inet "
                                      "custom-gateway addresses4; "),
             *filled = strstr (text, "table inet custom-gateway { counter dropped { }; ");
  g_assert_true (made == text && emptied && filled && emptied < filled);
  LACKS (text, "delete table");
  LACKS (text, "\n");
}

static void
equal_facts_give_equal_texts (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Users=alice\nGuard=yes\nDNS=10.0.0.1", "10.0.0.2 fd00::2");
  g_autofree char *first = text_by_uid (world);
  g_autofree char *second = text_by_uid (world);
  g_assert_cmpstr (first, ==, second);
}

/* An address of a tunnel whose file is bad now: what has no socket is dropped, but where the
 * address is by now. */
static void
an_address_that_no_tunnel_holds_stays (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (GArray) guarded = guarded_of (world, 0);
  g_autoptr (GArray) former = world_prefixes ("10.64.9.2");
  g_autoptr (GArray) homes = g_array_new (FALSE, FALSE, sizeof (CgHome));
  const CgHome home = {.address = g_array_index (former, CgPrefix, 0), .ifname = "eth7"};
  g_array_append_val (homes, home);
  g_autofree char *text = cg_guard_text (guarded, former, homes, NULL);
  HAS (text, "set addresses4 { type ipv4_addr; elements = { 10.64.9.2 }; }; ");
  HAS (text, "set former4 { type ipv4_addr; elements = { 10.64.9.2 }; }; ");
  HAS (text, "set homes4 { type ipv4_addr . ifname; elements = { 10.64.9.2 . \"eth7\" }; }; ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guard-table/homes", addresses_have_their_homes);
  g_test_add_func ("/guard-table/homes-of-others", another_tunnel_that_has_the_address_is_a_home);
  g_test_add_func ("/guard-table/former", a_former_address_is_held_of_what_has_no_socket);
  g_test_add_func ("/guard-table/at-rest", at_rest_all_addresses_are_former);
  g_test_add_func ("/guard-table/elsewhere", what_leaves_or_comes_elsewhere_is_dropped);
  g_test_add_func ("/guard-table/names", a_question_that_is_led_elsewhere_is_dropped);
  g_test_add_func ("/guard-table/beside-bpf", beside_bpf_no_uid_is_looked_at);
  g_test_add_func ("/guard-table/by-uid/chains", by_uid_each_gateway_has_its_chains);
  g_test_add_func ("/guard-table/by-uid/of-no-gateway",
                   by_uid_what_is_of_no_gateway_reaches_loopback_alone);
  ADD_CASES ("/guard-table/by-uid", by_uid_cases, by_uid);
  g_test_add_func ("/guard-table/by-uid/wireguard", by_uid_wireguard_is_known_by_its_port);
  g_test_add_func ("/guard-table/by-uid/priority",
                   by_uid_what_the_kernel_has_wrapped_is_known_by_its_priority);
  g_test_add_func ("/guard-table/one-transaction", what_stood_is_emptied_in_the_same_transaction);
  g_test_add_func ("/guard-table/pure", equal_facts_give_equal_texts);
  g_test_add_func ("/guard-table/former-of-none", an_address_that_no_tunnel_holds_stays);
  return g_test_run ();
}
