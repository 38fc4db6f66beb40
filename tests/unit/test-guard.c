/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The guard: its text, and when it is written. That the text does what it says is shown with
 * packets, in tests/netns. */

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "guard.h"
#include "world.h"

#define ALL LINK_ALL

static CgTunnel *
add_tunnel (World *world, const char *lines, const char *address)
{
  CgTunnel *tunnel = world_add (world, "wg0", lines, 7, ALL);
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (address, &prefix));
  tunnel->addresses = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_array_append_val (tunnel->addresses, prefix);
  tunnel->held = g_array_copy (tunnel->addresses);
  return tunnel;
}

typedef struct {
  const char *name;
  const char *lines;
  const char *address;
  const char *has;
  const char *lacks; /* or NULL */
} TextCase;

#define OWN  "chain own { meta l4proto { 4, 41, 47, 50, 51 } accept; "
#define WAYS "chain ways { tcp flags & syn == syn tcp option 30 exists goto stop; "
#define REST "oifname \"lo\" accept; jump own; goto stop; }; "

static const TextCase text_cases[] = {
    {"uids", "Users=alice 2000-2010\nGuard=yes", "10.0.0.2",
     "set uids { typeof meta skuid; flags interval; elements = { 1500, 2000-2010 }; }; ", NULL},
    {"one-uid", "Users=alice\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid 1500 goto confined; @nh", "@uids"},
    {"one-range", "Users=2000-2010\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid 2000-2010 goto confined; @nh", "@uids"},
    {"two-uids", "Users=alice 1502\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid 1500 goto confined; meta skuid 1502 goto confined; @nh", "@uids"},
    {"three-uids", "Users=alice 1502 1504\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid { 1500, 1502, 1504 } goto confined; @nh", "@uids"},
    {"uid-and-range", "Users=alice 2000-2002\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid { 1500, 2000, 2001, 2002 } goto confined; @nh", "@uids"},
    {"large-range", "Users=10000-20000\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid 10000-20000 goto confined; @nh", "@uids"},
    {"uid-and-large-range", "Users=alice 10000-20000\nGuard=yes", "10.0.0.2",
     "accept; meta skuid 1500 goto confined; meta skuid 10000-20000 goto confined; @nh", "@uids"},
    {"large-ranges", "Users=10000-20000 30000-40000\nGuard=yes", "10.0.0.2",
     "policy accept; meta skuid @uids goto confined; @nh", "skuid 1"},
    {"ways", "Users=alice\nGuard=yes", "10.0.0.2", WAYS "oifname \"wg0\" accept; " REST,
     "daddr { 10.0.0.2/32 } accept"},
    {"no-ipv6", "Users=alice\nGuard=yes\nIPv6=block", "10.0.0.2",
     WAYS "meta nfproto ipv4 oifname \"wg0\" accept; " REST, NULL},
    {"bypass", "Users=alice\nGuard=yes\nBypass=192.0.2.0/24 198.51.100.7 fd00::/8", "10.0.0.2",
     "ip daddr { 192.0.2.0/24, 198.51.100.7/32 } accept; ip6 daddr { fd00::/8 } accept; jump own; "
     "goto stop; }; ",
     NULL},
    {"bypass-around-a-server",
     "Users=alice\nGuard=yes\nBypass=192.0.2.0/24 198.51.100.7\nDNS=192.0.2.9 198.51.100.7",
     "10.0.0.2",
     "oifname \"lo\" accept; jump own; ip daddr { 192.0.2.9/32 } goto stop; "
     "ip daddr { 192.0.2.0/24, 198.51.100.7/32 } accept; jump own; ",
     NULL},
    {"dns", "Users=alice\nGuard=yes\nDNS=10.0.0.1 fd00::1", "10.0.0.2",
     "chain questions { jump own; ip daddr { 10.0.0.1/32 } goto ways; "
     "ip6 daddr { fd00::1/128 } goto ways; goto stop; }; "
     "chain confined { th dport 53 meta l4proto { tcp, udp } goto questions; goto ways; }; ",
     NULL},
    {"dns-still-unknown", "Users=alice\nGuard=yes\nDNS=auto", "10.0.0.2",
     "chain questions { jump own; goto stop; }; ", NULL},
    {"stop", "Users=alice\nGuard=yes", "10.0.0.2",
     "chain stop { counter name dropped; fib saddr type local meta l4proto tcp reject with tcp "
     "reset; drop; }; ",
     NULL},
    {"no-dns", "Users=alice\nGuard=yes\n", "10.0.0.2", "chain confined { goto ways; }; ",
     "th dport"},
    {"no-wireguard", "Users=alice\nGuard=yes\n", "10.0.0.2",
     "set endpoints4 { type ipv4_addr . inet_service; }; ", "sport"},
    {"own-address-leaves", "Users=alice\nGuard=yes", "10.0.0.2",
     "; @nh,96,32 0x0a000002 ip saddr 10.0.0.2 oifname != \"lo\" oifname != \"wg0\" counter name "
     "dropped drop; ",
     "ip6"},
    {"own-address-comes", "Users=alice\nGuard=yes", "fd00::77:2",
     "; @nh,288,32 0x00770002 ip6 daddr fd00::77:2 iifname != \"lo\" iifname != \"wg0\" counter "
     "name "
     "dropped drop; ",
     "ip daddr"},
    {"own-address-comes-4", "Users=alice\nGuard=yes", "10.0.0.2",
     "; @nh,128,32 0x0a000002 ip daddr 10.0.0.2 iifname", NULL},
    {"own-address-leaves-6", "Users=alice\nGuard=yes", "fd00::77:2",
     "; @nh,160,32 0x00770002 ip6 saddr fd00::77:2 oifname", NULL},
    {"one-line", "Users=alice\nGuard=yes", "10.0.0.2", "table inet custom-gateway-wg0 { ", "\n"},
};

