/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The promise: cut a change off behind any operation, and nobody who is confined before and after
 * has another way out by the rules, nor by an interface that a program picks where a guard holds
 * its uid before and after. Tried on many changes, each from one world to another, in a model of
 * the kernel and of the guard. When all is done, the guard also lets out what it should. */

#include "fast-restore.h"
#include "scenario.h"

#include <linux/rtnetlink.h>

#define N_SCENARIOS 400u

static const char *const all[] = {NULL};

static void
assert_no_leak (const Scenario *scenario, const Kernel *kernel, guint seed, const char *behind)
{
  g_autofree char *leak = scenario_find_leak (scenario, kernel);
  if (leak)
    g_error ("scenario %u, behind '%s': %s", seed, behind, leak);
}

static void
assert_guard_holds (const Scenario *scenario, const Kernel *kernel, guint seed, const char *behind)
{
  g_autofree char *unguarded = scenario_find_unguarded (scenario, kernel);
  if (unguarded)
    g_error ("scenario %u, behind '%s': %s", seed, behind, unguarded);
}

/* A packet that goes out by a tunnel must find the answers let in. */
static void
assert_answers_come_in (const World *world, const Kernel *kernel, const CgOp *op)
{
  if (op->step != CG_STEP_ADD_WAY || op->route.family != AF_INET || op->route.type != RTN_UNICAST)
    return;
  for (guint i = 0; i < world->facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, i);
    if (tunnel->table != op->route.table || tunnel->gateway->reverse_path == CG_REVERSE_PATH_KEEP)
      continue;
    const KernelFilter *filter = kernel_find_filter (kernel, tunnel->gateway->interface);
    g_assert_cmpint (MAX (filter->value, world->facts->rp_filter_all), !=, CG_FILTER_STRICT);
  }
}

static gboolean
is_of_the_guard (const CgOp *op)
{
  return op->step == CG_STEP_GUARD || op->step == CG_STEP_UNGUARD || op->step == CG_STEP_OPEN_GUARD;
}

static void
do_one (Kernel *kernel, const CgOp *op, guint seed)
{
  int status = kernel_do (kernel, op);
  g_autofree char *line = cg_op_to_string (op);
  if (status != 0)
    g_error ("scenario %u: the kernel refuses '%s': %s", seed, line, g_strerror (status));
}

/* Makes the kernel what the world should have, looking after every operation, up to the cut. */
static guint
change (const Scenario *scenario, World *world, Kernel *kernel, guint cut, guint seed)
{
  kernel_show (kernel, world->facts);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  for (guint i = 0; i < MIN (cut, ops->len); i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    g_autofree char *line = cg_op_to_string (op);
    do_one (kernel, op, seed);
    if (is_of_the_guard (op))
      assert_guard_holds (scenario, kernel, seed, line);
    else
      assert_no_leak (scenario, kernel, seed, line);
    assert_answers_come_in (world, kernel, op);
  }
  return ops->len;
}

/* What stands of the guard is what was planned, and does what it is for. */
static void
assert_guarded (const Scenario *scenario,
                const World *world,
                const CgPlan *plan,
                const Kernel *kernel,
                guint seed)
{
  g_autofree char *wrong = scenario_find_misguarded (scenario, world, kernel);
  if (wrong)
    g_error ("scenario %u, when all is done: %s", seed, wrong);
  g_assert_null (kernel->outdated);
  g_assert_cmpint (kernel->is_guarded, ==, plan->entries->len > 0);
  g_assert_cmpuint (kernel->entries->len, ==, plan->entries->len);
  for (guint i = 0; i < plan->entries->len; i++) {
    const CgGuardEntry *wanted = &g_array_index (plan->entries, CgGuardEntry, i);
    const CgGuardEntry *found = &g_array_index (kernel->entries, CgGuardEntry, i);
    g_assert_cmpint (cg_entry_compare (wanted, found), ==, 0);
    g_assert_true (cg_entry_has_same_value (wanted, found));
  }
  g_assert_cmpstr (kernel->table, ==, plan->table_text);
}

