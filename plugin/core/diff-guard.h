/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* The part of cg_diff that is about the guard. Appends operations, those of each step in their
 * order. Pure. */
void cg_diff_guard (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);

/* The operation as a command of bpftool(8) or nft(8). The caller owns the result. */
char *cg_guard_op_to_string (const CgGuardOp *op);
