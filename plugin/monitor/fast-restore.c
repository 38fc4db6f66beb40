/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fast-restore.h"

#include "commit.h"
#include "gather.h"
#include "profiles.h"
#include "removed.h"
#include "config-copy.h"

static gboolean
closes (const CgOp *op)
{
  switch (op->step) {
  case CG_STEP_ADD_PROHIBIT:
  case CG_STEP_ADD_RULE:
    return TRUE;
  case CG_STEP_GUARD:
    return op->guard.work == CG_GUARD_TABLE ? !op->guard.stands : op->guard.work != CG_GUARD_DELETE;
  default:
    return FALSE;
  }
}

void
cg_fast_restore_choose (GArray *ops)
{
  guint kept = 0;
  for (guint i = 0; i < ops->len; i++) {
    CgOp op = g_array_index (ops, CgOp, i);
    if (closes (&op))
      g_array_index (ops, CgOp, kept++) = op;
  }
  g_array_set_size (ops, kept);
}

/* Adds the gateways that somebody has released by hand. */
static void
add_released (const CgConfig *config, const char *runtime_dir, GPtrArray *names)
{
  g_ptr_array_set_size (names, (int) names->len - 1);
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (cg_removed_has (runtime_dir, gateway->name))
      g_ptr_array_add (names, gateway->name);
  }
  g_ptr_array_add (names, NULL);
}

/* By uid the guard's table holds all gateways, so that to write it without some would let these go.
 */
static void
leave_table (GArray *ops)
{
  for (guint i = ops->len; i-- > 0;) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    if (op->step == CG_STEP_GUARD && op->guard.work == CG_GUARD_TABLE)
      g_array_remove_index (ops, i);
  }
}

/* Of the gateways that are left out nothing is planned; as nothing is taken away, they stay as they
 * are. */
static gboolean
put_back (const CgOptions *options,
          const CgConfig *config,
          const char *const *left_out,
          GError **error)
{
  static const char *const all[] = {NULL};
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, error);
  g_autoptr (CgFacts) facts =
      netlink ? cg_facts_gather (config, netlink, options->runtime_dir, NULL, error) : NULL;
  if (!facts)
    return FALSE;
  g_auto (CgUnguarded) unguarded = {NULL};
  g_autoptr (CgScope) scope = cg_scope_new (facts, all);
  g_autoptr (CgPlan) plan = cg_plan_new (facts, left_out);
  g_autoptr (GArray) ops = cg_diff (plan, facts, scope);
  cg_fast_restore_choose (ops);
  if (*left_out && cg_facts_guard_by_uid (facts))
    leave_table (ops);
  if (ops->len > 0)
    g_message ("putting back %u of our rules, routes and guards before anybody is asked", ops->len);
  return cg_commit (netlink, ops, options->runtime_dir, &unguarded, error);
}

void
cg_fast_restore (const CgOptions *options, GVariant *config_copy, GVariant *answers)
{
  g_autoptr (CgConfig) config =
      cg_config_copy_load (config_copy, options->config_dir, cg_user_lookup);
  cg_profiles_add (config, "", cg_user_lookup);
  g_autoptr (GPtrArray) left_out = cg_resolve_cache_recall (answers, config);
  add_released (config, options->runtime_dir, left_out);
  g_autoptr (GError) error = NULL;
  if (!put_back (options, config, (const char *const *) left_out->pdata, &error))
    g_info ("not all was put back at once: %s", error->message);
}
