/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commit.h"

#include "former.h"
#include "guard.h"
#include "nft-firewall.h"
#include "rtnl.h"
#include "stray.h"
#include "sysctl.h"

typedef struct {
  GPtrArray *ops;     /* const CgOp: of the step at hand */
  GHashTable *failed; /* tables with a failure */
  CgUnguarded *unguarded;
  GError *error;     /* the first failure */
  GError *dns_error; /* all that failed of files: resolv.conf, and values to be kept; they hold up
                        nothing else */
} Run;

void
cg_unguarded_clear (CgUnguarded *unguarded)
{
  g_clear_pointer (&unguarded->tables, g_array_unref);
  g_clear_pointer (&unguarded->why, g_free);
  unguarded->passing = FALSE;
}

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

static gboolean
is_guard_step (CgStep step)
{
  return step == CG_STEP_GUARD || step == CG_STEP_UNGUARD;
}

static guint32
table_of (const CgOp *op)
{
  if (is_guard_step (op->step))
    return op->guard.table;
  if (is_route_step (op->step))
    return op->route.table;
  if (op->step == CG_STEP_END_STRAYS)
    return op->tunnel->table;
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
  /* one guard may let go only whom another one was written to hold */
  if (op->step == CG_STEP_UNGUARD && run->unguarded->why)
    return FALSE;
  if (!run->error)
    return TRUE;
  if (op->step == CG_STEP_RELEASE_DNS)
    return FALSE; /* its rules may still be there */
  if (op->step == CG_STEP_UNGUARD || op->step == CG_STEP_DEL_RULE ||
      op->step == CG_STEP_LEAVE_WAY || op->step == CG_STEP_DEL_PROHIBIT) {
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

static void
note_file (Run *run, const char *why)
{
  if (run->dns_error)
    g_prefix_error (&run->dns_error, "%s; ", why);
  else
    run->dns_error = g_error_new_literal (CG_ERROR, CG_ERROR_ABSENT, why);
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
    if (!cg_runtime_save_filter (runtime_dir, &saved, &error)) {
      /* answers that the kernel drops are no leak */
      g_autofree char *line = cg_op_to_string (op);
      g_prefix_error (&error, "%s: ", line);
      note_file (run, error->message);
      return;
    }
  }
  done = done && cg_sysctl_write_filter (filter->ifname, filter->value, &error);
  if (done && op->step == CG_STEP_RESTORE_FILTER)
    cg_runtime_forget_filter (runtime_dir, filter->ifname);
  if (!done)
    note_failure (run, op, error->message, NULL);
}

/* Keeps how the kernel shows what was just written, to know it again; unless somebody else changed
 * nftables since, who may have changed that. */
static void
remember_guards (CgNetlink *nft, const GPtrArray *ops, guint32 generation, const char *runtime_dir)
{
  g_autoptr (GArray) found = cg_guards_found_new ();
  guint32 now;
  gboolean seen = nft && cg_nft_look (nft, found, NULL, &now, NULL) && now == generation;
  for (guint i = 0; i < ops->len; i++) {
    const CgGuardOp *guard = &((const CgOp *) ops->pdata[i])->guard;
    cg_runtime_forget_guard (runtime_dir, guard->gateway);
    if (!guard->text)
      cg_former_forget (runtime_dir, guard->gateway);
    for (guint j = 0; seen && guard->text && j < found->len; j++) {
      const CgGuardFound *stands = &g_array_index (found, CgGuardFound, j);
      if (!g_str_equal (stands->gateway, guard->gateway))
        continue;
      g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, guard->text, -1);
      const CgSavedGuard saved = {stands->gateway, sum, stands->fingerprint};
      cg_runtime_save_guard (runtime_dir, &saved);
    }
  }
}

/* The next number of a change; 0 is left out (nf_tables_commit in net/netfilter/nf_tables_api.c).
 */
static guint32
next_generation (guint32 generation)
{
  return generation + 1 ? generation + 1 : 1;
}

/* The lines about shields for those guards that are to be replaced: to raise them, or to take them
 * away. NULL if there are none. */
static char *
shield_commands (const GPtrArray *ops, gboolean raise)
{
  g_autoptr (GString) commands = g_string_new (NULL);
  for (guint i = 0; i < ops->len; i++) {
    const CgGuardOp *guard = &((const CgOp *) ops->pdata[i])->guard;
    if (!guard->text || guard->how != CG_GUARD_REPLACE)
      continue;
    g_autofree char *text = raise ? cg_guard_shield (guard->gateway, guard->text)
                                  : cg_guard_unshielding (guard->gateway);
    g_string_append_printf (commands, "%s\n", text);
  }
  return commands->len > 0 ? g_strdup (commands->str) : NULL;
}

