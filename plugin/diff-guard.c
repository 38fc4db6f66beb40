/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff-guard.h"

#include <string.h>

#include "guard.h"

static void
add_op (GArray *ops, CgStep step, const CgGuardOp *guard)
{
  const CgOp op = {.step = step, .guard = *guard};
  g_array_append_val (ops, op);
}

/* In BPF */

typedef struct {
  GArray *ops;
  GArray *released; /* CgOp of CG_STEP_UNGUARD, to be done the other way round: uids first */
  const CgFacts *facts;
  const CgScope *scope;
  gboolean everything; /* the guard is to be filled anew, whatever the run is about */
} Walk;

static gboolean
is_required (const CgFacts *facts, guint32 table)
{
  const CgGateway *gateway = cg_facts_gateway_of_table (facts, table);
  return gateway && gateway->guard == CG_GUARD_REQUIRED;
}

static void
add_entry (Walk *walk, CgStep step, const CgGuardEntry *entry, gboolean is_set)
{
  const guint32 table = cg_entry_table (entry);
  const CgGuardOp op = {.work = is_set ? CG_GUARD_SET : CG_GUARD_DELETE,
                        .entry = *entry,
                        .table = table,
                        .required = is_required (walk->facts, table)};
  add_op (step == CG_STEP_UNGUARD ? walk->released : walk->ops, step, &op);
}

static gboolean
in_scope (const Walk *walk, const CgGuardEntry *entry)
{
  const guint32 table = cg_entry_table (entry);
  return walk->everything || !table || cg_scope_has (walk->scope, table);
}

/* A way that changes first becomes what both ways let pass. */
static void
change_gateway (Walk *walk, const CgGuardEntry *wanted, const CgGuardEntry *found)
{
  static const struct cg_way closed;
  const struct cg_way now = found ? found->value.way : closed;
  CgGuardEntry narrow = *wanted;
  narrow.value.way = cg_way_meet (wanted->value.way, now);
  if (!found || !cg_way_equal (narrow.value.way, now))
    add_entry (walk, CG_STEP_GUARD, &narrow, TRUE);
  if (!cg_way_equal (narrow.value.way, wanted->value.way))
    add_entry (walk, CG_STEP_OPEN_GUARD, wanted, TRUE);
}

/* Of the rest an entry lets something pass, but for those that hold uids and ports. */
static void
set_entry (Walk *walk, const CgGuardEntry *wanted, const CgGuardEntry *found)
{
  if (found && cg_entry_has_same_value (wanted, found))
    return;
  switch (wanted->map) {
  case CG_MAP_GATEWAYS:
    change_gateway (walk, wanted, found);
    break;
  case CG_MAP_UIDS:
  case CG_MAP_PORTS:
    add_entry (walk, CG_STEP_GUARD, wanted, TRUE);
    break;
  case CG_MAP_ADDRESSES:
  case CG_MAP_SERVERS:
  case CG_MAP_BYPASSES:
    add_entry (walk, CG_STEP_OPEN_GUARD, wanted, TRUE);
    break;
  case CG_N_MAPS:
    break;
  }
}

static void
delete_entry (Walk *walk, const CgGuardEntry *found)
{
  switch (found->map) {
  case CG_MAP_GATEWAYS:
  case CG_MAP_UIDS:
  case CG_MAP_PORTS:
    add_entry (walk, CG_STEP_UNGUARD, found, FALSE);
    break;
  case CG_MAP_ADDRESSES:
  case CG_MAP_SERVERS:
  case CG_MAP_BYPASSES:
    add_entry (walk, CG_STEP_GUARD, found, FALSE);
    break;
  case CG_N_MAPS:
    break;
  }
}

static void
walk_entries (Walk *walk, const GArray *wanted, const GArray *found)
{
  guint i = 0, j = 0;
  while (i < wanted->len || j < found->len) {
    const CgGuardEntry *want = i < wanted->len ? &g_array_index (wanted, CgGuardEntry, i) : NULL;
    const CgGuardEntry *have = j < found->len ? &g_array_index (found, CgGuardEntry, j) : NULL;
    int order = !want ? 1 : !have ? -1 : cg_entry_compare (want, have);
    if (order <= 0 && (in_scope (walk, want) || (order == 0 && in_scope (walk, have))))
      set_entry (walk, want, order == 0 ? have : NULL);
    else if (order > 0 && in_scope (walk, have))
      delete_entry (walk, have);
    i += order <= 0;
    j += order >= 0;
  }
}

