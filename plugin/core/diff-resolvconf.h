/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* The part of cg_diff that is about resolv.conf: appends its operations. Pure. */
void
cg_diff_resolvconfs (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope);

/* The line of sh(1) that does the same. The caller owns the result. */
char *cg_resolvconf_op_to_string (const CgResolvConfOp *op);
