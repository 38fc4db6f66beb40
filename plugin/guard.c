/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include <arpa/inet.h>
#include <string.h>

#include "nft.h"

/* Behind all that may still change where a packet goes: route chains and NAT are at -150 and -100
 * (nf_ip_hook_priorities, linux/netfilter_ipv4.h). */
#define PRIORITY_OUTPUT 300
/* Before connection tracking (-200) and raw (-300), which need not see what is dropped. */
#define PRIORITY_PREROUTING (-350)

/* What a tunnel in the kernel may wrap packets into, and no program send that has not CAP_NET_RAW,
 * with which it could pass any guard: IP in IP, IPv6 in IP, GRE, ESP, AH (linux/in.h). */
#define WRAPPERS "{ 4, 41, 47, 50, 51 }"
/* What the kernel wraps into UDP for some tunnels keeps the priority of what is in it, too. So what
 * the confined send into the tunnel gets one that no program can give a packet without
 * CAP_NET_ADMIN or CAP_NET_RAW (sk_set_prio_allowed in net/core/sock.c: 0 to 6). Its higher half is
 * our protocol's number, where tc(8) has a qdisc's; those that it chooses itself begin at 8000. The
 * lower half is that of a packet without priority. */
#define PRIORITY_WRAPPED "00c6:0000"
/* WireGuard makes a handshake every 2 minutes and forgets a session after 3 (its white paper, 6.1):
 * a peer that has heard no packet of its own making for longer has gone. */
#define LEARNED "flags dynamic, timeout; timeout 10m; size 1024; "

/* What a packet pays for the question whose it is, with a comparison with one uid as the unit:
 * one with a range costs two; a look into a set without ranges, however large, less than three;
 * into one with ranges more than three, and seven if there are a thousand (measured; see bench). */
#define MAX_COMPARISONS             2
#define MAX_COMPARISONS_WITH_RANGES 3
/* To write an element takes some 12 us. */
#define MAX_LISTED 1024
/* So many addresses are compared one by one. */
#define MAX_ADDRESSES 8

/* What belongs to any program passes: nobody's uid is (uid_t) -1, and what the kernel sends for a
 * closed socket has none, which ends the rule. */
#define ANYBODY "meta skuid != 4294967295 accept; "

/* Of a connection of Multipath TCP (option 30 of IANA's TCP parameters, RFC 8684) the kernel itself
 * opens further ways, from the addresses that "ip mptcp endpoint" shows: by sockets that are root's
 * to the rules and nobody's to the guard (mptcp_subflow_create_socket in net/mptcp/subflow.c). So
 * there is to be no such connection, neither as a client nor as a server. */
#define NO_MULTIPATH "tcp flags & syn == syn tcp option 30 exists goto stop; "

/* How the text begins. */
#define TABLE "table inet "

static GArray *
all_uids (const GArray *uids, const GArray *more)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  g_array_append_vals (all, uids->data, uids->len);
  if (more)
    g_array_append_vals (all, more->data, more->len);
  cg_uids_normalise (all);
  return all;
}

/* Whom the table holds: for us to read, even if the rules below do not look at it. */
static void
append_uids (GString *text, const GArray *all)
{
  g_string_append (text, "set " CG_NFT_UIDS " { typeof meta skuid; flags interval; ");
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (all, CgUidRange, i));
    g_string_append_printf (text, "%s%s", i ? ", " : "elements = { ", range);
  }
  g_string_append (text, all->len ? " }; }; " : "}; ");
}

/* "{ a, b }": each uid by itself. */
static void
append_list (GString *text, const GArray *all)
{
  char start = '{';
  for (guint i = 0; i < all->len; i++) {
    const CgUidRange *range = &g_array_index (all, CgUidRange, i);
    /* 64 bits: a set that somebody else has changed may hold the highest number there is */
    for (guint64 uid = range->first; uid <= range->last; uid++, start = ',')
      g_string_append_printf (text, "%c %" G_GUINT64_FORMAT, start, uid);
  }
  g_string_append (text, " }");
}

static void
append_comparisons (GString *text, const GArray *all, const char *then)
{
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (all, CgUidRange, i));
    g_string_append_printf (text, "meta skuid %s %s", range, then);
  }
}

/* What every packet of everybody meets, in the cheapest form that there is for these uids. What is
 * compared, and a set without a name, belong to their rule: a packet that meets the old rule meets
 * the old uids with it. A map to verdicts would not do, since its elements go before its rule
 * (nft_map_deactivate in net/netfilter/nf_tables_api.c). */
