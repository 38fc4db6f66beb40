/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a run may change at all: cg_scope_new() of diff.c, and the filters, which are no table's. */

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "kernel.h"
#include "world.h"

#define WG0     "Users=alice\nTable=42\nIPv6=block\n"
#define WG1     "Users=bob\nTable=43\nIPv6=block\n"
#define LAST(t) " route del prohibit default table " #t " metric 4294967295 protocol 198\n"
#define IPV4    LINK_UP | LINK_IPV4
#define GONE(t) "ip -4" LAST (t) "ip -6" LAST (t)
#define RULE(op, uid, t)                                                                           \
  "ip -4 rule " #op " priority 500 uidrange " #uid "-" #uid " lookup " #t " protocol 198\n"        \
  "ip -6 rule " #op " priority 500 uidrange " #uid "-" #uid " lookup " #t " protocol 198\n"

static const char *const wg0[] = {"wg0", NULL};
static const char *const wg1[] = {"wg1", NULL};

/* wg0 and wg1 stand, up. */
static void
install_both (World *after)
{
  g_autoptr (World) before = world_new ();
  world_add (before, "wg0", WG0, 7, IPV4);
  world_add (before, "wg1", WG1, 9, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  world_install (after, plan);
}

static void
assert_ops (const World *world, const char *const *names, const char *expected)
{
  g_autofree char *ops = world_diff_text (world, names);
  g_assert_cmpstr (ops, ==, expected);
}

static void
named_gateway_alone (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 0, 0);
  world_add (world, "wg1", WG1, 0, 0);
  install_both (world);
  assert_ops (world, wg0, "ip -4 route del default dev wg0 table 42 protocol 198\n");
  assert_ops (world, wg1, "ip -4 route del default dev wg1 table 43 protocol 198\n");
}

static void
leftovers_go_in_a_run_over_all (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, IPV4);
  install_both (world);
  assert_ops (
      world, NULL,
      RULE (del, 1501, 43) "ip -4 route del default dev wg1 table 43 protocol 198\n" GONE (43));
}

static void
leftovers_stay_in_a_run_over_another (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, IPV4);
  install_both (world);
  assert_ops (world, wg0, "");
}

/* A rule for the old table would stand before the new one. */
static void
leftovers_of_the_same_user_go_with_the_gateway (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg1", "Users=bob\nTable=50\nIPv6=block\n", 0, 0);
  install_both (world);
  assert_ops (
      world, wg1,
      "ip -4 route add prohibit default table 50 metric 4294967295 protocol 198\n"
      "ip -6 route add prohibit default table 50 metric 4294967295 protocol 198\n" RULE (add, 1501,
                                                                                         50)
          RULE (del, 1501, 43) "ip -4 route del default dev wg1 table 43 protocol 198\n" GONE (43));
}

static void
leftovers_stay_while_a_file_is_bad (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, IPV4);
  world_add_bad (world, "wg1");
  install_both (world);
  assert_ops (world, NULL, "");
  assert_ops (world, wg0, "");
}

static void
good_ones_change_while_a_file_is_bad (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 0, 0);
  world_add_bad (world, "wg1");
  install_both (world);
  assert_ops (world, NULL, "ip -4 route del default dev wg0 table 42 protocol 198\n");
}

static void
add_rule (World *world, guint8 protocol, guint32 table, guint32 uid)
{
  const CgRule rule = {.family = AF_INET,
                       .protocol = protocol,
                       .action = FR_ACT_TO_TBL,
                       .priority = 500,
                       .table = table,
                       .uids = {uid, uid}};
  g_array_append_val (world->facts->rules, rule);
}

/* carol was wg0's, and may stand in the bad file by now: her rule keeps the table's last word. */
static void
the_last_word_stays_with_who_may_be_missing (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) before = world_new ();
  world_add (before, "wg0", "Users=alice\nTable=42\nIPv6=block\n", 7, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "OnDown=release\n", 0, 0);
  world_add_bad (world, "wg1");
  world_install (world, plan);
  add_rule (world, CG_PROTOCOL, 42, 1502);
  assert_ops (world, NULL,
              "ip -4 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
              "ip -6 rule del priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
              "ip -4 route del default dev wg0 table 42 protocol 198\n");

  /* hers alone is no reason to look for more */
  g_array_set_size (world->facts->rules, 0);
  add_rule (world, CG_PROTOCOL, 42, 1502);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (CgPlan) released = cg_plan_new (world->facts, NULL);
  g_assert_false (cg_diff_has_rules (released, world->facts, scope));
}

