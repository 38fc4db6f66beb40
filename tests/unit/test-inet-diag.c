/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What sock_diag answers, read from messages that are made here. That the kernel answers so is for
 * tests/netns/test_sockets.py to show. */

#include "inet-diag.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#include "netlink.h"

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static struct inet_diag_msg *
start (Message *space, struct nlmsghdr **message)
{
  *message = mnl_nlmsg_put_header (space);
  (*message)->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  struct inet_diag_msg *found = mnl_nlmsg_put_extra_header (*message, sizeof *found);
  found->idiag_family = AF_INET;
  found->idiag_state = TCP_ESTABLISHED;
  found->idiag_uid = 1500;
  found->id.idiag_sport = htons (40000);
  found->id.idiag_dport = htons (443);
  found->id.idiag_cookie[0] = 7;
  inet_pton (AF_INET, "192.0.2.2", found->id.idiag_src);
  inet_pton (AF_INET, "203.0.113.1", found->id.idiag_dst);
  return found;
}

static GArray *
sockets_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (CgSocket));
}

/* What ss(8) would be told of the one socket that was understood; NULL if there was none. */
static char *
understood (const struct nlmsghdr *message)
{
  g_autoptr (GArray) sockets = sockets_new ();
  g_assert_true (cg_inet_diag_parse (message, sockets));
  g_assert_cmpuint (sockets->len, <=, 1);
  return sockets->len ? cg_socket_to_string (&g_array_index (sockets, CgSocket, 0)) : NULL;
}

static void
reads_a_socket (void)
{
  Message space;
  struct nlmsghdr *message;
  start (&space, &message)->id.idiag_if = 3;
  g_autoptr (GArray) sockets = sockets_new ();
  g_assert_true (cg_inet_diag_parse (message, sockets));
  g_assert_cmpuint (sockets->len, ==, 1);
  const CgSocket *socket = &g_array_index (sockets, CgSocket, 0);
  g_assert_cmpuint (socket->uid, ==, 1500);
  g_assert_cmpuint (socket->ifindex, ==, 3);
  g_autofree char *line = cg_socket_to_string (socket);
  g_assert_cmpstr (line, ==, "ss -K -t src 192.0.2.2:40000 dst 203.0.113.1:443");
}

static void
reads_ipv6 (void)
{
  Message space;
  struct nlmsghdr *message;
  struct inet_diag_msg *found = start (&space, &message);
  found->idiag_family = AF_INET6;
  inet_pton (AF_INET6, "2001:db8:1::2", found->id.idiag_src);
  inet_pton (AF_INET6, "2001:db8:ffff::1", found->id.idiag_dst);
  g_autofree char *line = understood (message);
  g_assert_cmpstr (line, ==, "ss -K -t src [2001:db8:1::2]:40000 dst [2001:db8:ffff::1]:443");
}

static void
takes_a_mapped_address_for_what_it_is (void)
{
  Message space, space_back;
  struct nlmsghdr *message;
  struct inet_diag_msg *found = start (&space, &message);
  found->idiag_family = AF_INET6;
  inet_pton (AF_INET6, "::ffff:192.0.2.2", found->id.idiag_src);
  inet_pton (AF_INET6, "::ffff:203.0.113.1", found->id.idiag_dst);
  g_autoptr (GArray) sockets = sockets_new ();
  g_assert_true (cg_inet_diag_parse (message, sockets));
  const CgSocket *socket = &g_array_index (sockets, CgSocket, 0);
  g_autofree char *line = cg_socket_to_string (socket);
  g_assert_cmpstr (line, ==, "ss -K -t src 192.0.2.2:40000 dst 203.0.113.1:443");

  /* the kernel wants to hear of it as it told us */
  struct nlmsghdr *back = mnl_nlmsg_put_header (&space_back);
  cg_inet_diag_put_destroy (back, socket);
  const struct inet_diag_req_v2 *request = mnl_nlmsg_get_payload (back);
  g_assert_cmpuint (back->nlmsg_type, ==, SOCK_DESTROY);
  g_assert_cmpuint (request->sdiag_family, ==, AF_INET6);
  g_assert_cmpuint (request->sdiag_protocol, ==, IPPROTO_TCP);
  g_assert_cmpmem (&request->id, sizeof request->id, &found->id, sizeof found->id);
}

static void
leaves_out_what_is_of_no_interest (void)
{
  static const guint8 states[] = {0, TCP_TIME_WAIT, TCP_CLOSE, TCP_LISTEN, TCP_CLOSING + 1, 0xff};
  Message space;
  struct nlmsghdr *message;
  start (&space, &message)->idiag_uid = 0;
  g_assert_null (understood (message));
  start (&space, &message)->idiag_family = AF_UNIX;
  g_assert_null (understood (message));
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++) {
    start (&space, &message)->idiag_state = states[i];
    g_assert_null (understood (message));
  }
  start (&space, &message);
  message->nlmsg_type = SOCK_DIAG_BY_FAMILY + 1;
  g_assert_null (understood (message));
}

static void
refuses_what_is_too_short (void)
{
  Message space;
  struct nlmsghdr *message;
  g_autoptr (GArray) sockets = sockets_new ();
  start (&space, &message);
  message->nlmsg_len--;
  g_assert_false (cg_inet_diag_parse (message, sockets));
  message->nlmsg_len = NLMSG_HDRLEN;
  g_assert_false (cg_inet_diag_parse (message, sockets));
  g_assert_cmpuint (sockets->len, ==, 0);
}

static void
asks_for_what_may_still_send (void)
{
  Message space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  cg_inet_diag_get_all (request, AF_INET6);
  const struct inet_diag_req_v2 *asked = mnl_nlmsg_get_payload (request);
  g_assert_cmpuint (request->nlmsg_type, ==, SOCK_DIAG_BY_FAMILY);
  g_assert_cmpuint (request->nlmsg_flags & NLM_F_DUMP, ==, NLM_F_DUMP);
  g_assert_cmpuint (asked->sdiag_family, ==, AF_INET6);
  g_assert_true (asked->idiag_states & 1u << TCP_LAST_ACK);
  g_assert_false (asked->idiag_states & (1u << TCP_LISTEN | 1u << TCP_TIME_WAIT | 1u << TCP_CLOSE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/inet-diag/reads-a-socket", reads_a_socket);
  g_test_add_func ("/inet-diag/reads-ipv6", reads_ipv6);
  g_test_add_func ("/inet-diag/takes-a-mapped-address-for-what-it-is",
                   takes_a_mapped_address_for_what_it_is);
  g_test_add_func ("/inet-diag/leaves-out-what-is-of-no-interest",
                   leaves_out_what_is_of_no_interest);
  g_test_add_func ("/inet-diag/refuses-what-is-too-short", refuses_what_is_too_short);
  g_test_add_func ("/inet-diag/asks-for-what-may-still-send", asks_for_what_may_still_send);
  return g_test_run ();
}
