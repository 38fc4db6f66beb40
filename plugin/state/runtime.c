/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name-lock.h"
#include "names.h"
#include "state-file.h"

#define FILTERS "rp_filter" /* the directory of kept values, one file an interface */
#define TABLE   "table"     /* the file about the guard's table */
#define NAME    "lock"      /* of the lock that takes no file: name-lock.h */
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

/* Why there is no lock file: what the system says (number), or else a problem. */
static int
no_file (const char *path, int number, const char *problem, GError **why)
{
  g_set_error (why, CG_ERROR, CG_ERROR_FAILED, "%s: %s%s", path,
               problem ? problem : g_strerror (number),
               geteuid () == 0 ? "" : "; run this as root");
  return -1;
}

/* A user that may write in the directory may put anything in the place of what we keep. */
static gboolean
directory_is_ours (const char *path)
{
  struct stat found;
  return stat (path, &found) == 0 && (found.st_uid == 0 || found.st_uid == geteuid ()) &&
         !(found.st_mode & (S_IWGRP | S_IWOTH));
}

#define LOCK_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

/* The lock file, or -1 and why there is none. On a file system that is read-only now, what stands
 * there can still be locked: then there are both. */
static int
open_lock_file (const char *runtime_dir, GError **why)
{
  struct stat found;
  g_autofree char *path = g_build_filename (runtime_dir, "lock", NULL);
  if (!make_directory (runtime_dir, why))
    return -1;
  if (!directory_is_ours (runtime_dir))
    return no_file (runtime_dir, 0, "others can write it; run 'chown root' and 'chmod go-w' on it",
                    why);
  int fd = open (path, O_RDWR | O_CREAT | LOCK_FLAGS, 0600);
  int number = errno;
  if (fd < 0)
    no_file (path, number, NULL, why);
  if (fd < 0 && number == EROFS)
    fd = open (path, O_RDONLY | LOCK_FLAGS);
  if (fd < 0)
    return -1;
  if (fstat (fd, &found) == 0 && S_ISREG (found.st_mode))
    return fd;
  close (fd);
  if (why)
    g_clear_error (why);
  return no_file (path, 0, "not a regular file; remove it", why);
}

/* A run that has no file holds a name. CG_NO_LOCK without an error: another run is not done. */
static CgLock
try_file (const char *runtime_dir, int fd, GError **error)
{
  int number = flock (fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  if (number == 0 && !cg_name_is_held (NAME, runtime_dir))
    return fd;
  if (number != 0 && number != EWOULDBLOCK && number != EINTR)
    no_file (runtime_dir, number, NULL, error);
  close (fd);
  return CG_NO_LOCK;
}

/* Likewise without the file. It may be there by now, and a run that found no name then has it. */
static CgLock
try_name (const char *runtime_dir, GError **error)
{
  int fd;
  CgNameResult result = cg_name_take (NAME, runtime_dir, &fd);
  if (result == CG_NAME_FAILED)
    no_file (runtime_dir, errno, NULL, error);
  if (result == CG_NAME_USURPED)
    g_warning ("another user keeps runs from waiting for each other: 'ss -xlp' shows the socket "
               "@custom-gateway/" NAME);
  int file = fd < 0 ? -1 : open_lock_file (runtime_dir, NULL);
  if (file < 0)
    return fd;
  close (file);
  close (fd);
  return CG_NO_LOCK;
}

/* *lacking: why there is no file that we could write, or NULL. */
static CgLock
try_lock (const char *runtime_dir, GError **lacking, GError **error)
{
  int fd = open_lock_file (runtime_dir, lacking);
  if (fd >= 0)
    return try_file (runtime_dir, fd, error);
  if (geteuid () == 0)
    return try_name (runtime_dir, error);
  g_propagate_error (error, g_steal_pointer (lacking));
  return CG_NO_LOCK;
}

CgLock
cg_runtime_lock (const char *runtime_dir, guint seconds, char **lacking, GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  for (;;) {
    g_autoptr (GError) why = NULL, failure = NULL;
    CgLock lock = try_lock (runtime_dir, &why, &failure);
    if (lock != CG_NO_LOCK) {
      *lacking = why ? g_strdup (why->message) : NULL;
      return lock;
    }
    if (failure) {
      g_propagate_error (error, g_steal_pointer (&failure));
      return CG_NO_LOCK;
    }
    if (g_get_monotonic_time () > end) {
      g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
                   "%s/lock: another custom-gateway has held this lock for %u seconds; see what it "
                   "waits for",
                   runtime_dir, seconds);
      return CG_NO_LOCK;
    }
    g_usleep (POLL_US);
  }
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
    g_autofree char *text = cg_interface_name_valid (ifname) ? cg_state_read (file) : NULL;
    if (!text || !parse_saved (text, &filter))
      continue;
    g_strlcpy (filter.ifname, ifname, sizeof filter.ifname);
    g_array_append_val (saved, filter);
  }
  g_array_sort (saved, by_ifname);
}

gboolean
cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error)
{
  g_autofree char *path = filter_path (runtime_dir, saved->ifname);
  g_autofree char *text = g_strdup_printf ("%u %d\n", saved->ifindex, saved->value);
  return cg_state_write (path, text, -1, error);
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
  g_autofree char *text = cg_state_read (file);
  if (!text)
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
  (void) cg_state_write (path, text, -1, NULL);
}

void
cg_runtime_forget_table (const char *runtime_dir)
{
  g_autofree char *path = g_build_filename (runtime_dir, TABLE, NULL);
  g_unlink (path);
}
