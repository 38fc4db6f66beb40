/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* A second copy of all guards, in nftables tables that belong to one socket (NFT_TABLE_F_OWNER,
 * Linux 5.12): nobody else can change them, "nft flush ruleset" leaves them, and they go with the
 * socket. A monitor keeps that; the guards proper, which everybody can change, stay when it ends.
 */

/* Makes a copy of the guards that the gateways are to have as the kernel is now; of those named in
 * released there is none. now: the sum of the copy that stands, "" if there is none. Returns the
 * sum of what should stand, "" for nothing, which the caller owns. If that is another one than now,
 * and not "", it stands too by now, and *socket is the descriptor that keeps it, which the caller
 * owns; else -1. NULL with a CG_ERROR_FAILED, or a CG_ERROR_ABSENT if there is no libnftables. */
char *cg_own_guards (const CgConfig *config,
                     const char *runtime_dir,
                     const char *const *released,
                     const char *now,
                     int *socket,
                     GError **error);