static void
text_has (gconstpointer data)
{
  const TextCase *wanted = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *text = cg_guard_text (add_tunnel (world, wanted->lines, wanted->address), NULL);
  g_assert_nonnull (strstr (text, wanted->has));
  if (wanted->lacks)
    g_assert_null (strstr (text, wanted->lacks));
}

static void
add_endpoint (CgTunnel *tunnel, const char *address, guint16 port)
{
  CgEndpoint endpoint = {.port = port};
  g_assert_true (cg_prefix_parse (address, &endpoint.address));
  if (!tunnel->wireguard.endpoints)
    tunnel->wireguard.endpoints = g_array_new (FALSE, FALSE, sizeof (CgEndpoint));
  g_array_append_val (tunnel->wireguard.endpoints, endpoint);
}

/* The tunnel's own packets are known before any question for names is stopped. */
static void
wireguard_is_known_by_its_port_and_where_it_sends (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes\nDNS=10.0.0.1", "10.0.0.2");
  tunnel->wireguard.port = 51820;
  add_endpoint (tunnel, "192.0.2.1", 51821);
  add_endpoint (tunnel, "192.0.2.9", 53);
  add_endpoint (tunnel, "2001:db8::1", 443);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  static const char *const wanted[] = {
      "elements = { 192.0.2.1 . 51821, 192.0.2.9 . 53 }; }; ",
      "set endpoints6 { type ipv6_addr . inet_service; elements = { 2001:db8::1 . 443 }; }; ",
      OWN "udp sport 51820 ip daddr . udp dport @endpoints4 accept; "
          "udp sport 51820 ip daddr . udp dport @learned4 accept; "
          "udp sport 51820 ip6 daddr . udp dport @endpoints6 accept; "
          "udp sport 51820 ip6 daddr . udp dport @learned6 accept; }; ",
      "goto confined; udp sport 51820 update @learned4 { ip daddr . udp dport }; ",
      "; udp sport 51820 update @learned6 { ip6 daddr . udp dport }; ",
  };
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (!strstr (text, wanted[i]))
      g_error ("no '%s' in '%s'", wanted[i], text);
}

static void
wireguard_with_a_mark_is_known_by_that (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  tunnel->wireguard.port = 51820;
  tunnel->wireguard.mark = 0xca6c;
  add_endpoint (tunnel, "192.0.2.1", 51821);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (text, OWN "udp sport 51820 meta mark 0x0000ca6c accept; }; "));
  g_assert_null (strstr (text, "@learned"));
  g_assert_null (strstr (text, "@endpoints"));
}

