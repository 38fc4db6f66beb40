/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the programs of the leak laboratory have in common: how a packet says who sent it, and where
 * they count. */

/* A way has a port of its own, this plus its number, by which a segment without payload is known.
 * Below the ports that the kernel gives to clients (32768, ip_local_port_range). */
#define LEAKS_PORT   20000
#define LEAKS_N_WAYS 96

/* The addresses of the machine under test on its LAN: tests/netns/lab.py. */
#define LEAKS_LAN4 "192.0.2.2"
#define LEAKS_LAN6 "2001:db8:1::2"

/* Below: tests/leaks/field.py. A second LAN, and what two programs of root's listen to at the
 * machine under test: an echo by UDP and TCP, and what others redirect names to. */
#define LEAKS_SECOND   "eth1"
#define LEAKS_ECHO     19990
#define LEAKS_RESOLVER 19953

/* The number of the VXLAN that may be the tunnel. */
#define LEAKS_VNI 7

/* Where simultaneous opens are met, this plus the way's number. */
#define LEAKS_MEETING 5000

/* What every datagram and every segment carries. */
struct leaks_payload {
  uint32_t magic;
  uint32_t run;    /* one run of the sender: nothing of an earlier one is taken for this */
  uint32_t attack; /* the row of the table */
  uint32_t way;
  uint64_t sequence;
};

#define LEAKS_MAGIC 0x4c45414b

/* What the watcher notes of a packet, beside the flags of TCP (netinet/tcp.h). */
#define LEAKS_FROM_LAN 0x100
#define LEAKS_HAS_DATA 0x200

/* A file in memory that the laboratory reads while the programs write. One writer each, so that
 * plain additions do. */
struct leaks_counts {
  uint64_t way[LEAKS_N_WAYS][2]; /* sender: tried, refused; watcher: on the LAN, in the tunnel */
  uint64_t answers[2];          /* watcher: the kernel's own by the LAN, see watch.c: from the LAN's
                                   address; from another, which is a tunnel's */
  uint64_t strange;             /* watcher: to one of our ports, but not of this run */
  uint64_t lost;                /* watcher: packets that the kernel could not hand over */
  uint32_t last[LEAKS_N_WAYS];  /* watcher: what came by the LAN last */
  uint32_t waits[LEAKS_N_WAYS]; /* sender: the port at which a simultaneous open waits, or 0 */
};

static inline void
leaks_fail (const char *what)
{
  perror (what);
  exit (1);
}

static inline struct leaks_counts *
leaks_open_counts (const char *path)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate (fd, sizeof (struct leaks_counts)) < 0)
    leaks_fail (path);
  void *counts =
      mmap (NULL, sizeof (struct leaks_counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (counts == MAP_FAILED)
    leaks_fail (path);
  close (fd);
  return counts;
}