static void
assert_done (const Scenario *scenario, World *world, const Kernel *kernel, guint seed)
{
  kernel_show (kernel, world->facts);
  g_autofree char *rest = world_diff_text (world, NULL);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  guint rules = 0;
  for (guint i = 0; i < kernel->rules->len; i++)
    rules += g_array_index (kernel->rules, CgRule, i).protocol == CG_PROTOCOL;
  if (*rest)
    g_error ("scenario %u: a second run would do:\n%s", seed, rest);
  g_assert_cmpuint (rules, ==, plan->rules->len + plan->ways_back->len);
  g_array_sort (world->facts->routes, cg_route_compare);
  g_assert_cmpuint (world->facts->routes->len, ==, plan->routes->len);
  for (guint i = 0; i < plan->routes->len; i++)
    g_assert_cmpint (cg_route_compare (&g_array_index (plan->routes, CgRoute, i),
                                       &g_array_index (world->facts->routes, CgRoute, i)),
                     ==, 0);
  assert_guarded (scenario, world, plan, kernel, seed);
}

static void
nobody_leaks_behind_any_operation (void)
{
  guint operations = 0;
  for (guint seed = 0; seed < N_SCENARIOS; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    assert_no_leak (scenario, scenario->kernel, seed, "the start");
    assert_guard_holds (scenario, scenario->kernel, seed, "the start");
    operations += change (scenario, scenario->after, scenario->kernel, G_MAXUINT, seed);
    assert_done (scenario, scenario->after, scenario->kernel, seed);
  }
  g_test_message ("%u operations in %u changes", operations, N_SCENARIOS);
  g_assert_cmpuint (operations, >, 10 * N_SCENARIOS);
}

/* The interfaces become again what they were before: others of the same name. */
static void
plug_back (const Scenario *scenario)
{
  const GArray *tunnels = scenario->before->facts->tunnels;
  for (guint i = 0; i < tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (tunnels, CgTunnel, i);
    KernelFilter *filter = kernel_find_filter (scenario->kernel, tunnel->gateway->interface);
    if (!tunnel->ifindex || filter->ifindex == tunnel->ifindex)
      continue;
    kernel_drop_routes_of (scenario->kernel, filter->ifindex);
    filter->ifindex = tunnel->ifindex;
    filter->value = CG_FILTER_STRICT;
  }
}

/* We die in the middle, the tunnel changes back, and the next run starts from the ruins. */
static void
nobody_leaks_on_the_way_back_from_a_cut (void)
{
  for (guint seed = 0; seed < N_SCENARIOS; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    guint cut = seed % 29;
    change (scenario, scenario->after, scenario->kernel, cut, seed);
    plug_back (scenario);
    change (scenario, scenario->before, scenario->kernel, G_MAXUINT, seed);
    assert_done (scenario, scenario->before, scenario->kernel, seed);
  }
}

/* Every cut, and on from there. */
static void
a_run_after_any_cut_ends_the_same (void)
{
  for (guint seed = 0; seed < N_SCENARIOS / 20; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    guint count = 1;
    for (guint cut = 0; cut < count; cut++) {
      g_autoptr (Kernel) kernel = kernel_copy (scenario->kernel);
      count = change (scenario, scenario->after, kernel, cut, seed);
      change (scenario, scenario->after, kernel, G_MAXUINT, seed);
      assert_done (scenario, scenario->after, kernel, seed);
    }
  }
}

static gboolean
is_about_a_route (const CgOp *op)
{
  return op->step == CG_STEP_ADD_PROHIBIT || op->step == CG_STEP_DEL_PROHIBIT ||
         op->step == CG_STEP_ADD_WAY || op->step == CG_STEP_DEL_WAY ||
         op->step == CG_STEP_LEAVE_WAY;
}

static void
others_are_left_alone (void)
{
  for (guint seed = 0; seed < N_SCENARIOS; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    g_autoptr (CgScope) scope = cg_scope_new (scenario->after->facts, all);
    g_autoptr (GArray) ops = cg_diff (scenario->plan_after, scenario->after->facts, scope);
    for (guint i = 0; i < ops->len; i++) {
      const CgOp *op = &g_array_index (ops, CgOp, i);
      if (op->step == CG_STEP_ADD_RULE || op->step == CG_STEP_DEL_RULE)
        g_assert_cmpuint (op->rule.protocol, ==, CG_PROTOCOL);
      else if (is_about_a_route (op))
        g_assert_cmpuint (op->route.protocol, ==, CG_PROTOCOL);
    }
  }
}

/* A run over some of the gateways leaves the others as they were before, confined. The events of
 * one interface are such runs. */
