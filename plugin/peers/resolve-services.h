/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "resolve.h"

/* Asks systemd about the services of all gateways, and adds their uids to those of their gateways.
 * A service that cannot be confined is a fault of its gateway, which stays in force for the others;
 * a gateway that now has a uid of an earlier one goes to the bad ones. If systemd does not answer,
 * that is said, and the config is incomplete. */
void cg_resolve_services (CgConfig *config, const char *runtime_dir);

/* What follows from systemd's answers, which stand in the gateways by now. lookup finds the uids of
 * User=. Asks nothing else. */
void cg_place_services (CgConfig *config, const char *runtime_dir, CgUserLookup lookup);

/* The name of the unit that stands for a gateway. The caller owns the result. */
char *cg_gateway_unit_name (const CgGateway *gateway);