static void
append_choice (GString *text, const GArray *all)
{
  static const char then[] = "goto confined; ";
  const gboolean is_listed = cg_uids_count (all) <= MAX_LISTED;
  guint cost = 0;
  for (guint i = 0; i < all->len; i++) {
    const CgUidRange *range = &g_array_index (all, CgUidRange, i);
    cost += range->first == range->last ? 1 : 2;
  }
  if (cost <= (is_listed ? MAX_COMPARISONS : MAX_COMPARISONS_WITH_RANGES)) {
    append_comparisons (text, all, then);
    return;
  }
  g_string_append (text, "meta skuid ");
  if (is_listed)
    append_list (text, all);
  else
    g_string_append (text, "@" CG_NFT_UIDS);
  g_string_append_printf (text, " %s", then);
}

/* "{ a, b }" of those prefixes that are of the family; FALSE, and nothing appended, if none is. */
static gboolean
append_prefixes (GString *text, const GArray *prefixes, int family)
{
  guint count = 0;
  for (guint i = 0; prefixes && i < prefixes->len; i++) {
    const CgPrefix *prefix = &g_array_index (prefixes, CgPrefix, i);
    if (prefix->family != family)
      continue;
    g_autofree char *cidr = cg_prefix_to_string (prefix);
    g_string_append_printf (text, "%s%s", count++ ? ", " : "{ ", cidr);
  }
  if (count > 0)
    g_string_append (text, " }");
  return count > 0;
}

static const char *
keyword (int family)
{
  return family == AF_INET6 ? "ip6" : "ip";
}

/* One rule a family: before, the prefixes, behind. */
static void
append_rules (GString *text, const char *field, const GArray *prefixes, const char *verdict)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    g_autoptr (GString) set = g_string_new (NULL);
    if (append_prefixes (set, prefixes, cg_families[i]))
      g_string_append_printf (text, "%s %s %s %s; ", keyword (cg_families[i]), field, set->str,
                              verdict);
  }
}

/* Those bits of the header in which the address ends, before all that it takes to know of which
 * family the packet is. Nearly all packets are through with the rule then. */
static void
append_first_glance (GString *text, const char *field, const CgPrefix *address)
{
  static const guint starts[CG_N_FAMILIES][2] = {{12, 16}, {8, 24}}; /* RFC 791, RFC 8200 */
  const guint word = cg_family_bytes (address->family) - 4;
  const guint start = starts[cg_family_index (address->family)][*field == 'd'];
  guint32 bits;
  memcpy (&bits, address->address + word, sizeof bits);
  g_string_append_printf (text, "@nh,%u,32 0x%08x ", 8 * (start + word), ntohl (bits));
}

/* Rules about the addresses that a tunnel has: field is "saddr" or "daddr". */
static void
append_addresses (GString *text, const char *field, const GArray *held, const char *verdict)
{
  if (held && held->len > MAX_ADDRESSES) {
    append_rules (text, field, held, verdict);
    return;
  }
  for (guint i = 0; held && i < held->len; i++) {
    const CgPrefix *prefix = &g_array_index (held, CgPrefix, i);
    g_autofree char *address = cg_prefix_to_address (prefix);
    append_first_glance (text, field, prefix);
    g_string_append_printf (text, "%s %s %s %s; ", keyword (prefix->family), field, address,
                            verdict);
  }
}

/* Where the tunnel's own packets go: what WireGuard said when this was written, and what its own
 * packets showed since (see append_learning). */
static void
append_endpoints (GString *text, const CgWireguard *wireguard)
{
  static const char *const types[CG_N_FAMILIES] = {"ipv4_addr", "ipv6_addr"};
  for (guint family = 0; family < CG_N_FAMILIES; family++) {
    char number = cg_families[family] == AF_INET6 ? '6' : '4';
    guint count = 0;
    g_string_append_printf (text, "set " CG_NFT_ENDPOINTS "%c { type %s . inet_service; ", number,
                            types[family]);
    for (guint i = 0; wireguard->endpoints && i < wireguard->endpoints->len; i++) {
      const CgEndpoint *endpoint = &g_array_index (wireguard->endpoints, CgEndpoint, i);
      char address[INET6_ADDRSTRLEN];
      if (endpoint->address.family != cg_families[family])
        continue;
      inet_ntop (cg_families[family], endpoint->address.address, address, sizeof address);
      g_string_append_printf (text, "%s%s . %u", count++ ? ", " : "elements = { ", address,
                              endpoint->port);
    }
    g_string_append (text, count > 0 ? " }; }; " : "}; ");
    g_string_append_printf (text, "set learned%c { type %s . inet_service; " LEARNED "}; ", number,
                            types[family]);
  }
}

