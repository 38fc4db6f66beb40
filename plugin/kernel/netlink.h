/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libmnl/libmnl.h>

#include "error.h"

/* One netlink socket, netlink(7): strict checking of what we ask, extended errors in what comes
 * back. Knows messages and answers, not what is in them: that is rtnl.h and nft.h. */
typedef struct CgNetlink CgNetlink;

/* Bytes that hold any message that we send. */
#define CG_NETLINK_MESSAGE_MAX 4096

/* Room for one, aligned as libmnl wants it. */
typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} CgNetlinkMessage;

/* Whether a message that came has a fixed part of that size, and can be gone through behind it:
 * libmnl reads attributes up to a padded length, whether the padding is there or not. */
gboolean cg_netlink_has_header (const struct nlmsghdr *message, gsize size);

/* Opens one to a family of netlink(7): NETLINK_ROUTE, NETLINK_NETFILTER or NETLINK_GENERIC. NULL
 * with a CG_ERROR_ABSENT if the kernel does not have it, or does not let us, and with a
 * CG_ERROR_FAILED if it is out of something, or does not check strictly (before Linux 4.20). */
CgNetlink *cg_netlink_open (int family, GError **error);

/* The same, for one that only looks, while others are opened beside it: it leaves them the port
 * that is our process id, by which a monitor knows whose changes it hears of. */
CgNetlink *cg_netlink_open_to_look (int family, GError **error);
void cg_netlink_free (CgNetlink *netlink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgNetlink, cg_netlink_free)

/* Appends what an answer says to out, or nothing if it does not concern us. FALSE if the message is
 * malformed. */
typedef gboolean (*CgNetlinkParse) (const struct nlmsghdr *message, GArray *out);

/* Asks and gathers the answers: of a dump (NLM_F_DUMP set in request) all of them. A dump that the
 * kernel says was interrupted by a change is repeated from the start, so that out never holds half
 * of two states. Returns 0, or an errno with error (CG_ERROR_FAILED, the kernel's own words
 * included) set and out as it was. */
int cg_netlink_ask (CgNetlink *netlink,
                    struct nlmsghdr *request,
                    CgNetlinkParse parse,
                    GArray *out,
                    GError **error);

/* What a batch consists of, and what became of it. */
typedef struct {
  guint count;
  /* Writes message number index, its sequence number aside, to the CG_NETLINK_MESSAGE_MAX bytes at
   * message. */
  void (*encode) (struct nlmsghdr *message, guint index, gpointer data);
  /* Is called for each message that the kernel refused, with the errno and the kernel's words (or
   * NULL). */
  void (*refused) (guint index, int number, const char *text, gpointer data);
  gpointer data;
} CgNetlinkBatch;

/* Sends the messages in as few system calls as their size permits. The kernel works through them in
 * order, and goes on past one that it refuses. FALSE with error set if it cannot be told what
 * became of them; the socket is of no further use then. */
gboolean cg_netlink_send (CgNetlink *netlink, const CgNetlinkBatch *batch, GError **error);

/* Carries out the messages, which lie one behind the other and are to end in one state or none, as
 * one transaction of nfnetlink; the kernel refuses it with ERESTART if its generation is no longer
 * the one given. Returns 0, or an errno with error set: that of the first message refused. */
int cg_netlink_transact (CgNetlink *netlink,
                         const GByteArray *messages,
                         guint8 subsystem,
                         guint32 generation,
                         GError **error);
