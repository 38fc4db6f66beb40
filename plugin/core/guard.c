/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

/* Behind all that may still change where a packet goes, and before source NAT (100), which hides
 * the address it has (nf_ip_hook_priorities, linux/netfilter_ipv4.h). */
#define PRIORITY_POSTROUTING 99
/* A program is to be told that its packet is dropped: behind route chains (-150) and NAT (-100). */
#define PRIORITY_OUTPUT 300
/* Before connection tracking (-200) and raw (-300), which need not see what is dropped. */
#define PRIORITY_PREROUTING (-350)

/* What a tunnel in the kernel may wrap packets into, and no program send that has not CAP_NET_RAW:
 * IP in IP, IPv6 in IP, GRE, ESP, AH (linux/in.h). */
#define WRAPPERS "{ 4, 41, 47, 50, 51 }"
/* What the kernel wraps into UDP for some tunnels keeps the priority of what is in it. So what the
 * confined send into the tunnel gets one that no program can give a packet without CAP_NET_ADMIN or
 * CAP_NET_RAW (sk_set_prio_allowed in net/core/sock.c: 0 to 6). */
#define PRIORITY_WRAPPED "00c6:0000"

/* Of a connection of Multipath TCP (option 30, RFC 8684) the kernel opens further paths by sockets
 * that are root's (mptcp_subflow_create_socket in net/mptcp/subflow.c). */
#define NO_MULTIPATH "tcp flags & syn == syn tcp option 30 exists goto stop; "

/* No user: that of a packet without a socket is not known, which ends the rule. */
#define HAS_SOCKET "meta skuid != 4294967295"

static const char *
keyword (int family)
{
  return family == AF_INET6 ? "ip6" : "ip";
}

static char
digit (int family)
{
  return family == AF_INET6 ? '6' : '4';
}

/* A set and its elements, which the text has between braces; one without elements has none. */
static void
append_set (GString *text, const char *name, char number, const char *type, const GString *elements)
{
  g_string_append_printf (text, "set %s%c { type %s; ", name, number, type);
  if (elements->len > 0)
    g_string_append_printf (text, "elements = { %s }; ", elements->str);
  g_string_append (text, "}; ");
}

static void
append_element (GString *elements, const char *element)
{
  g_string_append_printf (elements, "%s%s", elements->len > 0 ? ", " : "", element);
}

static void
list_addresses (GString *elements, const GArray *addresses, int family)
{
  for (guint i = 0; addresses && i < addresses->len; i++) {
    const CgPrefix *address = &g_array_index (addresses, CgPrefix, i);
    g_autofree char *text = cg_prefix_to_address (address);
    if (address->family == family)
      append_element (elements, text);
  }
}

/* A gateway that confines no user just now holds what its services still have to say, and no more:
 * others may have the address by now. */
static gboolean
is_at_rest (const CgGuarded *guarded)
{
  return guarded->uids->len == 0;
}

static void
add_home (GString *elements, const CgPrefix *address, const char *ifname)
{
  g_autofree char *text = cg_prefix_to_address (address);
  g_autofree char *home = g_strdup_printf ("%s . \"%s\"", text, ifname);
  append_element (elements, home);
}

/* Interfaces that may carry the addresses: the tunnel, and others that have the same. */
static void
list_homes (GString *elements, const CgTunnel *tunnel, const GArray *addresses, int family)
{
  for (guint i = 0; tunnel->gateway->interface && addresses && i < addresses->len; i++) {
    const CgPrefix *address = &g_array_index (addresses, CgPrefix, i);
    if (address->family == family)
      add_home (elements, address, tunnel->gateway->interface);
  }
}

static void
list_other_homes (GString *elements, const GArray *homes, int family)
{
  for (guint i = 0; homes && i < homes->len; i++) {
    const CgHome *home = &g_array_index (homes, CgHome, i);
    if (home->address.family == family)
      add_home (elements, &home->address, home->ifname);
  }
}

