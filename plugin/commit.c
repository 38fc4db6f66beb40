/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commit.h"

#include "rtnl.h"

typedef struct {
  GPtrArray *ops;     /* const CgOp: of the step at hand */
  GHashTable *failed; /* tables with a failure */
  GError *error;      /* the first failure */
} Run;

static gboolean
is_route_step (CgStep step)
{
  return step == CG_STEP_ADD_PROHIBIT || step == CG_STEP_DEL_WAY || step == CG_STEP_ADD_WAY ||
         step == CG_STEP_DEL_PROHIBIT;
}

static gboolean
is_rule_step (CgStep step)
{
  return step == CG_STEP_ADD_RULE || step == CG_STEP_DEL_RULE;
}

static guint32
table_of (const CgOp *op)
{
  if (is_route_step (op->step))
    return op->route.table;
  return is_rule_step (op->step) ? op->rule.table : 0;
}

static void
note_failure (Run *run, const CgOp *op, const char *why, const char *more)
{
  g_hash_table_add (run->failed, GUINT_TO_POINTER (table_of (op)));
  if (run->error)
    return;
  g_autofree char *line = cg_op_to_string (op);
  run->error = g_error_new (CG_ERROR, CG_ERROR_FAILED, "%s: %s%s%s%s", line, why, more ? " (" : "",
                            more ? more : "", more ? ")" : "");
}

static gboolean
may_run (Run *run, const CgOp *op)
{
  if (!run->error)
    return TRUE;
  if (op->step == CG_STEP_DEL_RULE || op->step == CG_STEP_DEL_PROHIBIT) {
    g_hash_table_add (run->failed, GUINT_TO_POINTER (table_of (op)));
    return FALSE;
  }
  return !g_hash_table_contains (run->failed, GUINT_TO_POINTER (table_of (op)));
}

static void
encode_op (struct nlmsghdr *message, guint index, gpointer data)
{
  const Run *run = data;
  const CgOp *op = run->ops->pdata[index];
  gboolean add = op->step == CG_STEP_ADD_PROHIBIT || op->step == CG_STEP_ADD_RULE ||
                 op->step == CG_STEP_ADD_WAY;
  if (is_rule_step (op->step))
    cg_rtnl_put_rule (message, &op->rule, add);
  else
    cg_rtnl_put_route (message, &op->route, add);
}

static void
op_refused (guint index, int number, const char *text, gpointer data)
{
  Run *run = data;
  note_failure (run, run->ops->pdata[index], g_strerror (number), text);
}

static gboolean
send_step (CgNetlink *netlink, Run *run)
{
  const CgNetlinkBatch batch = {
      .count = run->ops->len, .encode = encode_op, .refused = op_refused, .data = run};
  g_autoptr (GError) error = NULL;
  if (cg_netlink_send (netlink, &batch, &error))
    return TRUE;
  note_failure (run, run->ops->pdata[0], error->message, NULL);
  return FALSE;
}

/* What was there before is kept before it is overwritten, and forgotten after it is back. */
static void
write_filter (const CgOp *op, const char *runtime_dir, Run *run)
{
  const CgFilter *filter = &op->filter;
  g_autoptr (GError) error = NULL;
  gboolean done = TRUE;
  if (op->step == CG_STEP_SET_FILTER) {
    CgSavedFilter saved = {.ifindex = filter->ifindex, .value = filter->now};
    g_strlcpy (saved.ifname, filter->ifname, sizeof saved.ifname);
    done = cg_runtime_save_filter (runtime_dir, &saved, &error);
  }
  done = done && cg_sysctl_write_filter (filter->ifname, filter->value, &error);
  if (done && op->step == CG_STEP_RESTORE_FILTER)
    cg_runtime_forget_filter (runtime_dir, filter->ifname);
  if (!done)
    note_failure (run, op, error->message, NULL);
}

gboolean
cg_commit (CgNetlink *netlink, const GArray *ops, const char *runtime_dir, GError **error)
{
  g_autoptr (GHashTable) failed = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) step_ops = g_ptr_array_new ();
  Run run = {.ops = step_ops, .failed = failed};
  gboolean alive = TRUE;

  for (guint i = 0; i < ops->len && alive;) {
    CgStep step = g_array_index (ops, CgOp, i).step;
    g_ptr_array_set_size (step_ops, 0);
    for (; i < ops->len && g_array_index (ops, CgOp, i).step == step; i++) {
      CgOp *op = &g_array_index (ops, CgOp, i);
      if (!may_run (&run, op))
        continue;
      if (is_route_step (step) || is_rule_step (step))
        g_ptr_array_add (step_ops, op);
      else
        write_filter (op, runtime_dir, &run);
    }
    if (step_ops->len > 0)
      alive = send_step (netlink, &run);
  }
  if (!run.error)
    return TRUE;
  g_propagate_error (error, run.error);
  return FALSE;
}
