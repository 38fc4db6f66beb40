/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* Sends what g_log() says to the journal if stderr leads there (as it does for a unit and a
 * dispatcher's scripts), or else to stderr as one plain line (cg_printable). verbosity: -1 warnings
 * alone, 0 changes too, 1 what was looked at too. */
void cg_log_setup (int verbosity);