/* addresses4, former4, homes4, and those of IPv6. */
static void
append_sets (
    GString *text, const GArray *guarded, const GArray *more, const GArray *more_homes, int family)
{
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (GString) former = g_string_new (NULL);
  g_autoptr (GString) homes = g_string_new (NULL);
  for (guint i = 0; i < guarded->len; i++) {
    const CgGuarded *one = &g_array_index (guarded, CgGuarded, i);
    list_addresses (all, one->tunnel->held, family);
    list_addresses (all, one->tunnel->former, family);
    list_addresses (former, one->tunnel->former, family);
    if (is_at_rest (one))
      list_addresses (former, one->tunnel->held, family);
    list_homes (homes, one->tunnel, one->tunnel->held, family);
    list_homes (homes, one->tunnel, one->tunnel->former, family);
    list_other_homes (homes, one->tunnel->homes, family);
  }
  list_addresses (all, more, family);
  list_addresses (former, more, family);
  list_other_homes (homes, more_homes, family);
  const char *type = family == AF_INET6 ? "ipv6_addr" : "ipv4_addr";
  g_autofree char *at = g_strconcat (type, " . ifname", NULL);
  append_set (text, "addresses", digit (family), type, all);
  append_set (text, "former", digit (family), type, former);
  append_set (text, "homes", digit (family), at, homes);
}

/* A rule for each range, and no set, which the kernel asks as it is now (nft_set_elem_active in
 * net/netfilter/nf_tables.h): a packet that is among the old rules while new ones take their place
 * would find the old set empty. */
static void
append_by_uid (GString *text, const GArray *uids, const char *verdict)
{
  for (guint i = 0; i < uids->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (uids, CgUidRange, i));
    g_string_append_printf (text, "meta skuid %s %s; ", range, verdict);
  }
}

/* A packet that IPsec is about to wrap passes here as it is, on its way to the interface by which
 * the wrapped one leaves (xfrm4_output in net/ipv4/xfrm4_output.c). */
static gboolean
has_ipsec (const GArray *guarded)
{
  for (guint i = 0; i < guarded->len; i++)
    if (cg_tunnel_is_ipsec (g_array_index (guarded, CgGuarded, i).tunnel))
      return TRUE;
  return FALSE;
}

/* A chain that drops what has one of the addresses, but by their homes. field is "saddr" or
 * "daddr", which the interface that leaves or comes. It returns, as what follows the jump is to see
 * the rest. */
static void
append_holding (
    GString *text, const char *name, const char *field, const char *which, const char *first)
{
  g_string_append_printf (text, "chain %s { %s \"lo\" return; %s", name, which, first);
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    const char *family = keyword (cg_families[i]);
    char number = digit (cg_families[i]);
    g_string_append_printf (text, "%s %s . %s @homes%c return; %s %s @former%c %sreturn; ", family,
                            field, which, number, family, field, number,
                            *field == 's' ? HAS_SOCKET " " : "");
  }
  g_string_append (text, "counter name dropped drop; }; ");
}

/* The uids of gateways that have name servers of their own. */
static GArray *
list_askers (const GArray *guarded)
{
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < guarded->len; i++) {
    const CgGuarded *one = &g_array_index (guarded, CgGuarded, i);
    if (one->tunnel->gateway->dns_mode != CG_DNS_NONE)
      g_array_append_vals (uids, one->uids->data, one->uids->len);
  }
  cg_uids_normalise (uids);
  return uids;
}

/* What another program leads to another port or address than the one that was asked. With "ct" the
 * kernel follows connections, which costs all packets: none of it without a need. */
#define REDIRECTED                                                                                 \
  "meta l4proto tcp ct status dnat ct original proto-dst 53 jump redirected; "                     \
  "meta l4proto udp ct status dnat ct original proto-dst 53 jump redirected; "

/* By uid, where BPF cannot be had. */

