/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The guard: its text, and when it is written. That the text does what it says is shown with
 * packets, in tests/netns. */

#include <arpa/inet.h>
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
  return tunnel;
}

typedef struct {
  const char *name;
  const char *lines;
  const char *address;
  const char *has;
  const char *lacks; /* or NULL */
} TextCase;

static const TextCase text_cases[] = {
    {"uids", "Users=alice 2000-2010\nGuard=yes", "10.0.0.2",
     "set uids { typeof meta skuid; flags interval; elements = { 1500, 2000-2010 }; }; ", NULL},
    {"ways", "Users=alice\nGuard=yes", "10.0.0.2",
     "chain ways { oifname \"lo\" accept; oifname \"wg0\" accept; counter name dropped drop; }; ",
     "daddr { 10.0.0.2/32 } accept"},
    {"no-ipv6", "Users=alice\nGuard=yes\nIPv6=block", "10.0.0.2",
     "oifname \"lo\" accept; meta nfproto ipv4 oifname \"wg0\" accept; counter", NULL},
    {"bypass", "Users=alice\nGuard=yes\nBypass=192.0.2.0/24 198.51.100.7 fd00::/8", "10.0.0.2",
     "ip daddr { 192.0.2.0/24, 198.51.100.7/32 } accept; ip6 daddr { fd00::/8 } accept; counter",
     NULL},
    {"dns", "Users=alice\nGuard=yes\nDNS=10.0.0.1 fd00::1", "10.0.0.2",
     "chain confined { meta l4proto { tcp, udp } th dport 53 ip daddr { 10.0.0.1/32 } goto ways; "
     "meta l4proto { tcp, udp } th dport 53 ip6 daddr { fd00::1/128 } goto ways; "
     "meta l4proto { tcp, udp } th dport 53 counter name dropped drop; goto ways; }; ",
     NULL},
    {"dns-none-known", "Users=alice\nGuard=yes\nDNS=auto", "10.0.0.2",
     "chain confined { meta l4proto { tcp, udp } th dport 53 counter name dropped drop; goto ways; "
     "}; ",
     NULL},
    {"no-dns", "Users=alice\nGuard=yes\n", "10.0.0.2", "chain confined { goto ways; }; ", "dport"},
    {"own-address-leaves", "Users=alice\nGuard=yes", "10.0.0.2",
     "ip saddr { 10.0.0.2/32 } oifname != { \"lo\", \"wg0\" } counter name dropped drop; ", "ip6"},
    {"own-address-comes", "Users=alice\nGuard=yes", "fd00::2",
     "ip6 daddr { fd00::2/128 } iifname != { \"lo\", \"wg0\" } counter name dropped drop; ",
     "ip daddr"},
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
table_of_a_name_with_an_at (void)
{
  g_autofree char *table = cg_nft_table_of ("work@home");
  g_assert_cmpstr (table, ==, "custom-gateway-work/40home");
}

static char *
run (const World *world)
{
  return world_diff_text (world, NULL);
}

/* As the kernel would show it after we wrote what the plan says now. */
static void
stand (World *world, const char *fingerprint_then, const char *fingerprint_now)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  const CgGuardPlan *guard = &g_array_index (plan->guards, CgGuardPlan, 0);
  CgGuardFound found = {g_strdup ("wg0"), g_strdup (fingerprint_now), 0};
  CgSavedGuard saved = {g_strdup ("wg0"),
                        g_compute_checksum_for_string (G_CHECKSUM_SHA256, guard->text, -1),
                        g_strdup (fingerprint_then)};
  world_install (world, plan);
  g_array_append_val (world->facts->guards, found);
  g_array_append_val (world->facts->saved_guards, saved);
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
  g_array_set_size (tunnel->addresses, 0);
  g_autofree char *ops = run (world);
  g_assert_true (g_str_has_prefix (ops, "nft 'flush table inet custom-gateway-wg0; flush set inet "
                                        "custom-gateway-wg0 uids; table inet"));
}

static void
goes_before_the_rules_do (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nGuard=yes\nOnDown=release", 7, ALL);
  stand (world, "same", "same");
  g_array_index (world->facts->tunnels, CgTunnel, 0).is_up = FALSE;
  g_autofree char *ops = run (world);
  const char *way = strstr (ops, "route del default dev"),
             *guard = strstr (ops, "; delete table inet custom-gateway-wg0'\n"),
             *rule = strstr (ops, "rule del");
  g_assert_true (way && guard && rule && guard < rule && rule < way);
}

static void
of_a_bad_file_stays (void)
{
  g_autoptr (World) world = world_new ();
  CgGuardFound found = {g_strdup ("wg1"), g_strdup ("whatever"), 0};
  g_array_append_val (world->facts->guards, found);
  world_add_bad (world, "wg1");
  g_autofree char *ops = run (world);
  g_assert_cmpstr (ops, ==, "");
}

static void
of_no_file_goes (void)
{
  g_autoptr (World) world = world_new ();
  CgGuardFound found = {g_strdup ("wg1"), g_strdup ("whatever"), 0};
  g_array_append_val (world->facts->guards, found);
  g_autofree char *ops = run (world);
  g_assert_cmpstr (ops, ==,
                   "nft 'table inet custom-gateway-wg1; delete table inet custom-gateway-wg1'\n");
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
  g_assert_nonnull (strstr (ops, "nft"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/guard/text", text_cases, text_has);
  g_test_add_func ("/guard/table-of-a-name-with-an-at", table_of_a_name_with_an_at);
  g_test_add_func ("/guard/comes-between-the-rules-and-the-way",
                   comes_between_the_rules_and_the_way);
  g_test_add_func ("/guard/is-left-alone-if-right", is_left_alone_if_right);
  g_test_add_func ("/guard/is-written-if-somebody-changed-it", is_written_if_somebody_changed_it);
  g_test_add_func ("/guard/is-refilled-if-it-is-ours-still", is_refilled_if_it_is_ours_still);
  g_test_add_func ("/guard/goes-before-the-rules-do", goes_before_the_rules_do);
  g_test_add_func ("/guard/of-a-bad-file-stays", of_a_bad_file_stays);
  g_test_add_func ("/guard/of-no-file-goes", of_no_file_goes);
  g_test_add_func ("/guard/is-not-tried-where-there-is-no-nftables",
                   is_not_tried_where_there_is_no_nftables);
  g_test_add_func ("/guard/is-tried-all-the-same-if-required", is_tried_all_the_same_if_required);
  return g_test_run ();
}
