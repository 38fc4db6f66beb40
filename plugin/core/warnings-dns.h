/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Adds where questions for names would go past the tunnel, or get no answer, in words. Pure. */
void cg_warn_of_dns (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel);

/* Adds, of a gateway's own servers, which of them Bypass= covers, and by which way each is asked.
 * Pure. */
void cg_warn_of_bypassed_servers (GPtrArray *warnings, const CgGateway *gateway);
