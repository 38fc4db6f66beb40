/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnels.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "previous-addresses.h"
#include "records.h"
#include "rtnl.h"
#include "sysctl.h"

/* Whether packets can come from it. */
static gboolean
address_can_send (const CgAddress *address)
{
  if (address->family == AF_INET)
    return address->scope < RT_SCOPE_HOST;
  /* which stays if another machine has it, and then it is not optimistic (addrconf_dad_stop in
   * net/ipv6/addrconf.c) */
  if ((address->flags & IFA_F_TENTATIVE) && !(address->flags & IFA_F_OPTIMISTIC))
    return FALSE;
  return address->scope <= RT_SCOPE_LINK;
}

/* Whether programs that let the kernel choose come from it. To a deprecated IPv6 address it prefers
 * any other interface's (RFC 6724, rule 3 before rule 5; ipv6_get_saddr_eval in
 * net/ipv6/addrconf.c): the LAN's address would show in the tunnel. */
/* So many addresses that tunnels had are held without a file that names them. */
#define MAX_FORMER 256

static gboolean
address_is_usable (const CgAddress *address)
{
  return address_can_send (address) &&
         !(address->family == AF_INET6 && (address->flags & IFA_F_DEPRECATED));
}

static gboolean
gather_link (CgNetlink *netlink, CgTunnel *tunnel, GError **error)
{
  const char *ifname = tunnel->gateway->interface;
  tunnel->rp_filter = -1;
  if (!ifname)
    return TRUE;

  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (CgLink));
  g_autoptr (GError) why = NULL;
  cg_rtnl_get_link (request, ifname);
  int number = cg_netlink_ask (netlink, request, cg_rtnl_parse_link, links, &why);
  if (number == ENODEV || (number == 0 && links->len == 0))
    return TRUE;
  if (number != 0) {
    g_propagate_prefixed_error (error, g_steal_pointer (&why), "%s: ", ifname);
    return FALSE;
  }
  const CgLink *link = &g_array_index (links, CgLink, 0);
  tunnel->ifindex = link->ifindex;
  tunnel->is_up = (link->flags & IFF_UP) != 0;
  g_strlcpy (tunnel->kind, link->kind, sizeof tunnel->kind);
  tunnel->rp_filter = cg_sysctl_read_filter (ifname);
  return TRUE;
}

/* Those of all interfaces: others may carry the same. */
static gboolean
dump_addresses (const CgFacts *facts, CgNetlink *netlink, GError **error)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    CgNetlinkMessage space;
    struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
    g_autoptr (GError) why = NULL;
    if (!facts->has[i])
      continue;
    cg_rtnl_get_addresses (request, cg_families[i]);
    if (cg_netlink_ask (netlink, request, cg_rtnl_parse_address, facts->addresses, &why) != 0) {
      g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the addresses: ");
      return FALSE;
    }
  }
  return TRUE;
}

static void
take_addresses (CgTunnel *tunnel, const GArray *addresses)
{
  for (guint i = 0; i < addresses->len; i++) {
    const CgAddress *address = &g_array_index (addresses, CgAddress, i);
    if (!tunnel->ifindex || address->ifindex != tunnel->ifindex || !address_can_send (address))
      continue;
    if (address_is_usable (address)) {
      tunnel->usable[cg_family_index (address->family)] = TRUE;
      if (address->family == AF_INET6 && address->scope == RT_SCOPE_UNIVERSE)
        tunnel->global_ipv6 = TRUE;
    }
    /* other links may have the same one, and no router takes it any further (RFC 4291, 2.5.6) */
    if (cg_prefix_is_link_local (&address->address))
      continue;
    if (!tunnel->addresses)
      tunnel->addresses = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
    g_array_append_val (tunnel->addresses, address->address);
  }
}

static gboolean
has_family (const GArray *addresses, guint8 family)
{
  for (guint i = 0; addresses && i < addresses->len; i++)
    if (g_array_index (addresses, CgPrefix, i).family == family)
      return TRUE;
  return FALSE;
}

static void
hold_addresses (const CgFacts *facts, CgTunnel *tunnel)
{
  g_autoptr (GArray) former = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  tunnel->held = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  tunnel->former = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  cg_previous_addresses_load (facts->runtime_dir, tunnel->gateway->name, former);
  if (tunnel->addresses)
    g_array_append_vals (tunnel->held, tunnel->addresses->data, tunnel->addresses->len);
  for (guint i = 0; i < former->len; i++) {
    const CgPrefix *address = &g_array_index (former, CgPrefix, i);
    if (cg_prefixes_have (tunnel->held, address))
      continue;
    g_array_append_vals (has_family (tunnel->addresses, address->family) ? tunnel->former
                                                                         : tunnel->held,
                         address, 1);
  }
}

static gboolean
is_of_gateway (const CgFacts *facts, guint32 ifindex)
{
  for (guint i = 0; i < facts->tunnels->len; i++)
    if (g_array_index (facts->tunnels, CgTunnel, i).ifindex == ifindex)
      return TRUE;
  return FALSE;
}