/* One rule a family. */
static void
append_destinations (GString *text, const GArray *prefixes, const char *verdict)
{
  for (guint i = 0; prefixes && i < prefixes->len; i++) {
    const CgPrefix *prefix = &g_array_index (prefixes, CgPrefix, i);
    g_autofree char *cidr = cg_prefix_to_string (prefix);
    g_string_append_printf (text, "%s daddr %s %s; ", keyword (prefix->family), cidr, verdict);
  }
}

static gboolean
is_known_by_priority (const CgTunnel *tunnel)
{
  static const char *const kinds[] = {"ovpn", "vxlan", "geneve", NULL};
  return g_strv_contains (kinds, tunnel->kind);
}

/* The tunnel's own packets keep the program's socket. WireGuard's are known by the port that its
 * sockets hold while it is up, and by its mark, which takes CAP_NET_ADMIN to set. */
static void
append_own_packets (GString *text, const CgTunnel *tunnel)
{
  const CgWireguard *wireguard = &tunnel->wireguard;
  g_string_append (text, "meta l4proto " WRAPPERS " accept; ");
  if (is_known_by_priority (tunnel))
    g_string_append (text, "meta l4proto udp meta priority " PRIORITY_WRAPPED " accept; ");
  if (wireguard->port && wireguard->mark)
    g_string_append_printf (text, "udp sport %u meta mark 0x%08x accept; ", wireguard->port,
                            wireguard->mark);
  else if (wireguard->port)
    g_string_append_printf (text, "udp sport %u accept; ", wireguard->port);
}

/* The chain of one gateway: what its confined may send. */
static void
append_gateway (GString *text, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  g_autofree char *ways = g_strdup_printf ("ways-%u", tunnel->table);
  g_string_append_printf (text, "chain %s { " NO_MULTIPATH, ways);
  g_autoptr (GArray) pinned = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  for (guint i = 0; i < gateway->dns->len; i++)
    if (cg_gateway_pins (gateway, &g_array_index (gateway->dns, CgPrefix, i)))
      g_array_append_vals (pinned, &g_array_index (gateway->dns, CgPrefix, i), 1);
  if (gateway->interface)
    g_string_append_printf (
        text, "%soifname \"%s\" %saccept; ",
        gateway->ipv6 == CG_IPV6_BLOCK ? "meta nfproto ipv4 " : "", gateway->interface,
        is_known_by_priority (tunnel) ? "meta priority set " PRIORITY_WRAPPED " " : "");
  g_string_append (text, "oifname \"lo\" fib saddr type local accept; ");
  append_destinations (text, pinned, "goto stop");
  append_destinations (text, gateway->bypass, "fib saddr type local accept");
  g_string_append (text, "goto stop; }; ");
  g_string_append_printf (text, "chain gateway-%u { ", tunnel->table);
  append_own_packets (text, tunnel);
  if (gateway->dns_mode != CG_DNS_NONE) {
    for (guint i = 0; i < gateway->dns->len; i++) {
      const CgPrefix *server = &g_array_index (gateway->dns, CgPrefix, i);
      g_autofree char *address = cg_prefix_to_address (server);
      const char *family = keyword (server->family);
      g_string_append_printf (
          text, "tcp dport 53 %s daddr %s goto %s; udp dport 53 %s daddr %s goto %s; ", family,
          address, ways, family, address, ways);
    }
    g_string_append (text, "tcp dport 53 goto stop; udp dport 53 goto stop; ");
  }
  g_string_append_printf (text, "goto %s; }; ", ways);
}

static void
append_choice (GString *text, const GArray *guarded, const GArray *others)
{
  append_by_uid (text, others, "oifname != \"lo\" goto stop");
  for (guint i = 0; i < guarded->len; i++) {
    const CgGuarded *one = &g_array_index (guarded, CgGuarded, i);
    g_autofree char *verdict = g_strdup_printf ("goto gateway-%u", one->tunnel->table);
    append_by_uid (text, one->uids, verdict);
  }
}

