/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "removed.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "state-file.h"

#define MARKS   "removed" /* the directory of marks, one empty file a gateway */
#define APPLIED "applied" /* when files were put in force by somebody else than a monitor */
#define ALL     ".all"    /* no gateway is called so */

static char *
mark_path (const char *runtime_dir, const char *name)
{
  return g_build_filename (runtime_dir, MARKS, name, NULL);
}

static void
put_mark (const char *runtime_dir, const char *name)
{
  g_autofree char *path = mark_path (runtime_dir, name);
  g_autoptr (GError) error = NULL;
  if (!cg_state_write (path, "", 0, &error))
    g_warning ("a monitor will put it back: %s", error->message);
}

static gboolean
has_mark (const char *runtime_dir, const char *name)
{
  g_autofree char *path = mark_path (runtime_dir, name);
  return cg_state_exists (path);
}

static void
take_mark (const char *runtime_dir, const char *name)
{
  g_autofree char *path = mark_path (runtime_dir, name);
  int number = g_unlink (path) == 0 ? 0 : errno;
  if (number != 0 && has_mark (runtime_dir, name))
    g_warning ("a monitor will still leave it alone: %s: %s", path, g_strerror (number));
}

void
cg_removed_mark (const char *runtime_dir, const char *const *names)
{
  if (!*names)
    put_mark (runtime_dir, ALL);
  for (; *names; names++)
    put_mark (runtime_dir, *names);
}

static void
clear_all (const char *runtime_dir)
{
  g_autofree char *path = g_build_filename (runtime_dir, MARKS, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));)
    take_mark (runtime_dir, name);
}

void
cg_removed_clear (const char *runtime_dir, const CgConfig *config, const char *const *names)
{
  if (!*names) {
    clear_all (runtime_dir);
    return;
  }
  gboolean all = has_mark (runtime_dir, ALL);
  for (guint i = 0; i < config->gateways->len; i++) {
    const char *name = ((const CgGateway *) config->gateways->pdata[i])->name;
    if (g_strv_contains (names, name))
      take_mark (runtime_dir, name);
    else if (all)
      put_mark (runtime_dir, name);
  }
  take_mark (runtime_dir, ALL);
}

void
cg_removed_settle (const char *runtime_dir, const char *const *names)
{
  if (!has_mark (runtime_dir, ALL))
    return;
  for (; *names; names++)
    if (cg_gateway_name_valid (*names))
      put_mark (runtime_dir, *names);
  take_mark (runtime_dir, ALL);
}

gboolean
cg_removed_has (const char *runtime_dir, const char *name)
{
  return has_mark (runtime_dir, ALL) || has_mark (runtime_dir, name);
}

void
cg_applied_note (const char *runtime_dir)
{
  g_autofree char *monitor = g_build_filename (runtime_dir, CG_MONITOR_LOCK, NULL);
  g_autofree char *path = g_build_filename (runtime_dir, APPLIED, NULL);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT "\n", g_get_monotonic_time ());
  if (g_file_test (monitor, G_FILE_TEST_EXISTS))
    (void) cg_state_write (path, text, -1, NULL);
}

gint64
cg_applied_when (const char *runtime_dir)
{
  g_autofree char *path = g_build_filename (runtime_dir, APPLIED, NULL);
  g_autofree char *text = cg_state_read (path);
  guint64 when;
  if (!text || !g_ascii_string_to_unsigned (g_strchomp (text), 10, 0, G_MAXINT64, &when, NULL))
    return 0;
  return (gint64) when;
}
