/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The guard of a gateway: an nftables table of its own that lets the confined out by their tunnel,
 * loopback and bypasses alone, however a program picks its way (SO_BINDTODEVICE, IP_PKTINFO,
 * multicast, broadcast), and whatever became of the rules. It does not let the tunnel's own
 * addresses be used on other interfaces either, neither as the source of what leaves nor as the
 * destination of what comes (CVE-2019-14899); packets that the kernel sends for a closed socket
 * belong to no uid. */

/* All of the table as one line of nft(8) commands that put it in place in one transaction, whether
 * it is there or not. Pure. more: further uids to hold (CgUidRange), NULL if there are none. The
 * caller owns the result. */
char *cg_guard_text (const CgTunnel *tunnel, const GArray *more);

/* The line that takes the table of that gateway away. The caller owns the result. */
char *cg_guard_removal (const char *gateway);