/* wg0 has another table now; in the old one is who may stand in the bad file. */
static void
the_way_stays_with_who_may_be_missing (void)
{
  g_autoptr (World) before = world_new ();
  world_add (before, "wg0", "Users=alice carol\nTable=42\nIPv6=block\n", 7, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=50\nIPv6=block\n", 7, IPV4);
  world_add_bad (world, "wg1");
  world_install (world, plan);
  g_autofree char *ops = world_diff_text (world, wg0);
  g_assert_nonnull (strstr (ops, "rule del priority 500 uidrange 1500-1500 lookup 42 "));
  g_assert_null (strstr (ops, "1502"));
  g_assert_null (strstr (ops, "route del"));
}

/* Somebody else sends alice to wg1's table: that does not make wg1 a part of a run over wg0. */
static void
rules_of_others_relate_nobody (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 0, 0);
  world_add (world, "wg1", WG1, 0, 0);
  add_rule (world, RTPROT_STATIC, 43, 1500);
  g_autofree char *ops = world_diff_text (world, wg0);
  g_assert_nonnull (strstr (ops, "table 42"));
  g_assert_null (strstr (ops, "table 43"));
}

static void
add_held (World *world, guint32 uid, guint32 table)
{
  cg_entries_append_uids (world->facts->guard->entries, (CgUidRange){uid, uid}, table);
  cg_entries_normalise (world->facts->guard->entries);
}

static void
assert_scope (const World *world, const char *const *names, const char *expected)
{
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
  g_autoptr (GString) tables = g_string_new (NULL);
  for (guint i = 0; i < scope->tables->len; i++)
    g_string_append_printf (tables, "%u ", g_array_index (scope->tables, guint32, i));
  g_assert_cmpstr (tables->str, ==, expected);
}

/* bob's rules are gone, and the guard of another gateway is all that holds bob: a run over the
 * gateway of now must see that bob moves. */
static void
what_a_guard_holds_counts_as_rules_do (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=42\nGuard=yes\n", 7, IPV4);
  world_add (world, "wg1", "Users=bob\nTable=43\nGuard=yes\n", 9, IPV4);
  assert_scope (world, wg1, "43 ");
  add_held (world, 1501, 77);
  add_held (world, 1502, 78);
  add_held (world, 1501, 42); /* the last one of a key stays */
  assert_scope (world, wg1, "43 42 ");
  assert_scope (world, wg0, "42 43 ");
}

/* The other way round: alice's gateway is named, and its guard holds bob. */
static void
a_guard_relates_those_that_it_holds (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=42\nGuard=yes\n", 7, IPV4);
  world_add (world, "wg1", "Users=bob\nTable=43\nGuard=no\n", 9, IPV4);
  add_held (world, 1500, 42);
  assert_scope (world, wg0, "42 ");
  add_held (world, 1501, 42);
  assert_scope (world, wg0, "42 43 ");
}

/* Of entries that are about no uid, whatever bytes they have. */
static void
other_entries_relate_nothing (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=42\nGuard=yes\n", 7, IPV4);
  world_add (world, "wg1", "Users=bob\nTable=43\nGuard=yes\n", 9, IPV4);
  const CgGuardEntry entries[] = {cg_entry_port (1501),
                                  cg_entry_gateway (43, (struct cg_way){{1500, 1501}, 0})};
  g_array_append_vals (world->facts->guard->entries, entries, G_N_ELEMENTS (entries));
  assert_scope (world, wg0, "42 ");
}

/* The kernel shows rules in whatever order they were added. */
static void
leftovers_go_in_whatever_order_they_stand (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 0, 0);
  for (guint32 uid = 1502; uid >= 1500; uid--)
    add_rule (world, CG_PROTOCOL, 77, uid);
  g_autofree char *ops = world_diff_text (world, wg0);
  g_assert_nonnull (strstr (ops, "rule del priority 500 uidrange 1500-1500 lookup 77 "));
}

static Kernel *
kernel_of (const World *world)
{
  Kernel *kernel = kernel_new ();
  const CgFacts *facts = world->facts;
  for (guint i = 0; i < facts->rules->len; i++)
    kernel_add_rule (kernel, &g_array_index (facts->rules, CgRule, i));
  for (guint i = 0; i < facts->routes->len; i++)
    kernel_add_route (kernel, &g_array_index (facts->routes, CgRoute, i));
  return kernel;
}

