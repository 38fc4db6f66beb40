/* SPDX-License-Identifier: GPL-2.0-or-later */

/* leaks-watch COUNTS RUN LAN...: counts, in the world outside, what comes in of that run: by one of
 * the interfaces LAN, or by any other, which is a tunnel. Says "watching" when it does, and goes on
 * until it is killed. The tunnels come and go, so one socket listens to all interfaces. */

#define _GNU_SOURCE /* recvmmsg */
#include <arpa/inet.h>
#include <stdbool.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "ways.h"
#include "wire.h"

#define N_PACKETS    64
#define SNAP         192        /* both headers, options and the payload */
#define BUFFER       (64 << 20) /* holds some 60000 packets while we are not on a processor */
#define LOOK_AT_LOST 100000     /* packets between two looks at what the kernel dropped */

struct packet {
  const uint8_t *bytes;
  size_t size;
};

/* The transport header, and which one it is. Extension headers do not occur: nobody sends any. */
static int
transport (const struct packet *packet, uint16_t ethertype, size_t *place)
{
  if (ethertype == ETH_P_IP && packet->size >= sizeof (struct iphdr)) {
    const struct iphdr *ip = (const struct iphdr *) packet->bytes;
    *place = ip->ihl * 4u;
    return ip->protocol;
  }
  if (ethertype == ETH_P_IPV6 && packet->size >= sizeof (struct ip6_hdr)) {
    *place = sizeof (struct ip6_hdr);
    return ((const struct ip6_hdr *) packet->bytes)->ip6_nxt;
  }
  return -1;
}

/* The way of a packet; -1 if it is nobody's that we know; -2 if it goes to a port of ours and is
 * not of this run. A segment is known by its port: those without payload have nothing else. */
static int
way_of (const struct packet *packet, uint16_t ethertype, uint32_t run)
{
  size_t place;
  int protocol = transport (packet, ethertype, &place);
  bool has_payload = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
  if ((!has_payload && protocol != IPPROTO_TCP && protocol != IPPROTO_SCTP) ||
      place + 8 > packet->size)
    return -1;
  uint16_t port; /* in all these headers the second field */
  memcpy (&port, packet->bytes + place + 2, sizeof port);
  int way = ntohs (port) - LEAKS_PORT, other = -2;
  if (way < 0 || way >= LEAKS_N_WAYS)
    way = other = -1;
  if (!has_payload)
    return way;
  struct leaks_payload payload;
  place += sizeof (struct udphdr);
  if (place + sizeof payload > packet->size)
    return other;
  memcpy (&payload, packet->bytes + place, sizeof payload);
  if (payload.magic != LEAKS_MAGIC || payload.run != run || payload.way >= LEAKS_N_WAYS)
    return other;
  return (int) payload.way;
}

/* The way for which the packet's destination stands; -1 if it is no stranger's. */
static int
way_of_destination (const struct packet *packet, uint16_t ethertype)
{
  if (ethertype == ETH_P_IP && packet->size >= sizeof (struct iphdr))
    return way_of_stranger (AF_INET, &((const struct iphdr *) packet->bytes)->daddr);
  if (ethertype == ETH_P_IPV6 && packet->size >= sizeof (struct ip6_hdr))
    return way_of_stranger (AF_INET6, &((const struct ip6_hdr *) packet->bytes)->ip6_dst);
  return -1;
}

static bool
is_from_lan (const struct packet *packet, uint16_t ethertype)
{
  uint8_t lan[sizeof (struct in6_addr)];
  bool four = ethertype == ETH_P_IP;
  const void *source = four ? (const void *) &((const struct iphdr *) packet->bytes)->saddr
                            : &((const struct ip6_hdr *) packet->bytes)->ip6_src;
  inet_pton (four ? AF_INET : AF_INET6, four ? LEAKS_LAN4 : LEAKS_LAN6, lan);
  return memcmp (source, lan, four ? 4 : 16) == 0;
}

static const struct tcphdr *
tcp_header (const struct packet *packet, uint16_t ethertype, size_t *place)
{
  if (transport (packet, ethertype, place) != IPPROTO_TCP ||
      *place + sizeof (struct tcphdr) > packet->size)
    return NULL;
  return (const struct tcphdr *) (packet->bytes + *place);
}

static bool
has_data (const struct packet *packet, uint16_t ethertype, size_t place, const struct tcphdr *tcp)
{
  size_t size =
      ethertype == ETH_P_IP
          ? ntohs (((const struct iphdr *) packet->bytes)->tot_len)
          : sizeof (struct ip6_hdr) + ntohs (((const struct ip6_hdr *) packet->bytes)->ip6_plen);
  return size > place + tcp->th_off * 4u;
}

/* What the kernel says by itself where there is no socket any more, with nobody's uid: a bare RST
 * (a program that aborts says ACK, too), and for one in TIME_WAIT, a bare ACK. A connection by the
 * LAN says such, too, but not without a SYN, data or a FIN beside it. */
