/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>

#include "error.h"
#include "prefix.h"

/* WireGuard in the kernel, asked by generic netlink (linux/wireguard.h): by what its own packets
 * can be told from those of programs. */

/* Where a peer is. */
typedef struct {
  CgPrefix address; /* of full length */
  guint16 port;
} CgEndpoint;

typedef struct {
  guint16 port;      /* the UDP port that its sockets hold while the interface is up; 0: none yet */
  guint32 mark;      /* of all packets that it sends; 0: none */
  GArray *endpoints; /* CgEndpoint, sorted, each once; NULL if there are none */
} CgWireguard;

void cg_wireguard_clear (CgWireguard *wireguard);

/* Looks at an interface of the kind "wireguard" and fills in what was found; nothing if the
 * interface has just vanished. FALSE with a CG_ERROR_FAILED. */
gboolean cg_wireguard_look (guint32 ifindex, CgWireguard *wireguard, GError **error);

/* As CgNetlinkParse: adds what one message of a WG_CMD_GET_DEVICE dump says to the only element of
 * an array of CgWireguard. A device with many peers takes several messages. FALSE if the message is
 * malformed. Whatever bytes it holds, nothing is read past nlmsg_len. */
gboolean cg_wireguard_parse (const struct nlmsghdr *message, GArray *wireguards);
