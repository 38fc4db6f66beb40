/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run.h"

#include "bad-users-confine.h"
#include "bad-users.h"
#include "unit-activation.h"
#include "gather.h"
#include "last-good.h"
#include "resolve.h"

int
cg_fail (const GError *error)
{
  g_warning ("%s", error->message);
  return error->domain == CG_ERROR && error->code == CG_ERROR_CONFIG ? CG_EXIT_CONFIG
                                                                     : CG_EXIT_FAILED;
}

/* A run takes milliseconds; a process that holds the lock for so long hangs. */
#define LOCK_SECONDS 20

gboolean
cg_lock_for (const CgOptions *options, CgLock *lock, int *status, GError **error)
{
  g_autofree char *lacking = NULL;
  if (!options->dry_run)
    *lock = cg_runtime_lock (options->runtime_dir, LOCK_SECONDS, &lacking, error);
  if (lacking)
    g_warning ("nothing can be kept, so only what needs no file is done: %s; see LIMITS in "
               "custom-gateway(8)",
               lacking);
  if (lacking && status)
    *status = CG_EXIT_FAILED;
  return options->dry_run || *lock != CG_NO_LOCK;
}

static gboolean
check_name (const CgConfig *config, const char *directory, const char *name, int *status)
{
  const GError *bad = cg_config_find_bad (config, name);
  if (bad)
    *status = cg_fail (bad);
  if (cg_config_find (config, name))
    return TRUE;
  if (!bad) {
    g_autofree char *quoted = cg_quote (name);
    g_warning (
        "no gateway %s: no file in %s is called like that and .conf; 'custom-gateway status' "
        "shows those there are",
        quoted, directory);
  }
  return FALSE;
}

void
cg_report_faults (const CgConfig *config, const char *const *names, int *status)
{
  for (guint i = 0; i < config->faults->len; i++) {
    const CgBadFile *fault = config->faults->pdata[i];
    if (!*names || g_strv_contains (names, fault->name))
      *status = cg_fail (fault->error);
  }
}

void
cg_tell_of_last_good (const CgConfig *config, const CgBadFile *bad)
{
  const CgGateway *gateway = cg_config_find (config, bad->name);
  if (gateway && cg_config_find_bad (config, bad->name) == bad->error)
    g_warning ("%s: stays in force as it was before", bad->name);
}

void
cg_block_bad_users (const CgOptions *options,
                    CgConfig *config,
                    const char *const *names,
                    CgIntent intent)
{
  static const char *const all[] = {NULL};
  g_autoptr (GError) error = NULL;
  if (config->bad->len == 0 || !options->state_dir || (intent == CG_RELEASE && !*names))
    return;
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, &error);
  g_autoptr (CgFacts) facts =
      netlink ? cg_facts_gather (config, netlink, options->runtime_dir, NULL, &error) : NULL;
  if (!facts) {
    g_warning ("no look at the users of bad files: %s", error->message);
    return;
  }
  g_autoptr (GArray) held = intent == CG_APPLY ? cg_bad_users_held (facts)
                                               : g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  cg_bad_users_confine (config, intent == CG_APPLY ? all : names, held, cg_user_lookup);
}

/* A file that is bad is said first, and then what holds all the same. */
static void
report_bad (const CgConfig *config, int *status)
{
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    *status = cg_fail (bad->error);
    cg_tell_of_last_good (config, bad);
  }
}

CgConfig *
cg_load_for (const CgOptions *options, const char *const *names, CgIntent intent, int *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config =
      cg_last_good_load (options->config_dir, options->state_dir, FALSE, cg_user_lookup, &error);
  if (!config) {
    *status = cg_fail (error);
    return NULL;
  }
  cg_resolve (config, options->runtime_dir, NULL);
  if (!*names)
    report_bad (config, status);
  cg_block_bad_users (options, config, names, intent);
  cg_report_faults (config, names, status);
  for (; *names; names++)
    if (!check_name (config, options->config_dir, *names, status)) {
      *status = CG_EXIT_CONFIG;
      return NULL;
    }
  return g_steal_pointer (&config);
}

void
cg_end_run (const CgOptions *options,
            const CgConfig *config,
            const char *const *names,
            gboolean follow,
            CgLock *lock)
{
  if (*lock != CG_NO_LOCK)
    cg_lock_release (*lock); /* systemd may run us again in what we ask it to do */
  *lock = CG_NO_LOCK;
  if (follow && !options->dry_run)
    cg_unit_activation_run (options, config, names);
}

void
cg_keep_last_good (const CgOptions *options, const CgConfig *config, const char *const *names)
{
  cg_last_good_save (options->state_dir, config, names);
  if (!*names)
    cg_last_good_forget_gone (options->state_dir, config);
}

gboolean
cg_run (const CgOptions *options,
        const CgConfig *config,
        const char *const *names,
        CgIntent intent,
        CgLock *lock,
        GError **error)
{
  gboolean done = cg_apply (options, config, names, intent, error);
  if (done && intent == CG_APPLY && !options->dry_run)
    cg_keep_last_good (options, config, names);
  cg_end_run (options, config, names, done && intent == CG_APPLY, lock);
  return done;
}
