/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <linux/types.h>

/* What stands in the guard's maps: the words between guard.bpf.c, which decides about packets, and
 * the program, which writes the maps. A gateway is named by the number of its routing table. An
 * address is 16 bytes in network order; one of IPv4 is written ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
 * Every change of this file or of guard.bpf.c raises the version: a run then loads the new programs
 * beside the old ones, fills their maps, and takes the old ones away. */
#define CG_GUARD_VERSION 1

/* .rodata.self: which guard it is. */
struct cg_self {
  __u64 namespace_cookie; /* of its network namespace: SO_NETNS_COOKIE, socket(7) */
  __u32 version;
  __u32 asks_packet; /* bpf_get_netns_cookie takes an skb: Linux 6.15 */
};

struct cg_ip {
  __u8 bytes[16];
};

/* cg_uids: a prefix of uids (BPF_MAP_TYPE_LPM_TRIE) to a table. */
struct cg_uid_key {
  __u32 length; /* 0-32 */
  __u8 uid[4];  /* in network order, for the trie */
};

/* cg_gateways: a table to what its confined may do. */
struct cg_way {
  __u32 ifindex[2]; /* the tunnel for IPv4 and for IPv6; 0: it is closed for the family */
  __u32 flags;
};
#define CG_WAY_NAMES 1 /* questions for names go to the servers of cg_servers alone */
#define CG_WAY_IPSEC 2 /* the tunnel is one of IPsec: its ESP and AH keep the program's socket */

/* cg_bypasses: a table and a prefix of destinations to the interface by which packets to it leave
 * and come. */
struct cg_bypass_key {
  __u32 length; /* 32 for the table, and that of the prefix: 32-160 */
  __u32 table;
  struct cg_ip destination;
};
#define CG_BYPASS_ANY  0           /* in place of an interface: multicast, or several next hops */
#define CG_BYPASS_NONE 0xffffffffu /* likewise: closed, also for what is around it */

/* cg_servers: a table and a name server to flags. */
struct cg_server_key {
  __u32 table;
  struct cg_ip address;
};
#define CG_SERVER_BY_TUNNEL 1 /* it is asked by the tunnel and by no other interface */

/* cg_addresses: an interface and a prefix of addresses that are the machine's own there (type
 * "local" in table local, ip-route(8)) to flags. With the interface 0, those of any. */
struct cg_address_key {
  __u32 length; /* 32 for the interface, and that of the prefix: 32-160 */
  __u32 ifindex;
  struct cg_ip address;
};
#define CG_ADDRESS_OF_TUNNEL 1 /* a tunnel of a gateway has it: it leaves by no other interface */

/* cg_ports: UDP ports by which the kernel takes packets out of their wrapping, in host order. */

/* cg_drops: a table to what was dropped, for each processor. */
struct cg_drops {
  __u64 out;       /* would have left by another interface */
  __u64 in;        /* came by another interface */
  __u64 names;     /* a question to another name server */
  __u64 sources;   /* from an address that is not the machine's there */
  __u64 protocols; /* a socket, or a membership, by which the kernel sends by itself */
};
