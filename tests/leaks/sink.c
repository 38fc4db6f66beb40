/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-sink: the world outside owns every address that is asked for; this takes what comes to the
 * ports of the laboratory. Connections are accepted, read, and answered now and then; datagrams are
 * left to lie, which spares the sender an ICMP error. Says "listening", goes on until it is killed.
 */

#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "wire.h"

static int
open_port (int type, uint16_t port)
{
  /* both families by one socket: bindv6only is off in a new namespace */
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons (port)};
  int fd = socket (AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), small = 1, on = 1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (type == SOCK_DGRAM)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0 ||
      (type == SOCK_STREAM && listen (fd, 4096) < 0))
    leaks_fail ("port");
  return fd;
}

static void
add (int poll, int fd)
{
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl (poll, EPOLL_CTL_ADD, fd, &event) < 0)
    leaks_fail ("epoll");
}

static void
serve (int fd)
{
  static char bytes[65536];
  ssize_t got = read (fd, bytes, sizeof bytes);
  if (got > 0)
    (void) !write (fd, "1", 1);
  else
    close (fd);
}

int
main (void)
{
  int poll = epoll_create1 (EPOLL_CLOEXEC), listeners[LEAKS_N_WAYS];
  signal (SIGPIPE, SIG_IGN);
  for (int i = 0; i < LEAKS_N_WAYS; i++) {
    open_port (SOCK_DGRAM, (uint16_t) (LEAKS_PORT + i));
    listeners[i] = open_port (SOCK_STREAM, (uint16_t) (LEAKS_PORT + i));
    add (poll, listeners[i]);
  }
  open_port (SOCK_DGRAM, 53); /* names */
  printf ("listening\n");
  fflush (stdout);

  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait (poll, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      /* the listeners were opened first and never closed, so their numbers are the low ones */
      if (fd > listeners[LEAKS_N_WAYS - 1]) {
        serve (fd);
        continue;
      }
      int accepted = accept4 (fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted >= 0)
        add (poll, accepted);
    }
  }
}
