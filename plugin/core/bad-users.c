/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bad-users.h"

#include "hash.h"

static gboolean
has_last_word (const CgFacts *facts, guint8 family, guint32 table)
{
  for (guint i = 0; i < facts->routes->len; i++) {
    const CgRoute *route = &g_array_index (facts->routes, CgRoute, i);
    if (route->family == family && route->table == table && cg_route_is_last_word (route))
      return TRUE;
  }
  return FALSE;
}

static GArray *
held_in (const CgFacts *facts, int family)
{
  GArray *held = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && rule->family == family && !rule->odd &&
        has_last_word (facts, rule->family, rule->table))
      g_array_append_val (held, rule->uids);
  }
  cg_uids_normalise (held);
  return held;
}

/* Keeps of ranges only what is in the others too. */
static GArray *
intersect (const GArray *ranges, const GArray *others)
{
  g_autoptr (GArray) outside = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  GArray *both = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < ranges->len; i++)
    cg_uids_append_rest (others, g_array_index (ranges, CgUidRange, i), outside);
  for (guint i = 0; i < ranges->len; i++)
    cg_uids_append_rest (outside, g_array_index (ranges, CgUidRange, i), both);
  return both;
}

GArray *
cg_bad_users_held (const CgFacts *facts)
{
  GArray *held = NULL;
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    if (!facts->has[i])
      continue;
    g_autoptr (GArray) in_one = held_in (facts, cg_families[i]);
    g_autoptr (GArray) before = held ? held : g_array_ref (in_one);
    held = intersect (before, in_one);
  }
  return held ? held : g_array_new (FALSE, FALSE, sizeof (CgUidRange));
}

char *
cg_bad_users_name (const char *file)
{
  return cg_gateway_name_valid (file) ? g_strdup (file)
                                      : g_strdup_printf ("bad-%08x", cg_hash_name (file));
}

GArray *
cg_bad_users_standing (const CgFacts *facts)
{
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && !cg_facts_gateway_of_table (facts, rule->table))
      g_array_append_val (uids, rule->uids);
  }
  cg_uids_normalise (uids);
  return uids;
}
