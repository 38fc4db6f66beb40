/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "guard-entry.h"

/* The guard's programs, compiled for this machine: what guard.bpf.c decides, with maps and a kernel
 * of the test's. */

/* A packet as a program sees it. */
typedef struct {
  const guint8 *bytes; /* from the IP header on */
  gsize size;
  guint16 ethertype; /* ETH_P_IP, ETH_P_IPV6 or whatever */
  guint32 uid;       /* of its socket */
  guint32 ifindex;
  guint32 mark; /* the program may change it */
} ProgramPacket;

/* Whether it lets the packet pass with these entries in its maps. drops gets what it counts. */
gboolean program_egress (const GArray *entries, ProgramPacket *packet, struct cg_drops *drops);
gboolean program_ingress (const GArray *entries, ProgramPacket *packet, struct cg_drops *drops);

/* Whether a process of the uid may have a socket of that protocol. */
gboolean program_sock_create (const GArray *entries, guint32 uid, guint32 protocol);
