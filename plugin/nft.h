/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink.h"
#include "nft-names.h"

/* The room that talks to nftables. It looks by netlink (linux/netfilter/nf_tables.h), and loads
 * libnftables(3) only to change something. A netlink here is one of NETLINK_NETFILTER; while
 * somebody's tables are being put away, to close it waits for that, some 20 ms and more
 * (nft_rcv_nl_event in net/netfilter/nf_tables_api.c): behind what is urgent, not before. */

/* The name of the table is attribute 1 of each kind of object: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE,
 * NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE, NFTA_OBJ_TABLE. */
#define CG_NFT_TABLE 1

/* Begins a message of the type NFT_MSG_* about something of the family NFPROTO_*. Writes to a
 * header that mnl_nlmsg_put_header has started. */
void cg_nft_put_header (struct nlmsghdr *message, guint16 type, guint16 flags, guint8 family);

/* A guard as it stands in the kernel. */
typedef struct {
  char *gateway;     /* whose it is, by the name of its table */
  char *fingerprint; /* of chains, rules, sets and elements, as the kernel tells them; a guard in
                        which anybody changed anything has another one. Counters do not count,
                        nor does what packets themselves put into sets. Empty if a shield
                        stands, too */
  GArray *uids;      /* CgUidRange, normalised: whom it holds */
  guint64 dropped;   /* packets, by the monitor's copy, too */
  gboolean is_owned; /* such a copy stands */
} CgGuardFound;

/* The sets of a guard: whom it holds, and where the tunnel's own packets go, by the name with a "4"
 * or a "6" behind it. */
#define CG_NFT_UIDS      "uids"
#define CG_NFT_ENDPOINTS "endpoints"

/* An array of CgGuardFound that releases what its elements hold. */
GArray *cg_guards_found_new (void);

/* That of the gateway among them, or NULL. */
const CgGuardFound *cg_guards_find (const GArray *guards, const char *gateway);

/* Appends what stands in the kernel, all of it at one moment: the guards, and to copies, which may
 * be NULL, those of monitors, as one for each gateway with no more than the name and the uids; what
 * these dropped counts with the guard. If generation is not NULL it gets the
 * number of that moment, which every change of nftables, whoever makes it, counts up by one. FALSE
 * with a CG_ERROR_ABSENT if there is no nftables or we may not look, and with a CG_ERROR_FAILED if
 * the look failed. */
gboolean cg_nft_look (
    CgNetlink *netlink, GArray *guards, GArray *copies, guint32 *generation, GError **error);

/* The same number alone. */
gboolean cg_nft_generation (CgNetlink *netlink, guint32 *generation, GError **error);

/* Carries out nft(8) commands, in one transaction: all or nothing. FALSE with a CG_ERROR_ABSENT if
 * there is no libnftables, and with a CG_ERROR_FAILED if the kernel or the library refused. */
gboolean cg_nft_run (const char *commands, GError **error);

/* Carries out each of the commands (char *), which make tables with the flag "owner", in one
 * transaction; or if that is refused each in its own, so that one that cannot be made does not cost
 * the others. *socket gets the descriptor of the socket that owns what was made, which goes when
 * the last copy of that is closed; the caller owns it. FALSE, as above, if nothing was made. */
gboolean cg_nft_run_as_owner (const GPtrArray *commands, int *socket, GError **error);
