/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alone.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name-lock.h"
#include "removed.h"

typedef enum { FREE, TAKEN, ABSENT } Finding;

/* A lock of fcntl(2) is this process's alone, not its runs', and goes with it. ABSENT with errno if
 * there is no such file. */
static Finding
take_file (const char *path)
{
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  struct stat found;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
  if (fd < 0)
    return ABSENT;
  if (fstat (fd, &found) == 0 && !S_ISREG (found.st_mode))
    errno = EINVAL;
  else if (fcntl (fd, F_SETLK, &whole) == 0)
    return FREE; /* open until the end */
  int number = errno;
  close (fd);
  errno = number;
  return number == EAGAIN || number == EACCES ? TAKEN : ABSENT;
}

/* Each monitor takes the name, so that one without the file and one with it see each other. */
static Finding
take_name (const char *runtime_dir)
{
  int fd; /* open until the end */
  switch (cg_name_take (CG_MONITOR_LOCK, runtime_dir, &fd)) {
  case CG_NAME_TAKEN:
    return FREE;
  case CG_NAME_HELD:
    return TAKEN;
  case CG_NAME_USURPED:
    g_warning ("another user has the name @custom-gateway/" CG_MONITOR_LOCK
               ": 'ss -xlp' shows the socket");
    close (fd);
    return FREE;
  case CG_NAME_FAILED:
    break;
  }
  return ABSENT;
}

gboolean
cg_alone (const char *runtime_dir, GError **error)
{
  g_autofree char *path = g_build_filename (runtime_dir, CG_MONITOR_LOCK, NULL);
  (void) g_mkdir_with_parents (runtime_dir, 0755);
  Finding file = take_file (path), name = ABSENT;
  int number = errno;
  if (file == FREE || (file == ABSENT && geteuid () == 0))
    name = take_name (runtime_dir);
  if (name == FREE && file == ABSENT)
    g_warning ("the monitor runs without its lock file: %s: %s", path, g_strerror (number));
  if (name == FREE)
    return TRUE;
  if (file == TAKEN || name == TAKEN)
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
                 "another monitor is running already (it holds %s)", path);
  else
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s%s", path, g_strerror (number),
                 geteuid () == 0 ? "" : "; run this as root");
  return FALSE;
}
