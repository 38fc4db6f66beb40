/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commit.h"

#include "rtnl.h"

typedef struct {
  GPtrArray *ops;     /* const CgOp: of the step at hand */
  GHashTable *failed; /* tables with a failure */
  GError *error;      /* the first failure */
  GError *dns_error;  /* likewise of resolv.conf; it holds up nothing else */
} Run;

static gboolean
is_route_step (CgStep step)
{
  return step == CG_STEP_ADD_PROHIBIT || step == CG_STEP_DEL_WAY || step == CG_STEP_ADD_WAY ||
         step == CG_STEP_LEAVE_WAY || step == CG_STEP_DEL_PROHIBIT;
}

static gboolean
is_rule_step (CgStep step)
{
  return step == CG_STEP_ADD_RULE || step == CG_STEP_DEL_RULE;
}

static guint32
table_of (const CgOp *op)
{
  if (op->step == CG_STEP_GUARD)
    return op->guard.table;
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
  if (op->step == CG_STEP_RELEASE_DNS)
    return FALSE; /* its rules may still be there */
  if (op->step == CG_STEP_GUARD || op->step == CG_STEP_DEL_RULE || op->step == CG_STEP_LEAVE_WAY ||
      op->step == CG_STEP_DEL_PROHIBIT) {
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

/* Keeps how the kernel shows what was just written, to know it again. */
static void
remember_guards (const GPtrArray *ops, const char *runtime_dir)
{
  g_autoptr (GArray) found = cg_guards_found_new ();
  if (!cg_nft_look (found, NULL))
    return;
  for (guint i = 0; i < ops->len; i++) {
    const CgGuardOp *guard = &((const CgOp *) ops->pdata[i])->guard;
    cg_runtime_forget_guard (runtime_dir, guard->gateway);
    for (guint j = 0; guard->text && j < found->len; j++) {
      const CgGuardFound *now = &g_array_index (found, CgGuardFound, j);
      if (!g_str_equal (now->gateway, guard->gateway))
        continue;
      g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, guard->text, -1);
      const CgSavedGuard saved = {now->gateway, sum, now->fingerprint};
      cg_runtime_save_guard (runtime_dir, &saved);
    }
  }
}

/* All guards in one transaction, so that no two of them contradict each other if it fails. It is
 * not one for a packet that is on its way between their chains: see LIMITS in custom-gateway(8). */
static void
write_guards (const GPtrArray *ops, const char *runtime_dir, Run *run)
{
  g_autoptr (GString) commands = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  for (guint i = 0; i < ops->len; i++) {
    g_autofree char *text = cg_guard_op_commands (&((const CgOp *) ops->pdata[i])->guard);
    g_string_append_printf (commands, "%s\n", text);
  }
  if (cg_nft_run (commands->str, &error)) {
    remember_guards (ops, runtime_dir);
    return;
  }
  gboolean required = FALSE;
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = ops->pdata[i];
    if (op->guard.required)
      note_failure (run, op, error->message, NULL);
    required = required || op->guard.required;
  }
  if (!required)
    g_warning ("no guard: %s", error->message);
}

/* A file that could not be written says what it said before. To leave the gateway half done for
 * that would be worse. */
static void
write_resolvconf (const CgOp *op, Run *run)
{
  g_autoptr (GError) error = NULL;
  if (!cg_resolvconf_write (op->resolvconf.path, op->resolvconf.text, &error) && !run->dns_error)
    run->dns_error = g_steal_pointer (&error);
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
      if (step == CG_STEP_SET_FILTER || step == CG_STEP_RESTORE_FILTER)
        write_filter (op, runtime_dir, &run);
      else if (step == CG_STEP_CONFINE_DNS || step == CG_STEP_RELEASE_DNS)
        write_resolvconf (op, &run);
      else
        g_ptr_array_add (step_ops, op);
    }
    if (step_ops->len > 0 && step == CG_STEP_GUARD)
      write_guards (step_ops, runtime_dir, &run);
    else if (step_ops->len > 0)
      alive = send_step (netlink, &run);
  }
  if (!run.error && !run.dns_error)
    return TRUE;
  if (run.error)
    g_clear_error (&run.dns_error);
  g_propagate_error (error, run.error ? run.error : run.dns_error);
  return FALSE;
}
