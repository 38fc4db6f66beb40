/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard: what a confined uid sends leaves by its tunnel, by loopback, or to a bypass, and what
 * comes for it comes by these, or it is dropped. Attached to the root of cgroup v2 (cgroup_skb in
 * bpf-helpers(7); __cgroup_bpf_run_filter_skb in kernel/bpf/cgroup.c). The egress hook runs in
 * ip_finish_output, behind netfilter and all routing: the interface that it sees is the last one.
 * It sees the socket that the packet was made for, also when no program has that open any more.
 *
 * A program here returns 1 to let the packet or the call pass, and 0 to refuse it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "guard-maps.h"

#define PASS   1
#define REFUSE 0

#define LOOPBACK   1  /* LOOPBACK_IFINDEX, include/net/flow.h: the same in each network namespace */
#define NAMES_PORT 53 /* RFC 1035 */

/* linux/in.h of later kernels. */
#define PROTOCOL_L2TP  115
#define PROTOCOL_SMC   256
#define PROTOCOL_MPTCP 262

#define FAMILY_IPV6 10 /* AF_INET6, bits/socket.h, which wants headers for another machine */

/* RFC 8200, 4: headers that may stand in front of the one that has ports. */
#define HEADER_HOP_BY_HOP  0
#define HEADER_ROUTING     43
#define HEADER_FRAGMENT    44
#define HEADER_DESTINATION 60
#define MAX_HEADERS        4

#define MAP(name_, type_, key_, value_, entries_)                                                  \
  struct {                                                                                         \
    __uint (type, type_);                                                                          \
    __uint (max_entries, entries_);                                                                \
    __uint (map_flags, BPF_F_NO_PREALLOC);                                                         \
    __type (key, key_);                                                                            \
    __type (value, value_);                                                                        \
  } name_ SEC (".maps")

MAP (cg_uids, BPF_MAP_TYPE_LPM_TRIE, struct cg_uid_key, __u32, 1 << 20);
MAP (cg_gateways, BPF_MAP_TYPE_HASH, __u32, struct cg_way, 4096);
MAP (cg_bypasses, BPF_MAP_TYPE_LPM_TRIE, struct cg_bypass_key, __u32, 1 << 18);
MAP (cg_servers, BPF_MAP_TYPE_HASH, struct cg_server_key, __u32, 1 << 16);
MAP (cg_addresses, BPF_MAP_TYPE_LPM_TRIE, struct cg_address_key, __u32, 1 << 18);
MAP (cg_ports, BPF_MAP_TYPE_HASH, __u32, __u32, 1 << 16);
MAP (cg_drops, BPF_MAP_TYPE_PERCPU_HASH, __u32, struct cg_drops, 4096);

