/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>

#include "routing.h"

/* Which of the kernel's notifications concern us. No I/O but in cg_event_filter_refresh. */

typedef enum {
  CG_CONCERN_NONE,
  CG_CONCERN_TUNNEL, /* an interface that is a tunnel, or loopback, may not be what it was */
  CG_CONCERN_LOSS,   /* somebody else touched what is ours, or our tables */
  CG_CONCERN_CHECK,  /* a firewall's reverse path check (firewall.h), or what the guard knows of the
                        machine, may not be what it was */
} CgConcern;

/* Who did it: what the kernel says of who asked for it. */
typedef struct {
  guint32 port;  /* of the netlink socket; most often the process id. 0: the kernel itself */
  char name[16]; /* of the process (TASK_COMM_LEN), "" if the kernel does not say it */
} CgCulprit;

typedef struct CgEventFilter CgEventFilter;

/* Interested in what carries our protocol or a guard's name, and in loopback. */
CgEventFilter *cg_event_filter_new (void);
void cg_event_filter_free (CgEventFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgEventFilter, cg_event_filter_free)

/* The interface of a gateway that nobody knows yet: then every interface may be it. */
#define CG_ANY_INTERFACE "*"

/* From now on also in these interfaces (NULL at the end), and in others no more; one that stays
 * keeps its index. TRUE if one was not among them before: what became of it until now was not
 * heard. */
gboolean cg_event_filter_set_interfaces (CgEventFilter *filter, const char *const *names);

/* From now on also in these n tables, beside all those that cg_facts_table_candidate derives.
 * TRUE likewise. */
gboolean cg_event_filter_set_tables (CgEventFilter *filter, const guint32 *tables, gsize n);

/* From now on also in the addresses of all interfaces and in tunnels that take packets out of UDP,
 * for a guard, and in the routes of table main, for bypasses. */
void cg_event_filter_set_machine (CgEventFilter *filter, gboolean has_guard, gboolean has_bypass);

/* Asks the kernel which indexes the interfaces have now: after names were set, or messages lost. */
void cg_event_filter_refresh (CgEventFilter *filter);

/* Whether the message of rtnetlink(7), or of nftables, concerns us. own is the netlink port by
 * which a run of ours makes its changes, which do not concern us (0: there is none). Fills in
 * culprit with a CG_CONCERN_LOSS, and with the NFT_MSG_NEWGEN behind it. Learns the indexes of
 * links. A message that is malformed concerns us. */
CgConcern cg_event_filter_in_route (CgEventFilter *filter,
                                    const struct nlmsghdr *message,
                                    guint32 own,
                                    CgCulprit *culprit);
CgConcern cg_event_filter_in_nft (const struct nlmsghdr *message, guint32 own, CgCulprit *culprit);
