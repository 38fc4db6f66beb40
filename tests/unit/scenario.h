/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "kernel.h"
#include "world.h"

/* The uids that configurations mention. */
#define SCENARIO_FIRST_UID 1000u
#define SCENARIO_N_UIDS    12

/* Two configurations with their tunnels, before and after, and a kernel in which the first stands:
 * by chance, but the same for the same seed. */
typedef struct {
  World *before;
  World *after;
  CgPlan *plan_before;
  CgPlan *plan_after;
  Kernel *kernel; /* after what it did by itself as tunnels changed */

  GArray *packets; /* KernelPacket, of whatever uids */
  GArray
      *forbidden; /* likewise: those that neither guard lets out, of uids that each has one for */
  GArray
      *forbidden_apart; /* of these, what a gateway does not let out either that stays as it was */
} Scenario;

Scenario *scenario_new (guint32 seed);
void scenario_free (Scenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scenario, scenario_free)

/* The first packet that takes a way it must not, in words that the caller owns, or NULL. Who is
 * confined before and after is blocked, or leaves by its own tunnel of before or after, or by the
 * LAN to a destination that one of the two says to bypass. Who is confined only before or only
 * after may also be free. Who is confined neither before nor after is always free. */
char *scenario_find_leak (const Scenario *scenario, const Kernel *kernel);

/* The first of the forbidden packets that the guard lets out, in words that the caller owns, or
 * NULL. Forbidden is what a uid sends that a gateway with a guard confines before and after, and
 * that neither of the two lets out: whatever interface and source the program picks. */
char *scenario_find_unguarded (const Scenario *scenario, const Kernel *kernel);
/* Likewise while a run is not about all gateways. */
char *scenario_find_unguarded_apart (const Scenario *scenario, const Kernel *kernel);

/* Likewise the first of all packets that the guard lets out and should not in this world, or drops
 * and should not: when all is done. */
char *scenario_find_misguarded (const Scenario *scenario, const World *world, const Kernel *kernel);
