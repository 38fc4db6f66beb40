/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commit.h"

#include "guard.h"
#include "nft-firewall.h"
#include "rtnl.h"
#include "stray-run.h"
#include "sysctl.h"

typedef struct {
  GPtrArray *ops;     /* const CgOp: of the step at hand */
  GHashTable *failed; /* tables with a failure */
  CgUnguarded *unguarded;
  GError *error;     /* the first failure */
  GError *dns_error; /* all that failed of files: resolv.conf, and values to be kept; they hold up
                        nothing else */
  CgBpfMaps *maps;   /* of the guard, once they are needed */
  gboolean lacks[2]; /* a part of the guard could not be written: in BPF, and in nftables */
} Run;

void
cg_unguarded_clear (CgUnguarded *unguarded)
{
  g_clear_pointer (&unguarded->tables, g_array_unref);
  g_clear_pointer (&unguarded->why, g_free);
  g_clear_pointer (&unguarded->no_bpf, g_free);
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
  return step == CG_STEP_GUARD || step == CG_STEP_UNGUARD || step == CG_STEP_OPEN_GUARD;
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
  /* what could not be written may be what is to hold them */
  if (op->step == CG_STEP_UNGUARD && run->lacks[op->guard.work == CG_GUARD_TABLE])
    return FALSE;
  if (op->step == CG_STEP_OPEN_GUARD && run->lacks[FALSE])
    return FALSE; /* what was to be closed may be open */
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

/* Keeps how the kernel shows what was just written, to know it again; unless another program
 * changed nftables since, which may have changed that. */
static void
remember_table (CgNetlink *nft, const char *text, guint32 generation, const char *runtime_dir)
{
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  CgTableFound found = {NULL};
  guint32 now;
  cg_runtime_forget_table (runtime_dir);
  if (cg_nft_look (nft, CG_GUARD_TABLE_NAME, &found, &now, NULL) && now == generation &&
      found.fingerprint)
    cg_runtime_save_table (runtime_dir, &(CgSavedTable){sum, found.fingerprint});
  cg_table_found_clear (&found);
}

/* The next number of a change; 0 is left out (nf_tables_commit in net/netfilter/nf_tables_api.c).
 */
static guint32
next_generation (guint32 generation)
{
  return generation + 1 ? generation + 1 : 1;
}

/* What is in the way of the text, such as a set of another type that another program made, is taken
 * away with it. */
static gboolean
write_table (const char *text, const char *runtime_dir, GError **error)
{
  g_autoptr (CgNetlink) nft = cg_netlink_open_to_look (NETLINK_NETFILTER, NULL);
  guint32 generation = 0;
  gboolean counted = nft && cg_nft_generation (nft, &generation, NULL);
  if (!text) {
    cg_runtime_forget_table (runtime_dir);
    return cg_nft_run (CG_GUARD_REMOVAL, error);
  }
  g_autoptr (GError) why = NULL;
  if (!cg_nft_run (text, &why)) {
    g_autofree char *anew = g_strconcat (CG_GUARD_REMOVAL "; ", text, NULL);
    if (g_error_matches (why, CG_ERROR, CG_ERROR_ABSENT) || !cg_nft_run (anew, error)) {
      if (error && !*error)
        g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  }
  if (counted)
    remember_table (nft, text, next_generation (generation), runtime_dir);
  return TRUE;
}

static void
note_unguarded (Run *run, const CgOp *op, const GError *why)
{
  CgUnguarded *unguarded = run->unguarded;
  gboolean is_absent = g_error_matches (why, CG_ERROR, CG_ERROR_ABSENT);
  run->lacks[op->guard.work == CG_GUARD_TABLE] = TRUE;
  if (!unguarded->tables)
    unguarded->tables = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_array_append_val (unguarded->tables, op->guard.table);
  if (!unguarded->why)
    unguarded->why = g_strdup (why->message);
  unguarded->passing = unguarded->passing || !is_absent;
  if (op->guard.required)
    note_failure (run, op, why->message, NULL);
}

/* The rest of this run does without, and the next one goes by uid in nftables. */
static void
load_guard (Run *run, const CgOp *op)
{
  g_autoptr (GError) error = NULL;
  if (cg_bpf_load (&error))
    return;
  note_unguarded (run, op, error);
  run->unguarded->no_bpf = g_strdup (error->message);
}

static void
write_entry (Run *run, const CgOp *op)
{
  g_autoptr (GError) error = NULL;
  const CgGuardEntry *entry = &op->guard.entry;
  gboolean done = run->maps || (run->maps = cg_bpf_maps_open (&error));
  if (done)
    done = op->guard.work == CG_GUARD_SET ? cg_bpf_set (run->maps, entry, &error)
                                          : cg_bpf_delete (run->maps, entry, &error);
  if (!done)
    note_unguarded (run, op, error);
}

static void
write_guard (Run *run, const CgOp *op, const char *runtime_dir)
{
  g_autoptr (GError) error = NULL;
  gboolean done = TRUE;
  switch (op->guard.work) {
  case CG_GUARD_LOAD:
    load_guard (run, op);
    break;
  case CG_GUARD_SET:
  case CG_GUARD_DELETE:
    if (!run->unguarded->no_bpf)
      write_entry (run, op);
    else if (op->guard.required) /* the gateway is not to open */
      note_failure (run, op, run->unguarded->no_bpf, NULL);
    break;
  case CG_GUARD_TABLE:
    done = write_table (op->guard.text, runtime_dir, &error);
    break;
  case CG_GUARD_UNLOAD_OUTDATED:
  case CG_GUARD_UNLOAD:
    g_clear_pointer (&run->maps, cg_bpf_maps_close);
    done = cg_bpf_unload (op->guard.work == CG_GUARD_UNLOAD, &error);
    break;
  }
  if (!done)
    note_unguarded (run, op, error);
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
      else if (is_guard_step (step))
        write_guard (&run, op, runtime_dir);
      else
        g_ptr_array_add (step_ops, op);
    }
    if (step_ops->len > 0 && (step == CG_STEP_ADD_PASS || step == CG_STEP_DEL_PASS))
      write_passes (step_ops);
    else if (step_ops->len > 0)
      alive = send_step (netlink, &run);
  }
  g_clear_pointer (&run.maps, cg_bpf_maps_close);
  if (!run.error && !run.dns_error)
    return TRUE;
  if (run.error)
    g_clear_error (&run.dns_error);
  g_propagate_error (error, run.error ? run.error : run.dns_error);
  return FALSE;
}
