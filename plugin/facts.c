/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts.h"

#include <errno.h>
#include <unistd.h>

#include "guard.h"
#include "hash.h"
#include "machine.h"
#include "nft-firewall.h"
#include "paths.h"
#include "rtnl.h"
#include "state-file.h"
#include "subuids.h"
#include "sysctl.h"
#include "tunnels.h"

/* Where derived tables lie: they begin with our protocol number, to be known at a glance. */
#define TABLE_BASE 198000000u
#define TABLE_SPAN 1000000u
/* So many tables in a row that others use are no accident. */
#define TABLE_TRIES 64
/* Bytes of /etc/resolv.conf; three servers count, resolv.conf(5). */
#define MAX_RESOLV_CONF 65536

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

static void
gather_kept (CgFacts *facts, const char *runtime_dir)
{
  g_autoptr (GArray) saved = g_array_new (FALSE, TRUE, sizeof (CgSavedFilter));
  cg_runtime_load_filters (runtime_dir, saved);
  for (guint i = 0; i < saved->len; i++) {
    CgKeptFilter kept = {.saved = g_array_index (saved, CgSavedFilter, i)};
    kept.ifindex = if_nametoindex (kept.saved.ifname);
    kept.value = cg_sysctl_read_filter (kept.saved.ifname);
    g_array_append_val (facts->kept, kept);
  }
}

/* Without nftables, or without the privilege to look, everything else still works. A look that
 * failed for another reason is a failure: nothing is known of what stands there. */
static gboolean
gather_table (CgFacts *facts, const char *runtime_dir, GError **error)
{
  g_autoptr (GError) why = NULL;
  cg_runtime_load_table (runtime_dir, &facts->saved_table);
  facts->nft = cg_netlink_open_to_look (NETLINK_NETFILTER, &why);
  if (facts->nft && cg_nft_look (facts->nft, CG_GUARD_TABLE_NAME, &facts->table, NULL, &why))
    return TRUE;
  if (!g_error_matches (why, CG_ERROR, CG_ERROR_ABSENT)) {
    g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the guard's table: ");
    return FALSE;
  }
  facts->table.is_hidden = geteuid () != 0;
  facts->table.unseen =
      g_strconcat (why->message, facts->table.is_hidden ? "; run this as root" : "", NULL);
  return TRUE;
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

/* Guard=required insists on BPF: its gateway stays closed without. */
static void
close_required (CgFacts *facts)
{
  for (guint i = 0; cg_facts_guard_by_uid (facts) && i < facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    tunnel->unguarded = tunnel->gateway->guard == CG_GUARD_REQUIRED;
  }
}

static gboolean
gather_guard (CgFacts *facts, const char *runtime_dir, const char *no_bpf, GError **error)
{
  if (!cg_bpf_look (facts->guard, error) || !gather_table (facts, runtime_dir, error))
    return FALSE;
  if (no_bpf && !facts->guard->impossible)
    facts->guard->impossible = g_strdup (no_bpf);
  return TRUE;
}

static void
gather_firewall (CgFacts *facts)
{
  g_autoptr (GError) error = NULL;
  if (!facts->nft || !cg_nft_firewall_look (facts->nft, facts->firewall, &error)) {
    g_debug ("no look at the firewall: %s", error ? error->message : "no nftables");
    g_clear_pointer (&facts->firewall, cg_firewall_free);
    facts->firewall = cg_firewall_new ();
  }
}

static void
gather_resolvconfs (CgFacts *facts, const char *runtime_dir)
{
  facts->runtime_dir = runtime_dir;
  cg_resolvconf_load (runtime_dir, facts->resolvconfs);
  g_autoptr (GPtrArray) upstream_zoned = g_ptr_array_new_with_free_func (g_free);
  cg_resolvconf_read ("/etc/resolv.conf", facts->resolvers, facts->zoned);
  cg_resolvconf_read ("/run/systemd/resolve/resolv.conf", facts->upstream, upstream_zoned);
  g_free (facts->released_resolvconf);
  facts->released_resolvconf = cg_resolvconf_text_released (facts->resolvers);
}

static gboolean
gather_rules (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    CgNetlinkMessage space;
    struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
    g_autoptr (GError) why = NULL;
    cg_rtnl_get_rules (request, cg_families[i]);
    int number = cg_netlink_ask (netlink, request, cg_rtnl_parse_rule, facts->rules, &why);
    facts->has[i] = number == 0;
    /* without IPv6 in the kernel (ipv6.disable=1) nothing leaves by IPv6 either */
    if (number == EAFNOSUPPORT || number == EOPNOTSUPP)
      continue;
    if (number != 0) {
      g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the rules: ");
      return FALSE;
    }
  }
  return TRUE;
}

