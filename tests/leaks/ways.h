/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

/* The ways in which a program can send. All of them need no privilege. */

enum habit {
  HABIT_DATAGRAMS, /* a socket that is kept, and asks for a route with each datagram */
  HABIT_CONNECTED, /* a datagram socket that keeps the route it found */
  HABIT_NEW,       /* a connection after the other, each left again at once */
  HABIT_KEPT,      /* a connection that is kept as long as it lives */
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
  CHOICE_SCOPE, /* the destination names the interface */
};

struct way {
  const char *name;
  int family;
  enum habit habit;
  enum choice choice;
  const char *to;
};

extern const struct way ways[];
extern const int n_ways;

/* Whether routing rules are no defence against it. */
bool way_is_own (const struct way *way);

/* Where it sends to: a port of its own at way->to. lan: the index of the LAN's interface. */
struct sockaddr_storage way_address (const struct way *way, unsigned lan);

/* A socket that does not block, with the options by which it picks its way; not connected. -1 with
 * errno set if the kernel refuses. */
int way_open (const struct way *way, unsigned lan);

/* Sends that as one message, by PKTINFO if that is the choice; like sendmsg(). */
ssize_t way_send (const struct way *way, int fd, unsigned lan, const void *bytes, size_t size);
