/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-flood COUNTS RUN ATTACK UID PACE LAN: as that user, sends in all ways by turns, with PACE
 * microseconds after each round; until it is killed. Sockets are opened once, at the start, so that
 * what is there before somebody is confined is tried too. Says "sending" after the first round.
 * leaks-flood list: the ways, a line each: the group (ways.h), "asked" if a stranger begins it or
 * "told" if not, and the name. */

#define _GNU_SOURCE /* setresuid */
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
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
/* Connections that are open and wait to be closed with data queued, and the rounds between two: for
 * as long as one attack of half a second or so takes. */
#define POOL              64
#define ROUNDS_PER_QUEUED 32
/* A listener that accepts nothing is full after a while, and gives way to a new one. */
#define ROUNDS_PER_LISTENER 512
#define BACKLOG             128
/* Rounds that a simultaneous open waits for the other end. The kernel's next try for one that was
 * closed comes after a second. */
#define ROUNDS_PER_MEETING 100
/* More than what comes from the machine itself has, and less than what comes from the world:
 * field.py */
#define MIN_TTL 65
#define FAR     255

struct sender {
  const struct way *way;
  int fd;
  int other; /* the own listener, or the own other end */
  int pool[POOL];
  unsigned stalled;
  uint64_t connections;
};

/* What VXLAN carries (RFC 7348): a frame to the machine, as if a stranger sent a datagram from the
 * other side of the tunnel. */
struct frame {
  uint8_t vxlan[8];
  uint8_t to[6], from[6], ethertype[2];
  struct iphdr ip;
  struct udphdr udp;
  struct leaks_payload payload;
} __attribute__ ((packed));

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

static uint16_t
checksum (const void *bytes, size_t size)
{
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += 2)
    sum += (uint32_t) (((const uint8_t *) bytes)[i] << 8 | ((const uint8_t *) bytes)[i + 1]);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return htons ((uint16_t) ~sum);
}

static size_t
put_frame (const struct way *way, struct frame *frame)
{
  struct sockaddr_storage from = way_stranger (way, 0), to = way_machine (AF_INET, 9);
  *frame = (struct frame){
      .vxlan = {0x08, 0, 0, 0, 0, 0, LEAKS_VNI, 0},
      .to = {2, 0, 0, 0, 0, 1}, /* field.py */
      .from = {2, 0, 0, 0, 0, 5},
      .ethertype = {0x08, 0x00},
      .ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP},
      .udp = {.source = htons (9), .dest = htons (9)},
      .payload = payload,
  };
  frame->ip.tot_len = htons (sizeof frame->ip + sizeof frame->udp + sizeof payload);
  frame->ip.saddr = ((struct sockaddr_in *) &from)->sin_addr.s_addr;
  frame->ip.daddr = ((struct sockaddr_in *) &to)->sin_addr.s_addr;
  frame->ip.check = checksum (&frame->ip, sizeof frame->ip);
  frame->udp.len = htons (sizeof frame->udp + sizeof payload);
  return sizeof *frame;
}

static size_t
put_echo (const struct way *way, uint8_t *bytes)
{
  memset (bytes, 0, sizeof (struct icmphdr));
  bytes[0] = way->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  memcpy (bytes + sizeof (struct icmphdr), &payload, sizeof payload);
  return sizeof (struct icmphdr) + sizeof payload;
}

static void
renew_payload (const struct sender *sender)
{
  payload.way = (uint32_t) (sender->way - ways);
  payload.sequence++;
}

static bool
send_by (const struct sender *sender, int fd)
{
  union {
    uint8_t bytes[sizeof (struct frame)];
    struct frame frame;
    struct leaks_payload payload;
  } packet;
  size_t size = sizeof payload;
  renew_payload (sender);
  if (sender->way->habit == HABIT_PING)
    size = put_echo (sender->way, packet.bytes);
  else if (sender->way->habit == HABIT_FRAMES)
    size = put_frame (sender->way, &packet.frame);
  else
    packet.payload = payload;
  return way_send (sender->way, fd, lan, &packet, size) >= 0;
}

