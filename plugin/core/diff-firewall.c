/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff-firewall.h"

/* A pass that stands twice is taken away with the gateway; till then it does no harm. */
static void
diff_passes (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  const CgFirewall *firewall = facts->firewall;
  for (guint i = 0; i < firewall->passes->len; i++) {
    const CgPass *pass = &g_array_index (firewall->passes, CgPass, i);
    CgOp op = {.step = CG_STEP_DEL_PASS};
    op.pass.pass = *pass;
    if (!cg_passes_have (plan->passes, pass) && cg_scope_has_gateway (scope, facts, pass->gateway))
      g_array_append_val (ops, op);
  }
  for (guint i = 0; i < plan->passes->len; i++) {
    const CgPass *pass = &g_array_index (plan->passes, CgPass, i);
    CgOp op = {.step = CG_STEP_ADD_PASS};
    op.pass = (CgPassOp){*pass, firewall->checks[pass->chain].check};
    if (!cg_passes_have (firewall->passes, pass) &&
        cg_scope_has_gateway (scope, facts, pass->gateway))
      g_array_append_val (ops, op);
  }
}

/* The rules of one array that the other lacks. */
static void
diff_rules (
    GArray *ops, CgStep step, const GArray *rules, const GArray *others, const CgScope *scope)
{
  for (guint i = 0; i < rules->len; i++) {
    CgOp op = {.step = step, .rule = g_array_index (rules, CgRule, i)};
    gboolean found = FALSE;
    for (guint j = 0; j < others->len && !found; j++)
      found = cg_rule_compare (&op.rule, &g_array_index (others, CgRule, j)) == 0;
    if (!found && cg_scope_has (scope, op.rule.table))
      g_array_append_val (ops, op);
  }
}

void
cg_diff_firewall (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  diff_passes (ops, plan, facts, scope);
}

void
cg_diff_ways_back (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  diff_rules (ops, CG_STEP_DEL_RULE, facts->ways_back, plan->ways_back, scope);
  diff_rules (ops, CG_STEP_ADD_RULE, plan->ways_back, facts->ways_back, scope);
}