/* One transaction that takes a guard away and makes it anew is not one for a packet on its way:
 * behind this the packet meets the shield, which says the same. */
static gboolean
write_together (const GPtrArray *ops, const char *runtime_dir, GError **error)
{
  g_autoptr (GString) commands = g_string_new (NULL);
  g_autofree char *raise = shield_commands (ops, TRUE);
  g_autofree char *lower = shield_commands (ops, FALSE);
  guint32 generation = 0;
  if (raise && !cg_nft_run (raise, error))
    return FALSE;
  for (guint i = 0; i < ops->len; i++) {
    g_autofree char *text = cg_guard_op_commands (&((const CgOp *) ops->pdata[i])->guard);
    g_string_append_printf (commands, "%s\n", text);
  }
  g_autoptr (CgNetlink) nft = cg_netlink_open_to_look (NETLINK_NETFILTER, NULL);
  gboolean counted = nft && cg_nft_generation (nft, &generation, NULL);
  if (!cg_nft_run (commands->str, error) || (lower && !cg_nft_run (lower, error)))
    return FALSE;
  for (guint changes = lower ? 2 : 1; changes > 0; changes--)
    generation = next_generation (generation);
  /* what nobody counted is remembered as nothing: it will be written again */
  remember_guards (nft, ops, counted ? generation : 0, runtime_dir);
  return TRUE;
}

static void
note_unguarded (Run *run, const CgOp *op, const GError *why)
{
  CgUnguarded *unguarded = run->unguarded;
  if (!unguarded->tables)
    unguarded->tables = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_array_append_val (unguarded->tables, op->guard.table);
  if (!unguarded->why)
    unguarded->why = g_strdup_printf ("%s: %s", op->guard.gateway, why->message);
  if (!g_error_matches (why, CG_ERROR, CG_ERROR_ABSENT))
    unguarded->passing = TRUE;
  if (op->guard.required)
    note_failure (run, op, why->message, NULL);
}

/* All guards in one transaction, or if it fails each in its own, and anew: one that the kernel does
 * not take must not cost the others theirs. */
static void
write_guards (const GPtrArray *ops, const char *runtime_dir, Run *run)
{
  g_autoptr (GError) error = NULL;
  if (write_together (ops, runtime_dir, &error))
    return;
  gboolean hopeless = g_error_matches (error, CG_ERROR, CG_ERROR_ABSENT);
  for (guint i = 0; i < ops->len; i++) {
    if (hopeless) {
      note_unguarded (run, ops->pdata[i], error);
      continue;
    }
    CgOp op = *(const CgOp *) ops->pdata[i];
    g_autoptr (GPtrArray) alone = g_ptr_array_new ();
    g_autoptr (GError) why = NULL;
    op.guard.how = CG_GUARD_REPLACE;
    g_ptr_array_add (alone, &op);
    if (!write_together (alone, runtime_dir, &why))
      note_unguarded (run, ops->pdata[i], why);
  }
}

/* Without a pass answers are dropped, which is no leak; and a firewall that cannot be changed is no
 * reason to keep the tunnel's other family or other gateways from working. */
static void
write_passes (const GPtrArray *ops)
{
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (CgPassOp));
  g_autoptr (GError) error = NULL;
  for (guint i = 0; i < ops->len; i++)
    g_array_append_val (changes, ((CgOp *) ops->pdata[i])->pass);
  if (!cg_nft_firewall_change (changes, &error))
    g_warning ("the firewall's reverse path check is left as it is: %s", error->message);
}

/* A file that could not be written says what it said before. To leave the gateway half done for
 * that would be worse. */
static void
write_resolvconf (const CgOp *op, Run *run)
{
  g_autoptr (GError) error = NULL;
  if (!cg_resolvconf_write (op->resolvconf.path, op->resolvconf.text, &error))
    note_file (run, error->message);
}

gboolean
cg_commit (CgNetlink *netlink,
           const GArray *ops,
           const char *runtime_dir,
           CgUnguarded *unguarded,
           GError **error)
{
  g_autoptr (GHashTable) failed = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) step_ops = g_ptr_array_new ();
  Run run = {.ops = step_ops, .failed = failed, .unguarded = unguarded};
  gboolean alive = TRUE;

  cg_strays_note (ops, runtime_dir);
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
      else if (step == CG_STEP_END_STRAYS)
        cg_strays_end (netlink, op->tunnel, runtime_dir);
      else
        g_ptr_array_add (step_ops, op);
    }
    if (step_ops->len > 0 && is_guard_step (step))
      write_guards (step_ops, runtime_dir, &run);
    else if (step_ops->len > 0 && (step == CG_STEP_ADD_PASS || step == CG_STEP_DEL_PASS))
      write_passes (step_ops);
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
