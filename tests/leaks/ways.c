/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* struct in6_pktinfo */
#include "ways.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "wire.h"

#define SERVER4 "203.0.113.1"
#define SERVER6 "2001:db8:ffff::1"
/* field.py: hosts of the LAN that a gateway may have as its bypass, and an address of the machine
 * that comes and goes */
#define BYPASS4  "192.0.2.200"
#define BYPASS6  "2001:db8:1:0:8000::200"
#define LEAVING4 "192.0.2.77"
#define LEAVING6 "2001:db8:1::77"
#define TUNNEL4  "10.64.0.2"
#define TUNNEL6  "fd00:64:a0::2"
#define VXLAN    4789
/* IPPROTO_SMC, Linux 6.11: linux/in.h */
#define PROTOCOL_SMC 256

/* Of the tests of network devices (RFC 2544) and of documentation: in the last byte, the way. */
#define STRANGER4 "198.18.%d.%d"
#define STRANGER6 "2001:db8:5:%x::%x"

const struct way ways[] = {
    {"UDP", AF_INET, HABIT_DATAGRAMS, CHOICE_KERNEL, SERVER4},
    {"UDP, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_KERNEL, SERVER6},
    {"UDP, connected", AF_INET, HABIT_CONNECTED, CHOICE_KERNEL, SERVER4},
    {"UDP, connected, IPv6", AF_INET6, HABIT_CONNECTED, CHOICE_KERNEL, SERVER6},
    {"UDP, bound to the LAN's address", AF_INET, HABIT_DATAGRAMS, CHOICE_SOURCE, SERVER4},
    {"UDP, bound to the LAN's address, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_SOURCE, SERVER6},
    {"TCP, new connections", AF_INET, HABIT_NEW, CHOICE_KERNEL, SERVER4},
    {"TCP, new connections, IPv6", AF_INET6, HABIT_NEW, CHOICE_KERNEL, SERVER6},
    {"TCP, open before", AF_INET, HABIT_KEPT, CHOICE_KERNEL, SERVER4},
    {"TCP, open before, IPv6", AF_INET6, HABIT_KEPT, CHOICE_KERNEL, SERVER6},
    {"TCP, open before, bound to the LAN's address", AF_INET, HABIT_KEPT, CHOICE_SOURCE, SERVER4},
    {"SO_BINDTODEVICE, UDP", AF_INET, HABIT_DATAGRAMS, CHOICE_DEVICE, SERVER4},
    {"SO_BINDTODEVICE, UDP, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_DEVICE, SERVER6},
    {"SO_BINDTODEVICE, UDP, connected", AF_INET, HABIT_CONNECTED, CHOICE_DEVICE, SERVER4},
    {"SO_BINDTODEVICE, TCP, new", AF_INET, HABIT_NEW, CHOICE_DEVICE, SERVER4},
    {"SO_BINDTODEVICE, TCP, new, IPv6", AF_INET6, HABIT_NEW, CHOICE_DEVICE, SERVER6},
    {"SO_BINDTODEVICE, TCP, open before", AF_INET, HABIT_KEPT, CHOICE_DEVICE, SERVER4},
    {"SO_BINDTODEVICE, TCP, open before, IPv6", AF_INET6, HABIT_KEPT, CHOICE_DEVICE, SERVER6},
    {"IP_UNICAST_IF", AF_INET, HABIT_DATAGRAMS, CHOICE_UNICAST_IF, SERVER4},
    {"IPV6_UNICAST_IF", AF_INET6, HABIT_DATAGRAMS, CHOICE_UNICAST_IF, SERVER6},
    {"IP_PKTINFO", AF_INET, HABIT_DATAGRAMS, CHOICE_PKTINFO, SERVER4},
    {"IPV6_PKTINFO", AF_INET6, HABIT_DATAGRAMS, CHOICE_PKTINFO, SERVER6},
    {"broadcast", AF_INET, HABIT_DATAGRAMS, CHOICE_BROADCAST, "192.0.2.255"},
    {"multicast", AF_INET, HABIT_DATAGRAMS, CHOICE_MULTICAST, "239.1.2.3"},
    {"multicast, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_SCOPE, "ff02::1"},
    {"multicast, IPv6, routable", AF_INET6, HABIT_DATAGRAMS, CHOICE_SCOPE, "ff0e::1"},
    {"link-local address, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_SCOPE, "fe80::1"},
    {"Multipath TCP, new", AF_INET, HABIT_NEW, CHOICE_KERNEL, SERVER4, .protocol = IPPROTO_MPTCP},
    {"Multipath TCP, SO_BINDTODEVICE, open before", AF_INET, HABIT_KEPT, CHOICE_DEVICE, SERVER4,
     .protocol = IPPROTO_MPTCP},
    /* not in each kernel */
    {"UDP-Lite", AF_INET, HABIT_DATAGRAMS, CHOICE_KERNEL, SERVER4, .protocol = IPPROTO_UDPLITE},
    {"SO_BINDTODEVICE, UDP-Lite, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_DEVICE, SERVER6,
     .protocol = IPPROTO_UDPLITE},
    {"SCTP, new", AF_INET, HABIT_NEW, CHOICE_KERNEL, SERVER4, .protocol = IPPROTO_SCTP},
    {"SO_BINDTODEVICE, SCTP, new, IPv6", AF_INET6, HABIT_NEW, CHOICE_DEVICE, SERVER6,
     .protocol = IPPROTO_SCTP},
    {"SMC, new", AF_INET, HABIT_NEW, CHOICE_KERNEL, SERVER4, .protocol = PROTOCOL_SMC},
    {"SO_BINDTODEVICE, SMC, new", AF_INET, HABIT_NEW, CHOICE_DEVICE, SERVER4,
     .protocol = PROTOCOL_SMC},
    {"names", AF_INET, HABIT_DATAGRAMS, CHOICE_KERNEL, SERVER4, .port = 53},
    {"names, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_KERNEL, SERVER6, .port = 53},
    {"SO_BINDTODEVICE with the tunnel's address", AF_INET, HABIT_DATAGRAMS, CHOICE_TUNNEL_DEVICE,
     SERVER4},
    {"SO_BINDTODEVICE with the tunnel's address, IPv6", AF_INET6, HABIT_DATAGRAMS,
     CHOICE_TUNNEL_DEVICE, SERVER6},
    /* What the machine answers to a stranger, because it takes the question for the stranger's. In
     * IPv4 the kernel refuses a source that is not the machine's, but to raw and transparent
     * sockets. */
    {"mirror: UDP, closed port, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_STRANGER, LEAKS_LAN6},
    {"mirror: UDP, an echo of root's, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_STRANGER, LEAKS_LAN6,
     .port = LEAKS_ECHO},
    {"mirror: TCP, closed port, IPv6", AF_INET6, HABIT_NEW, CHOICE_STRANGER, LEAKS_LAN6},
    {"mirror: TCP, a service of root's, IPv6", AF_INET6, HABIT_NEW, CHOICE_STRANGER, LEAKS_LAN6,
     .port = LEAKS_ECHO},
    {"mirror: ping, IPv6", AF_INET6, HABIT_PING, CHOICE_STRANGER, LEAKS_LAN6,
     .protocol = IPPROTO_ICMPV6},
    {"mirror: a frame to the port of a VXLAN", AF_INET, HABIT_FRAMES, CHOICE_KERNEL, LEAKS_LAN4,
     .port = VXLAN},
    /* to a bypass, but not as the machine would send it */
    {"to a bypass from a stranger's address, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_STRANGER,
     BYPASS6},
    {"to a bypass from the tunnel's address", AF_INET, HABIT_DATAGRAMS, CHOICE_TUNNEL, BYPASS4},
    {"to a bypass from the tunnel's address, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_TUNNEL,
     BYPASS6},
    {"to a bypass by another interface", AF_INET, HABIT_DATAGRAMS, CHOICE_SECOND, BYPASS4},
    {"to a bypass by another interface, IPv6", AF_INET6, HABIT_DATAGRAMS, CHOICE_SECOND, BYPASS6},
    /* what the kernel sends for a socket that its program has closed, or has never had */
    {"orphan: closed with data queued", AF_INET, HABIT_QUEUED, CHOICE_DEVICE, SERVER4},
    {"orphan: closed with data queued, IPv6", AF_INET6, HABIT_QUEUED, CHOICE_DEVICE, SERVER6},
    {"orphan: to an address of the machine", AF_INET, HABIT_OWN_ENDS, CHOICE_DEVICE, LEAVING4},
    {"orphan: to an address of the machine, IPv6", AF_INET6, HABIT_OWN_ENDS, CHOICE_DEVICE,
     LEAVING6},
    {"orphan: simultaneous open", AF_INET, HABIT_MEETS, CHOICE_DEVICE, ""},
    {"orphan: simultaneous open, IPv6", AF_INET6, HABIT_MEETS, CHOICE_DEVICE, ""},
    {"orphan: simultaneous open with itself, IPv6", AF_INET6, HABIT_MEETS_OWN, CHOICE_DEVICE, ""},
    {"orphan: never accepted", AF_INET, HABIT_LISTENS, CHOICE_DEVICE, ""},
    {"orphan: never accepted, IPv6", AF_INET6, HABIT_LISTENS, CHOICE_DEVICE, ""},
    /* a stranger asks by the LAN: an answer by the tunnel tells whose address that is */
    {"asked: UDP", AF_INET, HABIT_ANSWERS, CHOICE_KERNEL, ""},
    {"asked: UDP, IPv6", AF_INET6, HABIT_ANSWERS, CHOICE_KERNEL, ""},
    {"asked: TCP", AF_INET, HABIT_LISTENS, CHOICE_KERNEL, ""},
    {"asked: TCP, IPv6", AF_INET6, HABIT_LISTENS, CHOICE_KERNEL, ""},
    /* a stranger asks by the tunnel: the kernel's answer, of no socket, by the LAN tells whose it
       is */
    {"asked by the tunnel: UDP, closed port", AF_INET, HABIT_KNOCKED, CHOICE_DEVICE, ""},
    {"asked by the tunnel: UDP, closed port, IPv6", AF_INET6, HABIT_KNOCKED, CHOICE_DEVICE, ""},
    {"asked by the tunnel: TCP, closed port", AF_INET, HABIT_KNOCKED_TCP, CHOICE_DEVICE, ""},
    {"asked by the tunnel: TCP, closed port, IPv6", AF_INET6, HABIT_KNOCKED_TCP, CHOICE_DEVICE, ""},
};
const int n_ways = sizeof ways / sizeof *ways;

/* The last number is that of the control packets. */
_Static_assert(sizeof ways / sizeof *ways < LEAKS_N_WAYS, "a way has no number");

bool
way_has_peer (const struct way *way)
{
  return way->habit == HABIT_KNOCKED || way->habit == HABIT_ANSWERS ||
         way->habit >= HABIT_KNOCKED_TCP;
}

static int
make_socket (const struct way *way)
{
  int type = way->habit >= HABIT_NEW ? SOCK_STREAM : SOCK_DGRAM;
  return socket (way->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, way->protocol);
}

enum way_group
way_group_of (const struct way *way)
{
  int fd = make_socket (way);
  if (fd < 0)
    return GROUP_NONE;
  close (fd);
  if (way->habit == HABIT_FRAMES)
    return GROUP_VXLAN;
  if (way->habit == HABIT_OWN_ENDS)
    return GROUP_ADDRESS;
  if (strcmp (way->to, BYPASS4) == 0 || strcmp (way->to, BYPASS6) == 0)
    return GROUP_BYPASS;
  return way->choice > CHOICE_SOURCE || way_has_peer (way) ? GROUP_OWN : GROUP_KERNEL;
}

static struct sockaddr_storage
make_address (int family, const char *text, uint16_t port, unsigned scope)
{
  struct sockaddr_storage address = {.ss_family = (sa_family_t) family};
  struct sockaddr_in *four = (struct sockaddr_in *) &address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *) &address;
  if (family == AF_INET) {
    four->sin_port = htons (port);
    inet_pton (family, text, &four->sin_addr);
  } else {
    six->sin6_port = htons (port);
    six->sin6_scope_id = scope;
    inet_pton (family, text, &six->sin6_addr);
  }
  return address;
}

struct sockaddr_storage
way_address (const struct way *way, unsigned lan)
{
  if (way_has_peer (way))
    return way_stranger (way, (uint16_t) (LEAKS_MEETING + (way - ways)));
  uint16_t port = way->port ? way->port : (uint16_t) (LEAKS_PORT + (way - ways));
  return make_address (way->family, way->to, port, way->choice == CHOICE_SCOPE ? lan : 0);
}

struct sockaddr_storage
way_stranger (const struct way *way, uint16_t port)
{
  char text[INET6_ADDRSTRLEN];
  int number = (int) (way - ways), has_peer = way_has_peer (way);
  if (way->family == AF_INET)
    snprintf (text, sizeof text, STRANGER4, has_peer, number);
  else
    snprintf (text, sizeof text, STRANGER6, (unsigned) has_peer, (unsigned) number);
  return make_address (way->family, text, port, 0);
}

int
way_of_stranger (int family, const void *address)
{
  const uint8_t *bytes = address;
  size_t size = family == AF_INET ? sizeof (struct in_addr) : sizeof (struct in6_addr);
  int number = bytes[size - 1];
  if (number >= n_ways || ways[number].family != family)
    return -1;
  struct sockaddr_storage stranger = way_stranger (&ways[number], 0);
  const void *its = family == AF_INET ? (void *) &((struct sockaddr_in *) &stranger)->sin_addr
                                      : (void *) &((struct sockaddr_in6 *) &stranger)->sin6_addr;
  return memcmp (bytes, its, size) == 0 ? number : -1;
}

struct sockaddr_storage
way_any (const struct way *way)
{
  return make_address (way->family, way->family == AF_INET ? "0.0.0.0" : "::",
                       (uint16_t) (LEAKS_PORT + (way - ways)), 0);
}

struct sockaddr_storage
way_machine (int family, uint16_t port)
{
  return make_address (family, family == AF_INET ? LEAKS_LAN4 : LEAKS_LAN6, port, 0);
}

struct sockaddr_storage
way_tunnel (int family, uint16_t port)
{
  return make_address (family, family == AF_INET ? TUNNEL4 : TUNNEL6, port, 0);
}

static int
set_option (int fd, int level, int name, unsigned value)
{
  return setsockopt (fd, level, name, &value, sizeof value);
}

int
way_bind_anyhow (int fd, const struct sockaddr_storage *address)
{
  /* of both families, although its name is of the one: ip(7) */
  return set_option (fd, IPPROTO_IP, IP_FREEBIND, 1) < 0
             ? -1
             : bind (fd, (const struct sockaddr *) address, sizeof *address);
}

static int
choose (const struct way *way, int fd, unsigned lan)
{
  bool four = way->family == AF_INET;
  struct ip_mreqn membership = {.imr_ifindex = (int) lan};
  struct sockaddr_storage source = way_machine (way->family, 0);
  struct sockaddr_storage tunnel = way_tunnel (way->family, 0);
  struct sockaddr_storage stranger = way_stranger (way, 0);
  switch (way->choice) {
  case CHOICE_SOURCE:
    return bind (fd, (struct sockaddr *) &source, sizeof source);
  case CHOICE_DEVICE:
    return set_option (fd, SOL_SOCKET, SO_BINDTOIFINDEX, lan);
  case CHOICE_UNICAST_IF:
    return set_option (fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_UNICAST_IF : IPV6_UNICAST_IF,
                       htonl (lan));
  case CHOICE_MULTICAST:
    return setsockopt (fd, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof membership);
  case CHOICE_BROADCAST:
    return set_option (fd, SOL_SOCKET, SO_BROADCAST, 1);
  case CHOICE_STRANGER:
    return way_bind_anyhow (fd, &stranger);
  case CHOICE_TUNNEL:
    return way_bind_anyhow (fd, &tunnel);
  case CHOICE_TUNNEL_DEVICE:
    return set_option (fd, SOL_SOCKET, SO_BINDTOIFINDEX, lan) < 0 ? -1
                                                                  : way_bind_anyhow (fd, &tunnel);
  case CHOICE_SECOND:
    return set_option (fd, SOL_SOCKET, SO_BINDTOIFINDEX, if_nametoindex (LEAKS_SECOND));
  default:
    return 0;
  }
}

int
way_open (const struct way *way, unsigned lan)
{
  int fd = make_socket (way);
  if (fd >= 0 && choose (way, fd, lan) < 0) {
    int number = errno;
    close (fd);
    errno = number;
    return -1;
  }
  return fd;
}

/* The control message that names the interface; its size. */
static size_t
put_interface (const struct way *way, unsigned lan, struct cmsghdr *header)
{
  struct in_pktinfo four = {.ipi_ifindex = (int) lan};
  struct in6_pktinfo six = {.ipi6_ifindex = lan};
  bool is_four = way->family == AF_INET;
  size_t size = is_four ? sizeof four : sizeof six;
  header->cmsg_level = is_four ? IPPROTO_IP : IPPROTO_IPV6;
  header->cmsg_type = is_four ? IP_PKTINFO : IPV6_PKTINFO;
  header->cmsg_len = CMSG_LEN (size);
  memcpy (CMSG_DATA (header), is_four ? (void *) &four : (void *) &six, size);
  return CMSG_SPACE (size);
}

ssize_t
way_send (const struct way *way, int fd, unsigned lan, const void *bytes, size_t size)
{
  _Alignas(struct cmsghdr) char control[64] = {0};
  struct sockaddr_storage to = way_address (way, lan);
  struct iovec part = {(void *) bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (way->habit <= HABIT_FRAMES && way->habit != HABIT_CONNECTED) {
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
  }
  if (way->choice == CHOICE_PKTINFO) {
    message.msg_control = control;
    message.msg_controllen = put_interface (way, lan, (struct cmsghdr *) control);
  }
  return sendmsg (fd, &message, MSG_NOSIGNAL);
}
