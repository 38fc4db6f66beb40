/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd.h"

#include <string.h>

#include "systemd-talk.h"

#define UNIT_PATH CG_SYSTEMD_MANAGER_PATH "/unit/"

/* Asks for everything at once: a unit that nobody needs is loaded anew for each question. */
static void
ask_properties (CgTalk *talk, const char *path, CgCall call)
{
  cg_talk_ask (talk, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", ""),
               "(a{sv})", call);
}

/* The object path of a unit: every byte but ASCII letters and digits, and a digit in front, becomes
 * _ and two hexadecimal digits (org.freedesktop.systemd1(5)). */
static char *
unit_path (const char *name)
{
  g_autoptr (GString) path = g_string_new (UNIT_PATH);
  for (const char *c = name; *c; c++)
    if (g_ascii_isalpha (*c) || (g_ascii_isdigit (*c) && c > name))
      g_string_append_c (path, *c);
    else
      g_string_append_printf (path, "_%02x", (guint8) *c);
  return g_strdup (path->str);
}

static void
take_string (GVariant *properties, const char *key, char **into)
{
  const char *text;
  if (!g_variant_lookup (properties, key, "&s", &text))
    return;
  g_free (*into);
  *into = g_strdup (text);
}

/* Whether the first of all that the unit runs is our question whether it may start. */
static gboolean
asks_us_first (GVariant *properties)
{
  g_autoptr (GVariant) commands =
      g_variant_lookup_value (properties, "ExecCondition", G_VARIANT_TYPE ("a(sasbttttuii)"));
  if (!commands || g_variant_n_children (commands) == 0)
    return FALSE;
  g_autofree const char **words = NULL;
  g_autoptr (GVariant) first = g_variant_get_child_value (commands, 0);
  g_variant_get_child (first, 1, "^a&s", &words);
  return g_strv_length ((char **) words) == 5 && g_str_has_suffix (words[0], "/custom-gateway") &&
         g_str_equal (words[1], "event") && g_str_equal (words[2], "service") &&
         g_str_equal (words[3], "start");
}

static void
take_unit (gpointer to, GVariant *answer)
{
  CgServiceFact *fact = to;
  g_autoptr (GVariant) properties = g_variant_get_child_value (answer, 0);
  g_autofree char *cgroup = NULL;
  guint64 left_inactive = 0;
  take_string (properties, "Id", &fact->id);
  take_string (properties, "LoadState", &fact->load_state);
  take_string (properties, "ActiveState", &fact->active_state);
  take_string (properties, "UnitFileState", &fact->file_state);
  (void) g_variant_lookup (properties, "NeedDaemonReload", "b", &fact->needs_reload);
  (void) g_variant_lookup (properties, "InactiveExitTimestampMonotonic", "t", &left_inactive);
  fact->has_run = left_inactive != 0;
  take_string (properties, "User", &fact->user);
  take_string (properties, "ControlGroup", &cgroup);
  (void) g_variant_lookup (properties, "DynamicUser", "b", &fact->dynamic);
  (void) g_variant_lookup (properties, "UID", "u", &fact->running_uid);
  /* systemd lets go of a unit's control group when the last process has left it */
  fact->has_processes = cgroup && *cgroup;
  fact->bound = asks_us_first (properties);
}

/* Of all the jobs that there are, those of our units: (id, unit, type, state, job, unit's path). */
static void
take_jobs (gpointer to, GVariant *answer)
{
  const GPtrArray *facts = to;
  g_autoptr (GVariantIter) jobs = NULL;
  const char *unit, *type;
  g_variant_get (answer, "(a(usssoo))", &jobs);
  while (g_variant_iter_next (jobs, "(u&s&s&s&o&o)", NULL, &unit, &type, NULL, NULL, NULL))
    for (guint i = 0; i < facts->len; i++) {
      CgServiceFact *fact = facts->pdata[i];
      if (g_strcmp0 (fact->id, unit) != 0)
        continue;
      g_free (fact->job);
      fact->job = g_strdup (type);
    }
}

gboolean
cg_systemd_look (GPtrArray *facts, GError **error)
{
  g_autoptr (CgTalk) talk = cg_talk_new (error);
  if (!talk)
    return FALSE;
  for (guint i = 0; i < facts->len; i++) {
    CgServiceFact *fact = facts->pdata[i];
    g_autofree char *path = unit_path (fact->name);
    ask_properties (talk, path, (CgCall){.take = take_unit, .to = fact});
  }
  /* systemd answers in the order in which it was asked: the units' own names are known by then */
  cg_talk_ask (talk, CG_SYSTEMD_MANAGER_PATH, CG_SYSTEMD_MANAGER, "ListJobs", NULL, "(a(usssoo))",
               (CgCall){.take = take_jobs, .to = facts});
  return cg_talk_wait (talk, error);
}

static gboolean
forgive_all (gpointer to, const GError *error)
{
  (void) to;
  (void) error;
  return TRUE;
}

gboolean
cg_systemd_queue (gboolean start, const char *const *units, GError **error)
{
  g_autoptr (CgTalk) talk = cg_talk_new (error);
  if (!talk)
    return FALSE;
  for (; *units; units++) {
    if (start)
      cg_talk_ask (talk, CG_SYSTEMD_MANAGER_PATH, CG_SYSTEMD_MANAGER, "ResetFailedUnit",
                   g_variant_new ("(s)", *units), NULL, (CgCall){.forgives = forgive_all});
    cg_talk_ask (talk, CG_SYSTEMD_MANAGER_PATH, CG_SYSTEMD_MANAGER,
                 start ? "StartUnit" : "StopUnit", g_variant_new ("(ss)", *units, "replace"), "(o)",
                 (CgCall){NULL});
  }
  return cg_talk_wait (talk, error);
}
