/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "owned.h"

#include <unistd.h>

#include "guard.h"
#include "nft.h"
#include "plan.h"

/* What tells one copy from the next is who makes it: each is made by a process of its own. */
static GPtrArray *
commands_for (const GArray *guards)
{
  GPtrArray *commands = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < guards->len; i++) {
    const CgGuardPlan *guard = &g_array_index (guards, CgGuardPlan, i);
    g_ptr_array_add (commands, cg_guard_owned (guard->gateway, guard->text, (guint) getpid ()));
  }
  return commands;
}

static char *
sum_of (const GArray *guards)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  for (guint i = 0; i < guards->len; i++)
    g_checksum_update (sum, (const guchar *) g_array_index (guards, CgGuardPlan, i).text, -1);
  return g_strdup (guards->len > 0 ? g_checksum_get_string (sum) : "");
}

char *
cg_own_guards (const CgConfig *config,
               const char *runtime_dir,
               const char *const *released,
               const char *now,
               int *socket,
               GError **error)
{
  *socket = -1;
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, error);
  if (!netlink)
    return NULL;
  g_autoptr (CgFacts) facts = cg_facts_gather (config, netlink, runtime_dir, error);
  if (!facts)
    return NULL;
  if (facts->guards_unseen)
    return g_strdup (now); /* the run before has said so */
  g_autoptr (CgPlan) plan = cg_plan_new (facts, released);
  g_autofree char *sum = sum_of (plan->guards);
  g_autoptr (GPtrArray) commands = commands_for (plan->guards);
  if (*sum && !g_str_equal (sum, now) && !cg_nft_run_as_owner (commands, socket, error))
    return NULL;
  return g_steal_pointer (&sum);
}
