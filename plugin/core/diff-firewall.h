/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* Appends the operations about reverse path checks of firewalls: passes; and those about ways back
 * (plan.h). Pure. */
void cg_diff_firewall (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);
void
cg_diff_ways_back (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);
