/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "apply.h"

/* A run from the files to the kernel: what commands, events and the monitor have in common. */

/* Exit statuses of custom-gateway(8). */
enum { CG_EXIT_DONE = 0, CG_EXIT_FAILED = 1, CG_EXIT_CONFIG = 2, CG_EXIT_DIFFERENT = 3 };

/* Says what the error says and returns the exit status for it. */
int cg_fail (const GError *error);

/* Takes the lock for a run that changes something; with --dry-run none is needed. Where nothing can
 * be kept it warns, and sets *status (unless that is NULL) to CG_EXIT_FAILED: the run goes on,
 * since to confine takes no file. FALSE with a CG_ERROR_FAILED. */
gboolean cg_lock_for (const CgOptions *options, CgLock *lock, int *status, GError **error);

/* Says what is wrong with gateways that are in force all the same: those named, or all if none is.
 * If there is such a fault, sets *status to CG_EXIT_CONFIG. */
void cg_report_faults (const CgConfig *config, const char *const *names, int *status);

/* Loads and resolves the configuration for a run over the gateways named, or over all if none is.
 * Says what is wrong with a file if that concerns the run, and sets *status to CG_EXIT_CONFIG then.
 * In the place of a bad file is its last good one (last-good.h), or what blocks the users that it
 * names (cg_block_bad_users). NULL if there is nothing to go on with. */
CgConfig *
cg_load_for (const CgOptions *options, const char *const *names, CgIntent intent, int *status);

/* Adds to a resolved config what blocks the users of bad files (bad-users.h): to apply, those
 * that nothing holds yet; to release, all of the files named. */
void cg_block_bad_users (const CgOptions *options,
                         CgConfig *config,
                         const char *const *names,
                         CgIntent intent);

/* Behind a run that put files in force, under the lock: keeps those named, or all if none is, for
 * the case that they go bad, and with all forgets those that are gone. */
void cg_keep_last_good (const CgOptions *options, const CgConfig *config, const char *const *names);

/* Says that the gateway of the bad file stays in force, if it does. */
void cg_tell_of_last_good (const CgConfig *config, const CgBadFile *bad);

/* A run, from the configuration on that was loaded and resolved under the lock: what reapply and an
 * event do. As cg_apply; the lock is released when the kernel is done with, and services follow
 * their tunnel. */
gboolean cg_run (const CgOptions *options,
                 const CgConfig *config,
                 const char *const *names,
                 CgIntent intent,
                 CgLock *lock,
                 GError **error);

/* The end of a run behind cg_apply(): releases the lock, and then, if follow is TRUE, lets services
 * follow their tunnel. */
void cg_end_run (const CgOptions *options,
                 const CgConfig *config,
                 const char *const *names,
                 gboolean follow,
                 CgLock *lock);
