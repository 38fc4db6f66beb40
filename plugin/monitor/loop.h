/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "run.h"

/* The monitor, see custom-gateway(8): waits for changes and has a child carry out a run for each,
 * until it is told to end by a signal. Returns the exit status. */
int cg_monitor_loop (const CgOptions *options);
