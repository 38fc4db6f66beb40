/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "apply.h"
#include "config-copy.h"
#include "resolve-cache.h"

/* What a monitor's run is told, and what it tells. */
typedef struct {
  const CgOptions *options;
  GVariant *config_copy;
  GVariant *answers; /* of the last run */
  gboolean is_loss;  /* something was taken away: it is to be back before others are asked */
  gboolean reload;   /* read the directory; otherwise the copy is the configuration, unless another
                        process put the files in force since */
  int asking;  /* an eventfd(2): readable while the run waits for others, and changes nothing */
  gint64 read; /* when the directory was last to be read, by g_get_monotonic_time() */
  gboolean silent;
} CgMonitorRun;

/* The copy and the answers for the next run; the interfaces that are tunnels (CG_ANY_INTERFACE for
 * one that is not known); the tables that Table= gives; whether the directory could be read, if it
 * was to be; whether all is known that there is to know (if not, a later run may find it without
 * any event); whether a gateway has a guard, and whether one of these has a bypass; what the run
 * failed of. */
#define CG_MONITOR_REPORT "(" CG_CONFIG_COPY CG_RESOLVE_CACHE "aayaubbbbms)"

/* A run over all gateways but those that were released by hand, as a CgWork: the same as
 * "custom-gateway reapply", but that a gateway whose file is bad stays in force as it was, and that
 * what was lost is back before any program is asked (fast-restore.h). data is a CgMonitorRun.
 * Returns an exit status of custom-gateway(8). */
int cg_monitor_run (gpointer data, GVariant **report);
