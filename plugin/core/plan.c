/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "plan-guard.h"

/* The metric of an IPv6 route that asks for none: IP6_RT_PRIO_USER, linux/ipv6_route.h. An IPv4
 * route then has 0. */
#define METRIC_IPV6 1024u

void
cg_plan_free (CgPlan *plan)
{
  g_array_unref (plan->rules);
  g_array_unref (plan->routes);
  g_array_unref (plan->entries);
  g_free (plan->table_text);
  g_free (plan->table_wide);
  g_array_unref (plan->filters);
  g_array_unref (plan->passes);
  g_array_unref (plan->ways_back);
  g_array_unref (plan->resolvconfs);
  g_free (plan);
}

static void
add_route (CgPlan *plan, CgRoute route)
{
  route.protocol = CG_PROTOCOL;
  if (!route.metric && route.family == AF_INET6)
    route.metric = METRIC_IPV6;
  g_array_append_val (plan->routes, route);
}

static CgRoute
to_tunnel (const CgTunnel *tunnel, CgRoute route)
{
  route.type = RTN_UNICAST;
  route.ifindex = tunnel->ifindex;
  g_strlcpy (route.ifname, tunnel->gateway->interface, sizeof route.ifname);
  return route;
}

static CgRoute
to_nowhere (CgRoute route)
{
  route.type = RTN_PROHIBIT;
  route.metric = CG_METRIC_LAST;
  return route;
}

/* Whether an earlier element of the servers is the same. */
static gboolean
is_repeated (const GArray *servers, guint index)
{
  for (guint i = 0; i < index; i++)
    if (cg_prefix_equal (&g_array_index (servers, CgPrefix, i),
                         &g_array_index (servers, CgPrefix, index)))
      return TRUE;
  return FALSE;
}

/* Name servers that a bypass would swallow: the longer prefix wins over the throw route. */
static void
plan_pinned (CgPlan *plan, const CgTunnel *tunnel, CgRoute route, gboolean is_up)
{
  const GArray *servers = tunnel->gateway->dns;
  for (guint i = 0; i < servers->len; i++) {
    route.destination = g_array_index (servers, CgPrefix, i);
    if (route.destination.family != route.family || is_repeated (servers, i) ||
        !cg_gateway_pins (tunnel->gateway, &route.destination))
      continue;
    if (is_up)
      add_route (plan, to_tunnel (tunnel, route));
    add_route (plan, to_nowhere (route));
  }
}

static void
plan_family (CgPlan *plan, const CgTunnel *tunnel, int family)
{
  const CgGateway *gateway = tunnel->gateway;
  CgState state = cg_plan_state (tunnel, family);
  if (state == CG_STATE_RELEASED)
    return;

  CgRoute route = {
      .family = (guint8) family, .table = tunnel->table, .destination = cg_prefix_default (family)};
  if (state == CG_STATE_UP)
    add_route (plan, to_tunnel (tunnel, route));
  add_route (plan, to_nowhere (route));
  plan_pinned (plan, tunnel, route, state == CG_STATE_UP);

  for (guint i = 0; i < gateway->bypass->len; i++) {
    CgRoute bypass = route;
    bypass.type = RTN_THROW;
    bypass.destination = g_array_index (gateway->bypass, CgPrefix, i);
    /* a pinned server's own route has its place */
    if (bypass.destination.family == family && !cg_gateway_pins (gateway, &bypass.destination))
      add_route (plan, bypass);
  }
  for (guint i = 0; i < gateway->uids->len; i++) {
    CgRule rule = {
        .family = (guint8) family,
        .protocol = CG_PROTOCOL,
        .action = FR_ACT_TO_TBL,
        .priority = gateway->priority,
        .table = tunnel->table,
        .uids = g_array_index (gateway->uids, CgUidRange, i),
    };
    g_array_append_val (plan->rules, rule);
  }
}

static gboolean
is_released (const CgTunnel *tunnel)
{
  return cg_plan_state (tunnel, AF_INET) == CG_STATE_RELEASED &&
         cg_plan_state (tunnel, AF_INET6) == CG_STATE_RELEASED;
}

/* The value that the interface has without us. */
static int
filter_without_us (const CgFacts *facts, const CgTunnel *tunnel)
{
  for (guint i = 0; i < facts->kept->len; i++) {
    const CgKeptFilter *kept = &g_array_index (facts->kept, CgKeptFilter, i);
    if (cg_kept_filter_is_ours (kept) && kept->ifindex == tunnel->ifindex)
      return kept->saved.value;
  }
  return tunnel->rp_filter;
}

