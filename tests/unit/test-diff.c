/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The exact operations of a change, in their order. That this order is right: test-order.c. */

#include "world.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define WG0_TABLE 42
#define WG0       "Users=alice\nTable=42\nIPv6=block\n"
#define WG1       "Users=bob\nTable=43\nIPv6=block\n"
#define IPV4      LINK_UP | LINK_IPV4

/* One gateway, or two. ifindex 0: the tunnel is down. */
typedef struct {
  const char *name;
  const char *lines;
  guint32 ifindex;
} Given;

static const struct DiffCase {
  const char *name;
  Given before[2];
  Given after[2];
  const char *ops;
} diff_cases[] = {
    {"nothing-to-do-while-up", {{"wg0", WG0, 7}}, {{"wg0", WG0, 7}}, ""},
    {"nothing-to-do-while-blocked", {{"wg0", WG0, 0}}, {{"wg0", WG0, 0}}, ""},
    {"first-time-up",
     {{0}},
     {{"wg0", WG0, 7}},
     "ip -4 route add prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -6 route add prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -4 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -4 route add default dev wg0 table 42 protocol 198\n"},
    {"first-time-blocked",
     {{0}},
     {{"wg0", WG0, 0}},
     "ip -4 route add prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -6 route add prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -4 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"},
    {"tunnel-comes",
     {{"wg0", WG0, 0}},
     {{"wg0", WG0, 7}},
     "ip -4 route add default dev wg0 table 42 protocol 198\n"},
    {"tunnel-goes",
     {{"wg0", WG0, 7}},
     {{"wg0", WG0, 0}},
     "ip -4 route del default dev wg0 table 42 protocol 198\n"},
    {"tunnel-goes-and-releases",
     {{"wg0", WG0 "OnDown=release\n", 7}},
     {{"wg0", WG0 "OnDown=release\n", 0}},
     "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -4 route del default dev wg0 table 42 protocol 198\n"
     "ip -4 route del prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -6 route del prohibit default table 42 metric 4294967295 protocol 198\n"},
    {"interface-comes-back-as-another",
     {{"wg0", WG0, 7}},
     {{"wg0", WG0, 8}},
     "ip -4 route del default dev wg0 table 42 protocol 198\n"
     "ip -4 route add default dev wg0 table 42 protocol 198\n"},
    {"interface-changed",
     {{"wg0", WG0, 7}},
     {{"wg0", WG0 "Interface=tun1\n", 9}},
     "ip -4 route del default dev wg0 table 42 protocol 198\n"
     "ip -4 route add default dev tun1 table 42 protocol 198\n"},
    {"gateway-is-gone",
     {{"wg0", WG0, 0}, {"wg1", WG1, 0}},
     {{"wg0", WG0, 0}},
     "ip -4 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -4 route del prohibit default table 43 metric 4294967295 protocol 198\n"
     "ip -6 route del prohibit default table 43 metric 4294967295 protocol 198\n"},
    {"table-moved",
     {{"wg0", WG0, 7}},
     {{"wg0", "Users=alice\nTable=50\nIPv6=block\n", 7}},
     "ip -4 route add prohibit default table 50 metric 4294967295 protocol 198\n"
     "ip -6 route add prohibit default table 50 metric 4294967295 protocol 198\n"
     "ip -4 rule add priority 500 uidrange 1500-1500 lookup 50 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1500-1500 lookup 50 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -4 route del default dev wg0 table 42 protocol 198\n"
     "ip -4 route add default dev wg0 table 50 protocol 198\n"
     "ip -4 route del prohibit default table 42 metric 4294967295 protocol 198\n"
     "ip -6 route del prohibit default table 42 metric 4294967295 protocol 198\n"},
    {"priority-changed",
     {{"wg0", WG0, 7}},
     {{"wg0", WG0 "Priority=400\n", 7}},
     "ip -4 rule add priority 400 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule add priority 400 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"},
    {"user-added",
     {{"wg0", WG0, 7}},
     {{"wg0", "Users=alice carol\nTable=42\nIPv6=block\n", 7}},
     "ip -4 rule add priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"},
    {"neighbour-added",
     {{"wg0", WG0, 7}},
     {{"wg0", "Users=alice bob\nTable=42\nIPv6=block\n", 7}},
     "ip -4 rule add priority 500 uidrange 1500-1501 lookup 42 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1500-1501 lookup 42 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"},
    {"user-removed",
     {{"wg0", "Users=alice carol\nTable=42\nIPv6=block\n", 7}},
     {{"wg0", WG0, 7}},
     "ip -4 rule del priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"},
    {"user-moved-between-gateways",
     {{"wg0", "Users=alice carol\nTable=42\nIPv6=block\n", 7}, {"wg1", WG1, 9}},
     {{"wg0", WG0, 7}, {"wg1", "Users=bob 1502\nTable=43\nIPv6=block\n", 9}},
     "ip -4 rule add priority 500 uidrange 1501-1502 lookup 43 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1501-1502 lookup 43 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1502-1502 lookup 42 protocol 198\n"},
    {"tables-swapped",
     {{"wg0", WG0, 7}, {"wg1", WG1, 9}},
     {{"wg0", "Users=alice\nTable=43\nIPv6=block\n", 7},
      {"wg1", "Users=bob\nTable=42\nIPv6=block\n", 9}},
     "ip -4 route del default dev wg0 table 42 protocol 198\n"
     "ip -4 route del default dev wg1 table 43 protocol 198\n"
     "ip -4 rule add priority 500 uidrange 1500-1500 lookup 43 protocol 198\n"
     "ip -4 rule add priority 500 uidrange 1501-1501 lookup 42 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1500-1500 lookup 43 protocol 198\n"
     "ip -6 rule add priority 500 uidrange 1501-1501 lookup 42 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -4 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
     "ip -6 rule del priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
     "ip -4 route add default dev wg1 table 42 protocol 198\n"
     "ip -4 route add default dev wg0 table 43 protocol 198\n"},
    {"bypass-changed",
     {{"wg0", WG0 "Bypass=10.0.0.0/8 10.1.0.0/16\n", 7}},
     {{"wg0", WG0 "Bypass=10.1.0.0/16 fd77::/64\n", 7}},
     "ip -4 route del throw 10.0.0.0/8 table 42 protocol 198\n"
     "ip -6 route add throw fd77::/64 table 42 metric 1024 protocol 198\n"},
    {"tunnel-comes-before-its-bypass",
     {{"wg0", WG0, 0}},
     {{"wg0", WG0 "Bypass=10.0.0.0/8\n", 7}},
     "ip -4 route add default dev wg0 table 42 protocol 198\n"
     "ip -4 route add throw 10.0.0.0/8 table 42 protocol 198\n"},
};

