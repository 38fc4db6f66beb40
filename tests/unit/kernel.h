/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* A little model of the kernel's policy routing: rules by priority and then by age, tables with the
 * longest prefix and then the lowest metric, throw, prohibit; and behind all of them the table
 * main, which leads to the LAN. And of the guard: its maps and what its program decides by them. */

#define KERNEL_LAN     2u /* the ifindex of the way that no confined packet may take */
#define KERNEL_BLOCKED 0u

/* The reverse path filter of an interface, and what we kept of it. */
typedef struct {
  char ifname[IFNAMSIZ];
  guint32 ifindex;
  int value;
  CgSavedFilter saved; /* ifindex 0: nothing is kept */
} KernelFilter;

typedef struct {
  GArray *rules;   /* CgRule, in the order in which they are asked */
  GArray *routes;  /* CgRoute */
  GArray *filters; /* KernelFilter */

  gboolean is_guarded; /* the guard's programs are there ... */
  GArray *entries;     /* ... with these CgGuardEntry, normalised, in their maps */
  GArray *outdated;    /* likewise of those of another version; NULL: there are none */
  char *table;         /* the text of the guard's table in nftables, or NULL */

  GArray *resolvconfs; /* CgResolvConf: the files in the runtime directory */
} Kernel;

/* A packet that a program sends. It may name the interface (SO_BINDTODEVICE) and the source. */
typedef struct {
  guint32 uid;
  guint32 ifindex;
  CgPrefix source, destination; /* of full length, of one family */
  guint8 protocol;              /* IPPROTO_UDP or IPPROTO_TCP */
  guint16 port;
} KernelPacket;

/* With the kernel's own rules, and default routes of others in main. */
Kernel *kernel_new (void);
Kernel *kernel_copy (const Kernel *kernel);
void kernel_free (Kernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Kernel, kernel_free)

/* 0, or the errno: EEXIST, ENOENT, ESRCH. Linux takes a rule twice unless told otherwise; the model
 * does not, so that to try it is an error. */
int kernel_add_rule (Kernel *kernel, const CgRule *rule);
int kernel_del_rule (Kernel *kernel, const CgRule *rule);
int kernel_add_route (Kernel *kernel, const CgRoute *route);
int kernel_del_route (Kernel *kernel, const CgRoute *route);
int kernel_set_filter (Kernel *kernel, const char *ifname, int value);

/* Any of these, what is about the guard, and a resolv.conf; and for a filter also the keeping and
 * the forgetting. */
int kernel_do (Kernel *kernel, const CgOp *op);

KernelFilter *kernel_find_filter (const Kernel *kernel, const char *ifname);

/* What the kernel does by itself when an interface goes down or away. */
void kernel_drop_routes_of (Kernel *kernel, guint32 ifindex);

/* The ifindex by which a packet of the uid leaves, or KERNEL_BLOCKED. It has no source yet. */
guint32 kernel_way (const Kernel *kernel, guint32 uid, const CgPrefix *destination);

/* What a trie of the longest prefixes finds for so many bits as the key of the map has behind its
 * length, and what a hash finds; NULL: nothing. */
const CgGuardEntry *kernel_find_longest (const GArray *entries, CgMap map, gconstpointer bits);
const CgGuardEntry *kernel_find_exact (const GArray *entries, CgMap map, gconstpointer key);

/* Whether these maps let the packet out; and whether all guards do that there are. */
gboolean kernel_maps_pass (const GArray *entries, const KernelPacket *packet);
gboolean kernel_guard_passes (const Kernel *kernel, const KernelPacket *packet);

/* Another version of the program is started: what stands is of the version before. */
void kernel_outdate_guard (Kernel *kernel);

/* Another program takes the guard's programs and its table away. */
void kernel_lose_guard (Kernel *kernel);

/* Whether the address, a prefix of full length, lies in the prefix. */
gboolean prefix_covers (const CgPrefix *prefix, const CgPrefix *address);

/* Makes the facts see this kernel. */
void kernel_show (const Kernel *kernel, CgFacts *facts);
