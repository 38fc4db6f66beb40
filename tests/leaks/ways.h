/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

/* The ways in which a program can send. All of them need no privilege. */

enum habit {
  HABIT_DATAGRAMS, /* a socket that is kept, and asks for a route with each datagram */
  HABIT_CONNECTED, /* a datagram socket that keeps the route it found */
  HABIT_PING,      /* echo requests by a ping socket */
  HABIT_FRAMES,    /* datagrams, in each a frame as VXLAN carries it */
  HABIT_KNOCKED,   /* nothing: a stranger asks a closed port of the tunnel's address, by UDP */
  HABIT_ANSWERS,   /* waits for datagrams of strangers, and answers them */
  HABIT_NEW,       /* a connection after the other, each left again at once */
  HABIT_KEPT,      /* a connection that is kept as long as it lives */
  HABIT_QUEUED,    /* many that are open before, each closed with data that is still queued */
  HABIT_OWN_ENDS,  /* likewise; the other end is a listener of its own that accepts nothing */
  HABIT_KNOCKED_TCP,
  HABIT_LISTENS,   /* a listener that accepts nothing, and is closed now and then */
  HABIT_MEETS,     /* a simultaneous open, closed before it is complete, with data queued */
  HABIT_MEETS_OWN, /* likewise; the other end is its own, with a stranger's address, by lo */
};

/* How it picks its way; all but the first two leave nothing to routing rules. */
enum choice {
  CHOICE_KERNEL,
  CHOICE_SOURCE, /* bind() to the address of the LAN */
  CHOICE_DEVICE, /* SO_BINDTODEVICE */
  CHOICE_UNICAST_IF,
  CHOICE_PKTINFO,   /* with each message */
  CHOICE_MULTICAST, /* IP_MULTICAST_IF */
  CHOICE_BROADCAST,
  CHOICE_SCOPE,         /* the destination names the interface */
  CHOICE_STRANGER,      /* bind() to another machine's address, IP_FREEBIND */
  CHOICE_TUNNEL,        /* likewise to the tunnel's */
  CHOICE_TUNNEL_DEVICE, /* that, and SO_BINDTODEVICE */
  CHOICE_SECOND,        /* SO_BINDTODEVICE to the second LAN */
};

/* When it leaks without the guard. */
enum way_group {
  GROUP_NONE,    /* never: this kernel has no such sockets */
  GROUP_KERNEL,  /* if the rules do not hold it */
  GROUP_OWN,     /* always */
  GROUP_BYPASS,  /* if its destination is a bypass */
  GROUP_ADDRESS, /* if an address of the machine goes away */
  GROUP_VXLAN,   /* if the tunnel is a VXLAN */
};

struct way {
  const char *name;
  int family;
  enum habit habit;
  enum choice choice;
  const char *to;
  uint16_t port; /* 0: the way's own, LEAKS_PORT plus its number */
  int protocol;  /* of socket(); 0: the usual one */
};

extern const struct way ways[];
extern const int n_ways;

enum way_group way_group_of (const struct way *way);

/* Whether a stranger on the LAN takes part in it: peer.c. */
bool way_has_peer (const struct way *way);

/* The address that stands for no machine but this way, and its port there if a peer has it:
 * whatever goes to it is of this way. way_of_stranger: the way of such an address, or -1. */
struct sockaddr_storage way_stranger (const struct way *way, uint16_t port);
int way_of_stranger (int family, const void *address);

/* Lets fd have an address that is not the machine's, and binds it. 0, or -1 with errno set. */
int way_bind_anyhow (int fd, const struct sockaddr_storage *address);

struct sockaddr_storage way_any (const struct way *way); /* any address, the way's own port */
struct sockaddr_storage way_machine (int family, uint16_t port); /* of the machine, on the LAN */
struct sockaddr_storage way_tunnel (int family, uint16_t port);  /* likewise, the tunnel's */

/* Where it sends to: its port at way->to. lan: the index of the LAN's interface. */
struct sockaddr_storage way_address (const struct way *way, unsigned lan);

/* A socket that does not block, with the options by which it picks its way; not connected. -1 with
 * errno set if the kernel refuses. */
int way_open (const struct way *way, unsigned lan);

/* Sends that as one message, by PKTINFO if that is the choice; like sendmsg(). */
ssize_t way_send (const struct way *way, int fd, unsigned lan, const void *bytes, size_t size);
