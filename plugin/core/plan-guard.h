/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "plan.h"

/* The part of cg_plan_new that is about the guard: entries, table_text and table_wide of the plan,
 * for all tunnels of the facts but those of gateways named in released (NULL: none). Pure. */
void cg_plan_guard (CgPlan *plan, const CgFacts *facts, const char *const *released);
