/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scope.h"

/* A table: the uids that rules of ours and the guard send there, and those that its gateway
 * confines. */
typedef struct {
  guint32 table;
  GArray *found;        /* CgUidRange, normalised */
  const GArray *wanted; /* NULL if it is no gateway's */
} Holding;

void
cg_scope_free (CgScope *scope)
{
  g_array_unref (scope->tables);
  g_clear_pointer (&scope->known, g_array_unref);
  g_free (scope);
}

gboolean
cg_scope_has (const CgScope *scope, guint32 table)
{
  for (guint i = 0; i < scope->tables->len; i++)
    if (g_array_index (scope->tables, guint32, i) == table)
      return TRUE;
  return scope->all;
}

gboolean
cg_scope_has_gateway (const CgScope *scope, const CgFacts *facts, const char *name)
{
  const CgTunnel *tunnel = cg_facts_find_tunnel (facts, name);
  return tunnel ? cg_scope_has (scope, tunnel->table) : scope->all;
}

static void
holding_clear (gpointer holding)
{
  g_array_unref (((Holding *) holding)->found);
}

static Holding *
find_holding (GArray *holdings, guint32 table)
{
  for (guint i = 0; i < holdings->len; i++) {
    Holding *holding = &g_array_index (holdings, Holding, i);
    if (holding->table == table)
      return holding;
  }
  Holding holding = {.table = table, .found = g_array_new (FALSE, FALSE, sizeof (CgUidRange))};
  g_array_append_val (holdings, holding);
  return &g_array_index (holdings, Holding, holdings->len - 1);
}

static GArray *
list_holdings (const CgFacts *facts)
{
  GArray *holdings = g_array_new (FALSE, FALSE, sizeof (Holding));
  g_array_set_clear_func (holdings, holding_clear);
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    find_holding (holdings, tunnel->table)->wanted = tunnel->gateway->uids;
  }
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL)
      g_array_append_val (find_holding (holdings, rule->table)->found, rule->uids);
  }
  for (guint i = 0; i < facts->guard->entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (facts->guard->entries, CgGuardEntry, i);
    const CgUidRange uids = cg_entry_uids (entry);
    if (entry->map == CG_MAP_UIDS)
      g_array_append_val (find_holding (holdings, entry->value.number)->found, uids);
  }
  for (guint i = 0; i < holdings->len; i++)
    cg_uids_normalise (g_array_index (holdings, Holding, i).found);
  return holdings;
}

/* Whether a uid is on its way from one to the other. */
static gboolean
are_related (const Holding *a, const Holding *b)
{
  return (a->wanted && cg_uids_overlap (a->wanted, b->found, NULL)) ||
         (b->wanted && cg_uids_overlap (b->wanted, a->found, NULL));
}

static gboolean
is_related_to_scope (const CgScope *scope, const GArray *holdings, const Holding *other)
{
  for (guint i = 0; i < holdings->len; i++) {
    const Holding *holding = &g_array_index (holdings, Holding, i);
    if (cg_scope_has (scope, holding->table) && are_related (holding, other))
      return TRUE;
  }
  return FALSE;
}

static void
add_related (CgScope *scope, const CgFacts *facts)
{
  g_autoptr (GArray) holdings = list_holdings (facts);
  gboolean grows;
  do {
    grows = FALSE;
    for (guint i = 0; i < holdings->len; i++) {
      const Holding *holding = &g_array_index (holdings, Holding, i);
      if (cg_scope_has (scope, holding->table) || !is_related_to_scope (scope, holdings, holding))
        continue;
      grows = TRUE;
      g_array_append_val (scope->tables, holding->table);
    }
  } while (grows);
}

CgScope *
cg_scope_everything (void)
{
  CgScope *scope = g_new0 (CgScope, 1);
  scope->tables = g_array_new (FALSE, FALSE, sizeof (guint32));
  scope->all = TRUE;
  return scope;
}

CgScope *
cg_scope_new (const CgFacts *facts, const char *const *names)
{
  gboolean complete = cg_config_is_complete (facts->config);
  CgScope *scope = cg_scope_everything ();
  if (!complete)
    scope->known = cg_facts_known_uids (facts);
  else if (!*names)
    return scope;
  scope->all = FALSE;
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (!*names || g_strv_contains (names, tunnel->gateway->name))
      g_array_append_val (scope->tables, tunnel->table);
  }
  add_related (scope, facts);
  return scope;
}
