/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* The monitor's lock, in the runtime directory: there is one, or was one since boot, if it is
 * there. */
#define CG_MONITOR_LOCK "monitor"

/* Which gateways somebody has released with "remove": marks in the runtime directory, so that a
 * monitor does not take the release for a loss that it must repair. To be used under the lock. */

/* Marks the gateways named, or all if none is. A mark that cannot be written costs the release,
 * which is the safe side. */
void cg_removed_mark (const char *runtime_dir, const char *const *names);

/* Takes the marks away from the gateways named, or from all if none is. Those of the config that
 * are not named stay released if all were. */
void cg_removed_clear (const char *runtime_dir, const CgConfig *config, const char *const *names);

/* Makes of the mark of all, if there is one, marks of those named: what a later file says was never
 * released. */
void cg_removed_settle (const char *runtime_dir, const char *const *names);

gboolean cg_removed_has (const char *runtime_dir, const char *name);

/* Notes, if there is a monitor, that the files as they are now were put in force by hand or by a
 * hook: a monitor that still waits for their changes to end must not go back to what it knew. */
void cg_applied_note (const char *runtime_dir);

/* When that was last, by g_get_monotonic_time(); 0 for never. */
gint64 cg_applied_when (const char *runtime_dir);
