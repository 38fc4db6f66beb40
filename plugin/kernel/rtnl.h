/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>

#include "routing.h"

/* rtnetlink(7) messages: how ours are written and how the kernel's are read. No I/O. The layouts
 * are those of linux/rtnetlink.h, linux/fib_rules.h, linux/if_link.h and linux/if_addr.h. */

typedef struct {
  guint32 ifindex;
  guint32 flags; /* IFF_*, netdevice(7) */
  char kind[16]; /* "wireguard", "tun" ...; empty if the driver has none. Longer ones are cut. */
  guint16 port;  /* UDP port of one that wraps packets into UDP (VXLAN, Geneve, bareudp), or 0 */
} CgLink;

typedef struct {
  guint32 ifindex;
  guint32 flags; /* IFA_F_* */
  guint8 family;
  guint8 scope;     /* RT_SCOPE_* */
  CgPrefix address; /* the machine's own end of it, of full length */
  CgPrefix network; /* what it leads to: the network it lies in, or the other end */
} CgAddress;

/* Requests, for cg_netlink_ask. Each writes to a header that mnl_nlmsg_put_header has started, with
 * CG_NETLINK_MESSAGE_MAX bytes of room. */
void cg_rtnl_get_link (struct nlmsghdr *request, const char *ifname);
/* Of all interfaces. */
void cg_rtnl_get_links (struct nlmsghdr *request);
void cg_rtnl_get_addresses (struct nlmsghdr *request, int family);
void cg_rtnl_get_rules (struct nlmsghdr *request, int family);
/* Of all tables if table is 0, of all protocols if protocol is 0. */
void cg_rtnl_get_routes (struct nlmsghdr *request, int family, guint32 table, guint8 protocol);

/* The route that root's packet to the address takes, as "ip route get" shows it. */
void cg_rtnl_get_route_to (struct nlmsghdr *request, const CgPrefix *address);

/* Changes, for cg_netlink_send; into a header likewise. */
void cg_rtnl_put_rule (struct nlmsghdr *message, const CgRule *rule, gboolean add);
void cg_rtnl_put_route (struct nlmsghdr *message, const CgRoute *route, gboolean add);

/* Answers, as CgNetlinkParse: append one element each to an array of CgLink, CgAddress, CgRule
 * (cg_rules_new) or CgRoute (cg_routes_new). Messages of another type or family append nothing.
 * FALSE if a message is shorter than its type needs or an attribute has another size than its type
 * has. Whatever bytes a message holds, nothing is read past nlmsg_len. */
gboolean cg_rtnl_parse_link (const struct nlmsghdr *message, GArray *links);
gboolean cg_rtnl_parse_address (const struct nlmsghdr *message, GArray *addresses);
gboolean cg_rtnl_parse_rule (const struct nlmsghdr *message, GArray *rules);
gboolean cg_rtnl_parse_route (const struct nlmsghdr *message, GArray *routes);
