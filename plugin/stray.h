/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"
#include "socket.h"

/* Strays: TCP connections of the confined from before they were confined. They have another source
 * than the tunnel's, so they cannot go on; but the kernel goes on sending for them, and when their
 * program has closed them they belong to no socket whose maker the guard could see. What another
 * tool then takes away of rules or routes lets them out. So they are ended while the rules and the
 * guard hold them. */

/* Whether a connection is one, for the tunnel's gateway. here: CgRoute, among them the local ones
 * of table "local", which tell what is on this machine. Pure. */
gboolean cg_socket_is_stray (const CgSocket *socket, const CgTunnel *tunnel, const GArray *here);

/* Puts an operation into its place in what cg_diff returned, for each gateway that is to stand of
 * which the operations close anything, or of which an earlier run did not come as far. Pure. */
void
cg_strays_add_ops (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);

/* The operation in words, as a comment of a shell: ss(8) cannot choose by uid, so that --dry-run
 * has a line for each connection beside it. The caller owns the result. */
char *cg_strays_to_string (const CgTunnel *tunnel);

/* Notes that the strays of the gateways of such operations are to be ended: before anything is
 * closed, so that the run after one that was killed in between knows. */
void cg_strays_note (const GArray *ops, const char *runtime_dir);

/* Looks for the strays of the tunnel's gateway: appends CgSockets. netlink is one of NETLINK_ROUTE.
 * FALSE with a CG_ERROR_ABSENT if this kernel shows nobody's, else with a CG_ERROR_FAILED. */
gboolean
cg_strays_find (CgNetlink *netlink, const CgTunnel *tunnel, GArray *strays, GError **error);

/* Ends them, and says how many. What cannot be ended is warned of, and is no failure: rules and
 * guard hold it. Forgets the note unless another try may help. */
void cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir);
