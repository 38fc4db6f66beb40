/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any texts as configuration files, and any bytes as what stands in the guard's maps: what is
 * planned is what stands when the difference has been carried out, and no line of it is more than a
 * line. Files are separated by form feeds; behind a vertical tab follow the maps. */

#include "diff-guard.h"
#include "driver.h"
#include "plan.h"

#include <linux/rtnetlink.h>
#include <string.h>

#define MAX_GATEWAYS 4
#define MAX_ENTRIES  64

static gboolean
lookup (const char *name, guint32 *uid, GError **error)
{
  (void) error;
  *uid = g_str_hash (name) % 100 + 1000;
  return TRUE;
}

static gboolean
is_taken (const CgFacts *facts, const CgGateway *gateway)
{
  g_autoptr (GArray) known = cg_facts_known_uids (facts);
  return cg_uids_overlap (known, gateway->uids, NULL);
}

static void
add_local (CgFacts *facts, const char *text)
{
  CgRoute route = {.type = RTN_LOCAL, .table = RT_TABLE_LOCAL};
  g_assert_true (cg_prefix_parse (text, &route.destination));
  route.family = route.destination.family;
  g_array_append_val (facts->local, route);
}

/* Its tunnel, and what the machine has for it: one that hangs on its number. */
static void
add_tunnel (CgFacts *facts, CgGateway *gateway, guint number)
{
  CgTunnel tunnel = {
      .gateway = gateway,
      .table = cg_facts_table_candidate (gateway, number + 1),
      .ifindex = number % 3 ? 10 + number : 0,
      .is_up = TRUE,
      .usable = {TRUE, number % 2},
      .global_ipv6 = number % 2,
      .rp_filter = -1,
      .bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass)),
  };
  for (guint i = 0; i < gateway->bypass->len; i++) {
    const CgBypass bypass = {g_array_index (gateway->bypass, CgPrefix, i), 2 + i % 2};
    g_array_append_val (tunnel.bypasses, bypass);
  }
  g_array_append_val (facts->tunnels, tunnel);
}

static void
add_gateway (CgConfig *config, CgFacts *facts, const char *text, gsize size)
{
  const guint number = facts->tunnels->len;
  g_autofree char *name = g_strdup_printf ("g%u", number);
  g_autoptr (CgGateway) gateway = cg_gateway_parse (name, text, size, lookup, NULL);
  if (!gateway || is_taken (facts, gateway))
    return;
  add_tunnel (facts, gateway, number);
  g_ptr_array_add (config->gateways, g_steal_pointer (&gateway));
}

static void
add_gateways (CgConfig *config, CgFacts *facts, const char *text, gsize size)
{
  const char *end = text + size;
  for (guint i = 0; i < MAX_GATEWAYS && text < end; i++) {
    const char *next = memchr (text, '\f', (gsize) (end - text));
    add_gateway (config, facts, text, (gsize) ((next ? next : end) - text));
    text = next ? next + 1 : end;
  }
}

static void
check_entry (const CgGuardEntry *entry)
{
  const CgUidRange uids = cg_entry_uids (entry);
  g_assert_cmpuint (uids.first, <=, uids.last);
  g_assert_cmpint (cg_entry_compare (entry, entry), ==, 0);
  g_assert_true (cg_entry_has_same_value (entry, entry));
  for (guint is_set = 0; is_set < 2; is_set++) {
    g_autofree char *line = cg_entry_to_string (entry, (gboolean) is_set);
    g_assert_true (g_str_has_prefix (line, cg_map_types[entry->map].name));
    g_assert_nonnull (strstr (line, " # "));
    for (const char *c = line; *c; c++)
      g_assert_true (g_ascii_isprint (*c));
  }
}

/* As the kernel hands them out: so many bytes of key and value. */
static void
add_entries (GArray *entries, const guint8 *bytes, gsize size)
{
  while (size > 0 && entries->len < MAX_ENTRIES) {
    CgGuardEntry entry = {.map = (CgMap) (*bytes++ % CG_N_MAPS)};
    const CgMapType *type = &cg_map_types[entry.map];
    size--;
    if (size < type->key_size + type->value_size)
      break;
    memcpy (entry.key.bytes, bytes, type->key_size);
    memcpy (entry.value.bytes, bytes + type->key_size, type->value_size);
    bytes += type->key_size + type->value_size;
    size -= type->key_size + type->value_size;
    check_entry (&entry);
    g_array_append_val (entries, entry);
  }
  cg_entries_normalise (entries);
}