/* In a run over the gateways named, behind any operation. */
static void
assert_never_free (const World *world, const char *const *names, guint32 uid)
{
  CgPrefix anywhere;
  g_assert_true (cg_prefix_parse ("203.0.113.7", &anywhere));
  g_autoptr (Kernel) kernel = kernel_of (world);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    g_autofree char *line = cg_op_to_string (op);
    g_assert_cmpint (kernel_do (kernel, op), ==, 0);
    if (kernel_way (kernel, uid, &anywhere) == KERNEL_LAN) {
      g_test_fail_printf ("uid %u is free behind: %s", uid, line);
      return;
    }
  }
}

/* The administrator moves carol from one file to the other; before the reapply something happens to
 * wg0, and its event looks at wg0 alone. She is confined in either configuration. */
static void
moved_user_is_not_freed_by_a_run_over_the_old_gateway (void)
{
  g_autoptr (World) before = world_new ();
  world_add (before, "wg0", "Users=alice carol\nTable=42\n", 7, IPV4);
  world_add (before, "wg1", WG1, 9, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=42\n", 7, IPV4);
  world_add (world, "wg1", "Users=bob carol\nTable=43\n", 9, IPV4);
  world_install (world, plan);
  assert_never_free (world, wg0, 1502);
}

/* wg0 had both; it has another table now, and carol has moved. The old table goes with wg0. */
static void
moved_user_is_not_freed_with_the_old_table (void)
{
  g_autoptr (World) before = world_new ();
  world_add (before, "wg0", "Users=alice carol\nTable=42\n", 7, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=50\n", 7, IPV4);
  world_add (world, "wg1", "Users=carol\nTable=43\n", 9, IPV4);
  world_install (world, plan);
  assert_never_free (world, wg0, 1502);
}

/* wg0 takes the table that wg1 had; wg1 has another one now, but is not named. */
static void
taken_table_does_not_free_who_had_it (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=43\n", 7, IPV4);
  world_add (world, "wg1", "Users=bob\nTable=44\n", 9, IPV4);
  install_both (world);
  assert_never_free (world, wg0, 1501);
}

/* wg1.conf is broken, so nobody can know that it lost its table to wg0. */
static void
taken_table_does_not_free_who_is_in_a_bad_file (void)
{
  static const char *const all[] = {NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nTable=43\n", 7, IPV4);
  world_add_bad (world, "wg1");
  install_both (world);
  assert_never_free (world, all, 1501);
}

static void
add_strict (World *world, const char *name, const char *lines, guint32 ifindex, int value)
{
  world_add (world, name, lines, ifindex, IPV4)->rp_filter = value;
}

static void
install_plan (World *world)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  world_install (world, plan);
}

static void
filter_is_set (void)
{
  g_autoptr (World) world = world_new ();
  add_strict (world, "wg0", WG0, 7, CG_FILTER_STRICT);
  add_strict (world, "wg1", WG1, 9, CG_FILTER_STRICT);
  install_plan (world);
  assert_ops (world, wg0, "sysctl -w net.ipv4.conf.wg0.rp_filter=2\n");
  assert_ops (world, NULL,
              "sysctl -w net.ipv4.conf.wg0.rp_filter=2\n"
              "sysctl -w net.ipv4.conf.wg1.rp_filter=2\n");
}

static void
filter_is_set_before_the_way_is_open (void)
{
  g_autoptr (World) world = world_new ();
  add_strict (world, "wg0", WG0, 0, -1);
  install_plan (world);
  g_array_set_size (world->facts->tunnels, 0);
  add_strict (world, "wg0", WG0, 7, CG_FILTER_STRICT);
  assert_ops (world, NULL,
              "sysctl -w net.ipv4.conf.wg0.rp_filter=2\n"
              "ip -4 route add default dev wg0 table 42 protocol 198\n");
}

static void
filter_with_a_dot_in_the_name (void)
{
  g_autoptr (World) world = world_new ();
  add_strict (world, "eth0.5", WG0, 7, CG_FILTER_STRICT);
  install_plan (world);
  assert_ops (world, NULL, "sysctl -w net/ipv4/conf/eth0.5/rp_filter=2\n");
}

static void
filter_is_restored_behind_the_way (void)
{
  g_autoptr (World) world = world_new ();
  world_add_kept (world, "wg1", 9, CG_FILTER_STRICT, 9, CG_FILTER_LOOSE);
  world_add (world, "wg0", WG0, 7, IPV4);
  install_both (world);
  assert_ops (world, NULL,
              RULE (del, 1501, 43) "ip -4 route del default dev wg1 table 43 protocol 198\n"
                                   "sysctl -w net.ipv4.conf.wg1.rp_filter=1\n" GONE (43));
}

static void
filter_of_nobodys_interface_stays_in_a_run_over_another (void)
{
  g_autoptr (World) world = world_new ();
  world_add_kept (world, "wg1", 9, CG_FILTER_STRICT, 9, CG_FILTER_LOOSE);
  world_add (world, "wg0", WG0, 7, IPV4);
  install_both (world);
  assert_ops (world, wg0, "");
}

static void
filter_that_others_set_since_is_left_alone (void)
{
  g_autoptr (World) world = world_new ();
  world_add_kept (world, "wg1", 9, CG_FILTER_STRICT, 9, 0);
  world_add_kept (world, "wg2", 4, CG_FILTER_STRICT, 5, CG_FILTER_LOOSE);
  world_add_kept (world, "wg3", 6, CG_FILTER_STRICT, 0, -1);
  assert_ops (world, NULL, "");
}

/* The other gateway of the interface still needs it. */
static void
filter_stays_with_the_last_gateway_of_the_interface (void)
{
  g_autoptr (World) world = world_new ();
  world_add_kept (world, "wg0", 7, CG_FILTER_STRICT, 7, CG_FILTER_LOOSE);
  add_strict (world, "wg0", WG0 "ReversePathFilter=keep\n", 7, CG_FILTER_LOOSE);
  add_strict (world, "wg1", WG1 "Interface=wg0\n", 7, CG_FILTER_LOOSE);
  install_plan (world);
  assert_ops (world, NULL, "");
  assert_ops (world, wg0, "");
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestFunc story;
  } stories[] = {
      {"named-gateway-alone", named_gateway_alone},
      {"leftovers/go-in-a-run-over-all", leftovers_go_in_a_run_over_all},
      {"leftovers/stay-in-a-run-over-another", leftovers_stay_in_a_run_over_another},
      {"leftovers/of-the-same-user-go", leftovers_of_the_same_user_go_with_the_gateway},
      {"leftovers/stay-while-a-file-is-bad", leftovers_stay_while_a_file_is_bad},
      {"good-ones-change-while-a-file-is-bad", good_ones_change_while_a_file_is_bad},
      {"the-last-word-stays-with-who-may-be-missing", the_last_word_stays_with_who_may_be_missing},
      {"the-way-stays-with-who-may-be-missing", the_way_stays_with_who_may_be_missing},
      {"rules-of-others-relate-nobody", rules_of_others_relate_nobody},
      {"leftovers/go-in-whatever-order-they-stand", leftovers_go_in_whatever_order_they_stand},
      {"guard/counts-as-rules-do", what_a_guard_holds_counts_as_rules_do},
      {"guard/relates-those-that-it-holds", a_guard_relates_those_that_it_holds},
      {"guard/other-entries", other_entries_relate_nothing},
      {"freed/by-a-run-over-the-old-gateway",
       moved_user_is_not_freed_by_a_run_over_the_old_gateway},
      {"freed/with-the-old-table", moved_user_is_not_freed_with_the_old_table},
      {"freed/by-who-takes-the-table", taken_table_does_not_free_who_had_it},
      {"freed/by-who-takes-the-table-of-a-bad-file",
       taken_table_does_not_free_who_is_in_a_bad_file},
      {"filter/is-set", filter_is_set},
      {"filter/is-set-before-the-way-is-open", filter_is_set_before_the_way_is_open},
      {"filter/with-a-dot-in-the-name", filter_with_a_dot_in_the_name},
      {"filter/is-restored-behind-the-way", filter_is_restored_behind_the_way},
      {"filter/of-nobodys-interface-stays-in-a-run-over-another",
       filter_of_nobodys_interface_stays_in_a_run_over_another},
      {"filter/that-others-set-since", filter_that_others_set_since_is_left_alone},
      {"filter/stays-with-the-last-gateway", filter_stays_with_the_last_gateway_of_the_interface},
  };
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  for (gsize i = 0; i < G_N_ELEMENTS (stories); i++) {
    g_autofree char *path = g_strconcat ("/scope/", stories[i].name, NULL);
    g_test_add_func (path, stories[i].story);
  }
  return g_test_run ();
}
