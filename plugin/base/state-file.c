/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* O_PATH; NOLINT(bugprone-reserved-identifier) */
#include "state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* To open a FIFO would wait for its other end, and a terminal would become ours: open(2). */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* A file of /proc has no size that counts, so all are read to their end. */
static char *
read_bounded (int fd, gsize max)
{
  g_autofree char *text = g_malloc (max + 1);
  gsize done = 0;
  while (done <= max) {
    ssize_t got = read (fd, text + done, max + 1 - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return NULL;
    if (got == 0) {
      text[done] = '\0';
      return g_realloc (g_steal_pointer (&text), done + 1);
    }
    done += (gsize) got;
  }
  return NULL;
}

static gboolean
is_ours (const struct stat *found)
{
  return (found->st_uid == 0 || found->st_uid == geteuid ()) &&
         !(found->st_mode & (S_IWGRP | S_IWOTH));
}

char *
cg_file_read (const char *path, gsize max)
{
  struct stat found;
  char *text = NULL;
  int fd = open (path, OPEN_FLAGS);
  if (fd >= 0 && fstat (fd, &found) == 0 && S_ISREG (found.st_mode))
    text = read_bounded (fd, max);
  if (fd >= 0)
    close (fd);
  return text;
}

/* A descriptor of the directory that holds the file, if it is ours; or -1. */
static int
open_parent (const char *path)
{
  struct stat found;
  g_autofree char *directory = g_path_get_dirname (path);
  int fd = open (directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || (fstat (fd, &found) == 0 && is_ours (&found)))
    return fd;
  close (fd);
  return -1;
}

char *
cg_state_read (const char *path)
{
  struct stat found;
  char *text = NULL;
  g_autofree char *name = g_path_get_basename (path);
  int directory = open_parent (path);
  int fd = directory < 0 ? -1 : openat (directory, name, OPEN_FLAGS | O_NOFOLLOW);
  if (fd >= 0 && fstat (fd, &found) == 0 && S_ISREG (found.st_mode) && is_ours (&found))
    text = read_bounded (fd, CG_STATE_MAX);
  if (fd >= 0)
    close (fd);
  if (directory >= 0)
    close (directory);
  return text;
}

gboolean
cg_state_exists (const char *path)
{
  struct stat found;
  g_autofree char *name = g_path_get_basename (path);
  int directory = open_parent (path);
  gboolean exists = directory >= 0 && fstatat (directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG (found.st_mode) && is_ours (&found);
  if (directory >= 0)
    close (directory);
  return exists;
}

gboolean
cg_state_write (const char *path, const char *text, gssize length, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autoptr (GError) why = NULL;
  if (g_mkdir_with_parents (directory, 0755) < 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", directory, g_strerror (errno));
    return FALSE;
  }
  if (g_file_set_contents_full (path, text, length, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &why))
    return TRUE;
  g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, why->message);
  return FALSE;
}
