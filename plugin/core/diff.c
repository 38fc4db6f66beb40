/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff.h"

#include <string.h>

#include "diff-firewall.h"
#include "diff-guard.h"
#include "diff-resolvconf.h"
#include "stray.h"

/* What is to be done about one rule or route: add it, or delete it. */
typedef void (*Report) (GArray *ops, gconstpointer element, gboolean add);

static void
report_rule (GArray *ops, gconstpointer element, gboolean add)
{
  CgOp op = {.step = add ? CG_STEP_ADD_RULE : CG_STEP_DEL_RULE, .rule = *(const CgRule *) element};
  g_array_append_val (ops, op);
}

static void
report_route (GArray *ops, gconstpointer element, gboolean add)
{
  CgOp op = {.route = *(const CgRoute *) element};
  if (cg_route_closes (&op.route))
    op.step = add ? CG_STEP_ADD_PROHIBIT : CG_STEP_DEL_PROHIBIT;
  else
    op.step = add ? CG_STEP_ADD_WAY : CG_STEP_DEL_WAY;
  g_array_append_val (ops, op);
}

/* Walks two arrays of one type, both sorted by compare, and reports what only one of them has.
 *
 * What is wanted and was found twice is right: a dump of rules that somebody else adds to meanwhile
 * may show one of ours twice (the kernel counts places and sets no NLM_F_DUMP_INTR, fib_nl_dumprule
 * in net/core/fib_rules.c), and to delete the other one would be to delete the only one. */
static void
diff_sorted (GArray *ops, GArray *wanted, GArray *found, GCompareFunc compare, Report report)
{
  gsize size = g_array_get_element_size (wanted);
  guint i = 0, j = 0;
  while (i < wanted->len || j < found->len) {
    /* of an array that never had an element the data are NULL, to which nothing can be added */
    gconstpointer want = i < wanted->len ? wanted->data + i * size : NULL;
    gconstpointer have = j < found->len ? found->data + j * size : NULL;
    int order = i == wanted->len ? 1 : j == found->len ? -1 : compare (want, have);
    if (order != 0)
      report (ops, order < 0 ? want : have, order < 0);
    i += order <= 0;
    j += order >= 0;
    while (order == 0 && j < found->len && compare (want, found->data + j * size) == 0)
      j++;
  }
}

/* What of an array of rules or routes a run is about, sorted. */
static GArray *
rules_in_scope (const GArray *rules, const CgScope *scope)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (CgRule));
  for (guint i = 0; i < rules->len; i++) {
    const CgRule *rule = &g_array_index (rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && cg_scope_has (scope, rule->table))
      g_array_append_val (chosen, *rule);
  }
  g_array_sort (chosen, cg_rule_compare);
  return chosen;
}

static GArray *
routes_in_scope (const GArray *routes, const CgScope *scope)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (CgRoute));
  for (guint i = 0; i < routes->len; i++) {
    const CgRoute *route = &g_array_index (routes, CgRoute, i);
    if (route->protocol == CG_PROTOCOL && cg_scope_has (scope, route->table))
      g_array_append_val (chosen, *route);
  }
  g_array_sort (chosen, cg_route_compare);
  return chosen;
}

static gboolean
filter_is_wanted (const GArray *filters, const char *ifname)
{
  for (guint i = 0; i < filters->len; i++)
    if (g_str_equal (g_array_index (filters, CgFilter, i).ifname, ifname))
      return TRUE;
  return FALSE;
}

/* An interface may carry several gateways: its filter is in scope with any of them. That of an
 * interface which no gateway has any more is so if everything is. */
static gboolean
filter_in_scope (const CgFacts *facts, const CgScope *scope, const char *ifname)
{
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (g_strcmp0 (tunnel->gateway->interface, ifname) == 0 && cg_scope_has (scope, tunnel->table))
      return TRUE;
  }
  return scope->all;
}

