/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* What a configuration leaves to others to say: systemd knows who runs a service, NetworkManager
 * which interface a connection has, and both which name servers a link has. */

/* What the environment of an event already tells, and nobody need be asked for. Borrowed strings,
 * NULL for what it does not tell. */
typedef struct {
  const char *interface;
  const char *connection_id;
  const char *connection_uuid;
} CgHints;

/* Completes the config in place: afterwards a gateway's interface, uids and dns are what they are
 * now. hints is NULL without an event. What could not be found out is said, and the config is
 * incomplete if somebody may be missing. */
void cg_resolve (CgConfig *config, const char *runtime_dir, const CgHints *hints);
