/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where systemd listens: a path, or with '@' in front an abstract name. 0 if there is none. */
static socklen_t
find_listener (struct sockaddr_un *address)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  gsize length = path ? strlen (path) : 0;
  if (length < 2 || length >= sizeof address->sun_path || !strchr ("/@", *path))
    return 0;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy (address->sun_path, path, length);
  if (*path == '@')
    *address->sun_path = '\0';
  return (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length);
}

void
cg_notify (const char *lines)
{
  struct sockaddr_un address;
  socklen_t size = find_listener (&address);
  int fd = size ? socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0)
    return;
  (void) sendto (fd, lines, strlen (lines), MSG_NOSIGNAL, (const struct sockaddr *) &address, size);
  close (fd);
}

gint64
cg_notify_watchdog (void)
{
  const char *limit = g_getenv ("WATCHDOG_USEC"), *whose = g_getenv ("WATCHDOG_PID");
  guint64 usec = 0, pid = 0;
  if (!limit || !g_ascii_string_to_unsigned (limit, 10, 1, G_MAXINT64, &usec, NULL))
    return 0;
  if (whose && (!g_ascii_string_to_unsigned (whose, 10, 1, G_MAXINT32, &pid, NULL) ||
                pid != (guint64) getpid ()))
    return 0;
  return (gint64) usec;
}