/* By what the way into the tunnel gives a packet, and no program can; other kinds need none of it.
 */
static void
what_the_kernel_has_wrapped_is_known_by_its_priority (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel =
      add_tunnel (world, "Users=alice\nGuard=yes\nDNS=10.0.0.1\nIPv6=block", "10.0.0.2");
  g_autofree char *plain = cg_guard_text (tunnel, NULL);
  g_assert_null (strstr (plain, "meta priority"));
  g_strlcpy (tunnel->kind, "ovpn", sizeof tunnel->kind);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (text, OWN "meta l4proto udp meta priority 00c6:0000 accept; }; "));
  g_assert_nonnull (strstr (text, WAYS "meta nfproto ipv4 oifname \"wg0\" "
                                       "meta priority set 00c6:0000 accept; " REST));
}

static void
all_who_carry_the_address_may_use_it (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  tunnel->sharers = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (tunnel->sharers, g_strdup ("wg1"));
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (
      strstr (text, "ip saddr 10.0.0.2 oifname != \"lo\" oifname != \"wg0\" oifname != \"wg1\" c"));
  g_assert_nonnull (
      strstr (text, "ip daddr 10.0.0.2 iifname != \"lo\" iifname != \"wg0\" iifname != \"wg1\" c"));
}

static void
many_addresses_stand_in_a_set (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  const CgPrefix address = g_array_index (tunnel->held, CgPrefix, 0);
  for (guint i = 1; i < 8; i++)
    g_array_append_val (tunnel->held, address);
  g_autofree char *some = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (some, "ip saddr 10.0.0.2 "));
  g_assert_null (strstr (some, "addr {"));

  g_array_append_val (tunnel->held, address);
  g_autofree char *many = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (many, "ip saddr { 10.0.0.2/32, "));
  g_assert_nonnull (strstr (many, "ip daddr { 10.0.0.2/32, "));
  g_assert_null (strstr (many, "@nh"));
}

/* Root can put it into the set by hand: nobody is that, and we must come to an end. */
static void
highest_number_of_all_is_held (void)
{
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = add_tunnel (world, "Users=alice 1502\nGuard=yes", "10.0.0.2");
  const CgUidRange last = {CG_UID_INVALID - 1, CG_UID_INVALID};
  g_autoptr (GArray) more = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  g_array_append_val (more, last);
  g_autofree char *text = cg_guard_text (tunnel, more);
  g_assert_nonnull (
      strstr (text, "meta skuid { 1500, 1502, 4294967294, 4294967295 } goto confined; "));
}

static void
table_of_a_name_with_an_at (void)
{
  g_autofree char *table = cg_nft_table_of ("work@home");
  g_assert_cmpstr (table, ==, "custom-gateway-work/40home");
}

/* Who says which servers to ask says which by the tunnel, and not who on this machine or behind a
 * bypass is to ask for him. */
static void
servers_of_the_tunnel_are_asked_by_it_alone (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes\nDNS=auto", "10.0.0.2");
  CgPrefix server = {.family = AF_INET, .length = 32, .address = {192, 168, 122, 1}};
  g_array_append_val (tunnel->gateway->dns, server);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (
      strstr (text, "ip daddr { 192.168.122.1/32 } oifname \"wg0\" goto ways; goto stop; "));
}

/* Its interface is not known yet, so there is no way by which to ask them. */
static void
servers_of_a_tunnel_that_is_not_known_are_not_asked (void)
{
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel =
      world_add (world, "wg0", "Users=alice\nGuard=yes\nDNS=auto\nConnection=work", 0, 0);
  CgPrefix server = {.family = AF_INET, .length = 32, .address = {192, 168, 122, 1}};
  g_array_append_val (tunnel->gateway->dns, server);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (text, "chain questions { jump own; goto stop; }; "));
}

