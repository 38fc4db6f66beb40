/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any bytes as what the kernel tells without being asked: nothing is read past a message, and what
 * our own run did never concerns us. */

#include "driver.h"
#include "event-filter.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

static const guint16 route_types[] = {RTM_NEWLINK,  RTM_DELLINK,  RTM_NEWADDR,
                                      RTM_DELADDR,  RTM_NEWRULE,  RTM_DELRULE,
                                      RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNETCONF};
static const guint16 nft_types[] = {NFT_MSG_NEWTABLE, NFT_MSG_DELRULE, NFT_MSG_NEWGEN};

static void
check_culprit (const CgCulprit *culprit)
{
  g_assert_nonnull (memchr (culprit->name, '\0', sizeof culprit->name));
}

/* Each in memory that ends with it, whatever the message says that it is. */
static void
check_message (CgEventFilter *filter, const struct nlmsghdr *heard)
{
  g_autofree struct nlmsghdr *message = g_memdup2 (heard, heard->nlmsg_len);
  CgCulprit culprit = {.port = message->nlmsg_pid};
  for (guint i = 0; i < G_N_ELEMENTS (route_types); i++) {
    message->nlmsg_type = route_types[i];
    (void) cg_event_filter_in_route (filter, message, 0, &culprit);
    if (message->nlmsg_pid)
      g_assert_cmpint (cg_event_filter_in_route (filter, message, message->nlmsg_pid, &culprit), ==,
                       CG_CONCERN_NONE);
  }
  for (guint i = 0; i < G_N_ELEMENTS (nft_types); i++) {
    message->nlmsg_type = (guint16) (NFNL_SUBSYS_NFTABLES << 8 | nft_types[i]);
    (void) cg_event_filter_in_nft (message, 0, &culprit);
    check_culprit (&culprit);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const names[] = {"wg0", NULL};
  const guint32 table = 1000;
  int rest = (int) MIN (size, 64 * 1024u);
  g_autofree guint8 *bytes = g_memdup2 (data, (gsize) rest);
  g_autoptr (CgEventFilter) filter = cg_event_filter_new ();
  cg_event_filter_set_interfaces (filter, names);
  cg_event_filter_set_tables (filter, &table, 1);
  cg_event_filter_set_machine (filter, TRUE, TRUE);
  const struct nlmsghdr *message = (const struct nlmsghdr *) bytes;
  for (; bytes && mnl_nlmsg_ok (message, rest); message = mnl_nlmsg_next (message, &rest)) {
    if (message->nlmsg_len > (guint) rest)
      break; /* mnl compares as int, so that it takes 2 GiB and more for less than nothing */
    check_message (filter, message);
  }
  return 0;
}