/* Their ports say nothing. OpenVPN's (data channel offload): others can have it beside it, on
 * another address or interface, and behind it, of which no event tells; by TCP it is its own socket
 * that sends. VXLAN and Geneve send from any. */
static gboolean
is_known_by_priority (const CgTunnel *tunnel)
{
  static const char *const kinds[] = {"ovpn", "vxlan", "geneve", NULL};
  return g_strv_contains (kinds, tunnel->kind);
}

/* The tunnel's own packets, into which the kernel has wrapped those of the confined: they keep the
 * program's socket. WireGuard's are known by the port that its sockets hold while it is up, so that
 * no program can have it, and by its mark, which takes CAP_NET_ADMIN to set; without a mark by
 * where they go, because of the moment when the port is free already and the guard not yet another.
 */
static void
append_own_packets (GString *text, const CgTunnel *tunnel)
{
  const CgWireguard *wireguard = &tunnel->wireguard;
  g_string_append (text, "chain own { meta l4proto " WRAPPERS " accept; ");
  if (is_known_by_priority (tunnel))
    g_string_append (text, "meta l4proto udp meta priority " PRIORITY_WRAPPED " accept; ");
  if (wireguard->port && wireguard->mark)
    g_string_append_printf (text, "udp sport %u meta mark 0x%08x accept; ", wireguard->port,
                            wireguard->mark);
  for (guint i = 0; i < CG_N_FAMILIES && wireguard->port && !wireguard->mark; i++) {
    const char *family = keyword (cg_families[i]);
    char number = cg_families[i] == AF_INET6 ? '6' : '4';
    g_string_append_printf (text,
                            "udp sport %u %s daddr . udp dport @" CG_NFT_ENDPOINTS "%c accept; "
                            "udp sport %u %s daddr . udp dport @learned%c accept; ",
                            wireguard->port, family, number, wireguard->port, family, number);
  }
  g_string_append (text, "}; ");
}

/* A peer may move. What WireGuard itself makes, as handshakes, belongs to no program and shows
 * where to; it makes one 15 seconds after it last heard from the peer. */
static void
append_learning (GString *text, const CgWireguard *wireguard)
{
  for (guint i = 0; i < CG_N_FAMILIES && wireguard->port && !wireguard->mark; i++)
    g_string_append_printf (text, "udp sport %u update @learned%c { %s daddr . udp dport }; ",
                            wireguard->port, cg_families[i] == AF_INET6 ? '6' : '4',
                            keyword (cg_families[i]));
}

/* The ways that are left to the confined, the tunnel first since most goes there, and what becomes
 * of what takes another. A connection is reset, on its own side alone: connect(2) would otherwise
 * hang, and a connection from before would outlive its program, sending what belongs to nobody any
 * more. Other calls get EPERM. */
static void
append_ways (GString *text, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  g_autoptr (GArray) pinned = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  for (guint i = 0; i < gateway->dns->len; i++)
    if (cg_gateway_pins (gateway, &g_array_index (gateway->dns, CgPrefix, i)))
      g_array_append_vals (pinned, &g_array_index (gateway->dns, CgPrefix, i), 1);
  g_string_append (text, "chain stop { counter name dropped; "
                         "fib saddr type local meta l4proto tcp reject with tcp reset; drop; }; "
                         "chain ways { " NO_MULTIPATH);
  if (gateway->interface)
    g_string_append_printf (
        text, "%soifname \"%s\" %saccept; ",
        gateway->ipv6 == CG_IPV6_BLOCK ? "meta nfproto ipv4 " : "", gateway->interface,
        is_known_by_priority (tunnel) ? "meta priority set " PRIORITY_WRAPPED " " : "");
  g_string_append (text, "oifname \"lo\" accept; ");
  if (pinned->len > 0)
    g_string_append (text, "jump own; ");
  append_rules (text, "daddr", pinned, "goto stop");
  append_rules (text, "daddr", gateway->bypass, "accept");
  g_string_append (text, "jump own; goto stop; }; ");
}

/* Questions for names go to the name servers of the gateway alone, loopback included: whoever
 * listens there asks in its own name, by its own way. Those of DNS=auto are what the other end of
 * the tunnel says, so they are asked by the tunnel and by no other way, wherever they are. If they
 * are still to be found out, nobody is.
 * The tunnel's own packets are no questions, whatever their port. */
