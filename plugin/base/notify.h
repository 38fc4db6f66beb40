/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* What a unit of Type=notify tells systemd: the datagrams of sd_notify(3), without its library. */

/* Sends the lines ("READY=1"), if anybody wants to hear them: without NOTIFY_SOCKET nothing is
 * done. That nobody listened is no error of ours. */
void cg_notify (const char *lines);

/* How often systemd wants to hear WATCHDOG=1 from this process, in microseconds, or 0:
 * WATCHDOG_USEC and WATCHDOG_PID, sd_watchdog_enabled(3). */
gint64 cg_notify_watchdog (void);
