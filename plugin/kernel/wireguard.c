/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wireguard.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <string.h>

#include "netlink.h"

#define HEADER sizeof (struct genlmsghdr)

void
cg_wireguard_clear (CgWireguard *wireguard)
{
  g_clear_pointer (&wireguard->endpoints, g_array_unref);
}

static int
by_endpoint (gconstpointer a, gconstpointer b)
{
  const CgEndpoint *left = a, *right = b;
  int order = memcmp (&left->address, &right->address, sizeof left->address);
  return order ? order : left->port - right->port;
}

/* WGPEER_A_ENDPOINT is a struct sockaddr_in or sockaddr_in6. */
static gboolean
parse_endpoint (const struct nlattr *attribute, CgEndpoint *endpoint)
{
  gsize length = mnl_attr_get_payload_len (attribute);
  struct sockaddr_in four;
  struct sockaddr_in6 six;
  memset (endpoint, 0, sizeof *endpoint);
  if (length == sizeof four) {
    memcpy (&four, mnl_attr_get_payload (attribute), sizeof four);
    endpoint->address.family = AF_INET;
    memcpy (endpoint->address.address, &four.sin_addr, sizeof four.sin_addr);
    endpoint->port = ntohs (four.sin_port);
  } else if (length == sizeof six) {
    memcpy (&six, mnl_attr_get_payload (attribute), sizeof six);
    endpoint->address.family = AF_INET6;
    memcpy (endpoint->address.address, &six.sin6_addr, sizeof six.sin6_addr);
    endpoint->port = ntohs (six.sin6_port);
  } else {
    return FALSE;
  }
  endpoint->address.length = (guint8) (cg_family_bytes (endpoint->address.family) * 8);
  return TRUE;
}

static gboolean
parse_peers (const struct nlattr *peers, CgWireguard *wireguard)
{
  const struct nlattr *peer, *part;
  mnl_attr_for_each_nested (peer, peers)
  {
    mnl_attr_for_each_nested (part, peer)
    {
      CgEndpoint endpoint;
      if (mnl_attr_get_type (part) != WGPEER_A_ENDPOINT)
        continue;
      if (!parse_endpoint (part, &endpoint))
        return FALSE;
      if (!wireguard->endpoints)
        wireguard->endpoints = g_array_new (FALSE, FALSE, sizeof (CgEndpoint));
      g_array_append_val (wireguard->endpoints, endpoint);
    }
  }
  return TRUE;
}

gboolean
cg_wireguard_parse (const struct nlmsghdr *message, GArray *wireguards)
{
  CgWireguard *wireguard = &g_array_index (wireguards, CgWireguard, 0);
  gsize header = NLMSG_HDRLEN + NLMSG_ALIGN (HEADER);
  if (message->nlmsg_len < header || message->nlmsg_len % NLMSG_ALIGNTO)
    return FALSE;
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, HEADER)
  {
    switch (mnl_attr_get_type (attribute)) {
    case WGDEVICE_A_LISTEN_PORT:
      if (mnl_attr_validate (attribute, MNL_TYPE_U16) < 0)
        return FALSE;
      wireguard->port = mnl_attr_get_u16 (attribute);
      break;
    case WGDEVICE_A_FWMARK:
      if (mnl_attr_validate (attribute, MNL_TYPE_U32) < 0)
        return FALSE;
      wireguard->mark = mnl_attr_get_u32 (attribute);
      break;
    case WGDEVICE_A_PEERS:
      if (!parse_peers (attribute, wireguard))
        return FALSE;
      break;
    default:
      break;
    }
  }
  return TRUE;
}

static gboolean
parse_family (const struct nlmsghdr *message, GArray *numbers)
{
  const struct nlattr *attribute;
  if (message->nlmsg_len < NLMSG_HDRLEN + NLMSG_ALIGN (HEADER))
    return FALSE;
  mnl_attr_for_each (attribute, message, HEADER)
  {
    if (mnl_attr_get_type (attribute) != CTRL_ATTR_FAMILY_ID)
      continue;
    if (mnl_attr_validate (attribute, MNL_TYPE_U16) < 0)
      return FALSE;
    guint16 number = mnl_attr_get_u16 (attribute);
    g_array_append_val (numbers, number);
  }
  return TRUE;
}

static struct nlmsghdr *
start_request (void *space, guint16 family, guint8 command, guint8 version)
{
  struct nlmsghdr *request = mnl_nlmsg_put_header (space);
  request->nlmsg_type = family;
  struct genlmsghdr *header = mnl_nlmsg_put_extra_header (request, HEADER);
  header->cmd = command;
  header->version = version;
  return request;
}

/* Families of generic netlink have names; their numbers are another each time the kernel boots. 0
 * if the kernel does not know WireGuard. */
static gboolean
find_family (CgNetlink *netlink, guint16 *family, GError **error)
{
  guint8 space[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
  struct nlmsghdr *request = start_request (space, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint16));
  g_autoptr (GError) why = NULL;
  mnl_attr_put_strz (request, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
  int number = cg_netlink_ask (netlink, request, parse_family, numbers, &why);
  *family = numbers->len > 0 ? g_array_index (numbers, guint16, 0) : 0;
  if (number == 0 || number == ENOENT)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

static void
sort_endpoints (GArray *endpoints)
{
  g_array_sort (endpoints, by_endpoint);
  for (guint i = endpoints->len; i-- > 1;)
    if (by_endpoint (&g_array_index (endpoints, CgEndpoint, i),
                     &g_array_index (endpoints, CgEndpoint, i - 1)) == 0)
      g_array_remove_index (endpoints, i);
}

gboolean
cg_wireguard_look (guint32 ifindex, CgWireguard *wireguard, GError **error)
{
  guint16 family;
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_GENERIC, error);
  if (!netlink || !find_family (netlink, &family, error))
    return FALSE;
  if (!family)
    return TRUE;

  guint8 space[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
  struct nlmsghdr *request = start_request (space, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
  g_autoptr (GArray) found = g_array_new (FALSE, TRUE, sizeof (CgWireguard));
  g_autoptr (GError) why = NULL;
  request->nlmsg_flags = NLM_F_DUMP;
  mnl_attr_put_u32 (request, WGDEVICE_A_IFINDEX, ifindex);
  g_array_set_size (found, 1);
  int number = cg_netlink_ask (netlink, request, cg_wireguard_parse, found, &why);
  *wireguard = g_array_index (found, CgWireguard, 0);
  if (wireguard->endpoints)
    sort_endpoints (wireguard->endpoints);
  if (number == 0 || number == ENODEV)
    return TRUE;
  cg_wireguard_clear (wireguard);
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}