static World *
world_of (const Given given[2])
{
  World *world = world_new ();
  for (guint i = 0; i < 2 && given[i].name; i++)
    world_add (world, given[i].name, given[i].lines, given[i].ifindex, IPV4);
  return world;
}

/* What stands in the kernel is what the first configuration planned. */
static World *
world_after (const struct DiffCase *test)
{
  g_autoptr (World) before = world_of (test->before);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  World *after = world_of (test->after);
  world_install (after, plan);
  return after;
}

static void
differs (gconstpointer data)
{
  const struct DiffCase *test = data;
  g_autoptr (World) world = world_after (test);
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_cmpstr (ops, ==, test->ops);

  static const char *const all[] = {NULL};
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_assert_cmpint (cg_diff_has_rules (plan, world->facts, scope), ==,
                   strstr (test->ops, " rule ") != NULL);
}

static World *
wg0_installed (void)
{
  static const struct DiffCase standing = {.before = {{"wg0", WG0, 7}, {NULL}},
                                           .after = {{"wg0", WG0, 7}, {NULL}}};
  return world_after (&standing);
}

static void
remove_takes_all (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) world = wg0_installed ();
  g_autoptr (CgPlan) plan = cg_plan_empty ();
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  g_autofree char *text = ops_text (ops);
  g_assert_cmpstr (text, ==,
                   "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
                   "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
                   "ip -4 route del default dev wg0 table 42 protocol 198\n"
                   "ip -4 route del prohibit default table 42 metric 4294967295 protocol 198\n"
                   "ip -6 route del prohibit default table 42 metric 4294967295 protocol 198\n");
}

static void
add_rule (World *world, CgRule rule)
{
  rule.family = AF_INET;
  g_array_append_val (world->facts->rules, rule);
}

static void
add_route (World *world, CgRoute route)
{
  route.family = AF_INET;
  route.destination.family = AF_INET;
  g_array_append_val (world->facts->routes, route);
}

/* Neither in our table nor at our priority, nor as like ours as can be. */
static void
foreign_is_in_no_operation (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) world = wg0_installed ();
  add_rule (world, (CgRule){.protocol = RTPROT_STATIC,
                            .action = FR_ACT_TO_TBL,
                            .priority = 500,
                            .table = WG0_TABLE,
                            .uids = {1500, 1500}});
  add_route (world, (CgRoute){.protocol = RTPROT_BOOT,
                              .type = RTN_UNICAST,
                              .table = WG0_TABLE,
                              .ifindex = 2,
                              .metric = 5,
                              .ifname = "lan0"});
  g_autofree char *standing = world_diff_text (world, NULL);
  g_assert_cmpstr (standing, ==, "");

  g_autoptr (CgPlan) nothing = cg_plan_empty ();
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (GArray) ops = cg_diff (nothing, world->facts, scope);
  g_assert_cmpuint (ops->len, ==, 5);
}