static void
diff_filters (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  for (guint i = 0; i < plan->filters->len; i++) {
    CgOp op = {.step = CG_STEP_SET_FILTER, .filter = g_array_index (plan->filters, CgFilter, i)};
    if (op.filter.now != op.filter.value && filter_in_scope (facts, scope, op.filter.ifname))
      g_array_append_val (ops, op);
  }
  for (guint i = 0; i < facts->kept->len; i++) {
    const CgKeptFilter *kept = &g_array_index (facts->kept, CgKeptFilter, i);
    CgOp op = {
        .step = CG_STEP_RESTORE_FILTER,
        .filter = {.ifindex = kept->ifindex, .value = kept->saved.value, .now = kept->value}};
    g_strlcpy (op.filter.ifname, kept->saved.ifname, sizeof op.filter.ifname);
    if (cg_kept_filter_is_ours (kept) && !filter_is_wanted (plan->filters, op.filter.ifname) &&
        filter_in_scope (facts, scope, op.filter.ifname))
      g_array_append_val (ops, op);
  }
}

static gboolean
table_is_planned (const CgPlan *plan, guint32 table)
{
  for (guint i = 0; i < plan->routes->len; i++)
    if (g_array_index (plan->routes, CgRoute, i).table == table)
      return TRUE;
  return FALSE;
}

static void
part_ways (GArray *ops, const CgPlan *plan)
{
  for (guint i = 0; i < ops->len; i++) {
    CgOp *op = &g_array_index (ops, CgOp, i);
    if (op->step == CG_STEP_DEL_WAY && !table_is_planned (plan, op->route.table))
      op->step = CG_STEP_LEAVE_WAY;
  }
}

/* A way back confines no user. */
static gboolean
rule_is_held (const CgScope *scope, const CgRule *rule)
{
  return scope->known && !rule->source.length && !cg_uids_contain (scope->known, rule->uids);
}

/* A table that rules of such uids look up is no gateway's, so its entries are out of scope. */
static gboolean
guard_is_held (const CgGuardOp *guard, const CgScope *scope, GHashTable *held)
{
  if (guard->work == CG_GUARD_UNLOAD)
    return TRUE;
  if (guard->work != CG_GUARD_DELETE)
    return FALSE;
  if (guard->entry.map == CG_MAP_UIDS)
    return !cg_uids_contain (scope->known, cg_entry_uids (&guard->entry));
  return g_hash_table_contains (held, GUINT_TO_POINTER (guard->table));
}

/* Whether the operation would set somebody free, or take a way from somebody, whom no good file
 * knows: he may stand in a bad one. held has the tables that such people's rules look up. */
static gboolean
op_is_held (const CgOp *op, const CgFacts *facts, const CgScope *scope, GHashTable *held)
{
  switch (op->step) {
  case CG_STEP_DEL_RULE:
    return rule_is_held (scope, &op->rule);
  case CG_STEP_UNGUARD:
    return guard_is_held (&op->guard, scope, held);
  case CG_STEP_RELEASE_DNS:
    return g_hash_table_contains (held, GUINT_TO_POINTER (op->resolvconf.table));
  case CG_STEP_DEL_PROHIBIT:
    return g_hash_table_contains (held, GUINT_TO_POINTER (op->route.table));
  case CG_STEP_DEL_WAY:
  case CG_STEP_LEAVE_WAY:
    return g_hash_table_contains (held, GUINT_TO_POINTER (op->route.table)) &&
           !cg_facts_gateway_of_table (facts, op->route.table);
  default:
    return FALSE;
  }
}

static void
drop_held (GArray *ops, const CgFacts *facts, const CgScope *scope)
{
  if (!scope->known)
    return;
  g_autoptr (GHashTable) held = g_hash_table_new (NULL, NULL);
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && rule_is_held (scope, rule))
      g_hash_table_add (held, GUINT_TO_POINTER (rule->table));
  }
  guint kept = 0;
  for (guint i = 0; i < ops->len; i++) {
    CgOp op = g_array_index (ops, CgOp, i);
    if (!op_is_held (&op, facts, scope, held))
      g_array_index (ops, CgOp, kept++) = op;
  }
  g_array_set_size (ops, kept);
}

