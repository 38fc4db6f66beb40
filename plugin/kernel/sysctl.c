/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "state-file.h"

static char *
sysctl_path (const char *ifname)
{
  return g_build_filename ("/proc/sys/net/ipv4/conf", ifname, "rp_filter", NULL);
}

int
cg_sysctl_read_filter (const char *ifname)
{
  g_autofree char *path = sysctl_path (ifname);
  g_autofree char *text = cg_file_read (path, CG_STATE_MAX);
  guint64 value;
  if (!text || !g_ascii_string_to_unsigned (g_strchomp (text), 10, 0, 2, &value, NULL))
    return -1;
  return (int) value;
}

gboolean
cg_sysctl_write_filter (const char *ifname, int value, GError **error)
{
  g_autofree char *path = sysctl_path (ifname);
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  char digit = (char) ('0' + value);
  gboolean written = fd >= 0 && write (fd, &digit, 1) == 1;
  if (!written)
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return written;
}