static void
belongs_to_a_monitor_under_another_name (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_autofree char *owned = cg_guard_owned ("wg0", text, 42);
  g_assert_true (g_str_has_prefix (text, "table inet custom-gateway-wg0 { "));
  g_assert_true (
      g_str_has_prefix (owned, "table inet custom-gateway-wg0/owned-42 { flags owner; "));
  g_assert_true (g_str_has_suffix (owned, text + strlen ("table inet custom-gateway-wg0 { ")));
}

static void
tables_are_known_by_their_exact_names (void)
{
  static const struct {
    const char *table, *gateway;
    CgTableKind kind;
  } cases[] = {
      {"custom-gateway-wg0", "wg0", CG_TABLE_GUARD},
      {"custom-gateway-work/40home", "work@home", CG_TABLE_GUARD},
      {"custom-gateway-wg0/shield", "wg0", CG_TABLE_SHIELD},
      {"custom-gateway-work/40home/shield", "work@home", CG_TABLE_SHIELD},
      {"custom-gateway-wg0/owned-0", "wg0", CG_TABLE_OWNED},
      {"custom-gateway-work/40home/owned-4294967295", "work@home", CG_TABLE_OWNED},
      {"custom-gateway-", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-/shield", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/owned-", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/owned-01", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/owned-4294967296", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/owned-1x", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/owned-1/shield", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-wg0/shield/owned-1", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-work@home", NULL, CG_TABLE_OTHERS},
      {"custom-gateway-../x", NULL, CG_TABLE_OTHERS},
      {"filter", NULL, CG_TABLE_OTHERS},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *gateway = NULL;
    g_test_message ("%s", cases[i].table);
    g_assert_cmpint (cg_nft_kind_of (cases[i].table, &gateway), ==, cases[i].kind);
    g_assert_cmpstr (gateway, ==, cases[i].gateway);
  }
}

static char *
run (const World *world)
{
  return world_diff_text (world, NULL);
}

static void
add_found (World *world, const char *gateway, const char *fingerprint, const char *uids)
{
  CgGuardFound found = {.gateway = g_strdup (gateway),
                        .fingerprint = g_strdup (fingerprint),
                        .uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange))};
  g_auto (GStrv) words = g_strsplit (uids, " ", -1);
  for (char **word = words; *word; word++) {
    CgUidRange range = {.first = (guint32) g_ascii_strtoull (*word, NULL, 10)};
    range.last = range.first;
    g_array_append_val (found.uids, range);
  }
  cg_uids_normalise (found.uids);
  g_array_append_val (world->facts->guards, found);
}

static void
add_saved (World *world, const char *gateway, const char *text, const char *fingerprint)
{
  CgSavedGuard saved = {g_strdup (gateway),
                        g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1),
                        g_strdup (fingerprint)};
  g_array_append_val (world->facts->saved_guards, saved);
}

/* As the kernel would show it after we wrote what the plan says now. */
static void
stand (World *world, const char *fingerprint_then, const char *fingerprint_now)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  const CgGuardPlan *guard = &g_array_index (plan->guards, CgGuardPlan, 0);
  world_install (world, plan);
  add_found (world, "wg0", fingerprint_now, "1500");
  add_saved (world, "wg0", guard->text, fingerprint_then);
}

static void
comes_between_the_rules_and_the_way (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nIPv6=block\nGuard=yes", 7, ALL);
  g_autofree char *ops = run (world);
  const char *rule = strstr (ops, "rule add"), *guard = strstr (ops, "nft "),
             *way = strstr (ops, "route add default dev");
  g_assert_true (rule && guard && way && rule < guard && guard < way);
}

/* If there is one by then, the transaction must fail: what else it holds is not known. */
static void
is_made_where_there_is_none (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  g_autofree char *ops = run (world);
  g_assert_nonnull (
      strstr (ops, "nft 'create table inet custom-gateway-wg0; table inet custom-gateway-wg0 {"));
}

static void
is_left_alone_if_right (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  stand (world, "same", "same");
  g_autofree char *ops = run (world);
  g_assert_cmpstr (ops, ==, "");
}

static void
is_written_if_somebody_changed_it (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  stand (world, "as we wrote it", "as it is now");
  g_autofree char *ops = run (world);
  g_assert_true (g_str_has_prefix (ops, "nft 'table inet custom-gateway-wg0; delete table"));
}

