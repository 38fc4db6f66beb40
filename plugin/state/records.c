/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>

#include "error.h"
#include "state-file.h"

static char *
path_of (const char *runtime_dir, CgRecord record, const char *name)
{
  static const char *const directories[] = {"stopped", "resume", "tunnel",
                                            "strays"}; /* as in CgRecord */
  return g_build_filename (runtime_dir, directories[record], name, NULL);
}

gboolean
cg_record_set (
    const char *runtime_dir, CgRecord record, const char *name, const char *word, GError **error)
{
  g_autofree char *path = path_of (runtime_dir, record, name);
  g_autofree char *line = g_strconcat (word, "\n", NULL);
  return cg_state_write (path, line, -1, error);
}

void
cg_record_mark (const char *runtime_dir, CgRecord record, const char *name)
{
  g_autofree char *path = path_of (runtime_dir, record, name);
  g_autofree char *directory = g_path_get_dirname (path);
  (void) g_mkdir_with_parents (directory, 0755);
  int fd = g_open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
  if (fd >= 0)
    (void) g_close (fd, NULL);
}

char *
cg_record_get (const char *runtime_dir, CgRecord record, const char *name)
{
  g_autofree char *path = path_of (runtime_dir, record, name);
  char *text = cg_state_read (path);
  return text ? g_strchomp (text) : NULL;
}

GStrv
cg_record_list (const char *runtime_dir, CgRecord record)
{
  g_autofree char *path = path_of (runtime_dir, record, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  for (const char *name; dir && (name = g_dir_read_name (dir));)
    g_strv_builder_add (names, name);
  return g_strv_builder_end (names);
}

gboolean
cg_record_drop (const char *runtime_dir, CgRecord record, const char *name, GError **error)
{
  g_autofree char *path = path_of (runtime_dir, record, name);
  if (g_unlink (path) == 0 || errno == ENOENT || errno == ENOTDIR)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", path, g_strerror (errno));
  return FALSE;
}
