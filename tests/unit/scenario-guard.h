/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "scenario.h"

/* The part of scenario.h that is about the guard. */

/* An interface of a scenario. */
typedef struct {
  char name[IFNAMSIZ];
  guint32 ifindex; /* 0: there is none */
  guint flags;     /* LINK_* */
} ScenarioLink;

/* Guard= and DNS= of a gateway. The caller owns the result. */
char *scenario_guard_lines (GRand *rand);

/* Gives the machine its addresses, and the n interfaces theirs. */
void scenario_address (World *world, GRand *rand, const ScenarioLink *links, guint n);

/* Gives the tunnels what they have of the machine: addresses, servers, interfaces of bypasses. */
void scenario_guard (World *world, GRand *rand);

/* Thinks of packets, when both worlds stand. */
void scenario_roll_packets (Scenario *scenario, GRand *rand);