/* Its chains stay then, so that no packet meets a new one too early and an old one too late. */
static void
is_refilled_if_it_is_ours_still (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  stand (world, "same", "same");
  g_array_set_size (tunnel->held, 0);
  g_autofree char *ops = run (world);
  g_assert_true (g_str_has_prefix (ops, "nft 'flush table inet custom-gateway-wg0; flush set inet "
                                        "custom-gateway-wg0 uids; flush set inet "
                                        "custom-gateway-wg0 endpoints4; flush set inet "
                                        "custom-gateway-wg0 endpoints6; table inet"));
}

/* A connection from before still sends with that address when the interface is gone. */
static void
holds_the_addresses_of_before (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_clear_pointer (&tunnel->addresses, g_array_unref);
  tunnel->ifindex = 0;
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (text, "ip saddr 10.0.0.2 oifname != "));
  g_assert_nonnull (strstr (text, "ip daddr 10.0.0.2 iifname != "));
}

/* Its services were stopped, and their connections are still to be closed by the kernel. */
static void
at_rest_holds_what_is_nobodys (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_tunnel (world, "Services=a\nGuard=required", "10.0.0.2");
  CgGateway *gateway = world->config->gateways->pdata[0];
  gateway->stopped = TRUE;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->guards->len, ==, 1);
  g_assert_false (g_array_index (plan->guards, CgGuardPlan, 0).required);
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_assert_nonnull (strstr (text, "set uids { typeof meta skuid; flags interval; }; "));
  const char *anybody = strstr (text, "policy accept; meta skuid != 4294967295 accept; "),
             *address = strstr (text, "ip saddr ");
  g_assert_true (anybody && address && anybody < address);
  g_assert_null (strstr (text, "goto confined"));
  g_assert_true (g_str_has_suffix (text, "hook prerouting priority -350; policy accept; }; }"));

  add_found (world, "wg0", "same", "1500");
  add_saved (world, "wg0", "another", "same");
  g_autofree char *ops = run (world);
  const char *wide = strstr (ops, "elements = { 1500 }"), *rest = strstr (ops, "flags interval; }");
  g_assert_true (wide && rest && wide < rest);

  g_array_set_size (tunnel->held, 0);
  g_autofree char *without = run (world);
  g_assert_null (strstr (without, "meta skuid"));
  g_assert_nonnull (strstr (without, "delete table inet custom-gateway-wg0; "));
}

/* What is taken away and made anew is not there for a packet on its way; another table is. */
static void
is_shielded_by_a_table_that_says_the_same (void)
{
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = add_tunnel (world, "Users=alice\nGuard=yes", "10.0.0.2");
  g_autofree char *text = cg_guard_text (tunnel, NULL);
  g_autofree char *shield = cg_guard_shield ("wg0", text);
  g_auto (GStrv) parts = g_strsplit (shield, "; table inet custom-gateway-wg0/shield {", 2);
  g_assert_cmpstr (parts[0], ==,
                   "table inet custom-gateway-wg0/shield; delete table inet "
                   "custom-gateway-wg0/shield");
  g_assert_true (g_str_has_prefix (text, "table inet custom-gateway-wg0 {"));
  g_assert_cmpstr (parts[1], ==, strchr (text, '{') + 1);
}

static void
goes_after_the_rules_did (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes\nOnDown=release", 7, ALL);
  stand (world, "same", "same");
  g_array_index (world->facts->tunnels, CgTunnel, 0).is_up = FALSE;
  g_autofree char *ops = run (world);
  const char *way = strstr (ops, "route del default dev"),
             *guard = strstr (ops, "; delete table inet custom-gateway-wg0/shield'\n"),
             *rule = strstr (ops, "rule del");
  g_assert_true (way && guard && rule && rule < guard && guard < way);
}

/* bob moves from wg0 to wg1. Between their two guards there must be no instant in which neither
 * holds him. */
