/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"
#include "inet-diag.h"

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
