/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "inet-diag.h"

#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#include "uids.h"

/* idiag_states is a bit for each state of netinet/tcp.h. */
#define STATES                                                                                     \
  (1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 |         \
   1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)

static struct inet_diag_req_v2 *
start (struct nlmsghdr *message, guint16 type, guint8 family)
{
  message->nlmsg_type = type;
  struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header (message, sizeof *request);
  request->sdiag_family = family;
  request->sdiag_protocol = IPPROTO_TCP;
  request->idiag_states = STATES;
  return request;
}

void
cg_inet_diag_get_all (struct nlmsghdr *request, int family)
{
  start (request, SOCK_DIAG_BY_FAMILY, (guint8) family);
  request->nlmsg_flags = NLM_F_DUMP;
}

void
cg_inet_diag_put_destroy (struct nlmsghdr *message, const CgSocket *socket)
{
  start (message, SOCK_DESTROY, socket->family)->id = socket->id;
}

/* Only of a full length, and with the mapped ones as what they are on the wire. */
static CgPrefix
address_of (guint8 family, const void *bytes)
{
  struct in6_addr six;
  CgPrefix address = {.family = family};
  memcpy (&six, bytes, sizeof six);
  if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED (&six)) {
    address.family = AF_INET;
    bytes = (const guint8 *) bytes + sizeof six - sizeof (struct in_addr);
  }
  guint size = cg_family_bytes (address.family);
  address.length = (guint8) (size * 8);
  memcpy (address.address, bytes, size);
  return address;
}

gboolean
cg_inet_diag_parse (const struct nlmsghdr *message, GArray *sockets)
{
  struct inet_diag_msg found;
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
    return TRUE;
  if (message->nlmsg_len < NLMSG_HDRLEN + sizeof found)
    return FALSE;
  memcpy (&found, mnl_nlmsg_get_payload (message), sizeof found);
  if (found.idiag_uid == CG_UID_ROOT || found.idiag_state > TCP_CLOSING ||
      !(STATES & 1u << found.idiag_state) ||
      (found.idiag_family != AF_INET && found.idiag_family != AF_INET6))
    return TRUE;
  CgSocket socket = {
      .uid = found.idiag_uid,
      .ifindex = found.id.idiag_if,
      .local = address_of (found.idiag_family, found.id.idiag_src),
      .remote = address_of (found.idiag_family, found.id.idiag_dst),
      .local_port = ntohs (found.id.idiag_sport),
      .remote_port = ntohs (found.id.idiag_dport),
      .family = found.idiag_family,
      .id = found.id,
  };
  g_array_append_val (sockets, socket);
  return TRUE;
}

/* "192.0.2.1:80" or "[2001:db8::1]:80". */
static char *
end_to_string (const CgPrefix *address, guint16 port)
{
  g_autofree char *text = cg_prefix_to_address (address);
  gboolean six = address->family == AF_INET6;
  return g_strdup_printf ("%s%s%s:%u", six ? "[" : "", text, six ? "]" : "", port);
}

char *
cg_socket_to_string (const CgSocket *socket)
{
  g_autofree char *local = end_to_string (&socket->local, socket->local_port);
  g_autofree char *remote = end_to_string (&socket->remote, socket->remote_port);
  return g_strdup_printf ("ss -K -t src %s dst %s", local, remote);
}
