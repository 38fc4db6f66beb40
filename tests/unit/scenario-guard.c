/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The guard's side of a scenario: what the machine looks like that it goes by, and what its promise
 * is. The promise is made from configuration and facts, not from a plan. */

#include "scenario-guard.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#define LOOPBACK 1u
#define LAN      KERNEL_LAN
#define LAN_2    3u /* by which a part of a bypass may lead */
#define PARTED   "10.9.0.0/16"
#define PART     "10.9.128.0/17"

#define N_ROLLS   500u /* so many packets are thought of ... */
#define N_PACKETS 200u /* ... and at most so many of a kind tried */

static const char *const fixed[] = {"127.0.0.0/8", "::1/128", "192.168.1.2", "2001:db8:1::2"};
static const char *const servers[] = {"10.64.0.1", "10.9.1.53", "192.168.1.53", "fd77::53"};

static guint
dice (GRand *rand, guint sides)
{
  return (guint) g_rand_int_range (rand, 0, (gint32) sides);
}

static CgPrefix
prefix_of (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

/* What a program can pick, of each family. Some belong to no interface, others to several. */
static const char *const sources[CG_N_FAMILIES][8] = {
    {"127.0.0.1", "192.168.1.2", "192.168.1.99", "10.64.0.2", "10.64.1.2", "10.64.2.2", "10.64.3.2",
     "10.9.1.1"},
    {"::1", "2001:db8:1::2", "2001:db8:1::99", "fd64::2", "fd64:1::2", "fd64:2::2", "fd64:3::2",
     "fe80::1"}};
static const char *const destinations[CG_N_FAMILIES][8] = {
    {"203.0.113.7", "10.9.1.1", "10.9.200.1", "192.168.1.5", "10.64.0.1", "10.9.1.53",
     "192.168.1.53", "127.0.0.1"},
    {"2001:db8::7", "fd77::1", "fd77::53", "fd77::5", "2001:db8:1::2", "fe80::7", "fd64::1",
     "::1"}};

/* The lines of a gateway that are about its guard. The caller owns the result. */
char *
scenario_guard_lines (GRand *rand)
{
  static const char *const guards[] = {"no", "yes", "yes", "required"};
  static const char *const dns[] = {"", "DNS=10.64.0.1\n", "DNS=10.9.1.53 fd77::53\n",
                                    "DNS=auto\n"};
  return g_strdup_printf ("Guard=%s\n%s", guards[dice (rand, G_N_ELEMENTS (guards))],
                          dns[dice (rand, G_N_ELEMENTS (dns))]);
}

static void
add_local (CgFacts *facts, const CgPrefix *destination)
{
  const CgRoute route = {.family = destination->family,
                         .protocol = RTPROT_KERNEL,
                         .type = RTN_LOCAL,
                         .table = RT_TABLE_LOCAL,
                         .destination = *destination};
  g_array_append_val (facts->local, route);
}

static void
add_address (CgFacts *facts, guint32 ifindex, const char *text)
{
  CgAddress address = {.ifindex = ifindex, .address = prefix_of (text)};
  address.family = address.address.family;
  address.scope = g_str_has_prefix (text, "fe80") ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  g_array_append_val (facts->addresses, address);
  add_local (facts, &address.address);
}

static void
address_link (CgFacts *facts, GRand *rand, const ScenarioLink *link, guint number)
{
  /* a provider gives several of its tunnels the same */
  const guint given = dice (rand, 4) ? number : 0;
  if (!link->ifindex)
    return;
  if (link->flags & LINK_IPV4)
    add_address (facts, link->ifindex, sources[0][3 + given]);
  if (link->flags & LINK_GLOBAL)
    add_address (facts, link->ifindex, sources[1][3 + given]);
  if (link->flags & LINK_IPV6)
    add_address (facts, link->ifindex, "fe80::1");
}

void
scenario_address (World *world, GRand *rand, const ScenarioLink *links, guint n)
{
  static const guint16 ports[] = {4789, 8472};
  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++) {
    const CgPrefix prefix = prefix_of (fixed[i]);
    add_local (world->facts, &prefix);
  }
  for (guint i = 0; i < n; i++)
    address_link (world->facts, rand, &links[i], i);
  g_array_append_vals (world->facts->tunnel_ports, ports, 1 + dice (rand, 2));
}

static GArray *
addresses_of (const CgFacts *facts, guint32 ifindex)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  for (guint i = 0; i < facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (facts->addresses, CgAddress, i);
    if (ifindex && address->ifindex == ifindex && address->scope == RT_SCOPE_UNIVERSE)
      g_array_append_val (found, address->address);
  }
  return found;
}

/* By which interface the machine's ordinary routes lead to a bypass, and to a part of it. */
static void
route_bypasses (CgTunnel *tunnel, guint32 whole, gboolean is_parted)
{
  tunnel->bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass));
  for (guint i = 0; i < tunnel->gateway->bypass->len; i++) {
    CgBypass bypass = {g_array_index (tunnel->gateway->bypass, CgPrefix, i), whole};
    const CgPrefix parted = prefix_of (PARTED);
    g_array_append_val (tunnel->bypasses, bypass);
    bypass = (CgBypass){prefix_of (PART), LAN_2};
    if (is_parted &&
        cg_prefix_equal (&g_array_index (tunnel->gateway->bypass, CgPrefix, i), &parted))
      g_array_append_val (tunnel->bypasses, bypass);
  }
}

