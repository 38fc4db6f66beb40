/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The states of a gateway, for one family. */
typedef enum {
  CG_STATE_RELEASED, /* nothing is installed */
  CG_STATE_BLOCKED,  /* confined traffic leaves nowhere but by a bypass */
  CG_STATE_UP,       /* confined traffic leaves by the tunnel */
} CgState;

/* "released", "blocked" or "up". */
const char *cg_state_name (CgState state);

/* Whether the tunnel is up for one family at least. */
gboolean cg_plan_is_up (const CgTunnel *tunnel);

/* The state that the tunnel, as it is, puts its gateway into. */
CgState cg_plan_state (const CgTunnel *tunnel, int family);
