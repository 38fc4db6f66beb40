/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any bytes as what the kernel answers: nothing is read past a message, and what was understood can
 * be asked for again in the same words. */

#include "driver.h"
#include "inet-diag.h"
#include "netlink.h"
#include "rtnl.h"
#include "wireguard.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static void
check_fits (const struct nlmsghdr *message)
{
  g_assert_cmpuint (message->nlmsg_len, >=, NLMSG_HDRLEN);
  g_assert_cmpuint (message->nlmsg_len, <=, CG_NETLINK_MESSAGE_MAX);
}

static void
delete_rule (const CgRule *rule)
{
  Message space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  cg_rtnl_put_rule (request, rule, FALSE);
  check_fits (request);
}

/* Only what we would ask for goes out as it came in. */
static void
check_rule (const CgRule *rule)
{
  g_autofree char *text = cg_rule_to_string (rule);
  g_assert_nonnull (text);
  g_assert_cmpuint (rule->uids.first, <=, rule->uids.last);
  g_assert_cmpint (cg_rule_compare (rule, rule), ==, 0);
  delete_rule (rule);
  if (rule->odd || rule->action != FR_ACT_TO_TBL)
    return;
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) again = cg_rules_new ();
  cg_rtnl_put_rule (message, rule, TRUE);
  check_fits (message);
  g_assert_true (cg_rtnl_parse_rule (message, again));
  g_assert_cmpint (cg_rule_compare (&g_array_index (again, CgRule, 0), rule), ==, 0);
}

static void
check_route (const CgRoute *route)
{
  g_autofree char *text = cg_route_to_string (route);
  g_assert_nonnull (text);
  Message space, delete_space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&delete_space);
  g_assert_cmpuint (route->destination.length, <=, cg_family_bytes (route->family) * 8);
  g_assert_cmpint (cg_route_compare (route, route), ==, 0);
  cg_rtnl_put_route (message, route, FALSE);
  check_fits (message);
  /* without a length there is no address to send, and the kernel gives none */
  if (route->odd ||
      (route->destination.length == 0 && cg_prefix_has_host_bits (&route->destination)))
    return;
  g_autoptr (GArray) again = cg_routes_new ();
  message = mnl_nlmsg_put_header (&space);
  cg_rtnl_put_route (message, route, TRUE);
  check_fits (message);
  g_assert_true (cg_rtnl_parse_route (message, again));
  g_assert_cmpint (cg_route_compare (&g_array_index (again, CgRoute, 0), route), ==, 0);
}

/* What comes by other families of netlink, and has no types of message to tell by. */
static void
check_others (const struct nlmsghdr *message)
{
  g_autoptr (GArray) wireguards = g_array_new (FALSE, TRUE, sizeof (CgWireguard));
  g_array_set_clear_func (wireguards, (GDestroyNotify) cg_wireguard_clear);
  g_array_set_size (wireguards, 1);
  (void) cg_wireguard_parse (message, wireguards);
  g_assert_cmpuint (wireguards->len, ==, 1);
}

static void
check_socket (const CgSocket *found)
{
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  g_autofree char *text = cg_socket_to_string (found);
  g_assert_nonnull (text);
  g_assert_cmpuint (found->uid, !=, CG_UID_ROOT);
  g_assert_cmpuint (found->local.length, ==, 8 * cg_family_bytes (found->local.family));
  g_assert_cmpuint (found->remote.length, ==, 8 * cg_family_bytes (found->remote.family));
  cg_inet_diag_put_destroy (message, found);
  check_fits (message);
}

/* Whatever the message says that it is. */
static void
check_sockets (struct nlmsghdr *message)
{
  g_autoptr (GArray) sockets = g_array_new (FALSE, FALSE, sizeof (CgSocket));
  message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  (void) cg_inet_diag_parse (message, sockets);
  for (guint i = 0; i < sockets->len; i++)
    check_socket (&g_array_index (sockets, CgSocket, i));
}

/* All four of them, whatever the message says that it is: each in memory that ends with it. */
static void
check_message (const struct nlmsghdr *answer)
{
  static const guint16 types[] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWRULE, RTM_NEWROUTE};
  g_autofree struct nlmsghdr *message = g_memdup2 (answer, answer->nlmsg_len);
  g_autoptr (GArray) links = g_array_new (FALSE, TRUE, sizeof (CgLink));
  g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (CgAddress));
  g_autoptr (GArray) rules = cg_rules_new ();
  g_autoptr (GArray) routes = cg_routes_new ();
  for (guint i = 0; i <= G_N_ELEMENTS (types); i++) {
    gboolean good = cg_rtnl_parse_link (message, links);
    good = cg_rtnl_parse_address (message, addresses) && good;
    good = cg_rtnl_parse_rule (message, rules) && good;
    good = cg_rtnl_parse_route (message, routes) && good;
    g_assert_cmpuint (links->len + addresses->len + rules->len + routes->len, <=, i + 1);
    if (i < G_N_ELEMENTS (types))
      message->nlmsg_type = types[i];
  }
  check_others (message);
  check_sockets (message);
  for (guint i = 0; i < rules->len; i++)
    check_rule (&g_array_index (rules, CgRule, i));
  for (guint i = 0; i < routes->len; i++)
    check_route (&g_array_index (routes, CgRoute, i));
  for (guint i = 0; i < links->len; i++)
    g_assert_cmpuint (g_array_index (links, CgLink, i).ifindex, >, 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int rest = (int) MIN (size, 64 * 1024u);
  g_autofree guint8 *bytes = g_memdup2 (data, (gsize) rest);
  const struct nlmsghdr *message = (const struct nlmsghdr *) bytes;
  for (; bytes && mnl_nlmsg_ok (message, rest); message = mnl_nlmsg_next (message, &rest)) {
    if (message->nlmsg_len > (guint) rest)
      break; /* mnl compares as int, so that it takes 2 GiB and more for less than nothing */
    check_message (message);
  }
  return 0;
}
