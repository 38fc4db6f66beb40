/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-run.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "commands.h"
#include "interest.h"
#include "removed.h"
#include "repair.h"
#include "resolve.h"

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
  g_autoptr (CgConfig) config =
      cg_shelf_reload (run->shelf, run->options->config_dir, cg_user_lookup, &error);
  if (!config) {
    *status = cg_fail (error);
    return NULL;
  }
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    *status = cg_fail (bad->error);
    if (cg_config_find (config, bad->name))
      g_warning ("%s: stays in force as it was before", bad->name);
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
  config = cg_shelf_load (run->shelf, run->options->config_dir, cg_user_lookup);
  if (config->bad->len > 0)
    *status = CG_EXIT_CONFIG;
  if (!*was_read)
    config->incomplete = TRUE; /* nobody is set free because a directory cannot be read */
  return config;
}

static GVariant *
report_new (const CgConfig *config,
            GVariant *shelf,
            GVariant *answers,
            gboolean was_read,
            const GError *error)
{
  GVariantBuilder interfaces, tables;
  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("aay"));
  g_variant_builder_init (&tables, G_VARIANT_TYPE ("au"));
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_variant_builder_add (&interfaces, "^ay",
                           gateway->interface ? gateway->interface : CG_ANY_INTERFACE);
    if (gateway->table)
      g_variant_builder_add (&tables, "u", gateway->table);
  }
  g_autofree char *why = error ? g_utf8_make_valid (error->message, -1) : NULL;
  return g_variant_new ("(@" CG_SHELF "@" CG_ANSWERS "aayaubbms)", shelf, answers, &interfaces,
                        &tables, was_read, !config->incomplete && !config->unanswered, why);
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

/* All is to be looked at, even what no gateway needs any more, if nobody has released anything. */
static gboolean
apply (const CgOptions *options, const CgConfig *config, CgLock *lock, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  gboolean some = FALSE;
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (cg_removed_has (options->runtime_dir, gateway->name))
      some = TRUE;
    else
      g_ptr_array_add (names, gateway->name);
  }
  if (some && names->len == 0)
    return TRUE;
  if (!some)
    g_ptr_array_set_size (names, 0);
  g_ptr_array_add (names, NULL);
  return cg_run (options, config, (const char *const *) names->pdata, CG_APPLY, lock, error);
}

int
cg_monitor_run (gpointer data, GVariant **report)
{
  CgMonitorRun now = *(const CgMonitorRun *) data;
  CgOptions options = *now.options;
  const CgMonitorRun *run = &now;
  int status = CG_EXIT_DONE;
  gboolean was_read;
  g_autoptr (GError) error = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  options.keeps_answers = TRUE;
  now.options = &options;
  if (run->silent)
    be_silent ();
  if (!cg_lock_for (run->options, &lock, &error))
    return cg_fail (error);
  gboolean they_count = cg_answers_count (run->answers, options.runtime_dir);
  if (run->is_loss && they_count)
    cg_repair (run->options, run->shelf, run->answers);
  now.reload = now.reload || cg_applied_when (run->options->runtime_dir) > now.read;
  g_autoptr (CgConfig) config = load (run, &status, &was_read);
  g_autoptr (GVariant) shelf = run->reload && was_read ? g_variant_ref_sink (cg_shelf_new (config))
                                                       : g_variant_ref (run->shelf);
  ask (run, config);
  g_autoptr (GVariant) answers =
      g_variant_ref_sink (cg_answers_new (config, they_count ? run->answers : NULL));
  cg_answers_vouch (answers, options.runtime_dir);
  if (!apply (run->options, config, &lock, &error))
    status = CG_EXIT_FAILED;
  *report = g_variant_ref_sink (report_new (config, shelf, answers, was_read, error));
  return status;
}
