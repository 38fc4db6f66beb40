/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The part of cg_facts_gather that looks at interfaces: fills in the tunnels of the facts, of which
 * gateway and table are known already. FALSE with a CG_ERROR_FAILED. */
gboolean cg_tunnels_gather (CgFacts *facts, CgNetlink *netlink, GError **error);