/* They confine nobody, so they are none of those that tell who is confined. */
static void
part_ways_back (CgFacts *facts)
{
  for (guint i = facts->rules->len; i-- > 0;) {
    CgRule rule = g_array_index (facts->rules, CgRule, i);
    if (!rule.source.length)
      continue;
    g_array_append_val (facts->ways_back, rule); /* one that has a source has no message */
    g_array_remove_index (facts->rules, i);
  }
}

/* table 0: of all. protocol 0: whoever's. */
static gboolean
gather_routes (const CgFacts *facts,
               CgNetlink *netlink,
               guint32 table,
               guint8 protocol,
               GArray *routes,
               GError **error)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    CgNetlinkMessage space;
    struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
    g_autoptr (GError) why = NULL;
    if (!facts->has[i])
      continue;
    cg_rtnl_get_routes (request, cg_families[i], table, protocol);
    int number = cg_netlink_ask (netlink, request, cg_rtnl_parse_route, routes, &why);
    if (number != 0 && number != ENOENT) { /* ENOENT: no such table yet */
      g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the routes: ");
      return FALSE;
    }
  }
  return TRUE;
}

static void
name_interfaces (GArray *routes)
{
  for (guint i = 0; i < routes->len; i++) {
    CgRoute *route = &g_array_index (routes, CgRoute, i);
    if (route->ifindex && !if_indextoname (route->ifindex, route->ifname))
      *route->ifname = '\0';
  }
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

/* Another gateway's Table= goes before a derived number, whatever the order of the names. */
static gboolean
table_is_reserved (const CgFacts *facts, const CgGateway *gateway, guint32 table)
{
  for (guint i = 0; i < facts->config->gateways->len; i++) {
    const CgGateway *other = facts->config->gateways->pdata[i];
    if (other != gateway && other->table == table)
      return TRUE;
  }
  return cg_facts_gateway_of_table (facts, table) != NULL;
}

static guint
count_foreign (const GArray *routes, guint from)
{
  guint count = 0;
  for (guint i = from; i < routes->len; i++)
    count += g_array_index (routes, CgRoute, i).protocol != CG_PROTOCOL;
  return count;
}

/* Keeps only others' routes, from the one numbered from on. */
static void
drop_ours (GArray *routes, guint from)
{
  for (guint i = routes->len; i-- > from;)
    if (g_array_index (routes, CgRoute, i).protocol == CG_PROTOCOL)
      g_array_remove_index (routes, i);
}

/* A route of somebody else in our table is a way out that we did not plan. We never touch it: we go
 * to another table. */
static gboolean
choose_table (CgFacts *facts, CgNetlink *netlink, CgTunnel *tunnel, GError **error)
{
  const CgGateway *gateway = tunnel->gateway;
  for (guint n = 0; n < TABLE_TRIES; n++) {
    guint32 table = cg_facts_table_candidate (gateway, n);
    guint before = facts->foreign->len;
    if (table_is_reserved (facts, gateway, table))
      continue;
    if (!gather_routes (facts, netlink, table, 0, facts->foreign, error))
      return FALSE;
    guint count = count_foreign (facts->foreign, before);
    drop_ours (facts->foreign, before);
    if (count == 0) {
      tunnel->table = table;
      return TRUE;
    }
  }
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
               "%s: others use all the tables that it could have; give Table=", gateway->name);
  return FALSE;
}

gboolean
cg_facts_look_at_rules (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  g_array_set_size (facts->rules, 0);
  g_array_set_size (facts->ways_back, 0);
  if (!gather_rules (facts, netlink, error))
    return FALSE;
  part_ways_back (facts);
  return TRUE;
}

CgFacts *
cg_facts_gather (const CgConfig *config,
                 CgNetlink *netlink,
                 const char *runtime_dir,
                 const char *no_bpf,
                 GError **error)
{
  g_autoptr (CgFacts) facts = cg_facts_new (config);
  facts->rp_filter_all = cg_sysctl_read_filter ("all");
  gather_kept (facts, runtime_dir);
  gather_resolvconfs (facts, runtime_dir);
  if (!gather_guard (facts, runtime_dir, no_bpf, error))
    return NULL;
  gather_firewall (facts);

  if (!gather_rules (facts, netlink, error) ||
      !gather_routes (facts, netlink, 0, CG_PROTOCOL, facts->routes, error))
    return NULL;
  for (guint i = 0; i < config->gateways->len; i++) {
    CgTunnel tunnel = {.gateway = config->gateways->pdata[i]};
    if (!choose_table (facts, netlink, &tunnel, error))
      return NULL;
    g_array_append_val (facts->tunnels, tunnel);
  }
  if (!cg_tunnels_gather (facts, netlink, error) || !cg_machine_gather (facts, netlink, error))
    return NULL;
  close_required (facts);
  part_ways_back (facts);
  name_interfaces (facts->routes);
  name_interfaces (facts->foreign);
  return g_steal_pointer (&facts);
}