static void
holds_who_moves_until_the_other_one_does (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  world_add (world, "wg1", "Users=bob\nGuard=yes", 8, ALL);
  add_found (world, "wg0", "same", "1500 1501");
  g_autofree char *ops = run (world);
  const char *both = strstr (ops, "elements = { 1500-1501 }"),
             *fresh = strstr (ops, "elements = { 1501 }"), *last = strstr (ops, "rule add"),
             *refill = strstr (ops, "nft 'flush table inet custom-gateway-wg0"),
             *alone = strstr (ops, "elements = { 1500 }");
  g_assert_true (last && both && fresh && refill && alone);
  g_assert_true (last < both && last < fresh && both < refill && fresh < refill && refill < alone);
}

static void
lets_go_behind_the_rules (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice 1501\nGuard=yes\nIPv6=block", 7, ALL);
  g_autoptr (CgPlan) before = cg_plan_new (world->facts, NULL);
  g_autoptr (World) after = world_new ();
  world_add (after, "wg0", "Users=alice\nGuard=yes\nIPv6=block", 7, ALL);
  world_install (after, before);
  add_found (after, "wg0", "same", "1500 1501");
  add_saved (after, "wg0", g_array_index (before->guards, CgGuardPlan, 0).text, "same");
  g_autofree char *ops = run (after);
  const char *rule = strstr (ops, "rule del"), *guard = strstr (ops, "nft 'flush table");
  g_assert_true (rule && guard && rule < guard);
  g_assert_null (strstr (guard + 1, "nft ")); /* as it stands it holds all it has to until then */
}

static void
of_a_bad_file_stays (void)
{
  g_autoptr (World) world = world_new ();
  add_found (world, "wg1", "whatever", "1501");
  world_add_bad (world, "wg1");
  g_autofree char *ops = run (world);
  g_assert_cmpstr (ops, ==, "");
}

/* wg0 lost alice to a bad file: nobody knows that she is to go. */
static void
keeps_whom_no_good_file_knows (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=bob\nGuard=yes", 7, ALL);
  world_add (world, "wg1", "Users=carol\nGuard=yes", 8, ALL);
  add_found (world, "wg0", "same", "1500 1501 1502");
  world_add_bad (world, "wg2");
  g_autofree char *ops = run (world);
  g_autofree char *last = g_strdup (strrchr (ops, '{') ? g_strrstr (ops, "set uids") : ops);
  g_assert_nonnull (strstr (last, "elements = { 1500-1501 }"));
}

static void
add_rule (World *world, guint8 protocol, guint32 table, CgUidRange uids)
{
  const CgRule rule = {.family = AF_INET,
                       .protocol = protocol,
                       .action = FR_ACT_TO_TBL,
                       .priority = 500,
                       .table = table,
                       .uids = uids};
  g_array_append_val (world->facts->rules, rule);
}

static void
add_copy (World *world, const char *gateway, guint32 uid)
{
  const CgUidRange range = {uid, uid};
  CgGuardFound copy = {.gateway = g_strdup (gateway),
                       .uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange))};
  g_array_append_val (copy.uids, range);
  g_array_append_val (world->facts->copies, copy);
}

/* A file is bad, so who is in none stays held; but by our own rules and copies of this gateway. */
static void
holds_nobody_whom_only_others_name (void)
{
  g_autoptr (World) world = world_new ();
  const guint32 table = world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL)->table;
  add_rule (world, CG_PROTOCOL, table, (CgUidRange){1503, 1503});
  add_rule (world, RTPROT_STATIC, table, (CgUidRange){0, 4294967294});
  add_rule (world, CG_PROTOCOL, table + 1, (CgUidRange){1505, 1505});
  add_copy (world, "wg0", 1507);
  add_copy (world, "wg1", 1509);
  world_add_bad (world, "wg2");
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->guards->len, ==, 1);
  g_assert_nonnull (strstr (g_array_index (plan->guards, CgGuardPlan, 0).text,
                            "elements = { 1500, 1503, 1507 }"));
}

/* bob moves to wg1. Neither the text until then nor the one behind it forgets somebody who has but
 * a rule, and may stand in a bad file. */
