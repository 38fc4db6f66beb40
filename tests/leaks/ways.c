/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* struct in6_pktinfo */
#include "ways.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "wire.h"

#define SERVER4 "203.0.113.1"
#define SERVER6 "2001:db8:ffff::1"

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
};
const int n_ways = sizeof ways / sizeof *ways;

/* The last number is that of the control packets. */
_Static_assert(sizeof ways / sizeof *ways < LEAKS_N_WAYS, "a way has no number");

bool
way_is_own (const struct way *way)
{
  return way->choice > CHOICE_SOURCE;
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
  return make_address (way->family, way->to, (uint16_t) (LEAKS_PORT + (way - ways)),
                       way->choice == CHOICE_SCOPE ? lan : 0);
}

static int
set_option (int fd, int level, int name, unsigned value)
{
  return setsockopt (fd, level, name, &value, sizeof value);
}

static int
choose (const struct way *way, int fd, unsigned lan)
{
  bool four = way->family == AF_INET;
  struct ip_mreqn membership = {.imr_ifindex = (int) lan};
  struct sockaddr_storage source = make_address (way->family, four ? LEAKS_LAN4 : LEAKS_LAN6, 0, 0);
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
  default:
    return 0;
  }
}

int
way_open (const struct way *way, unsigned lan)
{
  int type = way->habit >= HABIT_NEW ? SOCK_STREAM : SOCK_DGRAM;
  int fd = socket (way->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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
  if (way->habit == HABIT_DATAGRAMS) {
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
  }
  if (way->choice == CHOICE_PKTINFO) {
    message.msg_control = control;
    message.msg_controllen = put_interface (way, lan, (struct cmsghdr *) control);
  }
  return sendmsg (fd, &message, MSG_NOSIGNAL);
}
