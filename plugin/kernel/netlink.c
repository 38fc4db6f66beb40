/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel fills at most 32 KiB of a dump at once (netlink_recvmsg in net/netlink/af_netlink.c).
 */
#define RECEIVE_SIZE ((gsize) 64 * 1024)
/* Below the default send buffer of 208 KiB (net.core.wmem_default), which bounds a message. */
#define SEND_SIZE (128 * 1024)
/* A table that changes during each of so many dumps is being fought over. */
#define MAX_REPEATS 16
/* rtnetlink answers before sendmsg(2) returns; the limit only saves us from waiting for ever. */
#define TIMEOUT_S 10

struct CgNetlink {
  struct mnl_socket *socket;
  guint32 sequence;
  guint8 *received; /* RECEIVE_SIZE bytes, most of which nobody ever touches */
  gsize touched;
};

static gboolean
set_options (struct mnl_socket *socket, GError **error)
{
  int on = 1, size = 2 * SEND_SIZE;
  struct timeval limit = {.tv_sec = TIMEOUT_S};
  int fd = mnl_socket_get_fd (socket);

  if (mnl_socket_setsockopt (socket, NETLINK_GET_STRICT_CHK, &on, sizeof on) < 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED,
                 "the kernel does not check netlink requests strictly (%s); Linux 4.20 or newer "
                 "is needed",
                 g_strerror (errno));
    return FALSE;
  }
  /* What follows only makes answers better or batches safer; without it all works as well. */
  (void) mnl_socket_setsockopt (socket, NETLINK_EXT_ACK, &on, sizeof on);
  (void) mnl_socket_setsockopt (socket, NETLINK_CAP_ACK, &on, sizeof on);
  (void) setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  (void) setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return TRUE;
}

/* What socket(2) says for ever: no such family, or a sandbox without it. The rest (EMFILE, ENOBUFS,
 * ENOMEM ...) passes. */
static gboolean
is_final (int number)
{
  return number == EPROTONOSUPPORT || number == EAFNOSUPPORT || number == EPERM || number == EACCES;
}

static gboolean
bind_first (struct mnl_socket *socket)
{
  return mnl_socket_bind (socket, 0, MNL_SOCKET_AUTOPID) == 0;
}

/* Above the 22 bits that a process id may have (PID_MAX_LIMIT in linux/threads.h), as libnl does
 * it: who hears of such a port still knows whose it is. */
static gboolean
bind_aside (struct mnl_socket *socket)
{
  for (guint32 n = 1; n < 1u << 10; n++) {
    if (mnl_socket_bind (socket, 0, (pid_t) (n << 22 | (guint32) getpid ())) == 0)
      return TRUE;
    if (errno != EADDRINUSE)
      return FALSE;
  }
  return FALSE;
}

static CgNetlink *
open_one (int family, gboolean (*bind_it) (struct mnl_socket *socket), GError **error)
{
  g_autoptr (CgNetlink) netlink = g_new0 (CgNetlink, 1);
  netlink->received = g_malloc (RECEIVE_SIZE);
  netlink->socket = mnl_socket_open2 (family, SOCK_CLOEXEC);
  if (!netlink->socket || !bind_it (netlink->socket)) {
    g_set_error (error, CG_ERROR, is_final (errno) ? CG_ERROR_ABSENT : CG_ERROR_FAILED,
                 "cannot open a netlink socket: %s", g_strerror (errno));
    return NULL;
  }
  if (!set_options (netlink->socket, error))
    return NULL;
  return g_steal_pointer (&netlink);
}

CgNetlink *
cg_netlink_open (int family, GError **error)
{
  return open_one (family, bind_first, error);
}

CgNetlink *
cg_netlink_open_to_look (int family, GError **error)
{
  return open_one (family, bind_aside, error);
}

void
cg_netlink_free (CgNetlink *netlink)
{
  if (netlink->socket)
    mnl_socket_close (netlink->socket);
  explicit_bzero (netlink->received, netlink->touched); /* WireGuard tells its keys unasked */
  g_free (netlink->received);
  g_free (netlink);
}

gboolean
cg_netlink_has_header (const struct nlmsghdr *message, gsize size)
{
  return message->nlmsg_len >= NLMSG_HDRLEN + NLMSG_ALIGN (size) &&
         message->nlmsg_len % NLMSG_ALIGNTO == 0;
}

static gboolean
send_bytes (CgNetlink *netlink, const void *bytes, gsize size, GError **error)
{
  ssize_t sent;
  do
    sent = mnl_socket_sendto (netlink->socket, bytes, size);
  while (sent < 0 && errno == EINTR);
  if (sent == (ssize_t) size)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot send to the kernel: %s",
               sent < 0 ? g_strerror (errno) : "message cut off");
  return FALSE;
}

