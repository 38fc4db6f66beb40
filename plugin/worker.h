/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "error.h"

/* A piece of work in a child process, so that what it loads, leaks or waits for is gone with it. */
typedef struct {
  pid_t pid;       /* 0: none */
  int report;      /* a file in memory that the child writes */
  int channel;     /* a socket by which it hands a descriptor over */
  gint64 deadline; /* of g_get_monotonic_time, when it is to be killed */
} CgWorker;

/* What the child does: returns its exit status, a report or NULL, and a descriptor to hand over; it
 * is -1 before. */
typedef int (*CgWork) (gpointer data, GVariant **report, int *given);

/* Starts one; the worker must have none. It sees the caller's memory as it is now. FALSE with a
 * CG_ERROR_FAILED. */
gboolean
cg_worker_start (CgWorker *worker, CgWork work, gpointer data, gint64 deadline, GError **error);

/* If it has ended, TRUE, its exit status (or -1, if a signal ended it), the report if there is
 * a whole one of this type, else NULL, and the descriptor that it handed over, which the caller
 * owns, or -1. Does not wait. */
gboolean cg_worker_collect (
    CgWorker *worker, const GVariantType *type, int *status, GVariant **report, int *given);

/* Ends it by force; it is still to be collected. */
void cg_worker_kill (const CgWorker *worker);
