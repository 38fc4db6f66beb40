/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* Carries out the operations that cg_diff returned, step by step, one batch a step. What belongs to
 * a table of which an operation failed is left alone from there on, and after any failure nothing
 * is taken away any more that closes a way: so a failure leaves the confined blocked, not free.
 * FALSE with a CG_ERROR_FAILED that names the first failure; the caller may look again and try
 * anew. */
gboolean cg_commit (CgNetlink *netlink, const GArray *ops, const char *runtime_dir, GError **error);
