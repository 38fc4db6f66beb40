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

#define BYPASS "Bypass=10.0.0.0/8\n"

/* What changes when the gateway's file does, without what resolv.conf says. */
static char *
routes_that_change (const char *before, const char *after, guint32 ifindex)
{
  const struct DiffCase test = {.before = {{"wg0", before, 7}, {NULL}},
                                .after = {{"wg0", after, ifindex}, {NULL}}};
  g_autoptr (World) world = world_after (&test);
  g_autofree char *ops = world_diff_text (world, NULL);
  g_auto (GStrv) lines = g_strsplit (ops, "\n", -1);
  g_autoptr (GString) text = g_string_new (NULL);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix (*line, "ip "))
      g_string_append_printf (text, "%s\n", *line);
  return g_strdup (text->str);
}

/* At no moment does a question for it leave by the bypass. */
static void
server_in_a_bypass_is_closed_first_and_opened_last (void)
{
  g_autofree char *comes =
      routes_that_change (WG0 "DNS=10.2.0.1\n", WG0 "DNS=10.2.0.1\n" BYPASS, 7);
  g_assert_cmpstr (comes, ==,
                   "ip -4 route add prohibit 10.2.0.1/32 table 42 metric 4294967295 protocol 198\n"
                   "ip -4 route add 10.2.0.1/32 dev wg0 table 42 protocol 198\n"
                   "ip -4 route add throw 10.0.0.0/8 table 42 protocol 198\n");
  g_autofree char *goes = routes_that_change (WG0 "DNS=10.2.0.1\n" BYPASS, WG0 BYPASS, 7);
  g_assert_cmpstr (goes, ==,
                   "ip -4 route del 10.2.0.1/32 dev wg0 table 42 protocol 198\n"
                   "ip -4 route del prohibit 10.2.0.1/32 table 42 metric 4294967295 protocol "
                   "198\n");
  g_autofree char *down =
      routes_that_change (WG0 "DNS=10.2.0.1\n" BYPASS, WG0 "DNS=10.2.0.1\n" BYPASS, 0);
  g_assert_cmpstr (down, ==,
                   "ip -4 route del default dev wg0 table 42 protocol 198\n"
                   "ip -4 route del 10.2.0.1/32 dev wg0 table 42 protocol 198\n");
}

/* Both routes to it have one place in the table. */
static void
server_that_the_bypass_names_no_more_is_closed_meanwhile (void)
{
  static const char named[] = WG0 "DNS=10.2.0.1\nBypass=10.2.0.1\n";
  g_autofree char *ops = routes_that_change (named, WG0 "DNS=10.2.0.1\n" BYPASS, 7);
  g_assert_cmpstr (ops, ==,
                   "ip -4 route add prohibit 10.2.0.1/32 table 42 metric 4294967295 protocol 198\n"
                   "ip -4 route del throw 10.2.0.1/32 table 42 protocol 198\n"
                   "ip -4 route add 10.2.0.1/32 dev wg0 table 42 protocol 198\n"
                   "ip -4 route add throw 10.0.0.0/8 table 42 protocol 198\n");
}

#define WAY_BACK "from 10.64.0.2/32 priority 500 uidrange 0-0 lookup 42 protocol 198\n"

static World *
wg0_with_address (const char *address)
{
  World *world = world_new ();
  world_add (world, "wg0", WG0, 7, IPV4)->addresses = world_prefixes (address);
  return world;
}

/* It does not open the tunnel, and answers find it as soon as there are questions. */
static void
way_back_comes_before_the_way (void)
{
  g_autoptr (World) world = wg0_with_address ("10.64.0.2");
  g_autofree char *ops = world_diff_text (world, NULL);
  const char *closed = strstr (ops, "route add prohibit"), *way = strstr (ops, "add default dev"),
             *back = strstr (ops, "ip -4 rule add " WAY_BACK);
  g_assert_true (closed && back && way && closed < back && back < way);
  g_assert_null (strstr (ops, "-6 rule add from"));
}

static World *
wg0_that_moved (void)
{
  g_autoptr (World) before = wg0_with_address ("10.64.0.2");
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  World *world = wg0_with_address ("10.64.0.9");
  world_install (world, plan);
  return world;
}

static void
way_back_follows_the_address (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) world = wg0_that_moved ();
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_cmpstr (ops, ==,
                   "ip -4 rule add from 10.64.0.9/32 priority 500 uidrange 0-0 lookup 42 protocol "
                   "198\nip -4 rule del " WAY_BACK);
  /* it may have been hidden from the look, as any rule */
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_assert_true (cg_diff_has_rules (plan, world->facts, scope));
}

/* It confines no user, so it need not wait until it is known again which are in the file. */
static void
way_back_goes_while_a_file_is_bad (void)
{
  g_autoptr (World) world = wg0_that_moved ();
  world_add_bad (world, "wg1");
  g_autofree char *ops = world_diff_text (world, NULL);
  g_assert_nonnull (strstr (ops, "ip -4 rule del " WAY_BACK));
}

static void
remove_takes_the_way_back (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) world = wg0_that_moved ();
  g_autoptr (CgPlan) plan = cg_plan_empty ();
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  g_autofree char *text = ops_text (ops);
  g_assert_nonnull (strstr (text, "ip -4 rule del " WAY_BACK));
}

static void
way_back_of_another_gateway_is_left_alone (void)
{
  static const char *const wg1[] = {"wg1", NULL};
  g_autoptr (World) world = wg0_that_moved ();
  world_add (world, "wg1", WG1, 9, IPV4)->addresses = world_prefixes ("10.64.1.2");
  g_autofree char *ops = world_diff_text (world, wg1);
  g_assert_nonnull (strstr (ops, "rule add from 10.64.1.2/32 "));
  g_assert_null (strstr (ops, "lookup 42"));
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
  g_test_add_func ("/diff/server-in-a-bypass-is-closed-first-and-opened-last",
                   server_in_a_bypass_is_closed_first_and_opened_last);
  g_test_add_func ("/diff/server-that-the-bypass-names-no-more-is-closed-meanwhile",
                   server_that_the_bypass_names_no_more_is_closed_meanwhile);
  g_test_add_func ("/diff/way-back-comes-before-the-way", way_back_comes_before_the_way);
  g_test_add_func ("/diff/way-back-follows-the-address", way_back_follows_the_address);
  g_test_add_func ("/diff/way-back-goes-while-a-file-is-bad", way_back_goes_while_a_file_is_bad);
  g_test_add_func ("/diff/remove-takes-the-way-back", remove_takes_the_way_back);
  g_test_add_func ("/diff/way-back-of-another-gateway-is-left-alone",
                   way_back_of_another_gateway_is_left_alone);
  return g_test_run ();
}
