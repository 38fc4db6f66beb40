/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan-guard.h"

#include "guard.h"

/* The gateways that have a guard now, and the uids that it holds. */

static gboolean
is_released (const CgTunnel *tunnel)
{
  return cg_plan_state (tunnel, AF_INET) == CG_STATE_RELEASED &&
         cg_plan_state (tunnel, AF_INET6) == CG_STATE_RELEASED;
}

/* While a file is bad, our rules and the guard may hold uids that stand in no good one (scope.h).
 */
static void
append_unknown (const CgFacts *facts, guint32 table, GArray *uids)
{
  if (cg_config_is_complete (facts->config))
    return;
  g_autoptr (GArray) known = cg_facts_known_uids (facts);
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && rule->table == table)
      cg_uids_append_rest (known, rule->uids, uids);
  }
  for (guint i = 0; i < facts->guard->entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (facts->guard->entries, CgGuardEntry, i);
    if (entry->map == CG_MAP_UIDS && entry->value.number == table)
      cg_uids_append_rest (known, cg_entry_uids (entry), uids);
  }
}

static void
guarded_clear (gpointer guarded)
{
  g_array_unref (((CgGuarded *) guarded)->uids);
}

/* Of services that have ended the kernel may have connections to close yet, for minutes. */
static gboolean
may_be_closing (const CgTunnel *tunnel)
{
  return (tunnel->held && tunnel->held->len > 0) || (tunnel->former && tunnel->former->len > 0);
}

static GArray *
list_guarded (const CgFacts *facts, const char *const *released)
{
  GArray *guarded = g_array_new (FALSE, FALSE, sizeof (CgGuarded));
  g_array_set_clear_func (guarded, guarded_clear);
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    const CgGateway *gateway = tunnel->gateway;
    if ((released && g_strv_contains (released, gateway->name)) || gateway->guard == CG_GUARD_NO ||
        (is_released (tunnel) && !gateway->stopped))
      continue;
    GArray *uids = g_array_copy (gateway->uids);
    append_unknown (facts, tunnel->table, uids);
    cg_uids_normalise (uids);
    const CgGuarded one = {tunnel, uids};
    if (uids->len > 0 || may_be_closing (tunnel))
      g_array_append_val (guarded, one);
    else
      g_array_unref (uids); /* its services are to be started yet, or not known */
  }
  return guarded;
}

/* In BPF */

static void
add (CgPlan *plan, CgGuardEntry entry)
{
  g_array_append_val (plan->entries, entry);
}

static guint32
ifindex_if_up (const CgTunnel *tunnel, int family)
{
  return cg_plan_state (tunnel, family) == CG_STATE_UP ? tunnel->ifindex : 0;
}

/* Servers of DNS=auto are what the other end of the tunnel says, so they are asked by the tunnel
 * alone, wherever they are. One that lies in a bypass and is the tunnel's is kept out of that, for
 * all that is sent there. */
static void
plan_servers (CgPlan *plan, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  const guint32 flags = gateway->dns_mode == CG_DNS_AUTO ? CG_SERVER_BY_TUNNEL : 0;
  for (guint i = 0; gateway->dns && i < gateway->dns->len; i++) {
    const CgPrefix *server = &g_array_index (gateway->dns, CgPrefix, i);
    add (plan, cg_entry_server (tunnel->table, server, flags));
    if (cg_gateway_pins (gateway, server))
      add (plan, cg_entry_bypass (tunnel->table, server, CG_BYPASS_NONE));
  }
}

static guint32
way_flags (const CgTunnel *tunnel)
{
  return (tunnel->gateway->dns_mode == CG_DNS_NONE ? 0 : CG_WAY_NAMES) |
         (cg_tunnel_is_ipsec (tunnel) ? CG_WAY_IPSEC : 0);
}

static void
plan_gateway (CgPlan *plan, const CgGuarded *guarded)
{
  const CgTunnel *tunnel = guarded->tunnel;
  const struct cg_way way = {
      .ifindex = {ifindex_if_up (tunnel, AF_INET), ifindex_if_up (tunnel, AF_INET6)},
      .flags = way_flags (tunnel),
  };
  add (plan, cg_entry_gateway (tunnel->table, way));
  for (guint i = 0; tunnel->bypasses && i < tunnel->bypasses->len; i++) {
    const CgBypass *bypass = &g_array_index (tunnel->bypasses, CgBypass, i);
    add (plan, cg_entry_bypass (tunnel->table, &bypass->prefix, bypass->ifindex));
  }
  plan_servers (plan, tunnel); /* behind the bypasses: of one key the last entry counts */
  for (guint i = 0; i < guarded->uids->len; i++)
    cg_entries_append_uids (plan->entries, g_array_index (guarded->uids, CgUidRange, i),
                            tunnel->table);
}

