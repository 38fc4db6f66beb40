/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The guard of a gateway: an nftables table of its own that lets the confined out by their tunnel,
 * loopback and bypasses alone, however a program picks its way (SO_BINDTODEVICE, IP_PKTINFO,
 * multicast, broadcast), and whatever became of the rules. It does not let the tunnel's own
 * addresses be used on other interfaces either, neither as the source of what leaves nor as the
 * destination of what comes (CVE-2019-14899); packets that the kernel sends for a closed socket
 * belong to no uid. */

/* All of the table as one line of nft(8) commands, for behind one of those below. Pure. more:
 * further uids to hold (CgUidRange), NULL if there are none. If there is nobody to hold, the
 * gateway is at rest: of what leaves with the tunnel's addresses only that is dropped which belongs
 * to nobody, and others may have the addresses. The caller owns the result. */
char *cg_guard_text (const CgTunnel *tunnel, const GArray *more);

/* The line that takes the table of that gateway away, whether it is there or not. In one
 * transaction with a new text it makes sure of what stands then. But a packet that is on its way
 * may meet the new chain before it counts and the old one when it no longer does, so: */
char *cg_guard_removal (const char *gateway);

/* The same text as a table of another name, the shield, to stand while the guard is replaced; and
 * the line that takes that away, whether it is there or not. */
char *cg_guard_shield (const char *gateway, const char *text);
char *cg_guard_unshielding (const char *gateway);

/* The same text as a table that belongs to the process that makes it, so that nobody else, not even
 * "nft flush ruleset", can take it away; it goes with that process (NFT_TABLE_F_OWNER,
 * linux/netfilter/nf_tables.h). serial: makes its name another one than that of its predecessor,
 * since both stand while one takes the place of the other. */
char *cg_guard_owned (const char *gateway, const char *text, guint serial);

/* The line that empties it instead, for a table that stands as we wrote it: its chains stay, and a
 * packet meets either all old rules or all new ones. */
char *cg_guard_emptying (const char *gateway);

/* The line that makes it where there is none, and fails where there is one. */
char *cg_guard_creation (const char *gateway);
