/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include "warnings-dns.h"

static void
report_good (const CgGateway *gateway)
{
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_message ("%s.conf: good", gateway->name);
  cg_warn_of_bypassed_servers (warnings, gateway);
  for (guint i = 0; i < warnings->len; i++)
    g_warning ("%s", (const char *) warnings->pdata[i]);
}

static int
check_directory (const CgOptions *options)
{
  static const char *const all[] = {NULL};
  int status = CG_EXIT_DONE;
  CgOptions as_they_are = *options;
  as_they_are.state_dir = NULL;
  g_autoptr (CgConfig) config = cg_load_for (&as_they_are, all, CG_APPLY, &status);
  for (guint i = 0; config && i < config->gateways->len; i++)
    report_good (config->gateways->pdata[i]);
  if (config && config->gateways->len == 0 && config->bad->len == 0)
    g_message ("no gateways: %s has no file NAME.conf; custom-gateway.conf(5) has an example",
               options->config_dir);
  return status;
}

int
cg_command_check (const CgOptions *options, const char *const *files)
{
  if (!*files)
    return check_directory (options);
  int status = CG_EXIT_DONE;
  for (; *files; files++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (CgGateway) gateway = cg_config_load_file (*files, cg_user_lookup, &error);
    if (gateway)
      report_good (gateway);
    else
      status = cg_fail (error);
  }
  return status;
}
