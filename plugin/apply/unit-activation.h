/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "apply.h"

/* With OnDown=stop a gateway has a unit, custom-gateway@NAME.service, which is active while its
 * tunnel is up; systemd stops its services before it and starts nothing of them without it. Here it
 * is told when the tunnel has come or gone. */

typedef enum {
  CG_UNIT_ACTIVATION_NOTHING,
  CG_UNIT_ACTIVATION_START,
  CG_UNIT_ACTIVATION_STOP
} CgUnitActivation;

/* What the gateway's unit should do now. Pure. Nothing while it is about to do something: it looks
 * again when it is done. */
CgUnitActivation cg_unit_activation_decide (const CgTunnel *tunnel);

/* Looks at the tunnels of the gateways named (none named: of all) and has systemd start or stop
 * their units. Waits for nothing, and must be called without the lock: what systemd runs takes it.
 * What goes wrong is said. */
void
cg_unit_activation_run (const CgOptions *options, const CgConfig *config, const char *const *names);

/* The index of the interface of that gateway's tunnel; 0 if the tunnel is down, and, with error
 * set, if nobody can tell. */
guint32 cg_unit_activation_tunnel (const CgOptions *options,
                                   const CgConfig *config,
                                   const CgGateway *gateway,
                                   GError **error);

/* Has systemd start or stop the units, which may be none. What goes wrong is said. */
void cg_unit_activation_queue (gboolean start, const GPtrArray *units);

/* The services, by name, that are to start with their gateway: those that it took down with it and
 * those that are enabled and have not been started since boot, but none that the administrator has
 * stopped or disabled. The strings are the gateway's. */
GPtrArray *cg_unit_activation_services (const CgGateway *gateway, const char *runtime_dir);
