/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"

/* Facts without a kernel and users without a user database, for tests of what is pure. */

/* The users are alice (1500), bob (1501), carol (1502), toor (0) and nouid (4294967295); the user
 * database has lost its tongue over "broken", and knows no one else. */
gboolean world_lookup (const char *name, guint32 *uid, GError **error);

typedef struct {
  CgConfig *config;
  CgFacts *facts; /* borrows the config */
} World;

/* Both families, no gateway, nothing of ours, no reverse path filter. */
World *world_new (void);
void world_free (World *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* How a tunnel's interface is. */
enum {
  LINK_UP = 1,
  LINK_IPV4 = 2,   /* has an IPv4 address */
  LINK_IPV6 = 4,   /* has an IPv6 address, of link scope at least */
  LINK_GLOBAL = 8, /* one of global scope, ULA too */
  LINK_ALL = LINK_UP | LINK_IPV4 | LINK_IPV6 | LINK_GLOBAL,
};

/* Adds the gateway with these lines in its file, and its interface; ifindex 0: there is none. The
 * result is valid until the next call. */
CgTunnel *
world_add (World *world, const char *name, const char *lines, guint32 ifindex, guint flags);

/* An array of CgPrefix of the words of a text, which the caller owns. */
GArray *world_prefixes (const char *text);

/* Adds a file that is not in force. */
void world_add_bad (World *world, const char *name);

/* Adds a value that we kept of an interface. */
void world_add_kept (
    World *world, const char *ifname, guint32 saved_index, int saved, guint32 index, int value);

/* Puts what the plan says into the kernel of the facts. */
void world_install (World *world, const CgPlan *plan);

/* Line by line, each with its newline: what stands in a plan, as ip(8) and sysctl(8) write it, and
 * the operations of a change. The caller owns the results. */
char *plan_text (const CgPlan *plan);
char *ops_text (const GArray *ops);

/* The operations of a run over the gateways named, as text; NULL: over all. */
char *world_diff_text (const World *world, const char *const *names);

/* Registers one case of a table. */
#define ADD_CASES(prefix, cases, function)                                                         \
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {                                               \
    g_autofree char *path = g_strconcat (prefix "/", (cases)[i].name, NULL);                       \
    g_test_add_data_func (path, &(cases)[i], function);                                            \
  }
