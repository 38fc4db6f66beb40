/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>

#include "uids.h"

/* The uids of a guard, as the kernel tells them. It does not tell ranges: each one is two elements
 * of the set, its first uid and, with NFT_SET_ELEM_INTERVAL_END, the first one behind it. */
typedef struct {
  guint32 uid;
  gboolean is_end;
} CgUidBound;

/* As CgNetlinkParse: appends the bounds in an NFT_MSG_NEWSETELEM to an array of CgUidBound. FALSE
 * if the message is malformed. Whatever bytes it holds, nothing is read past nlmsg_len. */
gboolean cg_nft_parse_bounds (const struct nlmsghdr *message, GArray *bounds);

/* The ranges between the bounds, which it sorts: an array of CgUidRange, normalised, that the
 * caller owns. A range without an end goes up to the last uid there is. */
GArray *cg_nft_uids (GArray *bounds);