static bool
is_answer (const struct packet *packet, uint16_t ethertype)
{
  size_t place;
  const struct tcphdr *tcp = tcp_header (packet, ethertype, &place);
  if (!tcp)
    return false;
  return tcp->th_flags == TH_RST ||
         (tcp->th_flags == TH_ACK && !has_data (packet, ethertype, place, tcp));
}

/* For who wants to know what it was that leaked. */
static uint32_t
describe (const struct packet *packet, uint16_t ethertype)
{
  size_t place;
  const struct tcphdr *tcp = tcp_header (packet, ethertype, &place);
  uint32_t what = is_from_lan (packet, ethertype) ? LEAKS_FROM_LAN : 0;
  if (!tcp)
    return what;
  return what | tcp->th_flags | (has_data (packet, ethertype, place, tcp) ? LEAKS_HAS_DATA : 0);
}

/* Where a stranger that is there begins, the kernel may tell it by itself that there is no such
 * port. That an open is tried is no witness for one that was closed. */
static bool
is_of_peers_way (const struct way *way, const struct packet *packet, uint16_t ethertype)
{
  size_t place;
  const struct tcphdr *tcp = tcp_header (packet, ethertype, &place);
  if (way->habit == HABIT_KNOCKED || way->habit == HABIT_KNOCKED_TCP)
    return true;
  if (way->habit == HABIT_ANSWERS)
    return transport (packet, ethertype, &place) == IPPROTO_UDP;
  bool is_bare_syn = tcp && tcp->th_flags == TH_SYN && way->habit != HABIT_LISTENS;
  return tcp && !(tcp->th_flags & TH_RST) && !is_bare_syn;
}

static bool
note_stranger (struct leaks_counts *counts,
               const struct packet *packet,
               uint16_t ethertype,
               bool by_lan)
{
  int number = way_of_destination (packet, ethertype);
  if (number < 0)
    return false;
  const struct way *way = &ways[number];
  if (way_has_peer (way) && !is_of_peers_way (way, packet, ethertype))
    return true;
  /* no program may answer what comes by the LAN, wherever the answer goes */
  bool is_leak = by_lan || (way_has_peer (way) && way->choice == CHOICE_KERNEL);
  counts->way[number][is_leak ? 0 : 1]++;
  if (is_leak)
    counts->last[number] = describe (packet, ethertype);
  return true;
}

static int
listen_to_all (void)
{
  int fd = socket (AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons (ETH_P_ALL));
  int buffer = BUFFER, on = 1;
  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0 ||
      setsockopt (fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0)
    leaks_fail ("packet socket");
  return fd;
}

static void
look_at_lost (int fd, struct leaks_counts *counts)
{
  struct tpacket_stats stats;
  socklen_t size = sizeof stats;
  if (getsockopt (fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
    counts->lost += stats.tp_drops; /* the kernel begins anew with each look */
}

static void
note (struct leaks_counts *counts,
      const struct packet *packet,
      uint16_t ethertype,
      uint32_t run,
      bool by_lan)
{
  if (note_stranger (counts, packet, ethertype, by_lan))
    return;
  int way = way_of (packet, ethertype, run);
  if (way == -2)
    counts->strange++;
  else if (way >= 0 && by_lan && is_answer (packet, ethertype))
    counts->answers[is_from_lan (packet, ethertype) ? 0 : 1]++;
  else if (way >= 0) {
    counts->way[way][by_lan ? 0 : 1]++;
    if (by_lan)
      counts->last[way] = describe (packet, ethertype);
  }
}

static bool
is_lan (int index, char **names)
{
  static int lans[8]; /* they stay as they are */
  for (int i = 0; names[i] && i < 8; i++) {
    lans[i] = lans[i] ? lans[i] : (int) if_nametoindex (names[i]);
    if (lans[i] == index)
      return true;
  }
  return false;
}

int
main (int argc, char **argv)
{
  static uint8_t bytes[N_PACKETS][SNAP];
  static struct sockaddr_ll from[N_PACKETS];
  static struct iovec parts[N_PACKETS];
  static struct mmsghdr messages[N_PACKETS];
  if (argc < 4) {
    fprintf (stderr, "usage: leaks-watch COUNTS RUN LAN...\n");
    return 2;
  }
  struct leaks_counts *counts = leaks_open_counts (argv[1]);
  uint32_t run = (uint32_t) strtoul (argv[2], NULL, 10);
  int fd = listen_to_all ();
  for (int i = 0; i < N_PACKETS; i++) {
    parts[i] = (struct iovec){bytes[i], SNAP};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  printf ("watching\n");
  fflush (stdout);

  for (uint64_t seen = 0;;) {
    int count = recvmmsg (fd, messages, N_PACKETS, MSG_WAITFORONE, NULL);
    if (count < 0)
      continue; /* ENETDOWN: a tunnel went */
    for (int i = 0; i < count; i++) {
      struct packet packet = {bytes[i], messages[i].msg_len};
      note (counts, &packet, ntohs (from[i].sll_protocol), run,
            is_lan (from[i].sll_ifindex, argv + 3));
    }
    seen += (uint64_t) count;
    if (count < N_PACKETS || seen > LOOK_AT_LOST) {
      look_at_lost (fd, counts);
      seen = 0;
    }
  }
}
