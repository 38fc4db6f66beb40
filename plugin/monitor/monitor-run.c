/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-run.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "event-filter.h"
#include "fast-restore.h"
#include "removed.h"
#include "resolve.h"
#include "run.h"

/* Whatever is said then was said before. */
static void
be_silent (void)
{
  int fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  if (fd >= 0)
    dup2 (fd, STDERR_FILENO);
}

/* A file that is bad is said once, when it was read. */
static CgConfig *
read_directory (const CgMonitorRun *run, int *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config = cg_config_copy_reload (
      run->config_copy, run->options->config_dir, run->options->state_dir, cg_user_lookup, &error);
  if (!config) {
    *status = cg_fail (error);
    return NULL;
  }
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    *status = cg_fail (bad->error);
    cg_tell_of_last_good (config, bad);
  }
  return g_steal_pointer (&config);
}

static CgConfig *
load (const CgMonitorRun *run, int *status, gboolean *was_read)
{
  CgConfig *config = run->reload ? read_directory (run, status) : NULL;
  *was_read = config || !run->reload;
  if (config)
    return config;
  config = cg_config_copy_load (run->config_copy, run->options->config_dir, cg_user_lookup);
  if (config->bad->len > 0)
    *status = CG_EXIT_CONFIG;
  if (!*was_read)
    config->incomplete = TRUE; /* nobody is set free because a directory cannot be read */
  return config;
}

/* What a run found out, for the report. */
typedef struct {
  GVariant *config_copy, *answers;
  gboolean was_read, is_complete;
  const GError *error;
} Findings;

static GVariant *
report_new (const CgConfig *config, const Findings *found)
{
  GVariantBuilder interfaces, tables;
  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("aay"));
  g_variant_builder_init (&tables, G_VARIANT_TYPE ("au"));
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (gateway->interface || gateway->connection) /* not what blocks the users of a bad file */
      g_variant_builder_add (&interfaces, "^ay",
                             gateway->interface ? gateway->interface : CG_ANY_INTERFACE);
    if (gateway->table)
      g_variant_builder_add (&tables, "u", gateway->table);
  }
  gboolean has_guard = FALSE, has_bypass = FALSE;
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    has_guard = has_guard || gateway->guard != CG_GUARD_NO;
    has_bypass = has_bypass || (gateway->guard != CG_GUARD_NO && gateway->bypass->len > 0);
  }
  g_autofree char *why = found->error ? g_utf8_make_valid (found->error->message, -1) : NULL;
  return g_variant_new ("(@" CG_CONFIG_COPY "@" CG_RESOLVE_CACHE "aayaubbbbms)", found->config_copy,
                        found->answers, &interfaces, &tables, found->was_read, found->is_complete,
                        has_guard, has_bypass, why);
}

/* The monitor is to know when nothing but others' answers are waited for. */
static void
ask (const CgMonitorRun *run, CgConfig *config)
{
  eventfd_t count;
  (void) eventfd_write (run->asking, 1);
  cg_resolve (config, run->options->runtime_dir, NULL);
  (void) eventfd_read (run->asking, &count);
}

/* The gateways that somebody has released by hand, or those that nobody has. NULL ends them. */
static GPtrArray *
list_names (const CgConfig *config, const char *runtime_dir, gboolean released)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (cg_removed_has (runtime_dir, gateway->name) == released)
      g_ptr_array_add (names, gateway->name);
  }
  g_ptr_array_add (names, NULL);
  return names;
}

/* All is to be looked at, even what no gateway needs any more, if none was released by hand. */
static void
apply (const CgMonitorRun *run, const CgConfig *config, CgLock *lock, GError **error)
{
  const char *const all[] = {NULL};
  g_autoptr (GPtrArray) released = list_names (config, run->options->runtime_dir, TRUE);
  g_autoptr (GPtrArray) others = list_names (config, run->options->runtime_dir, FALSE);
  const char *const *gone = (const char *const *) released->pdata;
  const char *const *names = *gone ? (const char *const *) others->pdata : all;
  gboolean is_due = !*gone || *names;
  gboolean done = is_due && cg_apply (run->options, config, names, CG_APPLY, error);
  if (done && run->reload)
    cg_keep_last_good (run->options, config, names);
  cg_end_run (run->options, config, names, done, lock);
}

/* The gateways that there were when the last run read the directory; the first one takes those that
 * it finds. Profiles are in no copy. NULL ends them. */
static GPtrArray *
list_known (const CgMonitorRun *run, const CgConfig *config)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  gsize n_copied = g_variant_n_children (run->config_copy);
  for (gsize i = 0; i < n_copied; i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (run->config_copy, i);
    char *name;
    g_variant_get_child (entry, 0, "s", &name);
    g_ptr_array_add (names, name);
  }
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (!n_copied || gateway->from_profile)
      g_ptr_array_add (names, g_strdup (gateway->name));
  }
  for (guint i = 0; !n_copied && i < config->bad->len; i++)
    g_ptr_array_add (names, g_strdup (((const CgBadFile *) config->bad->pdata[i])->name));
  g_ptr_array_add (names, NULL);
  return names;
}

static void
settle_removed (const CgMonitorRun *run, const CgConfig *config)
{
  g_autoptr (GPtrArray) names = list_known (run, config);
  cg_removed_settle (run->options->runtime_dir, (const char *const *) names->pdata);
}

/* What is wrong with a gateway that is in force all the same is said when files are read. */
static void
tell_faults (const CgMonitorRun *run, const CgConfig *config, int *status)
{
  const char *const all[] = {NULL};
  if (run->reload)
    cg_report_faults (config, all, status);
  else if (config->faults->len > 0)
    *status = CG_EXIT_CONFIG;
}

int
cg_monitor_run (gpointer data, GVariant **report)
{
  CgMonitorRun now = *(const CgMonitorRun *) data;
  CgOptions options = *now.options;
  const CgMonitorRun *run = &now;
  const char *const all[] = {NULL};
  int status = CG_EXIT_DONE;
  gboolean was_read;
  g_autoptr (GError) error = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  options.keeps_answers = TRUE;
  now.options = &options;
  if (run->silent)
    be_silent ();
  if (!cg_lock_for (run->options, &lock, &status, &error))
    return cg_fail (error);
  gboolean they_count = cg_resolve_cache_count (run->answers, options.runtime_dir);
  if (run->is_loss && they_count)
    cg_fast_restore (run->options, run->config_copy, run->answers);
  now.reload = now.reload || cg_applied_when (run->options->runtime_dir) > now.read;
  g_autoptr (CgConfig) config = load (run, &status, &was_read);
  g_autoptr (GVariant) config_copy = run->reload && was_read
                                         ? g_variant_ref_sink (cg_config_copy_new (config))
                                         : g_variant_ref (run->config_copy);
  ask (run, config);
  settle_removed (run, config);
  tell_faults (run, config, &status);
  g_autoptr (GVariant) answers =
      g_variant_ref_sink (cg_resolve_cache_new (config, they_count ? run->answers : NULL));
  cg_resolve_cache_vouch (answers, options.runtime_dir);
  cg_block_bad_users (&options, config, all, CG_APPLY);

  gboolean is_complete = !config->incomplete && !config->unanswered;
  apply (run, config, &lock, &error);
  if (error)
    status = CG_EXIT_FAILED;
  const Findings found = {config_copy, answers, was_read, is_complete, error};
  *report = g_variant_ref_sink (report_new (config, &found));
  return status;
}
