/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stray.h"

#include <linux/rtnetlink.h>

static gboolean
is_on_this_machine (const GArray *here, const CgPrefix *address)
{
  for (guint i = 0; i < here->len; i++) {
    const CgRoute *route = &g_array_index (here, CgRoute, i);
    if (route->type == RTN_LOCAL && cg_prefix_covers (&route->destination, address))
      return TRUE;
  }
  return FALSE;
}

gboolean
cg_socket_is_stray (const CgSocket *socket, const CgTunnel *tunnel, const GArray *here)
{
  const CgUidRange uid = {socket->uid, socket->uid};
  if (!cg_uids_contain (tunnel->gateway->uids, uid))
    return FALSE;
  if (tunnel->ifindex && socket->ifindex == tunnel->ifindex)
    return FALSE; /* also from an IPv6 address of link scope, which is not among those held */
  /* loopback also where lo is down, and so has no routes */
  return !cg_prefix_is_loopback (&socket->local) &&
         !(tunnel->held && cg_prefixes_have (tunnel->held, &socket->local)) &&
         !cg_gateway_bypasses (tunnel->gateway, &socket->remote) &&
         !is_on_this_machine (here, &socket->remote);
}

/* What stands for a gateway that is not released. */
static gboolean
is_planned (const CgPlan *plan, guint32 table)
{
  for (guint i = 0; i < plan->rules->len; i++)
    if (g_array_index (plan->rules, CgRule, i).table == table)
      return TRUE;
  return FALSE;
}

/* Before, a connection may have begun that it does not let go on. */
static gboolean
op_closes (const CgOp *op, guint32 table)
{
  switch (op->step) {
  case CG_STEP_ADD_PROHIBIT:
  case CG_STEP_DEL_WAY:
    return op->route.table == table;
  case CG_STEP_ADD_RULE:
    return op->rule.table == table;
  case CG_STEP_GUARD:
    return op->guard.table == table;
  default:
    return FALSE;
  }
}

static gboolean
any_closes (const GArray *ops, guint32 table)
{
  for (guint i = 0; i < ops->len; i++)
    if (op_closes (&g_array_index (ops, CgOp, i), table))
      return TRUE;
  return FALSE;
}

void
cg_strays_add_ops (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  guint place = 0;
  while (place < ops->len && g_array_index (ops, CgOp, place).step <= CG_STEP_END_STRAYS)
    place++;
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    CgOp op = {.step = CG_STEP_END_STRAYS, .tunnel = tunnel};
    if (!cg_scope_has (scope, tunnel->table) || !is_planned (plan, tunnel->table))
      continue;
    if (tunnel->has_strays || any_closes (ops, tunnel->table))
      g_array_insert_val (ops, place++, op);
  }
}

char *
cg_strays_to_string (const CgTunnel *tunnel)
{
  return g_strdup_printf ("# ss -K, for each connection of the confined of %s from before",
                          tunnel->gateway->name);
}
