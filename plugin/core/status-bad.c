/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status-bad.h"

#include "bad-users.h"

#define MAX_SHOWN_RANGES 4

static void
bad_status_clear (gpointer status)
{
  g_array_unref (((CgBadStatus *) status)->uids);
}

/* One that blocks has no tunnel to look for. */
static CgBadState
state_of (const CgGateway *gateway)
{
  return gateway->interface || gateway->connection ? CG_BAD_LAST_GOOD : CG_BAD_BLOCKED;
}

static void
add (GArray *all, const CgFacts *facts, const char *name, GArray *standing)
{
  g_autofree char *valid = cg_bad_users_name (name);
  const CgGateway *gateway = cg_config_find (facts->config, valid);
  CgBadStatus status = {
      .name = name,
      .state = gateway             ? state_of (gateway)
               : standing->len > 0 ? CG_BAD_STANDING
                                   : CG_BAD_NOTHING,
      .uids = g_array_ref (gateway ? gateway->uids : standing),
  };
  g_array_append_val (all, status);
}

GArray *
cg_status_bad_new (const CgFacts *facts, const char *const *names)
{
  const CgConfig *config = facts->config;
  GArray *all = g_array_new (FALSE, FALSE, sizeof (CgBadStatus));
  g_autoptr (GArray) standing = cg_bad_users_standing (facts);
  g_array_set_clear_func (all, bad_status_clear);
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    gboolean is_first = cg_config_find_bad (config, bad->name) == bad->error;
    if (is_first && (!*names || g_strv_contains (names, bad->name)))
      add (all, facts, bad->name, standing);
  }
  return all;
}

const char *
cg_status_bad_word (const CgBadStatus *status)
{
  static const char *const words[] = {"nothing", "standing", "blocked",
                                      "last-good"}; /* as in CgBadState */
  return words[status->state];
}

char *
cg_status_bad_text (const CgBadStatus *status)
{
  static const char *const what[] = {
      "nothing stands for it",
      "what stands stays, and holds uids that no good file names:",
      "the users that it names are blocked: uid",
      "the last good one is in force",
  };
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean has_uids = status->state == CG_BAD_STANDING || status->state == CG_BAD_BLOCKED;
  g_string_printf (text, "%s: its file is bad; %s", status->name, what[status->state]);
  for (guint i = 0; has_uids && i < MIN (status->uids->len, MAX_SHOWN_RANGES); i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (status->uids, CgUidRange, i));
    g_string_append_printf (text, " %s", range);
  }
  if (has_uids && status->uids->len > MAX_SHOWN_RANGES)
    g_string_append (text, " ...");
  return g_strdup (text->str);
}