static void
diff_programs (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  const CgGuardFound *guard = facts->guard;
  const gboolean is_wanted = plan->entries->len > 0;
  g_autoptr (GArray) released = g_array_new (FALSE, TRUE, sizeof (CgOp));
  Walk walk = {ops, released, facts, scope, scope->all || !guard->is_loaded};
  if (!is_wanted && scope->all) {
    if (guard->is_loaded || guard->has_others)
      add_op (ops, CG_STEP_UNGUARD, &(CgGuardOp){.work = CG_GUARD_UNLOAD});
    return;
  }
  if (!is_wanted && !guard->is_loaded)
    return;
  if (!guard->is_loaded)
    add_op (ops, CG_STEP_GUARD, &(CgGuardOp){.work = CG_GUARD_LOAD});
  walk_entries (&walk, plan->entries, guard->entries);
  for (guint i = released->len; i-- > 0;)
    g_array_append_val (ops, g_array_index (released, CgOp, i));
  if (guard->has_others)
    add_op (ops, CG_STEP_UNGUARD, &(CgGuardOp){.work = CG_GUARD_UNLOAD_OUTDATED});
}

/* In nftables */

static gboolean
table_is_as_written (const CgFacts *facts)
{
  return facts->table.fingerprint && facts->saved_table.text &&
         g_str_equal (facts->saved_table.fingerprint, facts->table.fingerprint);
}

/* Whether it is, and says that. */
static gboolean
table_says (const CgFacts *facts, const char *text)
{
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  return table_is_as_written (facts) && g_str_equal (facts->saved_table.text, sum);
}

/* A guard that is required in nftables, too: by uid it is closed anyway. */
static gboolean
any_is_required (const CgFacts *facts)
{
  for (guint i = 0; i < facts->tunnels->len; i++)
    if (g_array_index (facts->tunnels, CgTunnel, i).gateway->guard == CG_GUARD_REQUIRED)
      return TRUE;
  return FALSE;
}

static void
diff_table (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  CgGuardOp op = {.work = CG_GUARD_TABLE,
                  .required = any_is_required (facts),
                  .stands = table_is_as_written (facts)};
  const char *first = plan->table_wide ? plan->table_wide : plan->table_text;
  if (facts->table.unseen)
    return;
  if (!plan->table_text) {
    if (facts->table.fingerprint && !scope->known)
      add_op (ops, CG_STEP_UNGUARD, &op);
    return;
  }
  if (table_says (facts, plan->table_text))
    return;
  op.text = first;
  if (!table_says (facts, first))
    add_op (ops, CG_STEP_GUARD, &op);
  op.text = plan->table_text;
  if (plan->table_wide)
    add_op (ops, CG_STEP_UNGUARD, &op);
}

void
cg_diff_guard (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  if (!facts->guard->impossible)
    diff_programs (ops, plan, facts, scope);
  diff_table (ops, plan, facts, scope);
}

static char *
bpf_to_string (const CgGuardOp *op)
{
  static const char pins[] = "/sys/fs/bpf/custom-gateway/*/" G_STRINGIFY (CG_GUARD_VERSION) "/";
  g_autofree char *entry = NULL;
  switch (op->work) {
  case CG_GUARD_LOAD:
    return g_strdup ("# the guard: bpftool prog loadall guard.bpf.o, and bpftool cgroup attach for "
                     "each of its programs");
  case CG_GUARD_SET:
    entry = cg_entry_to_string (&op->entry, TRUE);
    return g_strconcat ("bpftool map update pinned ", pins, entry, NULL);
  case CG_GUARD_DELETE:
    entry = cg_entry_to_string (&op->entry, FALSE);
    return g_strconcat ("bpftool map delete pinned ", pins, entry, NULL);
  case CG_GUARD_UNLOAD_OUTDATED:
    return g_strdup ("# guards of other versions: bpftool cgroup detach");
  case CG_GUARD_UNLOAD:
    return g_strdup ("# the guard: bpftool cgroup detach for each of its programs");
  case CG_GUARD_TABLE:
    break;
  }
  return NULL;
}

char *
cg_guard_op_to_string (const CgGuardOp *op)
{
  if (op->work != CG_GUARD_TABLE)
    return bpf_to_string (op);
  g_autofree char *quoted = g_shell_quote (op->text ? op->text : CG_GUARD_REMOVAL);
  return g_strdup_printf ("nft %s", quoted);
}
