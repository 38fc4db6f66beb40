/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The names of our tables in nftables, all of the family inet. */

/* How they begin. */
#define CG_NFT_PREFIX "custom-gateway-"

/* What a table is. */
typedef enum {
  CG_TABLE_OTHERS,
  CG_TABLE_GUARD,
  CG_TABLE_SHIELD, /* says the same as a guard, and stands while that is replaced */
  CG_TABLE_OWNED,  /* says the same, and belongs to a monitor */
} CgTableKind;

/* "custom-gateway-NAME", "custom-gateway-NAME/shield" and "custom-gateway-NAME/owned-SERIAL": the
 * names of a gateway's tables. '@', which nft(8) does not take in a name, becomes "/40". The caller
 * owns the result. */
char *cg_nft_table_of (const char *gateway);
char *cg_nft_shield_of (const char *gateway);
char *cg_nft_owned_of (const char *gateway, guint serial);

/* What the table of that name is, and whose: *gateway, which the caller owns, is NULL if it is
 * others'. Anybody with CAP_NET_ADMIN can make a table whose name only begins like ours: what is
 * not exactly one of the names above, of a valid gateway's name, is others'. */
CgTableKind cg_nft_kind_of (const char *table, char **gateway);