static void
holds_whom_only_a_rule_confines_while_others_move (void)
{
  g_autoptr (World) world = world_new ();
  const guint32 table = world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL)->table;
  world_add (world, "wg1", "Users=bob\nGuard=yes", 8, ALL);
  add_found (world, "wg0", "same", "1500 1501");
  add_rule (world, CG_PROTOCOL, table, (CgUidRange){1503, 1503});
  world_add_bad (world, "wg2");
  g_autofree char *ops = run (world);
  const char *both = strstr (ops, "elements = { 1500-1501, 1503 }"),
             *rest = strstr (ops, "elements = { 1500, 1503 }");
  g_assert_true (both && rest && both < rest);
}

/* Its rules were flushed by somebody; what it still holds is not set free by the removal. */
static void
that_was_switched_off_stays_while_somebody_may_be_missing (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=bob\nGuard=no", 0, 0);
  add_found (world, "wg0", "same", "1500");
  world_add_bad (world, "wg2");
  g_autofree char *ops = run (world);
  g_assert_null (strstr (ops, "nft"));
}

static void
of_no_file_goes (void)
{
  g_autoptr (World) world = world_new ();
  add_found (world, "wg1", "whatever", "1501");
  g_autofree char *ops = run (world);
  g_assert_cmpstr (
      ops, ==,
      "nft 'table inet custom-gateway-wg1; delete table inet custom-gateway-wg1; table "
      "inet custom-gateway-wg1/shield; delete table inet custom-gateway-wg1/shield'\n");
}

/* bob's rules are gone, and his old gateway's guard is all that holds him: an event of the new one
 * must see that he moves. */
