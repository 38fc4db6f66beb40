/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* What became of a guard that could not be written. */
typedef struct {
  GArray *tables;   /* guint32: the tables of the gateways that it is missing for */
  char *why;        /* of the first failure; NULL if there is none */
  char *no_bpf;     /* why it cannot be had in BPF; NULL unless that was found out just now */
  gboolean passing; /* to try again may help */
} CgUnguarded;

void cg_unguarded_clear (CgUnguarded *unguarded);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CgUnguarded, cg_unguarded_clear)

/* Carries out the operations that cg_diff returned, step by step, one batch a step. What belongs to
 * a table of which an operation failed is left alone from there on, and after any failure nothing
 * is taken away any more that closes a way: so a failure leaves the confined blocked, not free.
 * FALSE with a CG_ERROR_FAILED that names the first failure; the caller may look again and try
 * anew. FALSE with a CG_ERROR_ABSENT if all was done but what takes a file that could not be
 * written. That a guard cannot be written is a failure if it is required; *unguarded, which starts
 * as zeros and is the caller's to clear, tells it of any. */
gboolean cg_commit (CgNetlink *netlink,
                    const GArray *ops,
                    const char *runtime_dir,
                    CgUnguarded *unguarded,
                    GError **error);
