/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-peer COUNTS SENT RUN ATTACK: strangers on the LAN that begin what a way waits for. They ask
 * its UDP port, connect to its listener, and are the other end of its simultaneous opens, whose
 * ports stand in SENT. Counts what it tries in COUNTS. Says "asking", goes on until it is killed.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "ways.h"
#include "wire.h"

#define PAUSE              1000000 /* nanoseconds between two rounds */
#define ROUNDS_PER_CONNECT 4
#define KEPT               256 /* connections of a way: the first is closed when a new one needs its place */
#define PORT               40000
#define FAR                255

struct peer {
  int fds[KEPT];
  int datagrams;
  unsigned next;
  uint32_t met; /* the port that was met last */
};

static struct leaks_payload payload = {.magic = LEAKS_MAGIC};

static int
open_stranger (const struct way *way, int type, uint16_t port)
{
  struct sockaddr_storage stranger = way_stranger (way, port);
  bool four = way->family == AF_INET;
  int fd = socket (way->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, far = FAR;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt (fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TTL : IPV6_UNICAST_HOPS, &far,
              sizeof far);
  /* a port is found when the destination is known, so that they do not run out */
  setsockopt (fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (fd < 0 || way_bind_anyhow (fd, &stranger) < 0)
    leaks_fail (way->name);
  return fd;
}

static void
ask (struct peer *peer, const struct way *way, struct sockaddr_storage to)
{
  if (peer->datagrams < 0)
    peer->datagrams = open_stranger (way, SOCK_DGRAM, PORT);
  (void) !sendto (peer->datagrams, &payload, sizeof payload, 0, (struct sockaddr *) &to, sizeof to);
}

static void
dial (struct peer *peer, const struct way *way, uint16_t from, struct sockaddr_storage to)
{
  int *place = &peer->fds[peer->next++ % KEPT];
  if (*place >= 0)
    close (*place);
  *place = open_stranger (way, SOCK_STREAM, from);
  (void) !connect (*place, (struct sockaddr *) &to, sizeof to);
}

/* Sends to whichever answered: what comes is acknowledged for a socket that no program has. */
static void
go_on (struct peer *peer)
{
  int fd = peer->fds[peer->next / 2 % KEPT];
  if (fd >= 0)
    (void) !send (fd, &payload, sizeof payload, MSG_NOSIGNAL);
}

static bool
take_turn (struct peer *peer, const struct way *way, uint32_t waits, uint64_t round)
{
  uint16_t port = (uint16_t) (LEAKS_PORT + (way - ways));
  payload.way = (uint32_t) (way - ways);
  payload.sequence++;
  switch (way->habit) {
  case HABIT_ANSWERS:
    ask (peer, way, way_machine (way->family, port));
    return true;
  case HABIT_KNOCKED:
    ask (peer, way, way_tunnel (way->family, port));
    return true;
  case HABIT_LISTENS:
    go_on (peer);
    if (round % ROUNDS_PER_CONNECT != 0)
      return false;
    dial (peer, way, 0, way_machine (way->family, port));
    return true;
  case HABIT_KNOCKED_TCP:
    if (round % ROUNDS_PER_CONNECT != 0)
      return false;
    dial (peer, way, 0, way_tunnel (way->family, port));
    return true;
  case HABIT_MEETS:
    if (waits == 0 || waits == peer->met)
      return false;
    peer->met = waits;
    dial (peer, way, (uint16_t) (LEAKS_MEETING + (way - ways)),
          way_machine (way->family, (uint16_t) waits));
    return true;
  default:
    return false;
  }
}

int
main (int argc, char **argv)
{
  static struct peer peers[LEAKS_N_WAYS];
  struct timespec pause = {.tv_nsec = PAUSE};
  if (argc != 5) {
    fprintf (stderr, "usage: leaks-peer COUNTS SENT RUN ATTACK\n");
    return 2;
  }
  struct leaks_counts *counts = leaks_open_counts (argv[1]);
  const volatile struct leaks_counts *sent = leaks_open_counts (argv[2]);
  payload.run = (uint32_t) strtoul (argv[3], NULL, 10);
  payload.attack = (uint32_t) strtoul (argv[4], NULL, 10);
  for (int i = 0; i < n_ways; i++) {
    peers[i].datagrams = -1;
    memset (peers[i].fds, -1, sizeof peers[i].fds);
  }
  printf ("asking\n");
  fflush (stdout);
  for (uint64_t round = 0;; round++) {
    for (int i = 0; i < n_ways; i++)
      counts->way[i][0] += take_turn (&peers[i], &ways[i], sent->waits[i], round);
    nanosleep (&pause, NULL);
  }
}