static bool
send_one (struct sender *sender)
{
  return send_by (sender, sender->fd);
}

static bool
connect_by (const struct sender *sender, int fd)
{
  struct sockaddr_storage to = way_address (sender->way, lan);
  return connect (fd, (struct sockaddr *) &to, sizeof to) == 0 || errno == EINPROGRESS;
}

static bool
connect_it (struct sender *sender)
{
  return connect_by (sender, sender->fd);
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

/* The guard of the machine itself may refuse with a reset of its own, which is not heard so. */
static void
deafen (int family, int fd)
{
  int least = MIN_TTL;
  bool four = family == AF_INET;
  setsockopt (fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_MINTTL : IPV6_MINHOPCOUNT, &least,
              sizeof least);
}

/* What the other end of its own sends is heard all the same. */
static void
speak_up (int family, int fd)
{
  int far = FAR;
  bool four = family == AF_INET;
  setsockopt (fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TTL : IPV6_UNICAST_HOPS, &far,
              sizeof far);
}

/* Closes the connection without a reset: what is queued is the kernel's from here on. */
static void
leave (struct sender *sender, int *fd)
{
  if (*fd >= 0) {
    count (sender, !send_by (sender, *fd));
    close (*fd);
  }
  *fd = way_open (sender->way, lan);
  if (*fd >= 0) {
    deafen (sender->way->family, *fd);
    connect_by (sender, *fd);
  }
}

static void
close_queued (struct sender *sender, uint64_t round)
{
  if (round == 0)
    for (int i = 0; i < POOL; i++)
      leave (sender, &sender->pool[i]);
  else if (round % ROUNDS_PER_QUEUED == 0)
    leave (sender, &sender->pool[sender->connections++ % POOL]);
}

static int
listen_at (const struct way *way, const struct sockaddr_storage *address)
{
  int fd = way_open (way, lan), on = 1;
  if (fd >= 0 && (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
                  way_bind_anyhow (fd, address) < 0 || listen (fd, BACKLOG) < 0)) {
    close (fd);
    fd = -1;
  }
  return fd;
}

static void
close_own_ends (struct sender *sender, uint64_t round)
{
  struct sockaddr_storage end = way_address (sender->way, lan);
  if (round % ROUNDS_PER_LISTENER == 0) {
    if (sender->other >= 0)
      close (sender->other);
    sender->other = listen_at (sender->way, &end);
    speak_up (sender->way->family, sender->other);
  }
  close_queued (sender, round);
}

/* What comes is a stranger's doing, so peer.c counts the tries. */
static void
listen_only (struct sender *sender, uint64_t round)
{
  struct sockaddr_storage any = way_any (sender->way);
  if (round % ROUNDS_PER_LISTENER != 0)
    return;
  if (sender->fd >= 0)
    close (sender->fd);
  sender->fd = listen_at (sender->way, &any);
}

static void
answer (struct sender *sender)
{
  struct sockaddr_storage any = way_any (sender->way), from;
  uint8_t question[64];
  socklen_t size = sizeof from;
  if (sender->fd < 0) {
    sender->fd = way_open (sender->way, lan);
    if (sender->fd < 0 || bind (sender->fd, (struct sockaddr *) &any, sizeof any) < 0)
      leaks_fail ("a port for questions");
  }
  if (recvfrom (sender->fd, question, sizeof question, 0, (struct sockaddr *) &from, &size) < 0)
    return;
  renew_payload (sender);
  if (sendto (sender->fd, &payload, sizeof payload, 0, (struct sockaddr *) &from, size) < 0)
    count (sender, true);
}

/* The other end of its own: its SYN comes by lo and is taken for the stranger's. */
static int
meet_from_here (const struct way *way, uint16_t port)
{
  struct sockaddr_storage stranger = way_address (way, lan), me = way_machine (way->family, port);
  int fd = socket (way->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd >= 0) {
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    speak_up (way->family, fd);
    if (way_bind_anyhow (fd, &stranger) == 0)
      (void) !connect (fd, (struct sockaddr *) &me, sizeof me);
  }
  return fd;
}

static void
wait_for_meeting (struct sender *sender)
{
  const struct way *way = sender->way;
  struct sockaddr_storage stranger = way_address (way, lan), me = way_machine (way->family, 0);
  socklen_t size = sizeof me;
  int on = 1;
  sender->stalled = 0;
  sender->fd = way_open (way, lan);
  deafen (way->family, sender->fd);
  /* data may be queued before any answer */
  setsockopt (sender->fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof on);
  if (sender->fd < 0 || bind (sender->fd, (struct sockaddr *) &me, sizeof me) < 0 ||
      getsockname (sender->fd, (struct sockaddr *) &me, &size) < 0)
    return;
  renew_payload (sender);
  (void) !sendto (sender->fd, &payload, sizeof payload, MSG_FASTOPEN, (struct sockaddr *) &stranger,
                  sizeof stranger);
  /* at the same place in both families */
  uint16_t port = ntohs (((struct sockaddr_in *) &me)->sin_port);
  if (way->habit == HABIT_MEETS_OWN)
    sender->other = meet_from_here (way, port);
  else
    counts->waits[way - ways] = port;
}

static void
end_meeting (struct sender *sender)
{
  count (sender, false);
  counts->waits[sender->way - ways] = 0;
  close (sender->fd);
  if (sender->other >= 0)
    close (sender->other);
  sender->fd = sender->other = -1;
}

static void
meet (struct sender *sender, uint64_t round)
{
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  if (sender->fd < 0) {
    if (round % ROUNDS_PER_CONNECT == 0)
      wait_for_meeting (sender);
    return;
  }
  getsockopt (sender->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  if (info.tcpi_state != TCP_SYN_SENT || sender->stalled++ > ROUNDS_PER_MEETING)
    end_meeting (sender);
}

static void
take_turn (struct sender *sender, uint64_t round)
{
  switch (sender->way->habit) {
  case HABIT_DATAGRAMS:
  case HABIT_CONNECTED:
  case HABIT_PING:
  case HABIT_FRAMES:
    datagrams (sender, round);
    break;
  case HABIT_ANSWERS:
    answer (sender);
    break;
  case HABIT_NEW:
    new_connections (sender, round);
    break;
  case HABIT_KEPT:
    kept_connection (sender, round);
    break;
  case HABIT_QUEUED:
    close_queued (sender, round);
    break;
  case HABIT_OWN_ENDS:
    close_own_ends (sender, round);
    break;
  case HABIT_LISTENS:
    listen_only (sender, round);
    break;
  case HABIT_MEETS:
  case HABIT_MEETS_OWN:
    meet (sender, round);
    break;
  case HABIT_KNOCKED:
  case HABIT_KNOCKED_TCP:
    break;
  }
}

static void
play (struct sender *senders, long pace)
{
  struct timespec pause = {.tv_nsec = pace * 1000};
  for (uint64_t round = 0;; round++) {
    for (int i = 0; i < n_ways; i++)
      if (senders[i].way)
        take_turn (&senders[i], round);
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
  static const char *const groups[] = {"none", "kernel", "own", "bypass", "address", "vxlan"};
  static struct sender senders[LEAKS_N_WAYS];
  if (argc == 2 && strcmp (argv[1], "list") == 0) {
    for (int i = 0; i < n_ways; i++)
      printf ("%s %s %s\n", groups[way_group_of (&ways[i])],
              way_has_peer (&ways[i]) ? "asked" : "told", ways[i].name);
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
    if (way_group_of (&ways[i]) != GROUP_NONE) {
      senders[i] = (struct sender){.way = &ways[i], .fd = -1, .other = -1};
      memset (senders[i].pool, -1, sizeof senders[i].pool);
    }
  play (senders, strtol (argv[5], NULL, 10));
}
