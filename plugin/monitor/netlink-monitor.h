/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"
#include "event-filter.h"

/* The sockets by which the kernel tells of changes: rtnetlink (links, addresses, routes and rules
 * of both families, reverse path filters) and nftables. */
typedef struct CgNetlinkMonitor CgNetlinkMonitor;

enum { CG_NETLINK_MONITOR_ROUTE, CG_NETLINK_MONITOR_NFT, CG_N_NETLINK_MONITORS };

/* Listens from now on. NULL with a CG_ERROR_FAILED. A kernel without nftables tells of it nothing.
 */
CgNetlinkMonitor *cg_netlink_monitor_open (GError **error);
void cg_netlink_monitor_free (CgNetlinkMonitor *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgNetlinkMonitor, cg_netlink_monitor_free)

/* The descriptor to poll, or -1. */
int cg_netlink_monitor_fd (const CgNetlinkMonitor *watch, guint which);

/* What notifications said. */
typedef struct {
  gboolean tunnel; /* CG_CONCERN_TUNNEL */
  gboolean loss;   /* CG_CONCERN_LOSS */
  gboolean check;  /* CG_CONCERN_CHECK */
  gboolean missed; /* some were lost, so it may be any of these */
  gboolean more;   /* there may be more to read */
  CgCulprit culprit;
} CgNews;

/* Reads what has come, without waiting, and adds to the news; of a flood only so much that the
 * caller can do something else in between. own: see cg_event_filter_in_route. */
void
cg_netlink_monitor_read (CgNetlinkMonitor *watch, CgEventFilter *filter, guint32 own, CgNews *news);

/* Who it was, in words: the caller owns them. Only as good as the kernel's word and as a process
 * that may be gone by now. */
char *cg_culprit_to_string (const CgCulprit *culprit);
