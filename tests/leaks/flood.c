/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-flood COUNTS RUN ATTACK UID PACE LAN: as that user, sends in all ways by turns, with PACE
 * microseconds after each round; until it is killed. Sockets are opened once, at the start, so that
 * what is there before somebody is confined is tried too. Says "sending" after the first round.
 * leaks-flood list: the ways, a line each: "kernel" or "own", and the name. */

#define _GNU_SOURCE /* setresuid */
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "ways.h"
#include "wire.h"

/* A connection costs both ends more than a datagram, and a port until it is forgotten. */
#define ROUNDS_PER_CONNECT 16
/* A segment that cannot leave stays in the socket: there is no need to add many. */
#define ROUNDS_PER_SEGMENT 4
/* Segments that a connection could not take before it is given up: half a second or so. Long enough
 * to outlive what is done to the tunnel, short enough to begin anew now and then. */
#define PATIENCE 400

struct sender {
  const struct way *way;
  int fd;
  unsigned stalled;
  uint64_t connections;
};

static struct leaks_counts *counts;
static struct leaks_payload payload = {.magic = LEAKS_MAGIC};
static unsigned lan;

static void
count (const struct sender *sender, bool refused)
{
  uint64_t *mine = counts->way[sender->way - ways];
  mine[0]++;
  mine[1] += refused;
}

static bool
send_one (struct sender *sender)
{
  payload.way = (uint32_t) (sender->way - ways);
  payload.sequence++;
  return way_send (sender->way, sender->fd, lan, &payload, sizeof payload) >= 0;
}

static bool
connect_it (struct sender *sender)
{
  struct sockaddr_storage to = way_address (sender->way, lan);
  return connect (sender->fd, (struct sockaddr *) &to, sizeof to) == 0 || errno == EINPROGRESS;
}

static void
datagrams (struct sender *sender, uint64_t round)
{
  /* a device may be gone when the socket is opened, and come again */
  if (sender->fd < 0)
    sender->fd = way_open (sender->way, lan);
  if (sender->fd >= 0 && sender->way->habit == HABIT_CONNECTED && round == 0)
    connect_it (sender);
  count (sender, sender->fd < 0 || !send_one (sender));
}

/* Half of them end with a FIN, which the kernel repeats when nobody is left to ask; half with an
 * RST. */
static void
hang_up (struct sender *sender)
{
  struct linger abort = {.l_onoff = 1, .l_linger = 0};
  if (sender->fd < 0)
    return;
  if (sender->connections++ % 2)
    setsockopt (sender->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  close (sender->fd);
  sender->fd = -1;
}

static void
dial (struct sender *sender)
{
  hang_up (sender);
  sender->stalled = 0;
  sender->fd = way_open (sender->way, lan);
  bool refused = sender->fd < 0 || !connect_it (sender);
  count (sender, refused);
  if (refused)
    hang_up (sender);
}

static void
new_connections (struct sender *sender, uint64_t round)
{
  if (round % ROUNDS_PER_CONNECT == 0)
    dial (sender);
}

static void
kept_connection (struct sender *sender, uint64_t round)
{
  static char answers[4096];
  if (sender->fd < 0) {
    new_connections (sender, round);
    return;
  }
  if (round % ROUNDS_PER_SEGMENT != 0)
    return;
  if (send_one (sender)) {
    sender->stalled = 0;
    count (sender, false);
    (void) !read (sender->fd, answers, sizeof answers);
  } else if (errno != EAGAIN && errno != EINPROGRESS && errno != EALREADY) {
    count (sender, true);
    hang_up (sender);
  } else if (sender->stalled++ > PATIENCE) {
    dial (sender);
  }
}

static void
play (struct sender *senders, long pace)
{
  struct timespec pause = {.tv_nsec = pace * 1000};
  for (uint64_t round = 0;; round++) {
    for (int i = 0; i < n_ways; i++) {
      if (senders[i].way->habit == HABIT_NEW)
        new_connections (&senders[i], round);
      else if (senders[i].way->habit == HABIT_KEPT)
        kept_connection (&senders[i], round);
      else
        datagrams (&senders[i], round);
    }
    if (round == 0) {
      printf ("sending\n");
      fflush (stdout);
    }
    if (pace > 0)
      nanosleep (&pause, NULL);
  }
}

int
main (int argc, char **argv)
{
  struct sender senders[LEAKS_N_WAYS];
  if (argc == 2 && strcmp (argv[1], "list") == 0) {
    for (int i = 0; i < n_ways; i++)
      printf ("%s %s\n", way_is_own (&ways[i]) ? "own" : "kernel", ways[i].name);
    return 0;
  }
  if (argc != 7) {
    fprintf (stderr, "usage: leaks-flood COUNTS RUN ATTACK UID PACE LAN, or: list\n");
    return 2;
  }
  counts = leaks_open_counts (argv[1]);
  payload.run = (uint32_t) strtoul (argv[2], NULL, 10);
  payload.attack = (uint32_t) strtoul (argv[3], NULL, 10);
  uid_t uid = (uid_t) strtoul (argv[4], NULL, 10);
  lan = if_nametoindex (argv[6]);
  /* before the first socket: the kernel goes by who made it */
  if (lan == 0 || setgroups (0, NULL) < 0 || setresgid (uid, uid, uid) < 0 ||
      setresuid (uid, uid, uid) < 0)
    leaks_fail ("starting");
  for (int i = 0; i < n_ways; i++)
    senders[i] = (struct sender){.way = &ways[i], .fd = -1};
  play (senders, strtol (argv[5], NULL, 10));
}
