/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "resolve.h"

/* Adds the gateways of profiles (profiles.h), finds the interfaces of Connection=, and the servers
 * of DNS=auto. Where NetworkManager cannot be asked, a connection has no interface, so its tunnel
 * counts as down. */
void cg_resolve_connections (CgConfig *config, const CgHints *hints);

/* Whether Connection= names the connection of that id or UUID, either of which may be NULL. */
gboolean cg_gateway_has_connection (const CgGateway *gateway, const char *id, const char *uuid);
