/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "module.h"
#include "service.h"

/* The part "systemd" of module.h: what it takes D-Bus to ask and to tell systemd. Each call is one
 * conversation, systemd-talk.h, of ten seconds at most. Errors are GIO's. */

/* Asks for all units at once, and fills each CgServiceFact of the array in but for its uid. A unit
 * that there is not is known by its load_state. FALSE if systemd did not answer for one of them. */
CG_EXPORTED gboolean cg_systemd_look (GPtrArray *facts, GError **error);

/* Has systemd start, or stop, each of the units, one after the other, and waits for none. Before a
 * start it forgets that the unit has failed. FALSE if it would not do so for one of them; the
 * others are done. */
CG_EXPORTED gboolean cg_systemd_queue (gboolean start, const char *const *units, GError **error);