/* The place of the entry's key, or where it would be. */
static guint
find_place (const GArray *entries, const CgGuardEntry *entry, gboolean *is_there)
{
  guint i = 0;
  int order = 1;
  while (i < entries->len &&
         (order = cg_entry_compare (&g_array_index (entries, CgGuardEntry, i), entry)) < 0)
    i++;
  *is_there = i < entries->len && order == 0;
  return i;
}

static void
set_entry (GArray *entries, const CgGuardEntry *entry)
{
  gboolean is_there;
  const guint place = find_place (entries, entry, &is_there);
  if (is_there)
    g_array_index (entries, CgGuardEntry, place) = *entry;
  else
    g_array_insert_vals (entries, place, entry, 1);
}

static void
delete_entry (GArray *entries, const CgGuardEntry *entry)
{
  gboolean is_there;
  const guint place = find_place (entries, entry, &is_there);
  g_assert_true (is_there);
  g_array_remove_index (entries, place);
}

static void
carry_out (CgFacts *facts, const CgGuardOp *op)
{
  switch (op->work) {
  case CG_GUARD_LOAD:
    g_assert_false (facts->guard->is_loaded);
    facts->guard->is_loaded = TRUE;
    break;
  case CG_GUARD_SET:
    check_entry (&op->entry);
    set_entry (facts->guard->entries, &op->entry);
    break;
  case CG_GUARD_DELETE:
    delete_entry (facts->guard->entries, &op->entry);
    break;
  case CG_GUARD_UNLOAD:
    facts->guard->is_loaded = FALSE;
    g_array_set_size (facts->guard->entries, 0);
    break;
  default:
    break;
  }
}

/* Carries out what is about the guard, and returns how many changes of entries there were. */
static guint
change (CgFacts *facts, const CgPlan *plan)
{
  g_autoptr (CgScope) scope = cg_scope_everything ();
  g_autoptr (GArray) ops = cg_diff (plan, facts, scope);
  guint changes = 0;
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    g_autofree char *line = cg_op_to_string (op);
    g_assert_nonnull (line);
    if (op->step != CG_STEP_GUARD && op->step != CG_STEP_UNGUARD && op->step != CG_STEP_OPEN_GUARD)
      continue;
    g_assert_null (strchr (line, '\n'));
    changes += op->guard.work != CG_GUARD_TABLE;
    carry_out (facts, &op->guard);
  }
  return changes;
}

static void
check_plan (const CgPlan *plan)
{
  for (guint i = 0; i < plan->entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (plan->entries, CgGuardEntry, i);
    check_entry (entry);
    g_assert_true (i == 0 || cg_entry_compare (entry - 1, entry) < 0);
  }
}

static void
check_done (const CgFacts *facts, const CgPlan *plan)
{
  g_assert_cmpint (facts->guard->is_loaded, ==, plan->entries->len > 0);
  g_assert_cmpuint (facts->guard->entries->len, ==, plan->entries->len);
  for (guint i = 0; i < plan->entries->len; i++) {
    const CgGuardEntry *wanted = &g_array_index (plan->entries, CgGuardEntry, i);
    const CgGuardEntry *found = &g_array_index (facts->guard->entries, CgGuardEntry, i);
    g_assert_cmpint (cg_entry_compare (wanted, found), ==, 0);
    g_assert_true (cg_entry_has_same_value (wanted, found));
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = size ? (const char *) data : ""; /* data may be NULL then */
  const char *tab = memchr (text, '\v', size);
  const gsize length = tab ? (gsize) (tab - text) : size;
  g_autoptr (CgConfig) config = cg_config_new ();
  g_autoptr (CgFacts) facts = cg_facts_new (config);
  facts->has[0] = facts->has[1] = TRUE;
  add_local (facts, "127.0.0.0/8");
  add_local (facts, "::1/128");
  add_gateways (config, facts, text, length);
  if (tab)
    add_entries (facts->guard->entries, data + length + 1, size - length - 1);
  facts->guard->is_loaded = facts->guard->entries->len > 0;
  g_autoptr (CgPlan) plan = cg_plan_new (facts, NULL);
  check_plan (plan);
  change (facts, plan);
  check_done (facts, plan);
  g_assert_cmpuint (change (facts, plan), ==, 0);
  return 0;
}
