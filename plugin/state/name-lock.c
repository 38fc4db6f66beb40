/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* struct ucred; NOLINT(bugprone-reserved-identifier) */
#include "name-lock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hash.h"

/* A holder of ours is between bind(2) and listen(2) for less than this: tries, and microseconds
 * between two. */
#define TRIES   20
#define POLL_US 5000

static socklen_t
make_address (const char *purpose, const char *runtime_dir, struct sockaddr_un *address)
{
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  int length = g_snprintf (address->sun_path + 1, sizeof address->sun_path - 1,
                           "custom-gateway/%s/%08x", purpose, cg_hash_name (runtime_dir));
  return (socklen_t) (offsetof (struct sockaddr_un, sun_path) + 1 + (gsize) length);
}

static int
open_socket (void)
{
  return socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* SO_PEERCRED tells which user called listen(2), as seen from our user namespace. */
static gboolean
peer_is_ours (int fd)
{
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == geteuid ());
}

gboolean
cg_name_is_held (const char *purpose, const char *runtime_dir)
{
  struct sockaddr_un address;
  socklen_t size = make_address (purpose, runtime_dir, &address);
  int fd = open_socket ();
  gboolean held =
      fd >= 0 && connect (fd, (const struct sockaddr *) &address, size) == 0 && peer_is_ours (fd);
  if (fd >= 0)
    close (fd);
  return held;
}

CgNameResult
cg_name_take (const char *purpose, const char *runtime_dir, int *fd)
{
  struct sockaddr_un address;
  socklen_t size = make_address (purpose, runtime_dir, &address);
  *fd = open_socket ();
  if (*fd < 0)
    return CG_NAME_FAILED;
  for (guint i = 0; i < TRIES; i++) {
    /* a long queue: a holder does not answer, and a program that asks waits in it */
    if (bind (*fd, (const struct sockaddr *) &address, size) == 0 && listen (*fd, SOMAXCONN) == 0)
      return CG_NAME_TAKEN;
    if (errno != EADDRINUSE)
      break;
    if (cg_name_is_held (purpose, runtime_dir)) {
      close (*fd);
      *fd = -1;
      return CG_NAME_HELD;
    }
    g_usleep (POLL_US);
  }
  return CG_NAME_USURPED;
}
