/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink.h"
#include "stray.h"

/* Finds strays (stray.h) in the kernel, and ends them. */

/* Notes that the strays of the gateways of such operations are to be ended: before anything is
 * closed, so that the run after one that was killed in between knows. */
void cg_strays_note (const GArray *ops, const char *runtime_dir);

/* Looks for the strays of the tunnel's gateway: appends CgSockets. netlink is one of NETLINK_ROUTE.
 * FALSE with a CG_ERROR_ABSENT if this kernel shows none, else with a CG_ERROR_FAILED. */
gboolean
cg_strays_find (CgNetlink *netlink, const CgTunnel *tunnel, GArray *strays, GError **error);

/* Ends them, and says how many. What cannot be ended is warned of, and is no failure: rules and
 * guard hold it. Forgets the note unless another try may help. */
void cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir);
