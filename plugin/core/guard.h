/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The guard's table in nftables, one for all gateways: for packets that have no socket, which BPF
 * does not see. They carry the tunnels' addresses (what the kernel answers for connections that are
 * no more, and what comes for these addresses by other interfaces, CVE-2019-14899), or are
 * questions for names that another program's NAT leads elsewhere. Where BPF cannot be had the table
 * looks at the uid of what has a socket, too. */

/* The name of the table, of the family inet. */
#define CG_GUARD_TABLE_NAME "custom-gateway"

/* What it is to say of a gateway. */
typedef struct {
  const CgTunnel *tunnel;
  GArray *uids; /* CgUidRange, normalised: those that it confines now */
} CgGuarded;

/* The nft(8) commands, one transaction, that make the table say this of an array of CgGuarded,
 * whatever it said before: a packet meets all of the old or all of the new. former: CgPrefix,
 * addresses of which it drops what has no socket, and former_homes: CgHome, but there. by_uid:
 * NULL, or where BPF cannot be had the uids (CgUidRange, maybe none) that are of no gateway here
 * and are to reach loopback alone. Pure: equal arguments give equal texts. The caller owns the
 * result. */
char *cg_guard_text (const GArray *guarded,
                     const GArray *former,
                     const GArray *former_homes,
                     const GArray *by_uid);

/* The commands that take the table away, whether it is there or not. */
#define CG_GUARD_REMOVAL                                                                           \
  "table inet " CG_GUARD_TABLE_NAME "; delete table inet " CG_GUARD_TABLE_NAME