static const CgTunnel *
tunnel_of_interface (const GArray *guarded, guint32 ifindex)
{
  for (guint i = 0; i < guarded->len; i++) {
    const CgTunnel *tunnel = g_array_index (guarded, CgGuarded, i).tunnel;
    if (tunnel->ifindex && tunnel->ifindex == ifindex)
      return tunnel;
  }
  return NULL;
}

/* What the kernel takes for its own, and which of it is a tunnel's. */
static void
plan_addresses (CgPlan *plan, const CgFacts *facts, const GArray *guarded)
{
  for (guint i = 0; i < facts->local->len; i++) {
    const CgRoute *route = &g_array_index (facts->local, CgRoute, i);
    add (plan, cg_entry_address (0, &route->destination, 0));
    if (cg_prefix_is_link_local (&route->destination))
      add (plan, cg_entry_address (route->ifindex, &route->destination, 0));
  }
  for (guint i = 0; i < facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (facts->addresses, CgAddress, i);
    if (!tunnel_of_interface (guarded, address->ifindex))
      continue;
    add (plan, cg_entry_address (0, &address->address, CG_ADDRESS_OF_TUNNEL));
    add (plan, cg_entry_address (address->ifindex, &address->address, CG_ADDRESS_OF_TUNNEL));
  }
}

static gboolean
confines (const GArray *guarded)
{
  for (guint i = 0; i < guarded->len; i++)
    if (g_array_index (guarded, CgGuarded, i).uids->len > 0)
      return TRUE;
  return FALSE;
}

static void
plan_entries (CgPlan *plan, const CgFacts *facts, const GArray *guarded)
{
  if (!confines (guarded))
    return;
  for (guint i = 0; i < guarded->len; i++)
    if (g_array_index (guarded, CgGuarded, i).uids->len > 0)
      plan_gateway (plan, &g_array_index (guarded, CgGuarded, i));
  plan_addresses (plan, facts, guarded);
  for (guint i = 0; i < facts->tunnel_ports->len; i++)
    add (plan, cg_entry_port (g_array_index (facts->tunnel_ports, guint16, i)));
  cg_entries_normalise (plan->entries);
}

/* In nftables */

/* While a file is bad: those of rules that lead to no gateway's table. */
static GArray *
list_others (const CgFacts *facts)
{
  GArray *others = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  g_autoptr (GArray) known = cg_facts_known_uids (facts);
  for (guint i = 0; !cg_config_is_complete (facts->config) && i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && !cg_facts_gateway_of_table (facts, rule->table))
      cg_uids_append_rest (known, rule->uids, others);
  }
  cg_uids_normalise (others);
  return others;
}

/* The text for that moment when rules do not hold yet, or no more, what it is to let go. */
static char *
wide_text (const CgFacts *facts, const GArray *guarded, const GArray *others)
{
  g_autoptr (GArray) wide = g_array_new (FALSE, FALSE, sizeof (CgGuarded));
  g_array_set_clear_func (wide, guarded_clear);
  for (guint i = 0; i < guarded->len; i++) {
    const CgGuarded *one = &g_array_index (guarded, CgGuarded, i);
    CgGuarded more = {one->tunnel, g_array_copy (one->uids)};
    for (guint j = 0; j < facts->rules->len; j++) {
      const CgRule *rule = &g_array_index (facts->rules, CgRule, j);
      if (rule->protocol == CG_PROTOCOL && rule->table == one->tunnel->table)
        g_array_append_val (more.uids, rule->uids);
    }
    cg_uids_normalise (more.uids);
    g_array_append_val (wide, more);
  }
  return cg_guard_text (wide, facts->former, facts->former_homes, others);
}

static void
plan_table (CgPlan *plan, const CgFacts *facts, const GArray *guarded)
{
  g_autoptr (GArray) others = cg_facts_guard_by_uid (facts) ? list_others (facts) : NULL;
  if (guarded->len == 0 && (!others || others->len == 0))
    return;
  plan->table_text = cg_guard_text (guarded, facts->former, facts->former_homes, others);
  if (others)
    plan->table_wide = wide_text (facts, guarded, others);
  if (g_strcmp0 (plan->table_wide, plan->table_text) == 0)
    g_clear_pointer (&plan->table_wide, g_free);
}

void
cg_plan_guard (CgPlan *plan, const CgFacts *facts, const char *const *released)
{
  g_autoptr (GArray) guarded = list_guarded (facts, released);
  if (!facts->guard->impossible)
    plan_entries (plan, facts, guarded);
  plan_table (plan, facts, guarded);
}
