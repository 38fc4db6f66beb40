/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What WireGuard answers, read from messages that are made here. That the kernel answers so is for
 * tests/vm to show. */

#include "wireguard.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#include "netlink.h"

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static struct nlmsghdr *
start (Message *space)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  mnl_nlmsg_put_extra_header (message, sizeof (struct genlmsghdr));
  return message;
}

static void
put_peer (struct nlmsghdr *message, int family, const char *address, guint16 port)
{
  struct nlattr *peer = mnl_attr_nest_start (message, 0);
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons (port)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons (port)};
  static const guint8 key[WG_KEY_LEN];
  mnl_attr_put (message, WGPEER_A_PUBLIC_KEY, sizeof key, key);
  if (family == AF_INET) {
    inet_pton (AF_INET, address, &four.sin_addr);
    mnl_attr_put (message, WGPEER_A_ENDPOINT, sizeof four, &four);
  } else if (family == AF_INET6) {
    inet_pton (AF_INET6, address, &six.sin6_addr);
    mnl_attr_put (message, WGPEER_A_ENDPOINT, sizeof six, &six);
  }
  mnl_attr_nest_end (message, peer);
}

static GArray *
wireguards_new (void)
{
  GArray *wireguards = g_array_new (FALSE, TRUE, sizeof (CgWireguard));
  g_array_set_clear_func (wireguards, (GDestroyNotify) cg_wireguard_clear);
  g_array_set_size (wireguards, 1);
  return wireguards;
}

static void
reads_a_device (void)
{
  Message space;
  struct nlmsghdr *message = start (&space);
  mnl_attr_put_strz (message, WGDEVICE_A_IFNAME, "wg0");
  mnl_attr_put_u16 (message, WGDEVICE_A_LISTEN_PORT, 51820);
  mnl_attr_put_u32 (message, WGDEVICE_A_FWMARK, 0xca6c);
  struct nlattr *peers = mnl_attr_nest_start (message, WGDEVICE_A_PEERS);
  put_peer (message, AF_INET, "192.0.2.1", 51821);
  put_peer (message, AF_UNSPEC, NULL, 0); /* one that has not been heard of yet */
  put_peer (message, AF_INET6, "2001:db8::1", 443);
  mnl_attr_nest_end (message, peers);

  g_autoptr (GArray) found = wireguards_new ();
  g_assert_true (cg_wireguard_parse (message, found));
  const CgWireguard *wireguard = &g_array_index (found, CgWireguard, 0);
  g_assert_cmpuint (wireguard->port, ==, 51820);
  g_assert_cmpuint (wireguard->mark, ==, 0xca6c);
  g_assert_cmpuint (wireguard->endpoints->len, ==, 2);
  const char *const wanted[] = {"192.0.2.1/32", "2001:db8::1/128"};
  const guint16 ports[] = {51821, 443};
  for (guint i = 0; i < 2; i++) {
    const CgEndpoint *endpoint = &g_array_index (wireguard->endpoints, CgEndpoint, i);
    g_autofree char *address = cg_prefix_to_string (&endpoint->address);
    g_assert_cmpstr (address, ==, wanted[i]);
    g_assert_cmpuint (endpoint->port, ==, ports[i]);
  }
}

/* The peers of a large device come in several messages, each with the device's own attributes or
 * without. */
static void
reads_on_in_the_next_message (void)
{
  g_autoptr (GArray) found = wireguards_new ();
  for (guint i = 0; i < 2; i++) {
    Message space;
    struct nlmsghdr *message = start (&space);
    if (i == 0)
      mnl_attr_put_u16 (message, WGDEVICE_A_LISTEN_PORT, 51820);
    struct nlattr *peers = mnl_attr_nest_start (message, WGDEVICE_A_PEERS);
    put_peer (message, AF_INET, i ? "192.0.2.2" : "192.0.2.1", 51821);
    mnl_attr_nest_end (message, peers);
    g_assert_true (cg_wireguard_parse (message, found));
  }
  g_assert_cmpuint (g_array_index (found, CgWireguard, 0).port, ==, 51820);
  g_assert_cmpuint (g_array_index (found, CgWireguard, 0).endpoints->len, ==, 2);
}

static void
refuses (struct nlmsghdr *message)
{
  g_autoptr (GArray) found = wireguards_new ();
  /* in memory that ends with it */
  g_autofree struct nlmsghdr *copy = g_memdup2 (message, message->nlmsg_len);
  g_assert_false (cg_wireguard_parse (copy, found));
}

static void
refuses_what_is_malformed (void)
{
  Message space;
  struct nlmsghdr *message = start (&space);
  message->nlmsg_len = NLMSG_HDRLEN;
  refuses (message);
  message = start (&space);
  mnl_attr_put_u32 (message, WGDEVICE_A_LISTEN_PORT, 51820);
  refuses (message);
  message = start (&space);
  mnl_attr_put_u16 (message, WGDEVICE_A_FWMARK, 1);
  refuses (message);
  message = start (&space);
  struct nlattr *peers = mnl_attr_nest_start (message, WGDEVICE_A_PEERS);
  struct nlattr *peer = mnl_attr_nest_start (message, 0);
  mnl_attr_put_u32 (message, WGPEER_A_ENDPOINT, 1);
  mnl_attr_nest_end (message, peer);
  mnl_attr_nest_end (message, peers);
  refuses (message);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wireguard/reads-a-device", reads_a_device);
  g_test_add_func ("/wireguard/reads-on-in-the-next-message", reads_on_in_the_next_message);
  g_test_add_func ("/wireguard/refuses-what-is-malformed", refuses_what_is_malformed);
  return g_test_run ();
}
