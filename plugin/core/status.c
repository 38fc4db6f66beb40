/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status.h"

#include <linux/rtnetlink.h>

#include "stray.h"

static void
gateway_status_free (CgGatewayStatus *status)
{
  g_ptr_array_unref (status->differences);
  g_free (status);
}

void
cg_status_free (CgStatus *status)
{
  g_ptr_array_unref (status->gateways);
  g_ptr_array_unref (status->differences);
  g_array_unref (status->bad);
  g_free (status);
}

const char *
cg_status_word (const CgFamilyStatus *status)
{
  return status->is_partial ? "partial" : cg_state_name (status->is);
}

const char *
cg_status_guard_word (const CgGatewayStatus *status)
{
  static const char *const words[] = {"off", "unknown", "idle", "bpf", "nftables"};
  return words[status->guard];
}

gboolean
cg_status_has_own_dns (const CgGatewayStatus *status)
{
  return status->tunnel->gateway->dns_mode != CG_DNS_NONE &&
         (status->family[0].should != CG_STATE_RELEASED ||
          status->family[1].should != CG_STATE_RELEASED);
}

gboolean
cg_status_differs (const CgStatus *status)
{
  for (guint i = 0; i < status->gateways->len; i++)
    if (((CgGatewayStatus *) status->gateways->pdata[i])->differences->len > 0)
      return TRUE;
  return status->differences->len > 0;
}

/* The uids that our rules send to a table. */
static GArray *
confined_uids (const CgFacts *facts, const CgTunnel *tunnel, int family)
{
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && rule->family == family && !rule->odd &&
        rule->table == tunnel->table && rule->priority == tunnel->gateway->priority)
      g_array_append_val (uids, rule->uids);
  }
  cg_uids_normalise (uids);
  return uids;
}

static gboolean
same_uids (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++) {
    CgUidRange left = g_array_index (a, CgUidRange, i), right = g_array_index (b, CgUidRange, i);
    if (left.first != right.first || left.last != right.last)
      return FALSE;
  }
  return TRUE;
}

static CgFamilyStatus
look_at_family (const CgFacts *facts, const CgTunnel *tunnel, int family)
{
  g_autoptr (GArray) uids = confined_uids (facts, tunnel, family);
  gboolean last_word = FALSE, way_out = FALSE;
  for (guint i = 0; i < facts->routes->len; i++) {
    const CgRoute *route = &g_array_index (facts->routes, CgRoute, i);
    if (route->table != tunnel->table || route->family != family)
      continue;
    last_word = last_word || cg_route_is_last_word (route);
    way_out = way_out || (route->type == RTN_UNICAST && route->destination.length == 0);
  }

  CgFamilyStatus status = {.should = cg_plan_state (tunnel, family)};
  if (!facts->has[cg_family_index (family)])
    status.should = CG_STATE_RELEASED; /* a kernel without the family needs nothing of ours */
  if (uids->len == 0 && !last_word && !way_out)
    status.is = CG_STATE_RELEASED;
  else if (last_word && same_uids (uids, tunnel->gateway->uids))
    status.is = way_out ? CG_STATE_UP : CG_STATE_BLOCKED;
  else
    status.is_partial = TRUE;
  return status;
}

static void
add_lines (GPtrArray *lines, const GArray *ops)
{
  for (guint i = 0; i < ops->len; i++)
    g_ptr_array_add (lines, cg_op_to_string (&g_array_index (ops, CgOp, i)));
}

static gboolean
has_entry (const CgGuardFound *guard, guint32 table)
{
  for (guint i = 0; i < guard->entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (guard->entries, CgGuardEntry, i);
    if (entry->map == CG_MAP_GATEWAYS && entry->key.table == table)
      return TRUE;
  }
  return FALSE;
}

static CgGuardForm
guard_form (const CgFacts *facts, const CgTunnel *tunnel)
{
  if (facts->guard->is_loaded && has_entry (facts->guard, tunnel->table))
    return CG_GUARD_FORM_BPF;
  if (facts->guard->is_hidden || facts->table.is_hidden)
    return CG_GUARD_FORM_UNKNOWN;
  if (tunnel->gateway->guard == CG_GUARD_NO || !facts->table.fingerprint)
    return CG_GUARD_FORM_NONE;
  return cg_facts_guard_by_uid (facts) ? CG_GUARD_FORM_NFTABLES : CG_GUARD_FORM_IDLE;
}

static void
look_at_guard (const CgFacts *facts, CgGatewayStatus *status)
{
  const CgGuardDrops *found = cg_guard_found_drops (facts->guard, status->tunnel->table);
  status->guard = guard_form (facts, status->tunnel);
  if (found)
    status->drops = found->drops;
  const struct cg_drops *drops = &status->drops;
  status->dropped = drops->out + drops->in + drops->names + drops->sources + drops->protocols;
}

static CgGatewayStatus *
look_at_gateway (const CgFacts *facts, const CgPlan *plan, const CgTunnel *tunnel)
{
  const char *const names[] = {tunnel->gateway->name, NULL};
  g_autoptr (CgScope) scope = cg_scope_new (facts, names);
  g_autoptr (GArray) ops = cg_diff (plan, facts, scope);
  CgGatewayStatus *status = g_new0 (CgGatewayStatus, 1);
  cg_strays_add_ops (ops, plan, facts, scope);
  status->tunnel = tunnel;
  for (guint i = 0; i < CG_N_FAMILIES; i++)
    status->family[i] = look_at_family (facts, tunnel, cg_families[i]);
  look_at_guard (facts, status);
  status->differences = g_ptr_array_new_with_free_func (g_free);
  add_lines (status->differences, ops);
  return status;
}

/* A gateway that is no more leaves its resolv.conf to services that may still run with it. That the
 * system has other servers since is no fault of anybody's, and for most of them of no account. */
static gboolean
is_worth_a_word (const CgOp *op)
{
  return op->step != CG_STEP_RELEASE_DNS || !op->resolvconf.is_update;
}

/* What a run over everything would change beyond what runs over each gateway would. */
static void
find_leftovers (CgStatus *status, const CgFacts *facts, const CgPlan *plan)
{
  static const char *const all[] = {NULL};
  g_autoptr (CgScope) scope = cg_scope_new (facts, all);
  g_autoptr (GArray) ops = cg_diff (plan, facts, scope);
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  cg_strays_add_ops (ops, plan, facts, scope);
  for (guint i = 0; i < status->gateways->len; i++) {
    const CgGatewayStatus *gateway = status->gateways->pdata[i];
    for (guint j = 0; j < gateway->differences->len; j++)
      g_hash_table_add (known, gateway->differences->pdata[j]);
  }
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    g_autofree char *line = cg_op_to_string (op);
    if (is_worth_a_word (op) && !g_hash_table_contains (known, line))
      g_ptr_array_add (status->differences, g_steal_pointer (&line));
  }
}

CgStatus *
cg_status_new (const CgFacts *facts, const char *const *names)
{
  g_autoptr (CgPlan) plan = cg_plan_new (facts, NULL);
  CgStatus *status = g_new0 (CgStatus, 1);
  status->dropped = facts->table.dropped;
  status->gateways = g_ptr_array_new_with_free_func ((GDestroyNotify) gateway_status_free);
  status->differences = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (!*names || g_strv_contains (names, tunnel->gateway->name))
      g_ptr_array_add (status->gateways, look_at_gateway (facts, plan, tunnel));
  }
  status->bad = cg_status_bad_new (facts, names);
  if (!*names)
    find_leftovers (status, facts, plan);
  return status;
}
