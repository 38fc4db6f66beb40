/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"
#include "facts.h"

/* What the command line said, for all commands. */
typedef struct {
  const char *config_dir;
  const char *runtime_dir;
  const char *state_dir; /* NULL: bad files are only told of, see last-good.h and bad-users.h */
  gboolean dry_run;
  gboolean json;
  gboolean keeps_answers; /* of the monitor, which vouches for them itself: see resolve-cache.h */
} CgOptions;

typedef enum {
  CG_APPLY,   /* make the kernel match configuration and tunnel */
  CG_REFRESH, /* the same for those of the gateways that stand: what a guard knows of the machine */
  CG_RELEASE, /* take away all that is ours */
} CgIntent;

/* The way of the data, once: facts, plan, diff, commit. Where the kernel changed under our feet, it
 * looks again and tries anew, a few times. names (none: all) are names of gateways of the config,
 * which must have been loaded and resolved under the lock (cg_lock_for in run.h): a run that
 * waited for it would otherwise put an older configuration over a newer one. With --dry-run prints
 * the operations to stdout and changes nothing. FALSE with a CG_ERROR_FAILED. */
gboolean cg_apply (const CgOptions *options,
                   const CgConfig *config,
                   const char *const *names,
                   CgIntent intent,
                   GError **error);