static void
nobody_leaks_in_a_run_over_some_gateways (void)
{
  for (guint seed = 0; seed < N_SCENARIOS; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    World *world = scenario->after;
    guint number = world->config->gateways->len;
    if (number == 0)
      continue;
    const CgGateway *chosen = world->config->gateways->pdata[seed % number];
    const char *const names[] = {chosen->name, NULL};
    g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
    g_autoptr (GArray) ops = cg_diff (scenario->plan_after, world->facts, scope);
    for (guint i = 0; i < ops->len; i++) {
      const CgOp *op = &g_array_index (ops, CgOp, i);
      g_autofree char *line = cg_op_to_string (op);
      do_one (scenario->kernel, op, seed);
      g_autofree char *leak = scenario_find_leak (scenario, scenario->kernel);
      if (!leak)
        leak = scenario_find_unguarded_apart (scenario, scenario->kernel);
      if (leak) {
        g_test_fail_printf ("scenario %u, only %s, behind '%s': %s", seed, names[0], line, leak);
        return;
      }
    }
    kernel_show (scenario->kernel, world->facts);
    g_autofree char *rest = world_diff_text (world, names);
    g_assert_cmpstr (rest, ==, "");
  }
}

/* Somebody takes away all rules of ours, or some, and now and then routes too. */
static void
lose (Kernel *kernel, guint seed)
{
  for (guint i = kernel->rules->len; i-- > 0;)
    if (g_array_index (kernel->rules, CgRule, i).protocol == CG_PROTOCOL && (seed + i) % 3 < 2)
      g_array_remove_index (kernel->rules, i);
  for (guint i = kernel->routes->len; seed % 2 && i-- > 0;)
    if (g_array_index (kernel->routes, CgRoute, i).protocol == CG_PROTOCOL && (seed / 2 + i) % 2)
      g_array_remove_index (kernel->routes, i);
  if (seed % 3 == 0)
    kernel_lose_guard (kernel);
  for (guint i = kernel->entries->len; seed % 3 == 1 && i-- > 0;)
    if ((seed / 3 + i) % 5 == 0)
      g_array_remove_index (kernel->entries, i);
}

/* What the first half of a monitor's repair does, by the answers of before. */
static guint
repair (const Scenario *scenario, guint seed)
{
  CgConfig *config = scenario->before->config;
  kernel_show (scenario->kernel, scenario->before->facts);
  config->incomplete = TRUE;
  g_autoptr (CgPlan) plan = cg_plan_new (scenario->before->facts, NULL);
  g_autoptr (CgScope) scope = cg_scope_new (scenario->before->facts, all);
  g_autoptr (GArray) ops = cg_diff (plan, scenario->before->facts, scope);
  cg_fast_restore_choose (ops);
  config->incomplete = FALSE;
  for (guint i = 0; i < ops->len; i++)
    do_one (scenario->kernel, &g_array_index (ops, CgOp, i), seed);
  assert_no_leak (scenario, scenario->kernel, seed, "the first half");
  assert_guard_holds (scenario, scenario->kernel, seed, "the first half");
  return ops->len;
}

/* Something is lost just when the answers would be others by now: what closes is back behind the
 * first half, and nobody leaks in the second. */
static void
a_repair_by_old_answers_closes (void)
{
  guint operations = 0;
  for (guint seed = 0; seed < N_SCENARIOS; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    lose (scenario->kernel, seed);
    operations += repair (scenario, seed);
    change (scenario, scenario->after, scenario->kernel, G_MAXUINT, seed);
    assert_done (scenario, scenario->after, scenario->kernel, seed);
  }
  g_assert_cmpuint (operations, >, N_SCENARIOS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/order/nobody-leaks-behind-any-operation", nobody_leaks_behind_any_operation);
  g_test_add_func ("/order/nobody-leaks-on-the-way-back-from-a-cut",
                   nobody_leaks_on_the_way_back_from_a_cut);
  g_test_add_func ("/order/a-run-after-any-cut-ends-the-same", a_run_after_any_cut_ends_the_same);
  g_test_add_func ("/order/others-are-left-alone", others_are_left_alone);
  g_test_add_func ("/order/nobody-leaks-in-a-run-over-some-gateways",
                   nobody_leaks_in_a_run_over_some_gateways);
  g_test_add_func ("/order/a-repair-by-old-answers-closes", a_repair_by_old_answers_closes);
  return g_test_run ();
}
