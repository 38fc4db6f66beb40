/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scope.h"

/* A table: the uids that rules of ours send there and that its guard holds, and those that its
 * gateway confines. Or a guard that is no gateway's. */
typedef struct {
  guint32 table;        /* 0 for such a guard */
  const char *guard;    /* its name, or NULL for a table */
  GArray *found;        /* CgUidRange, normalised */
  const GArray *wanted; /* NULL if it is no gateway's */
} Holding;

void
cg_scope_free (CgScope *scope)
{
  g_array_unref (scope->tables);
  g_ptr_array_unref (scope->guards);
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

static gboolean
has_leftover (const CgScope *scope, const char *guard)
{
  return scope->all || g_ptr_array_find_with_equal_func (scope->guards, guard, g_str_equal, NULL);
}

gboolean
cg_scope_has_guard (const CgScope *scope, const CgFacts *facts, const char *gateway)
{
  const CgTunnel *tunnel = cg_facts_find_tunnel (facts, gateway);
  return tunnel ? cg_scope_has (scope, tunnel->table) : has_leftover (scope, gateway);
}

gboolean
cg_scope_has_gateway (const CgScope *scope, const CgFacts *facts, const char *name)
{
  const CgTunnel *tunnel = cg_facts_find_tunnel (facts, name);
  return tunnel ? cg_scope_has (scope, tunnel->table) : scope->all;
}

static gboolean
scope_has_holding (const CgScope *scope, const Holding *holding)
{
  return holding->guard ? has_leftover (scope, holding->guard)
                        : cg_scope_has (scope, holding->table);
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
    if (!holding->guard && holding->table == table)
      return holding;
  }
  Holding holding = {.table = table, .found = g_array_new (FALSE, FALSE, sizeof (CgUidRange))};
  g_array_append_val (holdings, holding);
  return &g_array_index (holdings, Holding, holdings->len - 1);
}

static void
add_guard (GArray *holdings, const CgFacts *facts, const CgGuardFound *guard)
{
  const CgTunnel *tunnel = cg_facts_find_tunnel (facts, guard->gateway);
  if (tunnel) {
    GArray *found = find_holding (holdings, tunnel->table)->found;
    g_array_append_vals (found, guard->uids->data, guard->uids->len);
    return;
  }
  Holding holding = {.guard = guard->gateway, .found = g_array_copy (guard->uids)};
  g_array_append_val (holdings, holding);
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
  for (guint i = 0; i < facts->guards->len; i++)
    add_guard (holdings, facts, &g_array_index (facts->guards, CgGuardFound, i));
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
    if (scope_has_holding (scope, holding) && are_related (holding, other))
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
      if (scope_has_holding (scope, holding) || !is_related_to_scope (scope, holdings, holding))
        continue;
      grows = TRUE;
      if (holding->guard)
        g_ptr_array_add (scope->guards, g_strdup (holding->guard));
      else
        g_array_append_val (scope->tables, holding->table);
    }
  } while (grows);
}

CgScope *
cg_scope_everything (void)
{
  CgScope *scope = g_new0 (CgScope, 1);
  scope->tables = g_array_new (FALSE, FALSE, sizeof (guint32));
  scope->guards = g_ptr_array_new_with_free_func (g_free);
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
