/* SPDX-License-Identifier: GPL-2.0-or-later */

/* bench-packets KIND ROUNDS BURST UID... - HOST:PEER:CGROUP...: what a packet costs. HOST and PEER
 * are open file descriptors of network namespaces, a pair for each thing to compare; in each HOST,
 * each user gets a socket (a lane) that talks with the same address in PEER. It is made in the
 * cgroup whose directory CGROUP is, so that the BPF programs that are attached there see what it
 * sends and gets; PEER's are made in the cgroup that we are started in. The lanes take turns: in
 * each round each has one burst. Prints a line for each round, with the nanoseconds that each
 * lane's burst took: those of the first user first, in the order of the pairs, then those of the
 * next. KIND: udp4 or udp6, BURST datagrams, each of which asks for a route; udp4c, by a connected
 * socket, which keeps its route; udp4r, BURST datagrams that PEER sends and HOST reads; or tcp4,
 * BURST KiB over a connection, until the last is acknowledged. */

#define _GNU_SOURCE /* setns, setfsuid, sched_getcpu */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT      7000
#define MAX_LANES 64
#define CHUNK     65536
#define BYTES     64 /* in a datagram */

struct lane {
  int fd;
  int server;             /* for what it gets: that which sends it, */
  struct sockaddr_in own; /* and where to */
};

static union {
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
} server;
static socklen_t server_size;
static bool is_tcp, is_connected, is_received;
static clockid_t the_clock;

static void
fail (const char *what)
{
  perror (what);
  exit (1);
}

static void
choose_kind (const char *kind)
{
  is_tcp = strncmp (kind, "tcp", 3) == 0;
  is_received = kind[4] == 'r';
  is_connected = is_tcp || is_received || kind[4] == 'c';
  /* Of datagrams, the time that this thread had a processor: the way through the kernel to the far
   * end of a veth is part of that, other programs are not. TCP has its other end in another thread.
   */
  the_clock = !is_tcp          ? CLOCK_THREAD_CPUTIME_ID
              : kind[4] == 'p' ? CLOCK_PROCESS_CPUTIME_ID
                               : CLOCK_MONOTONIC;
  if (kind[3] == '6') {
    server.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons (PORT)};
    inet_pton (AF_INET6, "2001:db8:ffff::1", &server.six.sin6_addr);
    server_size = sizeof server.six;
  } else {
    server.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons (PORT)};
    inet_pton (AF_INET, "203.0.113.1", &server.four.sin_addr);
    server_size = sizeof server.four;
  }
}

static void
enter_cgroup (const char *directory)
{
  char path[4096];
  snprintf (path, sizeof path, "%s/cgroup.procs", directory);
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write (fd, "0", 1) != 1) /* cgroups(7): this process */
    fail (path);
  close (fd);
}

static int
open_in (int namespace, uid_t uid)
{
  if (setns (namespace, CLONE_NEWNET) < 0)
    fail ("network namespace");
  /* rules and nftables go by the user for whom the socket was made; the rest of us stays root */
  setfsuid (uid);
  int fd = socket (server.any.sa_family, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  setfsuid (0);
  if (fd < 0)
    fail ("socket");
  return fd;
}

/* Throws away what comes, without a copy of it. */
static void *
throw_away (void *data)
{
  int fd = (int) (intptr_t) data;
  while (recv (fd, NULL, 1 << 20, MSG_TRUNC) > 0)
    ;
  return NULL;
}

static int
open_server (int namespace)
{
  int fd = open_in (namespace, 0), small = 1, on = 1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on,
              sizeof on); /* the last kind's connections linger */
  /* datagrams are left to lie, and dropped when there is no more room: no ICMP error comes back */
  if (!is_tcp)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (bind (fd, &server.any, server_size) < 0 || (is_tcp && listen (fd, MAX_LANES) < 0))
    fail ("server");
  return fd;
}

static void
serve (int listener)
{
  pthread_t thread;
  int accepted = accept (listener, NULL, NULL);
  if (accepted < 0 || pthread_create (&thread, NULL, throw_away, (void *) (intptr_t) accepted) != 0)
    fail ("accept");
}

