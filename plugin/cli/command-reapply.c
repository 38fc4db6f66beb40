/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include "last-good.h"
#include "removed.h"

/* What is said here is for the monitor, which must not undo it. */
static void
tell_monitor (const CgOptions *options,
              const CgConfig *config,
              const char *const *names,
              CgIntent intent)
{
  if (options->dry_run)
    return;
  if (intent == CG_RELEASE)
    cg_removed_mark (options->runtime_dir, names);
  else
    cg_removed_clear (options->runtime_dir, config, names);
  cg_applied_note (options->runtime_dir);
}

static int
run (const CgOptions *options, const char *const *names, CgIntent intent)
{
  int status = CG_EXIT_DONE;
  g_autoptr (GError) error = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  if (!cg_lock_for (options, &lock, &status, &error))
    return cg_fail (error);
  g_autoptr (CgConfig) config = cg_load_for (options, names, intent, &status);
  if (!config)
    return status;
  tell_monitor (options, config, names, intent);
  if (intent == CG_RELEASE && !options->dry_run)
    cg_last_good_drop (options->state_dir, names);
  if (!cg_run (options, config, names, intent, &lock, &error))
    return cg_fail (error);
  return status;
}

int
cg_command_reapply (const CgOptions *options, const char *const *names)
{
  return run (options, names, CG_APPLY);
}

/* To take away all that is ours needs no configuration, so a broken or missing one is no obstacle.
 */
static int
remove_all (const CgOptions *options)
{
  static const char *const all[] = {NULL};
  int status = CG_EXIT_DONE;
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) nothing = cg_config_new ();
  g_auto (CgLock) lock = CG_NO_LOCK;
  if (!cg_lock_for (options, &lock, &status, &error))
    return cg_fail (error);
  tell_monitor (options, nothing, all, CG_RELEASE);
  if (!options->dry_run)
    cg_last_good_drop (options->state_dir, all);
  if (!cg_run (options, nothing, all, CG_RELEASE, &lock, &error))
    return cg_fail (error);
  return status;
}

int
cg_command_remove (const CgOptions *options, const char *const *names)
{
  if (!*names)
    return remove_all (options);
  return run (options, names, CG_RELEASE);
}