/* What stands is emptied in the transaction that fills it: its chains stay, so that a packet meets
 * all old rules or all new ones. To be emptied, it must be there. */
static void
append_emptying (GString *text)
{
  g_autoptr (GString) flushes = g_string_new ("flush table inet " CG_GUARD_TABLE_NAME "; ");
  g_string_append (text, "table inet " CG_GUARD_TABLE_NAME " { ");
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    char number = digit (cg_families[i]);
    const char *type = cg_families[i] == AF_INET6 ? "ipv6_addr" : "ipv4_addr";
    g_string_append_printf (text,
                            "set addresses%c { type %s; }; set former%c { type %s; }; "
                            "set homes%c { type %s . ifname; }; ",
                            number, type, number, type, number, type);
    g_string_append_printf (flushes,
                            "flush set inet " CG_GUARD_TABLE_NAME " addresses%c; "
                            "flush set inet " CG_GUARD_TABLE_NAME " former%c; "
                            "flush set inet " CG_GUARD_TABLE_NAME " homes%c; ",
                            number, number, number);
  }
  g_string_append_printf (text, "}; %s", flushes->str);
}

/* What goes to one of the machine's own addresses goes by lo. But what the kernel answers for a
 * socket that is bound to an interface, or was, leaves by that: an ACK, an RST, and what opens a
 * connection in want of room (tcp_v4_send_ack, tcp_v4_send_reset, tcp_make_synack). These are
 * short. */
#define TO_ITSELF                                                                                  \
  "oifname != \"lo\" meta l4proto tcp meta length < 200 fib daddr type local "                     \
  "counter name dropped drop; "

/* What comes by a tunnel for an address that the tunnel does not have, the kernel answers by the
 * ordinary way, from that address. Unless the ordinary way leads there by the tunnel. */
static void
append_inside (GString *text)
{
  g_string_append (text, "chain inside { ip6 daddr fe80::/10 return; "
                         "ip daddr . iifname @homes4 return; ip6 daddr . iifname @homes6 return; "
                         "fib saddr . iif oif exists return; "
                         "fib daddr type local counter name dropped drop; }; ");
}

static void
append_tunnels (GString *text, const GArray *guarded)
{
  for (guint i = 0; i < guarded->len; i++) {
    const CgGuarded *one = &g_array_index (guarded, CgGuarded, i);
    if (one->tunnel->gateway->interface && !is_at_rest (one))
      g_string_append_printf (text, "iifname \"%s\" jump inside; ",
                              one->tunnel->gateway->interface);
  }
}

/* Where errors about what the tunnels' addresses sent may come from. */
static void
append_origins (GString *text, const GArray *guarded)
{
  g_string_append (text, "iifname \"lo\" return; ");
  for (guint i = 0; i < guarded->len; i++) {
    const CgTunnel *tunnel = g_array_index (guarded, CgGuarded, i).tunnel;
    if (tunnel->gateway->interface)
      g_string_append_printf (text, "iifname \"%s\" return; ", tunnel->gateway->interface);
    for (guint j = 0; tunnel->homes && j < tunnel->homes->len; j++)
      g_string_append_printf (text, "iifname \"%s\" return; ",
                              g_array_index (tunnel->homes, CgHome, j).ifname);
  }
}

/* The tunnels' addresses at that place, as numbers: nft(8) compares bytes at a place with these
 * alone. */
static void
append_quoted (GString *text, const GArray *guarded, int family, const char *place)
{
  for (guint i = 0; i < guarded->len; i++) {
    const GArray *held = g_array_index (guarded, CgGuarded, i).tunnel->held;
    for (guint j = 0; held && j < held->len; j++) {
      const CgPrefix *address = &g_array_index (held, CgPrefix, j);
      if (address->family != family)
        continue;
      g_string_append_printf (text, "%s 0x", place);
      for (guint k = 0; k < cg_family_bytes (family); k++)
        g_string_append_printf (text, "%02x", address->address[k]);
      g_string_append (text, " counter name dropped drop; ");
    }
  }
}

