/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "error.h"

/* A piece of work in a child process, so that what it loads, leaks or waits for is gone with it. */
typedef struct {
  pid_t pid;       /* 0: none */
  int report;      /* a file in memory that the child writes */
  gint64 deadline; /* of g_get_monotonic_time, when it is to be killed */
} CgChildRun;

/* What the child does: returns its exit status, and a report or NULL. */
typedef int (*CgWork) (gpointer data, GVariant **report);

/* Starts one; the worker must have none. It sees the caller's memory as it is now. FALSE with a
 * CG_ERROR_FAILED. */
gboolean cg_child_run_start (
    CgChildRun *worker, CgWork work, gpointer data, gint64 deadline, GError **error);

/* If it has ended, TRUE, its exit status (or -1, if a signal ended it), and the report if there
 * is a whole one of this type, else NULL. Does not wait. */
gboolean
cg_child_run_collect (CgChildRun *worker, const GVariantType *type, int *status, GVariant **report);

/* Ends it by force; it is still to be collected. */
void cg_child_run_kill (const CgChildRun *worker);
