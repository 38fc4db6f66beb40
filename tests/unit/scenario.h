/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "kernel.h"
#include "world.h"

/* Two configurations with their tunnels, before and after, and a kernel in which the first stands:
 * by chance, but the same for the same seed. */
typedef struct {
  World *before;
  World *after;
  CgPlan *plan_before;
  CgPlan *plan_after;
  Kernel *kernel; /* after what it did by itself as tunnels changed */
} Scenario;

Scenario *scenario_new (guint32 seed);
void scenario_free (Scenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scenario, scenario_free)

/* The first packet that takes a way it must not, in words that the caller owns, or NULL. Who is
 * confined before and after is blocked, or leaves by its own tunnel of before or after, or by the
 * LAN to a destination that one of the two says to bypass. Who is confined only before or only
 * after may also be free. Who is confined neither before nor after is always free. */
char *scenario_find_leak (const Scenario *scenario, const Kernel *kernel);
