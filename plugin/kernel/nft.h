/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink.h"
#include "prefix.h"

/* The room that talks to nftables. It looks by netlink (linux/netfilter/nf_tables.h), and loads
 * libnftables(3) only to change something. A netlink here is one of NETLINK_NETFILTER; while
 * tables of any program are being put away, to close it waits for that, some 20 ms and more
 * (nft_rcv_nl_event in net/netfilter/nf_tables_api.c): behind what is urgent, not before. */

/* The name of the table is attribute 1 of each kind of object: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE,
 * NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE, NFTA_OBJ_TABLE. */
#define CG_NFT_TABLE 1

/* Begins a message of the type NFT_MSG_* about something of the family NFPROTO_*. Writes to a
 * header that mnl_nlmsg_put_header has started. */
void cg_nft_put_header (struct nlmsghdr *message, guint16 type, guint16 flags, guint8 family);

/* The guard's table as it stands in the kernel. */
typedef struct {
  char *unseen;       /* why it could not be looked at, or NULL */
  gboolean is_hidden; /* because we are not root */
  char *fingerprint;  /* of chains, rules, sets and elements, as the kernel tells them: a table in
                         which anything was changed has another one. Counters do not count. NULL if
                         there is no such table */
  guint64 dropped;    /* packets */
  GArray *addresses; /* CgPrefix of full length: the elements of its sets addresses4 and addresses6;
                        NULL if there is no such table */
} CgTableFound;

void cg_table_found_clear (CgTableFound *found);

/* Looks at the table of that name, of the family inet, all of it at one moment. If generation is
 * not NULL it gets the number of that moment, which every change of nftables, by any program,
 * counts up by one. FALSE with a CG_ERROR_ABSENT if there is no nftables or we may not look, and
 * with a CG_ERROR_FAILED if the look failed. */
gboolean cg_nft_look (CgNetlink *netlink,
                      const char *table,
                      CgTableFound *found,
                      guint32 *generation,
                      GError **error);

/* The same number alone. */
gboolean cg_nft_generation (CgNetlink *netlink, guint32 *generation, GError **error);

/* Carries out nft(8) commands, in one transaction: all or nothing. FALSE with a CG_ERROR_ABSENT if
 * there is no libnftables, and with a CG_ERROR_FAILED if the kernel or the library refused. */
gboolean cg_nft_run (const char *commands, GError **error);
