/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Gathers what a guard must know of the machine beside the tunnels: its own addresses, the UDP
 * ports of tunnels in the kernel, and the interfaces by which bypasses leave. Nothing if no gateway
 * has a guard. FALSE with a CG_ERROR_FAILED if the kernel does not answer. */
gboolean cg_machine_gather (CgFacts *facts, CgNetlink *netlink, GError **error);
