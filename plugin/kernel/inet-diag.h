/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>

#include "prefix.h"

/* TCP sockets, as sock_diag(7) shows them. No I/O. The layouts are those of linux/inet_diag.h. */

typedef struct {
  guint32 uid;     /* of who made it */
  guint32 ifindex; /* of the interface that it is bound to, or 0 */
  CgPrefix local;  /* its two ends, of full length; those of IPv4 also where the program has it as
                      IPv6 (::ffff:192.0.2.1) */
  CgPrefix remote;
  guint16 local_port;
  guint16 remote_port;
  guint8 family;              /* that the kernel has it under */
  struct inet_diag_sockid id; /* by which the kernel knows it again, and no other in its place */
} CgSocket;

/* The request, for cg_netlink_ask, for all connections of the family: what may still send, so none
 * that only listens, and none in TIME_WAIT, which belongs to nobody. Writes to a header that
 * mnl_nlmsg_put_header has started, as the next one does. */
void cg_inet_diag_get_all (struct nlmsghdr *request, int family);

/* That the kernel is to end it; for cg_netlink_send. */
void cg_inet_diag_put_destroy (struct nlmsghdr *message, const CgSocket *socket);

/* A CgNetlinkParse: appends a CgSocket, but nothing of root's, who is never confined; nor of
 * nobody's. FALSE if a message is too short. */
gboolean cg_inet_diag_parse (const struct nlmsghdr *message, GArray *sockets);

/* The line of ss(8) that ends it. The caller owns the result. */
char *cg_socket_to_string (const CgSocket *socket);
