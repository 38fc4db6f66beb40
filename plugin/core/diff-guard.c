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
  GArray *bypasses; /* CgOp of CG_STEP_OPEN_GUARD, likewise: the longest prefixes first */
  const GArray *found;
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

/* A packet must never find a wider bypass in place of its own, which leads by another interface:
 * what changes is closed until all that is narrower stands. */
static void
close_bypass (Walk *walk, const CgGuardEntry *found)
{
  CgGuardEntry closed = *found;
  closed.value.number = CG_BYPASS_NONE;
  if (!cg_entry_has_same_value (&closed, found))
    add_entry (walk, CG_STEP_GUARD, &closed, TRUE);
}

static void
add_bypass_op (Walk *walk, const CgGuardEntry *entry, gboolean is_set)
{
  GArray *ops = walk->ops;
  walk->ops = walk->bypasses;
  add_entry (walk, CG_STEP_OPEN_GUARD, entry, is_set);
  walk->ops = ops;
}

static void
set_bypass (Walk *walk, const CgGuardEntry *wanted, const CgGuardEntry *found)
{
  if (wanted->value.number == CG_BYPASS_NONE) {
    add_entry (walk, CG_STEP_GUARD, wanted, TRUE);
    return;
  }
  if (found)
    close_bypass (walk, found);
  add_bypass_op (walk, wanted, TRUE);
}

/* What was found may have any length, and one below that of a table is around several of them. */
static gboolean
is_inside (const CgGuardEntry *part, const CgGuardEntry *whole)
{
  const struct cg_bypass_key *inner = &part->key.bypass, *outer = &whole->key.bypass;
  if (whole->map != CG_MAP_BYPASSES || outer->length >= inner->length)
    return FALSE;
  const guint32 bits = CLAMP (outer->length, 32, 160) - 32;
  if (outer->length >= 32 && outer->table != inner->table)
    return FALSE;
  for (guint32 bit = 0; bit < bits; bit++)
    if ((inner->destination.bytes[bit / 8] ^ outer->destination.bytes[bit / 8]) & (0x80 >> bit % 8))
      return FALSE;
  return TRUE;
}

static void
delete_bypass (Walk *walk, const CgGuardEntry *found)
{
  for (guint i = 0; i < walk->found->len; i++) {
    if (!is_inside (found, &g_array_index (walk->found, CgGuardEntry, i)))
      continue;
    close_bypass (walk, found);
    add_bypass_op (walk, found, FALSE);
    return;
  }
  add_entry (walk, CG_STEP_GUARD, found, FALSE);
}

static void
add_bypass_ops (const Walk *walk)
{
  static const int works[] = {CG_GUARD_SET, CG_GUARD_DELETE};
  for (guint i = 0; i < G_N_ELEMENTS (works); i++)
    for (guint j = walk->bypasses->len; j-- > 0;) {
      const CgOp *op = &g_array_index (walk->bypasses, CgOp, j);
      if ((int) op->guard.work == works[i])
        g_array_append_val (walk->ops, *op);
    }
}

/* An address or a server with a flag more lets less pass. */
static CgStep
step_of_flags (const CgGuardEntry *wanted, const CgGuardEntry *found)
{
  return found && (wanted->value.number & ~found->value.number) ? CG_STEP_GUARD
                                                                : CG_STEP_OPEN_GUARD;
}

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
    add_entry (walk, step_of_flags (wanted, found), wanted, TRUE);
    break;
  case CG_MAP_BYPASSES:
    set_bypass (walk, wanted, found);
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
    add_entry (walk, CG_STEP_GUARD, found, FALSE);
    break;
  case CG_MAP_BYPASSES:
    delete_bypass (walk, found);
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
    else if (order > 0 && have && in_scope (walk, have))
      delete_entry (walk, have);
    i += order <= 0;
    j += order >= 0;
  }
}

/* Whether the run is about all that the guard holds. */
static gboolean
covers_all (const CgGuardFound *guard, const CgScope *scope)
{
  for (guint i = 0; i < guard->entries->len; i++) {
    const guint32 table = cg_entry_table (&g_array_index (guard->entries, CgGuardEntry, i));
    if (table && !cg_scope_has (scope, table))
      return FALSE;
  }
  return TRUE;
}

static void
diff_programs (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  const CgGuardFound *guard = facts->guard;
  const gboolean is_wanted = plan->entries->len > 0;
  g_autoptr (GArray) released = g_array_new (FALSE, TRUE, sizeof (CgOp));
  g_autoptr (GArray) bypasses = g_array_new (FALSE, TRUE, sizeof (CgOp));
  Walk walk = {.ops = ops,
               .released = released,
               .bypasses = bypasses,
               .found = guard->entries,
               .facts = facts,
               .scope = scope,
               .everything = scope->all || !guard->is_loaded};
  if (!is_wanted &&
      (scope->all || (guard->is_loaded && !scope->known && covers_all (guard, scope)))) {
    if (guard->is_loaded || guard->has_others)
      add_op (ops, CG_STEP_UNGUARD, &(CgGuardOp){.work = CG_GUARD_UNLOAD});
    return;
  }
  if (!is_wanted && !guard->is_loaded)
    return;
  if (!guard->is_loaded)
    add_op (ops, CG_STEP_GUARD, &(CgGuardOp){.work = CG_GUARD_LOAD});
  walk_entries (&walk, plan->entries, guard->entries);
  add_bypass_ops (&walk);
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
