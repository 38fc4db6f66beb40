/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* What a configuration leaves to others to say: systemd knows who runs a service, NetworkManager
 * which interface a connection has, and both which name servers a link has. */

/* What the environment of an event already tells, and nobody need be asked for. Borrowed strings,
 * NULL for what it does not tell. */
typedef struct {
  const char *interface; /* that packets go through */
  const char *connection_id;
  const char *connection_uuid;
  const char *profile;    /* the file of the connection's profile */
  const char *servers[2]; /* of names, of IPv4 and IPv6: words separated by spaces */
  gboolean is_now;        /* whoever raised the event waits for us, so it cannot be out of date */
} CgHints;

/* Completes the config in place: afterwards a gateway's interface, uids and dns are what they are
 * now. hints is NULL without an event. What could not be found out is said, and the config is
 * incomplete if somebody may be missing. */
void cg_resolve (CgConfig *config, const char *runtime_dir, const CgHints *hints);