void
scenario_guard (World *world, GRand *rand)
{
  const guint32 whole = dice (rand, 4) ? LAN : LAN_2;
  const gboolean is_parted = dice (rand, 2);
  for (guint i = 0; i < world->facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, i);
    CgGateway *gateway = world->config->gateways->pdata[i];
    const CgPrefix server = prefix_of (servers[dice (rand, G_N_ELEMENTS (servers))]);
    if (gateway->dns_mode == CG_DNS_AUTO && dice (rand, 4))
      g_array_append_val (gateway->dns, server);
    tunnel->addresses = addresses_of (world->facts, tunnel->ifindex);
    tunnel->held = g_array_copy (tunnel->addresses);
    if (gateway->guard != CG_GUARD_NO)
      route_bypasses (tunnel, whole, is_parted);
  }
}

/* What a guard promises. */

static gboolean
is_guarded (const CgTunnel *tunnel)
{
  return tunnel->gateway->guard != CG_GUARD_NO &&
         (cg_plan_state (tunnel, AF_INET) != CG_STATE_RELEASED ||
          cg_plan_state (tunnel, AF_INET6) != CG_STATE_RELEASED);
}

/* The tunnel of the gateway whose guard holds the uid, or NULL. */
static const CgTunnel *
find_guard (const World *world, guint32 uid)
{
  for (guint i = 0; i < world->facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, i);
    for (guint j = 0; j < tunnel->gateway->uids->len; j++) {
      const CgUidRange range = g_array_index (tunnel->gateway->uids, CgUidRange, j);
      if (uid >= range.first && uid <= range.last)
        return is_guarded (tunnel) ? tunnel : NULL;
    }
  }
  return NULL;
}

static gboolean
is_own (const World *world, const CgPrefix *source)
{
  for (guint i = 0; i < world->facts->local->len; i++)
    if (prefix_covers (&g_array_index (world->facts->local, CgRoute, i).destination, source))
      return TRUE;
  return FALSE;
}