static void
plan_filter (CgPlan *plan, const CgFacts *facts, const CgTunnel *tunnel)
{
  if (tunnel->gateway->reverse_path == CG_REVERSE_PATH_KEEP ||
      cg_plan_state (tunnel, AF_INET) != CG_STATE_UP || tunnel->rp_filter < 0)
    return;
  /* the kernel goes by the larger of the two */
  if (MAX (filter_without_us (facts, tunnel), facts->rp_filter_all) != CG_FILTER_STRICT)
    return;
  for (guint i = 0; i < plan->filters->len; i++)
    if (g_array_index (plan->filters, CgFilter, i).ifindex == tunnel->ifindex)
      return; /* another gateway on the same interface */
  CgFilter filter = {
      .ifindex = tunnel->ifindex, .value = CG_FILTER_LOOSE, .now = tunnel->rp_filter};
  g_strlcpy (filter.ifname, tunnel->gateway->interface, sizeof filter.ifname);
  g_array_append_val (plan->filters, filter);
}

/* Not from an address that another interface carries, too, by which root's packets from it may have
 * to leave: the tunnel's own, as it may be. */
static void
plan_ways_back (CgPlan *plan, const CgTunnel *tunnel, int family)
{
  if (cg_plan_state (tunnel, family) != CG_STATE_UP)
    return;
  for (guint i = 0; tunnel->addresses && i < tunnel->addresses->len; i++) {
    CgRule rule = {
        .family = (guint8) family,
        .protocol = CG_PROTOCOL,
        .action = FR_ACT_TO_TBL,
        .priority = tunnel->gateway->priority,
        .table = tunnel->table,
        .uids = {0, 0},
        .source = g_array_index (tunnel->addresses, CgPrefix, i),
    };
    if (rule.source.family == family &&
        !(tunnel->shared && cg_prefixes_have (tunnel->shared, &rule.source)))
      g_array_append_val (plan->ways_back, rule);
  }
}

static void
plan_passes (CgPlan *plan, const CgFacts *facts, const CgTunnel *tunnel, int family)
{
  const CgGateway *gateway = tunnel->gateway;
  if (gateway->reverse_path == CG_REVERSE_PATH_KEEP ||
      cg_plan_state (tunnel, family) != CG_STATE_UP)
    return;
  cg_passes_plan (facts->firewall, gateway->name, gateway->interface, family, plan->passes);
}

static void
resolvconf_plan_clear (gpointer resolvconf)
{
  g_free (((CgResolvConfPlan *) resolvconf)->path);
  g_free (((CgResolvConfPlan *) resolvconf)->text);
}

/* A service that is to see it does not start without it, so it is there in every state. */
static void
plan_resolvconf (CgPlan *plan, const CgFacts *facts, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  if (gateway->dns_mode == CG_DNS_NONE)
    return;
  CgResolvConfPlan resolvconf = {
      .gateway = gateway->name,
      .table = tunnel->table,
      .confined = !is_released (tunnel),
      .path = cg_resolvconf_path (facts->runtime_dir, gateway->name),
  };
  resolvconf.text =
      resolvconf.confined ? cg_resolvconf_text (gateway) : g_strdup (facts->released_resolvconf);
  g_array_append_val (plan->resolvconfs, resolvconf);
}

CgPlan *
cg_plan_empty (void)
{
  CgPlan *plan = g_new0 (CgPlan, 1);
  plan->rules = cg_rules_new ();
  plan->routes = cg_routes_new ();
  plan->entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  plan->filters = g_array_new (FALSE, TRUE, sizeof (CgFilter));
  plan->passes = g_array_new (FALSE, TRUE, sizeof (CgPass));
  plan->ways_back = cg_rules_new ();
  plan->resolvconfs = g_array_new (FALSE, TRUE, sizeof (CgResolvConfPlan));
  g_array_set_clear_func (plan->resolvconfs, resolvconf_plan_clear);
  return plan;
}

CgPlan *
cg_plan_new (const CgFacts *facts, const char *const *released)
{
  CgPlan *plan = cg_plan_empty ();
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (released && g_strv_contains (released, tunnel->gateway->name))
      continue;
    for (guint family = 0; family < CG_N_FAMILIES; family++)
      if (facts->has[family])
        plan_family (plan, tunnel, cg_families[family]);
    for (guint family = 0; family < CG_N_FAMILIES; family++) {
      plan_passes (plan, facts, tunnel, cg_families[family]);
      plan_ways_back (plan, tunnel, cg_families[family]);
    }
    plan_filter (plan, facts, tunnel);
    plan_resolvconf (plan, facts, tunnel);
  }
  cg_plan_guard (plan, facts, released);
  g_array_sort (plan->rules, cg_rule_compare);
  g_array_sort (plan->routes, cg_route_compare);
  return plan;
}
