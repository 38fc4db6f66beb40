/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "warnings-dns.h"

/* Whether it is an address of this machine's, of whatever interface. */
static gboolean
is_here (const CgFacts *facts, const CgPrefix *server)
{
  gboolean found = cg_server_is_local (server);
  for (guint i = 0; i < facts->addresses->len && !found; i++)
    found = cg_prefix_equal (&g_array_index (facts->addresses, CgAddress, i).address, server);
  return found;
}

/* The network that the server lies in, of another interface than the tunnel's; NULL if there is
 * none, or if it lies in the tunnel's, too. */
static const CgPrefix *
find_network (const CgFacts *facts, const CgTunnel *tunnel, const CgPrefix *server)
{
  const CgPrefix *found = NULL;
  for (guint i = 0; i < facts->addresses->len; i++) {
    const CgAddress *address = &g_array_index (facts->addresses, CgAddress, i);
    if (address->network.length == 0 || !cg_prefix_covers (&address->network, server))
      continue;
    if (tunnel->ifindex && address->ifindex == tunnel->ifindex)
      return NULL;
    found = &address->network;
  }
  return found;
}

/* ", 192.0.2.1 and so on" for the servers behind the address of systemd-resolved(8), as far as they
 * are known. The caller owns the result. */
static char *
describe_upstream (const CgFacts *facts, const CgPrefix *server)
{
  static const guint8 stubs[] = {53, 54}; /* 127.0.0.53, 127.0.0.54: of systemd-resolved(8) */
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean is_stub = server->family == AF_INET && cg_prefix_is_loopback (server) &&
                     (server->address[3] == stubs[0] || server->address[3] == stubs[1]);
  for (guint i = 0; is_stub && i < facts->upstream->len; i++) {
    g_autofree char *address = cg_prefix_to_address (&g_array_index (facts->upstream, CgPrefix, i));
    g_string_append_printf (text, "%s%s", i ? ", " : " (now ", address);
  }
  if (text->len > 0)
    g_string_append_c (text, ')');
  return g_strdup (text->str);
}

/* What is wrong with a server of the system's for the confined of a gateway without DNS=, in words
 * that the caller owns; NULL if nothing is. */
static char *
describe_fault (const CgFacts *facts, const CgTunnel *tunnel, const CgPrefix *server)
{
  const CgGateway *gateway = tunnel->gateway;
  const CgPrefix *bypass = cg_gateway_find_bypass (gateway, server);
  const CgPrefix *network = find_network (facts, tunnel, server);
  g_autofree char *address = cg_prefix_to_address (server);
  if (is_here (facts, server)) {
    g_autofree char *upstream = describe_upstream (facts, server);
    return g_strdup_printf ("names are asked for past the tunnel: /etc/resolv.conf names %s, on "
                            "this machine, and the resolver there asks others%s as another user, "
                            "by the ordinary routes",
                            address, upstream);
  }
  if (!bypass && !network)
    return NULL;
  g_autofree char *around = cg_prefix_to_string (bypass ? bypass : network);
  if (bypass)
    return g_strdup_printf ("names are asked for past the tunnel: /etc/resolv.conf names %s, to "
                            "which Bypass=%s leads",
                            address, around);
  return g_strdup_printf ("names may not be found: /etc/resolv.conf names %s, of the local network "
                          "%s, and questions to it go into the tunnel",
                          address, around);
}

static void
warn_of_systems_servers (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel)
{
  for (guint i = 0; i < facts->resolvers->len; i++) {
    const CgPrefix *server = &g_array_index (facts->resolvers, CgPrefix, i);
    g_autofree char *fault = describe_fault (facts, tunnel, server);
    if (fault)
      g_ptr_array_add (warnings,
                       g_strdup_printf ("%s: %s; give DNS=", tunnel->gateway->name, fault));
  }
  for (guint i = 0; i < facts->zoned->len; i++)
    g_ptr_array_add (
        warnings, g_strdup_printf ("%s: names may not be found: /etc/resolv.conf names "
                                   "%s, of one interface alone, by which the confined "
                                   "cannot ask it; give DNS=",
                                   tunnel->gateway->name, (const char *) facts->zoned->pdata[i]));
}

void
cg_warn_of_bypassed_servers (GPtrArray *warnings, const CgGateway *gateway)
{
  for (guint i = 0; i < gateway->dns->len; i++) {
    const CgPrefix *server = &g_array_index (gateway->dns, CgPrefix, i);
    const CgPrefix *bypass = cg_gateway_find_bypass (gateway, server);
    if (!bypass || cg_prefix_is_loopback (server))
      continue;
    g_autofree char *address = cg_prefix_to_address (server);
    g_autofree char *network = cg_prefix_to_string (bypass);
    g_autofree char *remedy =
        gateway->dns_mode == CG_DNS_SERVERS
            ? g_strdup_printf ("; if it is to be asked by the bypass, name %s itself in Bypass=",
                               address)
            : g_strdup ("");
    if (cg_gateway_pins (gateway, server))
      g_ptr_array_add (warnings,
                       g_strdup_printf ("%s: Bypass=%s covers the name server %s, which is reached "
                                        "through the tunnel all the same, and by no other way%s",
                                        gateway->name, network, address, remedy));
    else
      g_ptr_array_add (warnings,
                       g_strdup_printf ("%s: names are asked for past the tunnel: Bypass= names "
                                        "the server %s of DNS= itself",
                                        gateway->name, address));
  }
}

/* The first of the system's servers that is on this machine, or that is none of the gateway's, in
 * words that the caller owns; or NULL. */
static char *
find_resolver (const CgFacts *facts, const CgGateway *gateway, gboolean here)
{
  for (guint i = 0; i < facts->resolvers->len; i++) {
    const CgPrefix *server = &g_array_index (facts->resolvers, CgPrefix, i);
    if (here ? is_here (facts, server) : !cg_prefixes_have (gateway->dns, server))
      return cg_prefix_to_address (server);
  }
  return NULL;
}

void
cg_warn_of_dns (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  const char *name = gateway->name;
  if (gateway->dns_mode == CG_DNS_NONE) {
    warn_of_systems_servers (warnings, facts, tunnel);
    return;
  }
  cg_warn_of_bypassed_servers (warnings, gateway);
  g_autofree char *local = find_resolver (facts, gateway, TRUE);
  g_autofree char *other = find_resolver (facts, gateway, FALSE);
  if (gateway->guard == CG_GUARD_NO && local)
    g_ptr_array_add (
        warnings,
        g_strdup_printf ("%s: with Guard=no a program that asks %s itself gets its answer "
                         "past the tunnel",
                         name, local));
  if (gateway->guard != CG_GUARD_NO && !gateway->services[0] && other)
    g_ptr_array_add (
        warnings,
        g_strdup_printf ("%s: the programs of Users= read /etc/resolv.conf, which names %s; the "
                         "guard drops their questions, and only Services= see the servers of DNS=",
                         name, other));
}