/* VPN providers give the same address to each of their clients. An interface with neighbours that
 * has it is no tunnel (netdevice(7)): a DHCP server may want the tunnel's packets. */
static gboolean
is_tunnel (const CgFacts *facts, guint32 ifindex)
{
  if (is_of_gateway (facts, ifindex))
    return TRUE;
  for (guint i = 0; i < facts->links->len; i++) {
    const CgLink *link = &g_array_index (facts->links, CgLink, i);
    if (link->ifindex == ifindex)
      return (link->flags & (IFF_POINTOPOINT | IFF_NOARP)) != 0;
  }
  return FALSE;
}

/* The names come from the kernel; one that nft(8) would take for more than a name is left out, so
 * that the guard holds that interface as any other. */
static void
add_home (GArray *homes, const CgAddress *address)
{
  CgHome home = {.address = address->address};
  if (if_indextoname (address->ifindex, home.ifname) && cg_interface_name_valid (home.ifname))
    g_array_append_val (homes, home);
}

static void
share (CgTunnel *tunnel, const CgPrefix *address)
{
  if (!tunnel->shared)
    tunnel->shared = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_array_append_vals (tunnel->shared, address, 1);
}

/* A former address may be any interface's by now. */
static void
find_homes (const CgFacts *facts, CgTunnel *tunnel)
{
  tunnel->homes = g_array_new (FALSE, FALSE, sizeof (CgHome));
  for (guint i = 0; i < facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (facts->addresses, CgAddress, i);
    gboolean is_held = cg_prefixes_have (tunnel->held, &address->address);
    if (address->ifindex == tunnel->ifindex)
      continue;
    if (is_held && !is_of_gateway (facts, address->ifindex))
      share (tunnel, &address->address);
    if (cg_prefixes_have (tunnel->former, &address->address) ||
        (is_held && is_tunnel (facts, address->ifindex)))
      add_home (tunnel->homes, address);
  }
}

/* What a guard that goes by uid in nftables must know to let the tunnel's own packets out. */
static gboolean
gather_wireguard (const CgFacts *facts, CgTunnel *tunnel, GError **error)
{
  if (tunnel->gateway->guard == CG_GUARD_NO || !cg_facts_guard_by_uid (facts) || !tunnel->is_up ||
      !g_str_equal (tunnel->kind, "wireguard"))
    return TRUE;
  g_autoptr (GError) why = NULL;
  if (cg_wireguard_look (tunnel->ifindex, &tunnel->wireguard, &why))
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "asking WireGuard about %s: %s",
               tunnel->gateway->interface, why->message);
  return FALSE;
}

static gboolean
is_held (const CgFacts *facts, const CgPrefix *address)
{
  for (guint i = 0; i < facts->tunnels->len; i++)
    if (cg_prefixes_have (g_array_index (facts->tunnels, CgTunnel, i).held, address))
      return TRUE;
  return FALSE;
}

/* What the table has is a tunnel's, or was one's: of a file that is bad now, or of one whose former
 * addresses could not be kept. */
static void
find_former (CgFacts *facts)
{
  const GArray *found = facts->table.addresses;
  for (guint i = 0; found && i < found->len && facts->former->len < MAX_FORMER; i++) {
    const CgPrefix *address = &g_array_index (found, CgPrefix, i);
    if (!is_held (facts, address) && !cg_prefixes_have (facts->former, address))
      g_array_append_vals (facts->former, address, 1);
  }
  for (guint i = 0; i < facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (facts->addresses, CgAddress, i);
    if (cg_prefixes_have (facts->former, &address->address))
      add_home (facts->former_homes, address);
  }
}

/* The flags of interfaces and the ports of tunnels: only a guard asks for them. */
static gboolean
dump_links (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GError) why = NULL;
  if (!cg_facts_has_guard (facts))
    return TRUE;
  cg_rtnl_get_links (request);
  if (cg_netlink_ask (netlink, request, cg_rtnl_parse_link, facts->links, &why) == 0)
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&why), "reading the interfaces: ");
  return FALSE;
}

gboolean
cg_tunnels_gather (CgFacts *facts, CgNetlink *netlink, GError **error)
{
  for (guint i = 0; i < facts->tunnels->len; i++)
    if (!gather_link (netlink, &g_array_index (facts->tunnels, CgTunnel, i), error))
      return FALSE;
  /* behind the links: a link that has just come is looked at without addresses, and counts as down
   */
  if (facts->tunnels->len > 0 &&
      (!dump_addresses (facts, netlink, error) || !dump_links (facts, netlink, error)))
    return FALSE;
  for (guint i = 0; i < facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    take_addresses (tunnel, facts->addresses);
    hold_addresses (facts, tunnel);
    g_autofree char *note =
        cg_record_get (facts->runtime_dir, CG_RECORD_STRAYS, tunnel->gateway->name);
    tunnel->has_strays = note != NULL;
    find_homes (facts, tunnel);
    if (!gather_wireguard (facts, tunnel, error))
      return FALSE;
  }
  find_former (facts);
  return TRUE;
}
