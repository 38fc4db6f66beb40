/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan-state.h"

#include <sys/socket.h>

const char *
cg_state_name (CgState state)
{
  static const char *const names[] = {"released", "blocked", "up"};
  return names[state];
}

static gboolean
tunnel_is_up (const CgTunnel *tunnel, int family)
{
  if (!tunnel->ifindex || !tunnel->is_up)
    return FALSE;
  if (family == AF_INET)
    return tunnel->usable[cg_family_index (AF_INET)];
  switch (tunnel->gateway->ipv6) {
  case CG_IPV6_AUTO:
    return tunnel->global_ipv6;
  case CG_IPV6_ROUTE:
    return tunnel->usable[cg_family_index (AF_INET6)];
  case CG_IPV6_BLOCK:
    break;
  }
  return FALSE;
}

gboolean
cg_plan_is_up (const CgTunnel *tunnel)
{
  return tunnel_is_up (tunnel, AF_INET) || tunnel_is_up (tunnel, AF_INET6);
}

CgState
cg_plan_state (const CgTunnel *tunnel, int family)
{
  if (tunnel->gateway->stopped)
    return CG_STATE_RELEASED;
  if (tunnel->unguarded)
    return CG_STATE_BLOCKED;
  if (tunnel_is_up (tunnel, family))
    return CG_STATE_UP;
  /* A tunnel for the other family alone is a tunnel that is up: this family has no way out. */
  gboolean other = tunnel_is_up (tunnel, family == AF_INET ? AF_INET6 : AF_INET);
  if (!other && tunnel->gateway->on_down == CG_ON_DOWN_RELEASE)
    return CG_STATE_RELEASED;
  return CG_STATE_BLOCKED;
}