static const struct OddCase {
  const char *name;
  CgRule rule;
  CgRoute route;
  const char *ops;
} odd_cases[] = {
    {"rule-that-selects-more",
     .rule = {.protocol = CG_PROTOCOL,
              .action = FR_ACT_TO_TBL,
              .odd = TRUE,
              .priority = 500,
              .table = WG0_TABLE,
              .uids = {1500, 1500}},
     .ops = "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198 # and more that "
            "it says\n"},
    {"rule-of-another-action",
     .rule = {.protocol = CG_PROTOCOL,
              .action = FR_ACT_UNREACHABLE,
              .priority = 7,
              .uids = {1500, 1500}},
     .ops = "ip -4 rule del priority 7 uidrange 1500-1500 unreachable protocol 198\n"},
    {"rule-for-everybody",
     .rule = {.protocol = CG_PROTOCOL,
              .action = FR_ACT_TO_TBL,
              .odd = TRUE,
              .priority = 7,
              .table = 99,
              .uids = {0, G_MAXUINT32}},
     .ops = "ip -4 rule del priority 7 lookup 99 protocol 198 # and more that it says\n"},
    {"route-with-a-next-hop",
     .route = {.protocol = CG_PROTOCOL,
               .type = RTN_UNICAST,
               .odd = TRUE,
               .table = WG0_TABLE,
               .ifindex = 7,
               .ifname = "wg0"},
     .ops = "ip -4 route del default dev wg0 table 42 protocol 198 # and more that it says\n"},
    {"route-of-another-type",
     .route = {.protocol = CG_PROTOCOL, .type = RTN_BLACKHOLE, .table = WG0_TABLE, .metric = 9},
     .ops = "ip -4 route del blackhole default table 42 metric 9 protocol 198\n"},
    {"route-in-the-table-main",
     .route = {.protocol = CG_PROTOCOL,
               .type = RTN_UNICAST,
               .table = RT_TABLE_MAIN,
               .ifindex = 7,
               .ifname = "wg0"},
     .ops = "ip -4 route del default dev wg0 table 254 protocol 198\n"},
};

static void
removes_odd (gconstpointer data)
{
  const struct OddCase *test = data;
  g_autoptr (World) world = wg0_installed ();
  if (test->rule.protocol)
    add_rule (world, test->rule);
  if (test->route.protocol)
    add_route (world, test->route);
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_cmpstr (ops, ==, test->ops);
}

/* A dump may show a rule twice that is there once: it must not be deleted then. */
static void
rule_that_is_seen_twice (void)
{
  g_autoptr (World) world = wg0_installed ();
  CgRule rule = g_array_index (world->facts->rules, CgRule, 0);
  g_array_append_val (world->facts->rules, rule);
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_cmpstr (ops, ==, "");
}

/* The data of an array that is empty are NULL, and clang's sanitizer for undefined behaviour sees
 * whether anything is added to that: nothing was found, and then nothing is wanted. */
static void
one_side_is_empty (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (World) installed = wg0_installed ();
  g_autoptr (CgPlan) nothing = cg_plan_empty ();
  g_autoptr (CgScope) everything = cg_scope_everything ();
  world_add (world, "wg0", WG0, 7, IPV4);
  g_autofree char *added = world_diff_text (world, NULL);
  g_autoptr (GArray) removed = cg_diff (nothing, installed->facts, everything);
  g_assert_nonnull (strstr (added, "route add default dev wg0"));
  g_assert_cmpuint (removed->len, ==, 5);
}

/* The lines are meant to be run, and the kernel lets a name hold any shell's syntax. */
static void
names_are_quoted_for_the_shell (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "a", "Users=alice\nTable=42\nIPv6=block\nInterface=$(reboot)'\n", 7, IPV4)
      ->rp_filter = CG_FILTER_STRICT;
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_nonnull (
      g_strrstr (ops, "ip -4 route add default dev '$(reboot)'\\''' table 42 protocol 198\n"));
  g_assert_nonnull (g_strrstr (ops, "sysctl -w 'net.ipv4.conf.$(reboot)'\\''.rp_filter=2'\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/diff", diff_cases, differs);
  ADD_CASES ("/diff/odd", odd_cases, removes_odd);
  g_test_add_func ("/diff/remove", remove_takes_all);
  g_test_add_func ("/diff/foreign-is-in-no-operation", foreign_is_in_no_operation);
  g_test_add_func ("/diff/rule-that-is-seen-twice", rule_that_is_seen_twice);
  g_test_add_func ("/diff/one-side-is-empty", one_side_is_empty);
  g_test_add_func ("/diff/names-are-quoted-for-the-shell", names_are_quoted_for_the_shell);
  return g_test_run ();
}
