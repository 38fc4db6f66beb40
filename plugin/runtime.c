/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway.h"

#define FILTERS "rp_filter" /* the directory of kept values, one file an interface */
#define TABLE   "table"     /* the file about the guard's table */
#define POLL_US 5000        /* how often a lock that is held is tried again */

static gboolean
make_directory (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0755) == 0)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s%s", path, g_strerror (errno),
               geteuid () == 0 ? "" : "; run this as root");
  return FALSE;
}

void
cg_lock_release (CgLock lock)
{
  close (lock);
}

CgLock
cg_runtime_lock (const char *runtime_dir, guint seconds, GError **error)
{
  if (!make_directory (runtime_dir, error))
    return CG_NO_LOCK;
  g_autofree char *path = g_build_filename (runtime_dir, "lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s%s", path, g_strerror (errno),
                 geteuid () == 0 ? "" : "; run this as root");
    return CG_NO_LOCK;
  }
  gint64 end = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  while (flock (fd, LOCK_EX | LOCK_NB) < 0) {
    int number = errno;
    if (number == EINTR || (number == EWOULDBLOCK && g_get_monotonic_time () <= end)) {
      g_usleep (POLL_US);
      continue;
    }
    if (number == EWOULDBLOCK)
      g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
                   "%s: another custom-gateway has held this lock for %u seconds; see what it "
                   "waits for",
                   path, seconds);
    else
      g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", path, g_strerror (number));
    close (fd);
    return CG_NO_LOCK;
  }
  return fd;
}

static char *
filter_path (const char *runtime_dir, const char *ifname)
{
  return g_build_filename (runtime_dir, FILTERS, ifname, NULL);
}

/* A file of ours is "IFINDEX VALUE\n". */
static gboolean
parse_saved (const char *text, CgSavedFilter *saved)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 2);
  guint64 ifindex, value;
  if (g_strv_length (words) != 2 ||
      !g_ascii_string_to_unsigned (words[0], 10, 1, G_MAXINT32, &ifindex, NULL) ||
      !g_ascii_string_to_unsigned (g_strchomp (words[1]), 10, 0, 2, &value, NULL))
    return FALSE;
  saved->ifindex = (guint32) ifindex;
  saved->value = (int) value;
  return TRUE;
}

static int
by_ifname (gconstpointer a, gconstpointer b)
{
  return strcmp (((const CgSavedFilter *) a)->ifname, ((const CgSavedFilter *) b)->ifname);
}

void
cg_runtime_load_filters (const char *runtime_dir, GArray *saved)
{
  g_autofree char *path = g_build_filename (runtime_dir, FILTERS, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *ifname; dir && (ifname = g_dir_read_name (dir));) {
    CgSavedFilter filter = {.ifindex = 0};
    g_autofree char *file = filter_path (runtime_dir, ifname);
    g_autofree char *text = NULL;
    if (!cg_interface_name_valid (ifname) || !g_file_get_contents (file, &text, NULL, NULL) ||
        !parse_saved (text, &filter))
      continue;
    g_strlcpy (filter.ifname, ifname, sizeof filter.ifname);
    g_array_append_val (saved, filter);
  }
  g_array_sort (saved, by_ifname);
}

gboolean
cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error)
{
  g_autofree char *directory = g_build_filename (runtime_dir, FILTERS, NULL);
  g_autofree char *path = filter_path (runtime_dir, saved->ifname);
  g_autofree char *text = g_strdup_printf ("%u %d\n", saved->ifindex, saved->value);
  g_autoptr (GError) why = NULL;
  if (!make_directory (directory, error))
    return FALSE;
  /* renames over the old file: a reader and our death see the one or the other */
  if (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &why))
    return TRUE;
  g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, why->message);
  return FALSE;
}

void
cg_runtime_forget_filter (const char *runtime_dir, const char *ifname)
{
  g_autofree char *path = filter_path (runtime_dir, ifname);
  g_unlink (path);
}

void
cg_saved_table_clear (CgSavedTable *saved)
{
  g_clear_pointer (&saved->text, g_free);
  g_clear_pointer (&saved->fingerprint, g_free);
}

void
cg_runtime_load_table (const char *runtime_dir, CgSavedTable *saved)
{
  g_autofree char *file = g_build_filename (runtime_dir, TABLE, NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents (file, &text, NULL, NULL))
    return;
  g_auto (GStrv) words = g_strsplit (g_strchomp (text), " ", 2);
  if (g_strv_length (words) != 2)
    return;
  saved->text = g_strdup (words[0]);
  saved->fingerprint = g_strdup (words[1]);
}

void
cg_runtime_save_table (const char *runtime_dir, const CgSavedTable *saved)
{
  g_autofree char *path = g_build_filename (runtime_dir, TABLE, NULL);
  g_autofree char *text = g_strdup_printf ("%s %s\n", saved->text, saved->fingerprint);
  if (make_directory (runtime_dir, NULL))
    (void) g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL);
}

void
cg_runtime_forget_table (const char *runtime_dir)
{
  g_autofree char *path = g_build_filename (runtime_dir, TABLE, NULL);
  g_unlink (path);
}
