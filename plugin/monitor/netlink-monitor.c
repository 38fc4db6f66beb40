/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink-monitor.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "state-file.h"

/* A notification that does not fit is as good as one that is lost. Links with hundreds of virtual
 * functions aside, none comes near to this. */
#define RECEIVE_SIZE ((gsize) 32 * 1024)
/* Of the kernel's memory, taken only while notifications wait: thousands of rules can go at once,
 * and each takes a kilobyte. When they do not fit the kernel says ENOBUFS. */
#define QUEUE_SIZE (4 << 20)
/* Datagrams read in one go. */
#define MAX_READS 256

struct CgNetlinkMonitor {
  struct mnl_socket *sockets[CG_N_NETLINK_MONITORS]; /* that of nftables may be NULL */
  guint8 *received;                                  /* RECEIVE_SIZE bytes */
};

static const int route_groups[] = {
    RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   RTNLGRP_IPV4_NETCONF,
};
static const int nft_groups[] = {NFNLGRP_NFTABLES};

static gboolean
join (struct mnl_socket *socket, const int *groups, guint n_groups)
{
  int size = QUEUE_SIZE;
  if (mnl_socket_bind (socket, 0, MNL_SOCKET_AUTOPID) < 0)
    return FALSE;
  /* without the privilege to have more, the usual queue must do */
  (void) setsockopt (mnl_socket_get_fd (socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  for (guint i = 0; i < n_groups; i++) {
    int group = groups[i];
    if (mnl_socket_setsockopt (socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
      return FALSE;
  }
  return TRUE;
}

static struct mnl_socket *
open_socket (int family, const int *groups, guint n_groups)
{
  struct mnl_socket *socket = mnl_socket_open2 (family, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!socket || join (socket, groups, n_groups))
    return socket;
  int number = errno;
  mnl_socket_close (socket);
  errno = number;
  return NULL;
}

CgNetlinkMonitor *
cg_netlink_monitor_open (GError **error)
{
  g_autoptr (CgNetlinkMonitor) watch = g_new0 (CgNetlinkMonitor, 1);
  watch->received = g_malloc (RECEIVE_SIZE);
  watch->sockets[CG_NETLINK_MONITOR_ROUTE] =
      open_socket (NETLINK_ROUTE, route_groups, G_N_ELEMENTS (route_groups));
  if (!watch->sockets[CG_NETLINK_MONITOR_ROUTE]) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot listen to rtnetlink: %s",
                 g_strerror (errno));
    return NULL;
  }
  watch->sockets[CG_NETLINK_MONITOR_NFT] =
      open_socket (NETLINK_NETFILTER, nft_groups, G_N_ELEMENTS (nft_groups));
  if (!watch->sockets[CG_NETLINK_MONITOR_NFT])
    g_info ("cannot listen to nftables: %s", g_strerror (errno));
  return g_steal_pointer (&watch);
}

void
cg_netlink_monitor_free (CgNetlinkMonitor *watch)
{
  for (guint i = 0; i < CG_N_NETLINK_MONITORS; i++)
    if (watch->sockets[i])
      mnl_socket_close (watch->sockets[i]);
  g_free (watch->received);
  g_free (watch);
}

int
cg_netlink_monitor_fd (const CgNetlinkMonitor *watch, guint which)
{
  return watch->sockets[which] ? mnl_socket_get_fd (watch->sockets[which]) : -1;
}

static void
take_messages (CgNetlinkMonitor *watch,
               guint which,
               int size,
               CgEventFilter *filter,
               guint32 own,
               CgNews *news)
{
  const struct nlmsghdr *message = (const struct nlmsghdr *) watch->received;
  for (; mnl_nlmsg_ok (message, size); message = mnl_nlmsg_next (message, &size)) {
    CgConcern concern = which == CG_NETLINK_MONITOR_ROUTE
                            ? cg_event_filter_in_route (filter, message, own, &news->culprit)
                            : cg_event_filter_in_nft (message, own, &news->culprit);
    news->tunnel = news->tunnel || concern == CG_CONCERN_TUNNEL;
    news->loss = news->loss || concern == CG_CONCERN_LOSS;
    news->check = news->check || concern == CG_CONCERN_CHECK;
  }
}

static void
read_socket (CgNetlinkMonitor *watch, guint which, CgEventFilter *filter, guint32 own, CgNews *news)
{
  for (guint i = 0; i < MAX_READS; i++) {
    ssize_t got = mnl_socket_recvfrom (watch->sockets[which], watch->received, RECEIVE_SIZE);
    if (got > 0)
      take_messages (watch, which, (int) got, filter, own, news);
    else if (got < 0 && errno == EAGAIN)
      return;
    else if (got >= 0 || errno != EINTR)
      news->missed =
          TRUE; /* ENOBUFS from the kernel, ENOSPC from libmnl for one that was cut off */
  }
  news->more = TRUE;
}

void
cg_netlink_monitor_read (CgNetlinkMonitor *watch, CgEventFilter *filter, guint32 own, CgNews *news)
{
  news->more = FALSE;
  for (guint i = 0; i < CG_N_NETLINK_MONITORS; i++)
    if (watch->sockets[i])
      read_socket (watch, i, filter, own, news);
}

/* The name of the process. The kernel gives its first socket the process id for a port; libnl's
 * carry it in the lower 22 bits; ports of the kernel's own choice are negative (netlink_autobind)
 * and tell nothing. */
static char *
name_of (guint32 port)
{
  if (port > G_MAXINT32)
    return NULL;
  g_autofree char *path = g_strdup_printf ("/proc/%u/comm", port & ((1u << 22) - 1));
  char *name = cg_file_read (path, CG_STATE_MAX);
  return name ? g_strchomp (name) : NULL;
}

char *
cg_culprit_to_string (const CgCulprit *culprit)
{
  if (culprit->port == 0)
    return g_strdup ("the kernel");
  g_autofree char *name = *culprit->name ? g_strdup (culprit->name) : name_of (culprit->port);
  if (!name)
    return g_strdup_printf ("somebody (netlink port %u)", culprit->port);
  g_autofree char *quoted = cg_quote (name);
  return g_strdup_printf ("%s (netlink port %u)", quoted, culprit->port);
}