static void
of_another_gateway_goes_with_whom_it_holds (void)
{
  static const char *const wg1[] = {"wg1", NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  world_add (world, "wg1", "Users=bob\nGuard=yes", 8, ALL);
  add_found (world, "wg0", "same", "1500 1501");
  add_found (world, "old", "same", "1501");
  add_found (world, "older", "same", "1502");
  g_autofree char *ops = world_diff_text (world, wg1);
  g_assert_nonnull (strstr (ops, "custom-gateway-wg0"));
  g_assert_nonnull (strstr (ops, "delete table inet custom-gateway-old;"));
  g_assert_null (strstr (ops, "custom-gateway-older"));
}

static void
that_is_required_and_missing_closes_the_gateway (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=required\nIPv6=block\nOnDown=release", 7, ALL);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  world_install (world, plan);
  g_array_index (world->facts->tunnels, CgTunnel, 0).unguarded = TRUE;
  g_autofree char *ops = run (world);
  const char *way = strstr (ops, "route del default dev wg0"), *guard = strstr (ops, "nft ");
  g_assert_true (way && guard && way < guard);
  g_assert_null (strstr (ops, "rule del"));
}

static void
is_not_tried_where_there_is_no_nftables (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  world->facts->guards_unseen = g_strdup ("no nftables");
  g_autofree char *ops = run (world);
  g_assert_null (strstr (ops, "nft"));
}

static void
is_tried_all_the_same_if_required (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=required", 7, ALL);
  world->facts->guards_unseen = g_strdup ("no nftables");
  g_autofree char *ops = run (world);
  /* for all that is known one may stand there */
  g_assert_nonnull (strstr (ops, "; delete table inet custom-gateway-wg0; "));
  g_assert_null (strstr (ops, "create table"));
}

/* Who is not root sees none, and cannot tell whether it is as it should be. */
static void
that_is_hidden_is_no_difference (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=required", 7, ALL);
  world->facts->guards_unseen = g_strdup ("not permitted");
  world->facts->guards_hidden = TRUE;
  g_autofree char *ops = run (world);
  g_assert_null (strstr (ops, "nft"));
}

static void
of_another_gateway_is_not_written (void)
{
  static const char *const wg1[] = {"wg1", NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes", 7, ALL);
  world_add (world, "wg1", "Users=bob\nGuard=yes", 8, ALL);
  g_autofree char *ops = world_diff_text (world, wg1);
  g_assert_nonnull (strstr (ops, "custom-gateway-wg1"));
  g_assert_null (strstr (ops, "custom-gateway-wg0"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/guard/text", text_cases, text_has);
  g_test_add_func ("/guard/addresses-of-before", holds_the_addresses_of_before);
  g_test_add_func ("/guard/many-addresses-stand-in-a-set", many_addresses_stand_in_a_set);
  g_test_add_func ("/guard/at-rest", at_rest_holds_what_is_nobodys);
  g_test_add_func ("/guard/shield", is_shielded_by_a_table_that_says_the_same);
  g_test_add_func ("/guard/servers-of-the-tunnel-are-asked-by-it-alone",
                   servers_of_the_tunnel_are_asked_by_it_alone);
  g_test_add_func ("/guard/servers-of-a-tunnel-that-is-not-known-are-not-asked",
                   servers_of_a_tunnel_that_is_not_known_are_not_asked);
  g_test_add_func ("/guard/belongs-to-a-monitor-under-another-name",
                   belongs_to_a_monitor_under_another_name);
  g_test_add_func ("/guard/tables-are-known-by-their-exact-names",
                   tables_are_known_by_their_exact_names);
  g_test_add_func ("/guard/table-of-a-name-with-an-at", table_of_a_name_with_an_at);
  g_test_add_func ("/guard/comes-between-the-rules-and-the-way",
                   comes_between_the_rules_and_the_way);
  g_test_add_func ("/guard/is-made-where-there-is-none", is_made_where_there_is_none);
  g_test_add_func ("/guard/is-left-alone-if-right", is_left_alone_if_right);
  g_test_add_func ("/guard/is-written-if-somebody-changed-it", is_written_if_somebody_changed_it);
  g_test_add_func ("/guard/is-refilled-if-it-is-ours-still", is_refilled_if_it_is_ours_still);
  g_test_add_func ("/guard/goes-after-the-rules-did", goes_after_the_rules_did);
  g_test_add_func ("/guard/holds-who-moves-until-the-other-one-does",
                   holds_who_moves_until_the_other_one_does);
  g_test_add_func ("/guard/lets-go-behind-the-rules", lets_go_behind_the_rules);
  g_test_add_func ("/guard/keeps-whom-no-good-file-knows", keeps_whom_no_good_file_knows);
  g_test_add_func ("/guard/holds-nobody-whom-only-others-name", holds_nobody_whom_only_others_name);
  g_test_add_func ("/guard/holds-whom-only-a-rule-confines-while-others-move",
                   holds_whom_only_a_rule_confines_while_others_move);
  g_test_add_func ("/guard/that-was-switched-off-stays-while-somebody-may-be-missing",
                   that_was_switched_off_stays_while_somebody_may_be_missing);
  g_test_add_func ("/guard/of-another-gateway-goes-with-whom-it-holds",
                   of_another_gateway_goes_with_whom_it_holds);
  g_test_add_func ("/guard/that-is-required-and-missing-closes-the-gateway",
                   that_is_required_and_missing_closes_the_gateway);
  g_test_add_func ("/guard/wireguard-is-known-by-its-port-and-where-it-sends",
                   wireguard_is_known_by_its_port_and_where_it_sends);
  g_test_add_func ("/guard/wireguard-with-a-mark-is-known-by-that",
                   wireguard_with_a_mark_is_known_by_that);
  g_test_add_func ("/guard/what-openvpn-has-wrapped-is-known-by-its-priority",
                   what_the_kernel_has_wrapped_is_known_by_its_priority);
  g_test_add_func ("/guard/all-who-carry-the-address-may-use-it",
                   all_who_carry_the_address_may_use_it);
  g_test_add_func ("/guard/of-a-bad-file-stays", of_a_bad_file_stays);
  g_test_add_func ("/guard/of-no-file-goes", of_no_file_goes);
  g_test_add_func ("/guard/highest-number-of-all-is-held", highest_number_of_all_is_held);
  g_test_add_func ("/guard/is-not-tried-where-there-is-no-nftables",
                   is_not_tried_where_there_is_no_nftables);
  g_test_add_func ("/guard/is-tried-all-the-same-if-required", is_tried_all_the_same_if_required);
  g_test_add_func ("/guard/that-is-hidden-is-no-difference", that_is_hidden_is_no_difference);
  g_test_add_func ("/guard/of-another-gateway-is-not-written", of_another_gateway_is_not_written);
  return g_test_run ();
}