static gboolean
receive (CgNetlink *netlink, int *size, GError **error)
{
  ssize_t got;
  do
    got = mnl_socket_recvfrom (netlink->socket, netlink->received, RECEIVE_SIZE);
  while (got < 0 && errno == EINTR);
  if (got >= 0) {
    netlink->touched = MAX (netlink->touched, (gsize) got);
    *size = (int) got;
    return TRUE;
  }
  netlink->touched = RECEIVE_SIZE; /* ENOSPC: there was more than that */
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "the kernel's answer was lost: %s",
               g_strerror (errno));
  return FALSE;
}

/* The kernel's own explanation in an answer (NLMSGERR_ATTR_MSG), or NULL. Behind the error stands
 * the header of our message alone, since CAP_ACK is on. */
static const char *
extended_text (const struct nlmsghdr *message, gsize offset)
{
  if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
    return NULL;
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, offset)
  {
    if (mnl_attr_get_type (attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) >= 0)
      return mnl_attr_get_str (attribute);
  }
  return NULL;
}

/* The errno in an NLMSG_ERROR (0 for an acknowledgement) or at the end of a dump. */
static int
answer_status (const struct nlmsghdr *message, const char **text)
{
  gsize length = mnl_nlmsg_get_payload_len (message);
  int number = 0;
  *text = NULL;
  if (length < sizeof number)
    return message->nlmsg_type == NLMSG_DONE ? 0 : EBADMSG;
  memcpy (&number, mnl_nlmsg_get_payload (message), sizeof number);
  *text = extended_text (message, message->nlmsg_type == NLMSG_DONE ? sizeof number
                                                                    : sizeof (struct nlmsgerr));
  return number < 0 ? -number : number;
}

static int
set_kernel_error (int number, const char *text, GError **error)
{
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "the kernel says: %s%s%s%s", g_strerror (number),
               text ? " (" : "", text ? text : "", text ? ")" : "");
  return number;
}

typedef enum { ANSWER_MORE, ANSWER_END, ANSWER_INTERRUPTED } Answer;

/* Works through one receive buffer. Returns what is to be done next in *next. */
static int
take_answers (CgNetlink *netlink,
              int size,
              CgNetlinkParse parse,
              GArray *out,
              Answer *next,
              gboolean *interrupted,
              GError **error)
{
  const struct nlmsghdr *message = (const struct nlmsghdr *) netlink->received;
  for (; mnl_nlmsg_ok (message, size); message = mnl_nlmsg_next (message, &size)) {
    const char *text;
    if (message->nlmsg_seq != netlink->sequence)
      continue; /* of an earlier request that we gave up */
    if (message->nlmsg_flags & NLM_F_DUMP_INTR)
      *interrupted = TRUE;
    if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
      int number = answer_status (message, &text);
      if (number != 0)
        return set_kernel_error (number, text, error);
      *next = *interrupted ? ANSWER_INTERRUPTED : ANSWER_END;
      return 0;
    }
    if (message->nlmsg_type >= NLMSG_MIN_TYPE && !parse (message, out))
      return set_kernel_error (EBADMSG, "an answer that cannot be understood", error);
  }
  *next = ANSWER_MORE;
  return 0;
}

static int
ask_once (CgNetlink *netlink,
          struct nlmsghdr *request,
          CgNetlinkParse parse,
          GArray *out,
          Answer *next,
          GError **error)
{
  gboolean interrupted = FALSE;
  request->nlmsg_seq = ++netlink->sequence;
  if (!send_bytes (netlink, request, request->nlmsg_len, error))
    return EIO;
  do {
    int size;
    if (!receive (netlink, &size, error))
      return EIO;
    int number = take_answers (netlink, size, parse, out, next, &interrupted, error);
    if (number != 0)
      return number;
  } while (*next == ANSWER_MORE);
  return 0;
}

int
cg_netlink_ask (
    CgNetlink *netlink, struct nlmsghdr *request, CgNetlinkParse parse, GArray *out, GError **error)
{
  guint before = out->len;
  request->nlmsg_flags |= NLM_F_REQUEST;
  if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
    request->nlmsg_flags |= NLM_F_ACK;
  for (guint i = 0; i < MAX_REPEATS; i++) {
    Answer next = ANSWER_END;
    int number = ask_once (netlink, request, parse, out, &next, error);
    if (number == 0 && next == ANSWER_END)
      return 0;
    g_array_set_size (out, before);
    if (number != 0)
      return number;
  }
  return set_kernel_error (EAGAIN, "its tables change faster than they can be read", error);
}