/* Routes come in the order of cg_route_compare(): in each table the tunnel before the bypasses. */
static int
by_step (gconstpointer a, gconstpointer b)
{
  const CgOp *left = a, *right = b;
  return (left->step > right->step) - (left->step < right->step);
}

static void
diff_rules (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  g_autoptr (GArray) wanted = rules_in_scope (plan->rules, scope);
  g_autoptr (GArray) found = rules_in_scope (facts->rules, scope);
  diff_sorted (ops, wanted, found, cg_rule_compare, report_rule);
  cg_diff_ways_back (ops, plan, facts, scope);
}

gboolean
cg_diff_has_rules (const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  g_autoptr (GArray) ops = g_array_new (FALSE, TRUE, sizeof (CgOp));
  diff_rules (ops, plan, facts, scope);
  drop_held (ops, facts, scope);
  return ops->len > 0;
}

GArray *
cg_diff (const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  GArray *ops = g_array_new (FALSE, TRUE, sizeof (CgOp));
  g_autoptr (GArray) wanted_routes = routes_in_scope (plan->routes, scope);
  g_autoptr (GArray) found_routes = routes_in_scope (facts->routes, scope);
  diff_rules (ops, plan, facts, scope);
  diff_sorted (ops, wanted_routes, found_routes, cg_route_compare, report_route);
  part_ways (ops, plan);
  cg_diff_guard (ops, plan, facts, scope);
  diff_filters (ops, plan, facts, scope);
  cg_diff_firewall (ops, plan, facts, scope);
  cg_diff_resolvconfs (ops, plan, facts, scope);
  drop_held (ops, facts, scope);
  g_array_sort (ops, by_step); /* stable, by its documentation */
  return ops;
}

static char *
filter_to_string (const CgFilter *filter)
{
  /* sysctl(8): where a part of the name holds a dot, slashes separate the parts */
  g_autofree char *name = g_strdup_printf ("net/ipv4/conf/%s/rp_filter", filter->ifname);
  if (!strchr (filter->ifname, '.'))
    g_strdelimit (name, "/", '.');
  g_autofree char *assignment = g_strdup_printf ("%s=%d", name, filter->value);
  g_autofree char *quoted = g_shell_quote (assignment);
  return g_strdup_printf ("sysctl -w %s", cg_is_shell_word (assignment) ? assignment : quoted);
}

char *
cg_op_to_string (const CgOp *op)
{
  gboolean add = op->step == CG_STEP_ADD_PROHIBIT || op->step == CG_STEP_ADD_RULE ||
                 op->step == CG_STEP_ADD_WAY;
  const char *object = NULL;
  g_autofree char *rest = NULL;
  gboolean odd = FALSE;
  guint8 family;

  switch (op->step) {
  case CG_STEP_RESTORE_FILTER:
  case CG_STEP_SET_FILTER:
    return filter_to_string (&op->filter);
  case CG_STEP_GUARD:
  case CG_STEP_OPEN_GUARD:
  case CG_STEP_UNGUARD:
    return cg_guard_op_to_string (&op->guard);
  case CG_STEP_ADD_PASS:
  case CG_STEP_DEL_PASS:
    return cg_pass_op_to_string (&op->pass);
  case CG_STEP_END_STRAYS:
    return cg_strays_to_string (op->tunnel);
  case CG_STEP_CONFINE_DNS:
  case CG_STEP_RELEASE_DNS:
    return cg_resolvconf_op_to_string (&op->resolvconf);
  case CG_STEP_ADD_RULE:
  case CG_STEP_DEL_RULE:
    object = "rule";
    rest = cg_rule_to_string (&op->rule);
    family = op->rule.family;
    odd = op->rule.odd;
    break;
  default:
    object = "route";
    rest = cg_route_to_string (&op->route);
    family = op->route.family;
    odd = op->route.odd;
  }
  return g_strdup_printf ("ip -%c %s %s %s%s", family == AF_INET6 ? '6' : '4', object,
                          add ? "add" : "del", rest, odd ? " # and more that it says" : "");
}
