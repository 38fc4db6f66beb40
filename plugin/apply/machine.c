/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* So many routes inside bypasses are told apart. What is behind them leaves by the interface of the
 * network around it, or not at all. */
#define MAX_PARTS 1024
/* So many addresses of a bypass are tried that are not the machine's own. */
#define MAX_PROBES 4

/* Where programs have the kernel unwrap packets by a socket of their own, of which no interface
 * tells (IANA's port numbers: L2TP, GTP-U, VXLAN, Linux's VXLAN of before, Geneve, GUE, GRE in UDP,
 * MPLS in UDP). Nothing of a confined program's has to be sent there by loopback. */
static const guint16 known_ports[] = {1701, 2152, 4789, 8472, 6081, 6080, 4754, 6635};

static gboolean
dump_table (const CgFacts *facts, CgNetlink *netlink, guint32 table, GArray *routes, GError **error)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    CgNetlinkMessage space;
    struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
    g_autoptr (GError) why = NULL;
    if (!facts->has[i])
      continue;
    cg_rtnl_get_routes (request, cg_families[i], table, 0);
    int number = cg_netlink_ask (netlink, request, cg_rtnl_parse_route, routes, &why);
    if (number != 0 && number != ENOENT) { /* ENOENT: no such table yet */
      g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the routes: ");
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
gather_local (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  if (!dump_table (facts, netlink, RT_TABLE_LOCAL, facts->local, error))
    return FALSE;
  for (guint i = facts->local->len; i-- > 0;)
    if (g_array_index (facts->local, CgRoute, i).type != RTN_LOCAL)
      g_array_remove_index_fast (facts->local, i);
  return TRUE;
}

static void
gather_ports (CgFacts *facts)
{
  g_array_append_vals (facts->tunnel_ports, known_ports, G_N_ELEMENTS (known_ports));
  for (guint i = 0; i < facts->links->len; i++) {
    const CgLink *link = &g_array_index (facts->links, CgLink, i);
    if (link->port)
      g_array_append_val (facts->tunnel_ports, link->port);
  }
}

/* What is sent there leaves by the interface that the program names, or by any: multicast and
 * link-local addresses, and IPv4's broadcast address (RFC 1112, RFC 4291, RFC 919). */
static gboolean
is_of_any_interface (const CgPrefix *prefix)
{
  if (prefix->family == AF_INET)
    return (prefix->length >= 4 && (prefix->address[0] & 0xf0) == 0xe0) ||
           (prefix->length == 32 && memcmp (prefix->address, "\xff\xff\xff\xff", 4) == 0);
  return (prefix->length >= 8 && prefix->address[0] == 0xff) ||
         (prefix->length >= 10 && prefix->address[0] == 0xfe &&
          (prefix->address[1] & 0xc0) == 0x80);
}

/* The interface by which the kernel would send to the address; 0 if by none, or if it is the
 * machine's own. */
static guint32
ask_interface (CgNetlink *netlink, const CgPrefix *address)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) routes = cg_routes_new ();
  cg_rtnl_get_route_to (request, address);
  if (cg_netlink_ask (netlink, request, cg_rtnl_parse_route, routes, NULL) != 0 || routes->len == 0)
    return 0;
  const CgRoute *route = &g_array_index (routes, CgRoute, 0);
  return route->type == RTN_UNICAST ? route->ifindex : 0;
}

/* The first addresses of a network may be the network's or the machine's own. */
static guint32
interface_of (CgNetlink *netlink, const CgPrefix *prefix)
{
  CgPrefix address = *prefix;
  const guint last = cg_family_bytes (prefix->family) - 1;
  const gboolean is_host = prefix->length >= 8 * (last + 1) - 2;
  address.length = (guint8) (8 * (last + 1));
  guint32 ifindex = is_host ? ask_interface (netlink, &address) : 0;
  for (guint i = 0; !is_host && !ifindex && i < MAX_PROBES; i++) {
    address.address[last]++;
    ifindex = ask_interface (netlink, &address);
  }
  return ifindex;
}

static void
add_part (CgTunnel *tunnel, const CgPrefix *prefix, guint32 ifindex)
{
  const CgBypass part = {*prefix, ifindex};
  g_array_append_val (tunnel->bypasses, part);
}

/* The bypass as a whole goes where the kernel's rules lead it; a network inside of it that has a
 * route of its own, by that one. Several next hops: by any interface. */
static void
split_bypass (CgNetlink *netlink, CgTunnel *tunnel, const CgPrefix *bypass, const GArray *routes)
{
  guint32 ifindex = is_of_any_interface (bypass) ? CG_BYPASS_ANY : interface_of (netlink, bypass);
  if (ifindex || is_of_any_interface (bypass))
    add_part (tunnel, bypass, ifindex);
  for (guint i = 0; i < routes->len && tunnel->bypasses->len < MAX_PARTS; i++) {
    const CgRoute *route = &g_array_index (routes, CgRoute, i);
    if (route->type == RTN_UNICAST && route->destination.length > bypass->length &&
        cg_prefix_covers (bypass, &route->destination))
      add_part (tunnel, &route->destination, route->ifindex);
  }
}

static gboolean
has_bypass (const CgFacts *facts)
{
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgGateway *gateway = g_array_index (facts->tunnels, CgTunnel, i).gateway;
    if (gateway->guard != CG_GUARD_NO && gateway->bypass->len > 0)
      return TRUE;
  }
  return FALSE;
}

/* Of two routes to one network the kernel takes that with the smaller metric: it comes last here,
 * and the map takes the last one. */
static int
by_metric (gconstpointer a, gconstpointer b)
{
  const CgRoute *left = a, *right = b;
  return (left->metric < right->metric) - (left->metric > right->metric);
}

static gboolean
gather_bypasses (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  g_autoptr (GArray) routes = cg_routes_new ();
  if (!has_bypass (facts))
    return TRUE;
  if (!dump_table (facts, netlink, RT_TABLE_MAIN, routes, error))
    return FALSE;
  g_array_sort (routes, by_metric);
  for (guint i = 0; i < facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    tunnel->bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass));
    for (guint j = 0; j < tunnel->gateway->bypass->len; j++)
      split_bypass (netlink, tunnel, &g_array_index (tunnel->gateway->bypass, CgPrefix, j), routes);
  }
  return TRUE;
}

gboolean
cg_machine_gather (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  if (!cg_facts_has_guard (facts))
    return TRUE;
  gather_ports (facts);
  return gather_local (facts, netlink, error) && gather_bypasses (facts, netlink, error);
}
