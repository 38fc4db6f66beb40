/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include <stdio.h>

#include "gather.h"
#include "status-json.h"
#include "status-table.h"
#include "subuids.h"
#include "warnings.h"

static void
append_messages (GPtrArray *errors, const GPtrArray *files)
{
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (errors, ((const CgBadFile *) files->pdata[i])->error->message);
}

/* What is wrong with files, for who asked about all. */
static GPtrArray *
list_errors (const CgConfig *config, const char *const *names)
{
  GPtrArray *errors = g_ptr_array_new ();
  if (!*names) {
    append_messages (errors, config->bad);
    append_messages (errors, config->faults);
  }
  return errors;
}

/* Why was said when systemd was asked; who reads the JSON alone is to know, too. */
static void
warn_of_silence (GPtrArray *warnings, const CgConfig *config, const char *const *names)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (gateway->services[0] && !gateway->unit &&
        (!*names || g_strv_contains (names, gateway->name)))
      g_ptr_array_add (warnings,
                       g_strdup_printf ("%s: systemd does not say whom Services= confines, "
                                        "so nobody of them is confined anew",
                                        gateway->name));
  }
}

int
cg_command_status (const CgOptions *options, const char *const *names)
{
  int bad = CG_EXIT_DONE;
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config = cg_load_for (options, names, CG_APPLY, &bad);
  if (!config)
    return bad;
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, &error);
  if (!netlink)
    return cg_fail (error);
  g_autoptr (CgFacts) facts = cg_facts_gather (config, netlink, options->runtime_dir, NULL, &error);
  if (!facts)
    return cg_fail (error);

  g_autoptr (CgStatus) status = cg_status_new (facts, names);
  cg_subuids_load (facts->subuids);
  g_autoptr (GPtrArray) warnings = cg_warnings (facts, names);
  warn_of_silence (warnings, config, names);
  if (options->json) {
    g_autoptr (GPtrArray) errors = list_errors (config, names);
    g_autofree char *json = cg_status_to_json (status, facts, warnings, errors);
    puts (json);
  } else {
    cg_status_print (status, warnings);
  }
  if (bad != CG_EXIT_DONE)
    return bad;
  return cg_status_differs (status) ? CG_EXIT_DIFFERENT : CG_EXIT_DONE;
}