static gboolean
is_address_of (const World *world, guint32 ifindex, const CgPrefix *source)
{
  for (guint i = 0; i < world->facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (world->facts->addresses, CgAddress, i);
    if (address->ifindex == ifindex && cg_prefix_equal (&address->address, source))
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_of_a_tunnel (const World *world, const CgPrefix *source)
{
  for (guint i = 0; i < world->facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, i);
    if (is_guarded (tunnel) && tunnel->ifindex && is_address_of (world, tunnel->ifindex, source))
      return TRUE;
  }
  return FALSE;
}

/* The narrowest part of a bypass that has the destination. */
static gboolean
leads_by (const CgTunnel *tunnel, const CgPrefix *destination, guint32 ifindex)
{
  const CgBypass *best = NULL;
  if (!cg_gateway_bypasses (tunnel->gateway, destination))
    return FALSE; /* a name server of the tunnel's that lies in a bypass */
  for (guint i = 0; i < tunnel->bypasses->len; i++) {
    const CgBypass *bypass = &g_array_index (tunnel->bypasses, CgBypass, i);
    if (prefix_covers (&bypass->prefix, destination) &&
        (!best || bypass->prefix.length >= best->prefix.length))
      best = bypass;
  }
  return best && best->ifindex == ifindex;
}

static gboolean
may_ask (const CgTunnel *tunnel, const KernelPacket *packet, gboolean by_tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  if (gateway->dns_mode == CG_DNS_NONE || packet->port != 53)
    return TRUE;
  if (!cg_prefixes_have (gateway->dns, &packet->destination))
    return FALSE;
  return by_tunnel || gateway->dns_mode == CG_DNS_SERVERS;
}

static gboolean
is_wrapped (const World *world, const KernelPacket *packet)
{
  for (guint i = 0; packet->protocol == IPPROTO_UDP && i < world->facts->tunnel_ports->len; i++)
    if (g_array_index (world->facts->tunnel_ports, guint16, i) == packet->port)
      return TRUE;
  return FALSE;
}

/* What the guard of the tunnel's gateway lets out on the machine of this world. */
static gboolean
lets_out (const World *world, const CgTunnel *tunnel, const KernelPacket *packet)
{
  const gboolean by_tunnel = tunnel->ifindex && packet->ifindex == tunnel->ifindex &&
                             cg_plan_state (tunnel, packet->destination.family) == CG_STATE_UP;
  if (!may_ask (tunnel, packet, by_tunnel))
    return FALSE;
  const gboolean is_local = cg_prefix_is_link_local (&packet->source);
  if (packet->ifindex == LOOPBACK)
    return is_own (world, &packet->source) && !is_wrapped (world, packet) &&
           (!is_local || cg_prefix_equal (&packet->source, &packet->destination));
  if (by_tunnel)
    return is_address_of (world, tunnel->ifindex, &packet->source);
  const gboolean is_own_there = is_local ? is_address_of (world, packet->ifindex, &packet->source)
                                         : is_own (world, &packet->source);
  return leads_by (tunnel, &packet->destination, packet->ifindex) && is_own_there &&
         !is_of_a_tunnel (world, &packet->source);
}

/* One that a program might send, most often by an interface that leads somewhere. */
static KernelPacket
roll_packet (GRand *rand)
{
  static const guint16 ports[] = {443, 53, 53, 4789, 8472};
  const guint family = dice (rand, 3) ? 0 : 1;
  KernelPacket packet = {
      .uid = SCENARIO_FIRST_UID - 1 + dice (rand, SCENARIO_N_UIDS + 2),
      .source = prefix_of (sources[family][dice (rand, 8)]),
      .destination = prefix_of (destinations[family][dice (rand, 8)]),
      .protocol = dice (rand, 2) ? IPPROTO_UDP : IPPROTO_TCP,
      .port = ports[dice (rand, G_N_ELEMENTS (ports))],
  };
  packet.ifindex = dice (rand, 3) ? 10 + dice (rand, 4) + 10 * dice (rand, 3) : 1 + dice (rand, 3);
  return packet;
}

static char *
packet_to_string (const KernelPacket *packet)
{
  g_autofree char *from = cg_prefix_to_address (&packet->source);
  g_autofree char *to = cg_prefix_to_address (&packet->destination);
  return g_strdup_printf ("uid %u, interface %u, from %s to %s, protocol %u, port %u", packet->uid,
                          packet->ifindex, from, to, packet->protocol, packet->port);
}

/* By both of the gateway's states, each on the machine as it was then. */
static gboolean
is_forbidden (const Scenario *scenario, const KernelPacket *packet)
{
  const CgTunnel *before = find_guard (scenario->before, packet->uid);
  const CgTunnel *after = find_guard (scenario->after, packet->uid);
  return before && after && !lets_out (scenario->before, before, packet) &&
         !lets_out (scenario->after, after, packet);
}

/* Also by a gateway as it was on the machine as it is by now, which is that of a gateway that a run
 * is not about. */
static gboolean
is_forbidden_apart (const Scenario *scenario, const KernelPacket *packet)
{
  return is_forbidden (scenario, packet) &&
         !lets_out (scenario->after, find_guard (scenario->before, packet->uid), packet) &&
         !lets_out (scenario->before, find_guard (scenario->after, packet->uid), packet);
}

static void
keep (GArray *packets, const KernelPacket *packet)
{
  if (packets->len < N_PACKETS)
    g_array_append_val (packets, *packet);
}

static GArray *
packets_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (KernelPacket));
}

void
scenario_roll_packets (Scenario *scenario, GRand *rand)
{
  scenario->packets = packets_new ();
  scenario->forbidden = packets_new ();
  scenario->forbidden_apart = packets_new ();
  for (guint i = 0; i < N_ROLLS; i++) {
    const KernelPacket packet = roll_packet (rand);
    keep (scenario->packets, &packet);
    if (is_forbidden (scenario, &packet))
      keep (scenario->forbidden, &packet);
    if (is_forbidden_apart (scenario, &packet))
      keep (scenario->forbidden_apart, &packet);
  }
}

static char *
find_unguarded (const Scenario *scenario, const GArray *packets, const Kernel *kernel)
{
  for (guint i = 0; i < packets->len; i++) {
    const KernelPacket *packet = &g_array_index (packets, KernelPacket, i);
    if (!kernel_guard_passes (kernel, packet))
      continue;
    g_autofree char *text = packet_to_string (packet);
    return g_strdup_printf ("the guard (of %s, then %s) lets out: %s",
                            find_guard (scenario->before, packet->uid)->gateway->name,
                            find_guard (scenario->after, packet->uid)->gateway->name, text);
  }
  return NULL;
}

char *
scenario_find_unguarded (const Scenario *scenario, const Kernel *kernel)
{
  return find_unguarded (scenario, scenario->forbidden, kernel);
}

char *
scenario_find_unguarded_apart (const Scenario *scenario, const Kernel *kernel)
{
  return find_unguarded (scenario, scenario->forbidden_apart, kernel);
}

char *
scenario_find_misguarded (const Scenario *scenario, const World *world, const Kernel *kernel)
{
  for (guint i = 0; i < scenario->packets->len; i++) {
    const KernelPacket *packet = &g_array_index (scenario->packets, KernelPacket, i);
    const CgTunnel *tunnel = find_guard (world, packet->uid);
    const gboolean should = !tunnel || lets_out (world, tunnel, packet);
    if (kernel_guard_passes (kernel, packet) == should)
      continue;
    g_autofree char *text = packet_to_string (packet);
    return g_strdup_printf ("the guard (of %s) %s: %s", tunnel ? tunnel->gateway->name : "none",
                            should ? "drops" : "lets out", text);
  }
  return NULL;
}
