/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* The drop-ins that the generator writes (systemd.unit(5)), as text. Pure. The caller owns the
 * results. */

/* For each service of the gateway: what it must not run without, and what runs before and after it.
 */
char *cg_dropin_for_service (const CgGateway *gateway);

/* For custom-gateway@NAME.service: what takes the tunnel down takes the unit down. NULL if that is
 * not known beforehand. */
char *cg_dropin_for_gateway (const CgGateway *gateway);

/* For custom-gateway-settle@NAME.service, or NULL if it needs none. */
char *cg_dropin_for_settle (const CgGateway *gateway);

/* The unit that the tunnel comes with: InterfaceUnit=, or else the interface's device; NULL with
 * Connection=. */
char *cg_interface_unit_name (const CgGateway *gateway);

/* The name of an interface's device unit: its path below /sys, escaped as systemd.unit(5) has it.
 */
char *cg_device_unit_name (const char *ifname);