/* The network namespace of each socket, where the kernel does not tell that of a packet's. */
struct {
  __uint (type, BPF_MAP_TYPE_SK_STORAGE);
  __uint (map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type (key, int);
  __type (value, __u64);
} cg_namespaces SEC (".maps");

/* Filled in before the programs are loaded: the verifier leaves out what it rules out. */
const volatile struct cg_self self SEC (".rodata.self") = {.version = CG_GUARD_VERSION};

struct packet {
  struct cg_ip source, destination;
  __u32 family;   /* 0 for IPv4, 1 for IPv6 */
  __u32 protocol; /* of the first header that is none of the above */
  __u32 at;       /* where that begins */
  __u32 detours;  /* the header names more destinations than one, or may */
};

/* Whether the socket is one of this network namespace: another one may have the same uids. Where
 * the kernel does not say, that of each socket was noted when it was made; those from before count
 * as ours. */
static __always_inline int
is_ours (struct __sk_buff *skb)
{
  if (self.asks_packet)
    return bpf_get_netns_cookie (skb) == self.namespace_cookie;
  struct bpf_sock *sk = skb->sk;
  if (!sk)
    return 1;
  sk = bpf_sk_fullsock (sk);
  if (!sk)
    return 1;
  __u64 *noted = bpf_sk_storage_get (&cg_namespaces, sk, 0, 0);
  return !noted || *noted == self.namespace_cookie;
}

static __always_inline __u32 *
table_of_uid (__u32 uid)
{
  struct cg_uid_key key = {.length = 32};
  __u32 ordered = bpf_htonl (uid);
  __builtin_memcpy (key.uid, &ordered, sizeof ordered);
  return bpf_map_lookup_elem (&cg_uids, &key);
}

static __always_inline struct cg_drops *
drops_of (__u32 table)
{
  struct cg_drops *drops = bpf_map_lookup_elem (&cg_drops, &table);
  if (drops)
    return drops;
  const struct cg_drops none = {};
  bpf_map_update_elem (&cg_drops, &table, &none, BPF_NOEXIST);
  return bpf_map_lookup_elem (&cg_drops, &table);
}

#define COUNT(table, what)                                                                         \
  do {                                                                                             \
    struct cg_drops *drops_ = drops_of (table);                                                    \
    if (drops_)                                                                                    \
      drops_->what++;                                                                              \
  } while (0)

static __always_inline void
map_address (struct cg_ip *address, const __u8 *four)
{
  __builtin_memset (address, 0, 10);
  address->bytes[10] = address->bytes[11] = 0xff;
  __builtin_memcpy (address->bytes + 12, four, 4);
}

/* RFC 791, 3.1. Options may route the packet. */
static __always_inline int
parse_ipv4 (struct __sk_buff *skb, struct packet *packet)
{
  __u8 header[20];
  if (bpf_skb_load_bytes (skb, 0, header, sizeof header))
    return 0;
  packet->family = 0;
  packet->at = (header[0] & 15) * 4;
  packet->detours = packet->at != sizeof header;
  packet->protocol = header[9];
  map_address (&packet->source, header + 12);
  map_address (&packet->destination, header + 16);
  return 1;
}

/* RFC 8200, 3 and 4. */
static __always_inline int
parse_ipv6 (struct __sk_buff *skb, struct packet *packet)
{
  __u8 next;
  if (bpf_skb_load_bytes (skb, 8, &packet->source, sizeof packet->source) ||
      bpf_skb_load_bytes (skb, 24, &packet->destination, sizeof packet->destination) ||
      bpf_skb_load_bytes (skb, 6, &next, sizeof next))
    return 0;
  packet->family = 1;
  packet->at = 40;
  packet->detours = 0;
  packet->protocol = next;
  for (int i = 0; i < MAX_HEADERS; i++) {
    __u8 header[2];
    if (packet->protocol != HEADER_HOP_BY_HOP && packet->protocol != HEADER_ROUTING &&
        packet->protocol != HEADER_DESTINATION)
      return 1;
    if (bpf_skb_load_bytes (skb, packet->at, header, sizeof header))
      return 0;
    packet->detours |= packet->protocol == HEADER_ROUTING;
    packet->protocol = header[0];
    packet->at += 8 + header[1] * 8;
  }
  return 0;
}

static __always_inline int
parse (struct __sk_buff *skb, struct packet *packet)
{
  if (skb->protocol == bpf_htons (ETH_P_IP))
    return parse_ipv4 (skb, packet);
  if (skb->protocol == bpf_htons (ETH_P_IPV6))
    return parse_ipv6 (skb, packet);
  return 0;
}

/* Of what has ports: 0 if it has none, -1 if the packet ends before. */
static __always_inline __s32
port_of (struct __sk_buff *skb, const struct packet *packet)
{
  __u16 port = 0;
  if (packet->protocol != IPPROTO_UDP && packet->protocol != IPPROTO_TCP &&
      packet->protocol != IPPROTO_UDPLITE)
    return 0;
  if (bpf_skb_load_bytes (skb, packet->at + 2, &port, sizeof port))
    return -1;
  return bpf_ntohs (port);
}

/* Flags of cg_addresses; NULL if the address is not the machine's own at that interface. */
static __always_inline __u32 *
own_address (__u32 ifindex, const struct cg_ip *address)
{
  struct cg_address_key key = {.length = 160, .ifindex = ifindex, .address = *address};
  return bpf_map_lookup_elem (&cg_addresses, &key);
}

static __always_inline int
is_bypass (__u32 table, const struct cg_ip *destination, __u32 ifindex)
{
  struct cg_bypass_key key = {.length = 160, .table = table, .destination = *destination};
  __u32 *by = bpf_map_lookup_elem (&cg_bypasses, &key);
  return by && (*by == CG_BYPASS_ANY || *by == ifindex);
}

/* Whether a question may go to that server by that interface. */
static __always_inline int
may_ask (__u32 table, const struct cg_ip *server, int is_tunnel)
{
  struct cg_server_key key = {.table = table, .address = *server};
  __u32 *flags = bpf_map_lookup_elem (&cg_servers, &key);
  return flags && (is_tunnel || !(*flags & CG_SERVER_BY_TUNNEL));
}

/* fe80::/10 (RFC 4291, 2.5.6): an address of one interface's network, which another interface's may
 * have for another machine. */
static __always_inline int
is_link_local (const struct cg_ip *address)
{
  return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

static __always_inline int
is_same (const struct cg_ip *a, const struct cg_ip *b)
{
  int differs = 0;
  for (int i = 0; i < 16; i++)
    differs |= a->bytes[i] ^ b->bytes[i];
  return !differs;
}

/* What the kernel takes packets out of without a port: IP and IPv6 in IP, GRE, ESP, AH, L2TP, which
 * alone takes no privilege to send (net/l2tp/l2tp_ip.c), and MPLS. */
static __always_inline int
is_wrapping (__u32 protocol)
{
  return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE ||
         protocol == IPPROTO_ESP || protocol == IPPROTO_AH || protocol == PROTOCOL_L2TP ||
         protocol == IPPROTO_MPLS;
}

/* What goes by loopback is for this machine, but what the machine answers goes to the source; and
 * what is wrapped into UDP, the kernel unwraps and may send on. The answer to a link-local source
 * goes by the interface that has the destination. */
static __always_inline int
leaves_by_loopback (const struct packet *packet, __u32 table, __u32 port)
{
  if (packet->detours || !own_address (0, &packet->source) ||
      (is_link_local (&packet->source) && !is_same (&packet->source, &packet->destination))) {
    COUNT (table, sources);
    return REFUSE;
  }
  if (is_wrapping (packet->protocol) ||
      (packet->protocol == IPPROTO_UDP && bpf_map_lookup_elem (&cg_ports, &port))) {
    COUNT (table, out);
    return REFUSE;
  }
  return PASS;
}

/* The mark would lead what a tunnel in the kernel wraps it into (VXLAN, Geneve). */
static __always_inline int
leaves_by_tunnel (struct __sk_buff *skb, const struct packet *packet, __u32 table)
{
  if (!own_address (skb->ifindex, &packet->source)) {
    COUNT (table, sources);
    return REFUSE;
  }
  skb->mark = 0;
  return PASS;
}

/* A bypass host answers the source, too. */
static __always_inline int
leaves_by_bypass (const struct packet *packet, __u32 table, __u32 ifindex)
{
  __u32 *flags = own_address (is_link_local (&packet->source) ? ifindex : 0, &packet->source);
  if (packet->detours || !flags || *flags & CG_ADDRESS_OF_TUNNEL) {
    COUNT (table, sources);
    return REFUSE;
  }
  return PASS;
}

SEC ("cgroup_skb/egress")
int
cg_egress (struct __sk_buff *skb)
{
  __u32 *found = table_of_uid (bpf_get_socket_uid (skb));
  if (!found || !is_ours (skb))
    return PASS;
  const __u32 table = *found, ifindex = skb->ifindex;
  const struct cg_way *way = bpf_map_lookup_elem (&cg_gateways, &table);
  struct packet packet = {};
  if (!way || !parse (skb, &packet)) {
    COUNT (table, out);
    return REFUSE;
  }
  const int is_tunnel = ifindex == (packet.family ? way->ifindex[1] : way->ifindex[0]);
  const __s32 port = port_of (skb, &packet);
  if (port < 0) {
    COUNT (table, out);
    return REFUSE;
  }
  if (way->flags & CG_WAY_NAMES && port == NAMES_PORT &&
      !may_ask (table, &packet.destination, is_tunnel)) {
    COUNT (table, names);
    return REFUSE;
  }
  if (ifindex == LOOPBACK)
    return leaves_by_loopback (&packet, table, (__u32) port);
  if (is_tunnel)
    return leaves_by_tunnel (skb, &packet, table);
  /* to send these takes CAP_NET_RAW (vti_xmit in net/ipv4/ip_vti.c, xfrmi_xmit2 in
   * net/xfrm/xfrm_interface_core.c) */
  if (way->flags & CG_WAY_IPSEC &&
      (packet.protocol == IPPROTO_ESP || packet.protocol == IPPROTO_AH))
    return PASS;
  if (is_bypass (table, &packet.destination, ifindex))
    return leaves_by_bypass (&packet, table, ifindex);
  COUNT (table, out);
  return REFUSE;
}

/* A program that answers a stranger by the tunnel tells the stranger that the tunnel's address and
 * the one that was asked are one machine's. */
SEC ("cgroup_skb/ingress")
int
cg_ingress (struct __sk_buff *skb)
{
  __u32 *found = table_of_uid (bpf_get_socket_uid (skb));
  if (!found || skb->ifindex == LOOPBACK || !is_ours (skb))
    return PASS;
  const __u32 table = *found, ifindex = skb->ifindex;
  const struct cg_way *way = bpf_map_lookup_elem (&cg_gateways, &table);
  struct packet packet = {};
  if (way && parse (skb, &packet) &&
      (ifindex == (packet.family ? way->ifindex[1] : way->ifindex[0]) ||
       is_bypass (table, &packet.source, ifindex)))
    return PASS;
  COUNT (table, in);
  return REFUSE;
}

/* Of these the kernel sends by sockets of its own, which are root's (Multipath TCP: further paths;
 * SMC: its connection manager), or not for the socket's packets alone (SCTP and DCCP answer by a
 * control socket). Programs fall back to TCP. */
static __always_inline int
gets_past (__u32 protocol)
{
  return protocol == PROTOCOL_MPTCP || protocol == PROTOCOL_SMC || protocol == IPPROTO_SCTP ||
         protocol == IPPROTO_DCCP;
}

SEC ("cgroup/sock_create")
int
cg_sock_create (struct bpf_sock *sk)
{
  __u64 here = bpf_get_netns_cookie (sk);
  if (!self.asks_packet)
    bpf_sk_storage_get (&cg_namespaces, sk, &here, BPF_SK_STORAGE_GET_F_CREATE);
  if (here != self.namespace_cookie || !gets_past (sk->protocol))
    return PASS;
  __u32 *found = table_of_uid ((__u32) bpf_get_current_uid_gid ());
  if (!found)
    return PASS;
  const __u32 table = *found;
  COUNT (table, protocols);
  return REFUSE;
}

/* linux/in.h, linux/in6.h: what makes the kernel itself tell the LAN of groups and of sources that
 * the program chooses, by IGMP and MLD (RFC 3376, RFC 3810), for which no socket is responsible. */
static __always_inline int
tells_of_groups (__s32 level, __s32 option)
{
  if (level == IPPROTO_IP)
    return option == IP_ADD_MEMBERSHIP || option == IP_ADD_SOURCE_MEMBERSHIP ||
           option == IP_BLOCK_SOURCE || option == IP_UNBLOCK_SOURCE || option == IP_MSFILTER ||
           option == MCAST_JOIN_GROUP || option == MCAST_JOIN_SOURCE_GROUP ||
           option == MCAST_BLOCK_SOURCE || option == MCAST_UNBLOCK_SOURCE ||
           option == MCAST_MSFILTER;
  if (level == IPPROTO_IPV6)
    return option == IPV6_ADD_MEMBERSHIP || option == IPV6_JOIN_ANYCAST ||
           option == MCAST_JOIN_GROUP || option == MCAST_JOIN_SOURCE_GROUP ||
           option == MCAST_BLOCK_SOURCE || option == MCAST_UNBLOCK_SOURCE ||
           option == MCAST_MSFILTER;
  return 0;
}

/* linux/in.h, linux/in6.h: what lets a program send from any address, which is so in IPv6 alone. A
 * firewall that rejects what it sends tells that address, before the packet comes to cg_egress. */
static __always_inline int
takes_any_address (const struct bpf_sock *sk, __s32 level, __s32 option)
{
  return sk && sk->family == FAMILY_IPV6 &&
         ((level == IPPROTO_IP && option == IP_FREEBIND) ||
          (level == IPPROTO_IPV6 && option == IPV6_FREEBIND));
}

SEC ("cgroup/setsockopt")
int
cg_setsockopt (struct bpf_sockopt *call)
{
  /* a long value is not ours to change (Documentation/bpf/prog_cgroup_sockopt.rst) */
  if (call->optlen > 4096)
    call->optlen = 0;
  if (!tells_of_groups (call->level, call->optname) &&
      !takes_any_address (call->sk, call->level, call->optname))
    return PASS;
  __u32 *found = table_of_uid ((__u32) bpf_get_current_uid_gid ());
  if (!found || bpf_get_netns_cookie (call) != self.namespace_cookie)
    return PASS;
  const __u32 table = *found;
  COUNT (table, protocols);
  return REFUSE;
}

char cg_license[] SEC ("license") = "GPL";
