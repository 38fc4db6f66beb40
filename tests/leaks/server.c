/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-server UPSTREAM: what root runs on the machine under test, confined by nothing. An echo by
 * UDP; the same port by TCP, where nothing is accepted; and a resolver, which asks UPSTREAM on the
 * LAN what it is asked. Says "serving", goes on until it is killed. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "wire.h"

static int
open_port (int type, uint16_t port)
{
  /* both families by one socket: bindv6only is off in a new namespace */
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons (port)};
  int fd = socket (AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0 ||
      (type == SOCK_STREAM && listen (fd, 16) < 0))
    leaks_fail ("port");
  return fd;
}

int
main (int argc, char **argv)
{
  struct sockaddr_in upstream = {.sin_family = AF_INET, .sin_port = htons (LEAKS_RESOLVER)};
  if (argc != 2 || inet_pton (AF_INET, argv[1], &upstream.sin_addr) != 1) {
    fprintf (stderr, "usage: leaks-server UPSTREAM\n");
    return 2;
  }
  struct pollfd ports[] = {{open_port (SOCK_DGRAM, LEAKS_ECHO), POLLIN, 0},
                           {open_port (SOCK_DGRAM, LEAKS_RESOLVER), POLLIN, 0}};
  int asks = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  open_port (SOCK_STREAM, LEAKS_ECHO);
  printf ("serving\n");
  fflush (stdout);

  for (;;) {
    static char bytes[2048];
    struct sockaddr_in6 from;
    socklen_t size = sizeof from;
    poll (ports, 2, -1);
    ssize_t got = recvfrom (ports[0].fd, bytes, sizeof bytes, 0, (struct sockaddr *) &from, &size);
    if (got >= 0)
      (void) !sendto (ports[0].fd, bytes, (size_t) got, 0, (struct sockaddr *) &from, size);
    got = recv (ports[1].fd, bytes, sizeof bytes, 0);
    if (got >= 0)
      (void) !sendto (asks, bytes, (size_t) got, 0, (struct sockaddr *) &upstream, sizeof upstream);
  }
}
