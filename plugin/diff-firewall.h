/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* Appends the operations about reverse path checks of firewalls: passes, and ways back. Pure. */
void cg_diff_firewall (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);
