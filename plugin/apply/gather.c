/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gather.h"

#include <errno.h>
#include <unistd.h>

#include "guard.h"
#include "machine.h"
#include "nft-firewall.h"
#include "rtnl.h"
#include "sysctl.h"
#include "tunnels.h"

/* So many tables in a row that others use are no accident. */
#define TABLE_TRIES 64

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