/* An error tells a program of its packet, with what is quoted of that, and no socket's filter sees
 * it (RFC 792, RFC 4443; __udp4_lib_err in net/ipv4/udp.c). In the chain of what is put together
 * again, but for IPv6, of which no error is in pieces. Without anonymous sets, which are empty for
 * a packet that is among the old rules during a change. */
static void
append_errors (GString *text, const GArray *guarded)
{
  g_string_append (text, "chain quoted4 { ");
  append_quoted (text, guarded, AF_INET, "@th,160,32");
  g_string_append (text, "}; chain quoted6 { ");
  append_quoted (text, guarded, AF_INET6, "@th,128,128");
  g_string_append (text, "}; chain errors { ");
  append_origins (text, guarded);
  g_string_append_printf (text,
                          "icmp type 3-5 jump quoted4; icmp type 11-12 jump quoted4; "
                          "icmpv6 type 1-4 jump quoted6; "
                          "exthdr frag exists icmpv6 type 1-4 counter name dropped drop; }; "
                          "chain input { type filter hook input priority %d; policy accept; "
                          "meta l4proto icmp jump errors; meta l4proto icmpv6 jump errors; }; ",
                          PRIORITY_PREROUTING);
}

/* What belongs to no program, or is for none. */
static void
append_base_chains (GString *text, const GArray *guarded, const GArray *by_uid)
{
  g_autoptr (GArray) askers = list_askers (guarded);
  if (askers->len > 0) {
    g_string_append (text, "chain redirected { ");
    append_by_uid (text, askers, "counter name dropped drop");
    g_string_append (text, "}; ");
  }
  if (by_uid) {
    g_string_append_printf (text,
                            "chain output { type filter hook output priority %d; policy accept; ",
                            PRIORITY_OUTPUT);
    append_choice (text, guarded, by_uid);
    g_string_append (text, "}; ");
  }
  g_string_append_printf (
      text,
      "chain postrouting { type filter hook postrouting priority %d; policy accept; "
      "ip saddr @addresses4 jump source; ip6 saddr @addresses6 jump source; " TO_ITSELF "%s",
      PRIORITY_POSTROUTING, askers->len > 0 ? REDIRECTED : "");
  if (by_uid)
    append_choice (text, guarded, by_uid);
  g_string_append_printf (
      text,
      "}; chain prerouting { type filter hook prerouting priority %d; policy accept; "
      "ip daddr @addresses4 jump destination; ip6 daddr @addresses6 jump destination; ",
      PRIORITY_PREROUTING);
  append_tunnels (text, guarded);
  g_string_append (text, "}; }");
}

char *
cg_guard_text (const GArray *guarded,
               const GArray *former,
               const GArray *former_homes,
               const GArray *by_uid)
{
  g_autoptr (GString) text = g_string_new (NULL);
  append_emptying (text);
  g_string_append (text, "table inet " CG_GUARD_TABLE_NAME " { counter dropped { }; ");
  for (guint i = 0; i < CG_N_FAMILIES; i++)
    append_sets (text, guarded, former, former_homes, cg_families[i]);
  append_holding (text, "source", "saddr", "oifname",
                  has_ipsec (guarded) ? "rt ipsec exists return; " : "");
  append_holding (text, "destination", "daddr", "iifname", "");
  append_inside (text);
  append_errors (text, guarded);
  if (by_uid)
    g_string_append (text, "chain stop { counter name dropped drop; }; ");
  for (guint i = 0; by_uid && i < guarded->len; i++)
    append_gateway (text, g_array_index (guarded, CgGuarded, i).tunnel);
  append_base_chains (text, guarded, by_uid);
  return g_strdup (text->str);
}