/* Reads until the last of a chunk is answered. Only that one asked for an acknowledgement; of the
 * others only refusals come, so that the answers to thousands fit the receive buffer. */
static gboolean
take_refusals (CgNetlink *netlink,
               const CgNetlinkBatch *batch,
               guint32 first_sequence,
               guint first_index,
               GError **error)
{
  for (;;) {
    int size;
    if (!receive (netlink, &size, error))
      return FALSE;
    const struct nlmsghdr *message = (const struct nlmsghdr *) netlink->received;
    for (; mnl_nlmsg_ok (message, size); message = mnl_nlmsg_next (message, &size)) {
      guint32 place = message->nlmsg_seq - first_sequence;
      if (message->nlmsg_type != NLMSG_ERROR || place > netlink->sequence - first_sequence)
        continue;
      const char *text;
      int number = answer_status (message, &text);
      if (number != 0)
        batch->refused (first_index + place, number, text, batch->data);
      if (message->nlmsg_seq == netlink->sequence)
        return TRUE;
    }
  }
}

gboolean
cg_netlink_send (CgNetlink *netlink, const CgNetlinkBatch *batch, GError **error)
{
  g_autoptr (GByteArray) chunk = g_byte_array_new ();
  guint first_index = 0;
  guint32 first_sequence = netlink->sequence + 1;

  for (guint i = 0; i < batch->count; i++) {
    CgNetlinkMessage space;
    struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
    batch->encode (message, i, batch->data);
    gboolean last = i + 1 == batch->count ||
                    chunk->len + message->nlmsg_len + CG_NETLINK_MESSAGE_MAX > SEND_SIZE;
    message->nlmsg_seq = ++netlink->sequence;
    message->nlmsg_flags |= NLM_F_REQUEST | (last ? NLM_F_ACK : 0);
    g_byte_array_append (chunk, space.bytes, NLMSG_ALIGN (message->nlmsg_len));
    if (!last)
      continue;
    if (!send_bytes (netlink, chunk->data, chunk->len, error) ||
        !take_refusals (netlink, batch, first_sequence, first_index, error))
      return FALSE;
    g_byte_array_set_size (chunk, 0);
    first_index = i + 1;
    first_sequence = netlink->sequence + 1;
  }
  return TRUE;
}

/* What stands before and behind the messages of a transaction. */
static void
append_bracket (GByteArray *bytes, guint16 type, guint8 subsystem, const guint32 *generation)
{
  CgNetlinkMessage space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  message->nlmsg_type = type;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->version = NFNETLINK_V0;
  header->res_id = htons (subsystem);
  if (generation)
    mnl_attr_put_u32 (message, NFNL_BATCH_GENID, htonl (*generation));
  g_byte_array_append (bytes, space.bytes, message->nlmsg_len);
}

/* Numbers the messages. The last but one, which is the last that does anything, asks for an
 * acknowledgement: the end of a transaction gives none before Linux 6.10. Returns its number. */
static guint32
number_messages (CgNetlink *netlink, GByteArray *bytes)
{
  int left = (int) bytes->len;
  struct nlmsghdr *message = (struct nlmsghdr *) bytes->data, *before = message, *last = message;
  for (; mnl_nlmsg_ok (message, left); message = mnl_nlmsg_next (message, &left)) {
    message->nlmsg_seq = ++netlink->sequence;
    message->nlmsg_flags |= NLM_F_REQUEST;
    before = last;
    last = message;
  }
  before->nlmsg_flags |= NLM_F_ACK;
  return before->nlmsg_seq;
}

int
cg_netlink_transact (CgNetlink *netlink,
                     const GByteArray *messages,
                     guint8 subsystem,
                     guint32 generation,
                     GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint32 first = netlink->sequence + 1;
  append_bracket (bytes, NFNL_MSG_BATCH_BEGIN, subsystem, &generation);
  g_byte_array_append (bytes, messages->data, messages->len);
  append_bracket (bytes, NFNL_MSG_BATCH_END, subsystem, NULL);
  guint32 last = number_messages (netlink, bytes);
  if (!send_bytes (netlink, bytes->data, bytes->len, error))
    return EIO;
  for (;;) {
    int size;
    if (!receive (netlink, &size, error))
      return EIO;
    const struct nlmsghdr *message = (const struct nlmsghdr *) netlink->received;
    for (; mnl_nlmsg_ok (message, size); message = mnl_nlmsg_next (message, &size)) {
      if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq - first > last - first)
        continue;
      const char *text;
      int number = answer_status (message, &text);
      if (number != 0)
        return set_kernel_error (number, text, error);
      if (message->nlmsg_seq == last)
        return 0;
    }
  }
}
