/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alone.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "removed.h"

/* A lock of fcntl(2) is this process's alone, not its runs', and goes with it. */
gboolean
cg_alone (const char *runtime_dir, GError **error)
{
  g_autofree char *path = g_build_filename (runtime_dir, CG_MONITOR_LOCK, NULL);
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  (void) g_mkdir_with_parents (runtime_dir, 0755);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && fcntl (fd, F_SETLK, &whole) == 0)
    return TRUE; /* open until the end */
  if (fd >= 0 && (errno == EAGAIN || errno == EACCES))
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
                 "another monitor is running already (it holds %s)", path);
  else
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s%s", path, g_strerror (errno),
                 geteuid () == 0 ? "" : "; run this as root");
  if (fd >= 0)
    close (fd);
  return FALSE;
}