static struct lane
open_lane (int namespace, int listener, uid_t uid)
{
  struct lane lane = {.fd = open_in (namespace, uid), .server = listener};
  const struct timeval patience = {.tv_sec = 5};
  socklen_t size = sizeof lane.own;
  if (is_connected && connect (lane.fd, &server.any, server_size) < 0)
    fail ("connect");
  if (is_tcp)
    serve (listener);
  if (is_received &&
      (getsockname (lane.fd, (struct sockaddr *) &lane.own, &size) < 0 ||
       setsockopt (lane.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0))
    fail ("lane");
  return lane;
}

/* Where two processors share the work, who of them waits for whom is a matter of luck. */
static void
stay_on_one_processor (void)
{
  cpu_set_t set;
  CPU_ZERO (&set);
  CPU_SET (sched_getcpu (), &set);
  if (sched_setaffinity (0, sizeof set, &set) < 0)
    fail ("sched_setaffinity");
}

static int64_t
now (void)
{
  struct timespec time;
  clock_gettime (the_clock, &time);
  return time.tv_sec * INT64_C (1000000000) + time.tv_nsec;
}

static void
send_datagrams (int fd, const void *bytes, int count)
{
  for (int i = 0; i < count; i++)
    if (sendto (fd, bytes, BYTES, 0, is_connected ? NULL : &server.any,
                is_connected ? 0 : server_size) < 0)
      fail ("sendto");
}

/* One by one, so that none is dropped for want of room. */
static void
receive_datagrams (const struct lane *lane, void *bytes, int count)
{
  for (int i = 0; i < count; i++)
    if (sendto (lane->server, bytes, BYTES, 0, (const struct sockaddr *) &lane->own,
                sizeof lane->own) < 0 ||
        recv (lane->fd, bytes, BYTES, 0) < 0)
      fail ("a datagram to a lane");
}

static void
send_stream (int fd, const char *bytes, int kib)
{
  int left = 1;
  for (int i = 0; i < kib; i += CHUNK / 1024)
    for (size_t done = 0; done < CHUNK;) {
      ssize_t sent = send (fd, bytes + done, CHUNK - done, 0);
      if (sent < 0)
        fail ("send");
      done += (size_t) sent;
    }
  while (ioctl (fd, SIOCOUTQ, &left) == 0 && left > 0) {
    if (the_clock == CLOCK_MONOTONIC)
      sched_yield ();
    else
      usleep (20); /* to wait must cost nothing */
  }
}

static void
burst (const struct lane *lane, int size)
{
  static char bytes[CHUNK];
  if (is_tcp)
    send_stream (lane->fd, bytes, size);
  else if (is_received)
    receive_datagrams (lane, bytes, size);
  else
    send_datagrams (lane->fd, bytes, size);
}

static void
measure (const struct lane *lanes, int n_lanes, int rounds, int size)
{
  int64_t took[MAX_LANES];
  for (int lane = 0; lane < n_lanes; lane++)
    burst (&lanes[lane], size); /* neighbours, caches, windows */
  for (int round = 0; round < rounds; round++) {
    /* another one begins each time, so that nobody always follows the same one */
    for (int i = 0; i < n_lanes; i++) {
      int lane = (i + round) % n_lanes;
      int64_t start = now ();
      burst (&lanes[lane], size);
      took[lane] = now () - start;
    }
    for (int lane = 0; lane < n_lanes; lane++)
      printf ("%lld%c", (long long) took[lane], lane == n_lanes - 1 ? '\n' : ' ');
  }
}

int
main (int argc, char **argv)
{
  struct lane lanes[MAX_LANES];
  const char *cgroups[MAX_LANES];
  int hosts[MAX_LANES], listeners[MAX_LANES], n_lanes = 0, n_pairs = 0, users = 4;
  while (users < argc && strcmp (argv[users], "-") != 0)
    users++;
  if (users >= argc - 1 || (users - 4) * (argc - users - 1) > MAX_LANES) {
    fprintf (stderr, "usage: bench-packets KIND ROUNDS BURST UID... - HOST:PEER:CGROUP...\n");
    return 2;
  }
  choose_kind (argv[1]);
  if (the_clock == CLOCK_PROCESS_CPUTIME_ID)
    stay_on_one_processor ();
  for (int i = users + 1; i < argc; i++, n_pairs++) {
    char *rest;
    hosts[n_pairs] = (int) strtol (argv[i], &rest, 10);
    listeners[n_pairs] = open_server ((int) strtol (rest + 1, &rest, 10));
    cgroups[n_pairs] = rest + 1;
  }
  for (int user = 4; user < users; user++)
    for (int pair = 0; pair < n_pairs; pair++) {
      enter_cgroup (cgroups[pair]);
      lanes[n_lanes++] =
          open_lane (hosts[pair], listeners[pair], (uid_t) strtoul (argv[user], NULL, 10));
    }
  measure (lanes, n_lanes, atoi (argv[2]), atoi (argv[3]));
  return 0;
}
