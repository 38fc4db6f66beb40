/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts.h"

#include "hash.h"
#include "paths.h"
#include "subuids.h"

/* Where derived tables lie: they begin with our protocol number, to be known at a glance. */
#define TABLE_BASE 198000000u
#define TABLE_SPAN 1000000u

void
cg_facts_free (CgFacts *facts)
{
  g_array_unref (facts->tunnels);
  g_array_unref (facts->links);
  g_array_unref (facts->addresses);
  g_array_unref (facts->local);
  g_array_unref (facts->tunnel_ports);
  cg_guard_found_free (facts->guard);
  cg_table_found_clear (&facts->table);
  g_array_unref (facts->former);
  g_array_unref (facts->former_homes);
  cg_saved_table_clear (&facts->saved_table);
  g_clear_pointer (&facts->nft, cg_netlink_free);
  cg_firewall_free (facts->firewall);
  g_array_unref (facts->rules);
  g_array_unref (facts->ways_back);
  g_array_unref (facts->routes);
  g_array_unref (facts->foreign);
  g_array_unref (facts->kept);
  g_array_unref (facts->resolvconfs);
  g_array_unref (facts->resolvers);
  g_array_unref (facts->upstream);
  g_ptr_array_unref (facts->zoned);
  g_array_unref (facts->subuids);
  g_free (facts->released_resolvconf);
  g_free (facts);
}

static void
tunnel_clear (gpointer data)
{
  CgTunnel *tunnel = data;
  g_clear_pointer (&tunnel->addresses, g_array_unref);
  g_clear_pointer (&tunnel->held, g_array_unref);
  g_clear_pointer (&tunnel->former, g_array_unref);
  g_clear_pointer (&tunnel->homes, g_array_unref);
  g_clear_pointer (&tunnel->bypasses, g_array_unref);
  g_clear_pointer (&tunnel->shared, g_array_unref);
  cg_wireguard_clear (&tunnel->wireguard);
}

CgFacts *
cg_facts_new (const CgConfig *config)
{
  CgFacts *facts = g_new0 (CgFacts, 1);
  facts->config = config;
  facts->tunnels = g_array_new (FALSE, TRUE, sizeof (CgTunnel));
  g_array_set_clear_func (facts->tunnels, tunnel_clear);
  facts->rules = cg_rules_new ();
  facts->ways_back = cg_rules_new ();
  facts->routes = cg_routes_new ();
  facts->foreign = cg_routes_new ();
  facts->links = g_array_new (FALSE, FALSE, sizeof (CgLink));
  facts->addresses = g_array_new (FALSE, FALSE, sizeof (CgAddress));
  facts->local = cg_routes_new ();
  facts->tunnel_ports = g_array_new (FALSE, FALSE, sizeof (guint16));
  facts->guard = cg_guard_found_new ();
  facts->former = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  facts->former_homes = g_array_new (FALSE, FALSE, sizeof (CgHome));
  facts->firewall = cg_firewall_new ();
  facts->kept = g_array_new (FALSE, TRUE, sizeof (CgKeptFilter));
  facts->runtime_dir = CG_RUNTIME_DIR;
  facts->resolvconfs = cg_resolvconfs_new ();
  facts->resolvers = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  facts->upstream = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  facts->zoned = g_ptr_array_new_with_free_func (g_free);
  facts->subuids = g_array_new (FALSE, FALSE, sizeof (CgSubuids));
  facts->released_resolvconf = cg_resolvconf_text_released (facts->resolvers);
  return facts;
}

GArray *
cg_facts_known_uids (const CgFacts *facts)
{
  GArray *known = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const GArray *uids = g_array_index (facts->tunnels, CgTunnel, i).gateway->uids;
    g_array_append_vals (known, uids->data, uids->len);
  }
  cg_uids_normalise (known);
  return known;
}

guint32
cg_facts_table_candidate (const CgGateway *gateway, guint n)
{
  if (gateway->table && n == 0)
    return gateway->table;
  return TABLE_BASE + (cg_hash_name (gateway->name) + n) % TABLE_SPAN;
}

gboolean
cg_facts_table_is_derived (guint32 table)
{
  return table >= TABLE_BASE && table - TABLE_BASE < TABLE_SPAN;
}

gboolean
cg_kept_filter_is_ours (const CgKeptFilter *kept)
{
  return kept->ifindex == kept->saved.ifindex && kept->value == CG_FILTER_LOOSE;
}

gboolean
cg_facts_guard_by_uid (const CgFacts *facts)
{
  return facts->guard->impossible && !facts->guard->is_hidden;
}

gboolean
cg_facts_has_guard (const CgFacts *facts)
{
  for (guint i = 0; i < facts->config->gateways->len; i++)
    if (((const CgGateway *) facts->config->gateways->pdata[i])->guard != CG_GUARD_NO)
      return TRUE;
  return FALSE;
}

const CgGateway *
cg_facts_gateway_of_table (const CgFacts *facts, guint32 table)
{
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (tunnel->table == table)
      return tunnel->gateway;
  }
  return NULL;
}

gboolean
cg_tunnel_is_ipsec (const CgTunnel *tunnel)
{
  static const char *const kinds[] = {"vti", "vti6", "xfrm", NULL};
  return g_strv_contains (kinds, tunnel->kind);
}

const CgTunnel *
cg_facts_find_tunnel (const CgFacts *facts, const char *gateway)
{
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (g_str_equal (tunnel->gateway->name, gateway))
      return tunnel;
  }
  return NULL;
}