static void
append_confined (GString *text, const CgGateway *gateway)
{
  if (gateway->dns_mode == CG_DNS_NONE) {
    g_string_append (text, "chain confined { goto ways; }; ");
    return;
  }
  g_autofree char *then =
      gateway->dns_mode == CG_DNS_AUTO && gateway->interface ? g_strdup_printf (
                                                                   "oifname \"%s\" goto ways",
                                                                   gateway->interface)
                                                             : g_strdup ("goto ways");
  g_string_append (text, "chain questions { jump own; ");
  if (gateway->dns_mode != CG_DNS_AUTO || gateway->interface)
    append_rules (text, "daddr", gateway->dns, then);
  g_string_append (text, "goto stop; }; chain confined { th dport 53 meta l4proto { tcp, udp } "
                         "goto questions; goto ways; }; ");
}

/* Drops what takes another interface (which: "oifname" or "iifname") than those whose addresses
 * these are: other ones may carry the same. The caller owns the result. */
static char *
unless_owner (const CgTunnel *tunnel, const char *which)
{
  g_autoptr (GString) rule = g_string_new (NULL);
  g_string_append_printf (rule, "%s != \"lo\"", which);
  if (tunnel->gateway->interface)
    g_string_append_printf (rule, " %s != \"%s\"", which, tunnel->gateway->interface);
  for (guint i = 0; tunnel->sharers && i < tunnel->sharers->len; i++)
    g_string_append_printf (rule, " %s != \"%s\"", which, (const char *) tunnel->sharers->pdata[i]);
  return g_strconcat (rule->str, " counter name dropped drop", NULL);
}

char *
cg_guard_text (const CgTunnel *tunnel, const GArray *more)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *table = cg_nft_table_of (tunnel->gateway->name);
  g_autofree char *leaves = unless_owner (tunnel, "oifname");
  g_autofree char *comes = unless_owner (tunnel, "iifname");
  g_autoptr (GArray) uids = all_uids (tunnel->gateway->uids, more);

  g_string_append_printf (text, TABLE "%s { counter dropped { }; ", table);
  append_uids (text, uids);
  append_endpoints (text, &tunnel->wireguard);
  append_own_packets (text, tunnel);
  append_ways (text, tunnel);
  append_confined (text, tunnel->gateway);

  g_string_append_printf (
      text, "chain output { type filter hook output priority %d; policy accept; ", PRIORITY_OUTPUT);
  if (uids->len > 0)
    append_choice (text, uids);
  else
    g_string_append (text, ANYBODY);
  append_learning (text, &tunnel->wireguard);
  append_addresses (text, "saddr", tunnel->held, leaves);
  g_string_append_printf (
      text, "}; chain prerouting { type filter hook prerouting priority %d; policy accept; ",
      PRIORITY_PREROUTING);
  if (uids->len > 0)
    append_addresses (text, "daddr", tunnel->held, comes);
  g_string_append (text, "}; }");
  return g_strdup (text->str);
}

/* To delete a table that is not there is an error, to add one that is there is none. */
static char *
removal_of (const char *table)
{
  return g_strdup_printf ("table inet %s; delete table inet %s", table, table);
}

char *
cg_guard_removal (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return removal_of (table);
}

char *
cg_guard_unshielding (const char *gateway)
{
  g_autofree char *shield = cg_nft_shield_of (gateway);
  return removal_of (shield);
}

char *
cg_guard_shield (const char *gateway, const char *text)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  g_autofree char *shield = cg_nft_shield_of (gateway);
  g_autofree char *before = cg_guard_unshielding (gateway);
  return g_strdup_printf ("%s; " TABLE "%s%s", before, shield,
                          text + strlen (TABLE) + strlen (table));
}

char *
cg_guard_owned (const char *gateway, const char *text, guint serial)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  g_autofree char *owned = cg_nft_owned_of (gateway, serial);
  return g_strdup_printf (TABLE "%s { flags owner; %s", owned,
                          text + strlen (TABLE) + strlen (table) + strlen (" { "));
}

char *
cg_guard_emptying (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return g_strdup_printf ("flush table inet %s; flush set inet %s " CG_NFT_UIDS
                          "; flush set inet %s " CG_NFT_ENDPOINTS
                          "4; flush set inet %s " CG_NFT_ENDPOINTS "6",
                          table, table, table, table);
}

char *
cg_guard_creation (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return g_strdup_printf ("create table inet %s", table);
}
