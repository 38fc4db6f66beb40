/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the kernel alone takes for the changes and the look that custom-gateway makes: ready-made
 * messages, in its order and its batches, sent and answered in a bare loop.
 *
 *   bench-floor make up|down|look TABLE IFINDEX <UIDS >MESSAGES    uids in rising order
 *   bench-floor send MESSAGES                                      this is what is timed
 *
 * Everything is written down here once more, not taken from plugin/: a floor that shares its code
 * with what stands on it would sink along. */

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROTOCOL     198
#define PRIORITY     500
#define METRIC_LAST  UINT32_MAX
#define BATCH_SIZE   (128 * 1024)
#define MESSAGE_MAX  4096
#define RECEIVE_SIZE (64 * 1024)

static const uint8_t families[] = {AF_INET, AF_INET6};

/* One batch, collected until it is full or its step is complete. The last message of each asks for
 * an acknowledgement: in the file, that is what shows where a batch ends. */
static uint8_t batch[BATCH_SIZE + MESSAGE_MAX];
static size_t batch_length;
static struct nlmsghdr *last_message;
static uint32_t sequence;

static void
fail (const char *what)
{
  perror (what);
  exit (1);
}

/* Of its two bits, a request for a change may have one with another meaning. */
static bool
is_dump (const struct nlmsghdr *message)
{
  return (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static void
end_batch (void)
{
  if (!last_message)
    return;
  if (!is_dump (last_message))
    last_message->nlmsg_flags |= NLM_F_ACK;
  if (fwrite (batch, 1, batch_length, stdout) != batch_length)
    fail ("writing the messages");
  batch_length = 0;
  last_message = NULL;
}

static struct nlmsghdr *
begin_message (uint16_t type, uint16_t flags)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (batch + batch_length);
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  message->nlmsg_seq = ++sequence;
  return message;
}

static void
end_message (struct nlmsghdr *message)
{
  bool full = batch_length + message->nlmsg_len + MESSAGE_MAX > BATCH_SIZE;
  batch_length += NLMSG_ALIGN (message->nlmsg_len);
  last_message = message;
  if (full)
    end_batch ();
}

static void
make_rule (bool add, uint8_t family, uint32_t table, uint32_t uid)
{
  struct nlmsghdr *message =
      begin_message (add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE : 0);
  struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  struct fib_rule_uid_range uids = {uid, uid};
  header->family = family;
  header->action = FR_ACT_TO_TBL;
  mnl_attr_put_u32 (message, FRA_PRIORITY, PRIORITY);
  mnl_attr_put_u32 (message, FRA_TABLE, table);
  mnl_attr_put (message, FRA_UID_RANGE, sizeof uids, &uids);
  mnl_attr_put_u8 (message, FRA_PROTOCOL, PROTOCOL);
  end_message (message);
}

/* ifindex 0: the prohibit route. */
static void
make_route (bool add, uint8_t family, uint32_t table, uint32_t ifindex)
{
  struct nlmsghdr *message =
      begin_message (add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
  struct rtmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->rtm_family = family;
  header->rtm_protocol = PROTOCOL;
  header->rtm_type = ifindex ? RTN_UNICAST : RTN_PROHIBIT;
  header->rtm_scope = !add ? RT_SCOPE_NOWHERE : ifindex ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  mnl_attr_put_u32 (message, RTA_TABLE, table);
  if (ifindex)
    mnl_attr_put_u32 (message, RTA_OIF, ifindex);
  else
    mnl_attr_put_u32 (message, RTA_PRIORITY, METRIC_LAST);
  end_message (message);
}

static void
make_rule_dump (uint8_t family)
{
  struct nlmsghdr *message = begin_message (RTM_GETRULE, NLM_F_DUMP);
  struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->family = family;
  end_message (message);
  end_batch ();
}

static void
make_route_dump (uint8_t family, uint8_t protocol, uint32_t table)
{
  struct nlmsghdr *message = begin_message (RTM_GETROUTE, NLM_F_DUMP);
  struct rtmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->rtm_family = family;
  header->rtm_protocol = protocol;
  if (table)
    mnl_attr_put_u32 (message, RTA_TABLE, table);
  end_message (message);
  end_batch ();
}

static void
make_rules (bool add, uint32_t table, const uint32_t *uids, size_t count)
{
  for (size_t f = 0; f < 2; f++)
    for (size_t i = 0; i < count; i++)
      make_rule (add, families[f], table, uids[i]);
  end_batch ();
}

static void
make_prohibits (bool add, uint32_t table)
{
  for (size_t f = 0; f < 2; f++)
    make_route (add, families[f], table, 0);
  end_batch ();
}

static void
make_look (uint32_t table)
{
  for (size_t f = 0; f < 2; f++)
    make_rule_dump (families[f]);
  for (size_t f = 0; f < 2; f++)
    make_route_dump (families[f], PROTOCOL, 0);
  for (size_t f = 0; f < 2; f++)
    make_route_dump (families[f], 0, table);
}

static uint32_t *
read_uids (size_t *count)
{
  uint32_t *uids = NULL;
  unsigned uid;
  for (*count = 0; scanf ("%u", &uid) == 1; (*count)++) {
    uids = realloc (uids, (*count + 1) * sizeof *uids);
    if (!uids)
      fail ("reading the uids");
    uids[*count] = uid;
  }
  return uids;
}

static int
make (const char *what, uint32_t table, uint32_t ifindex)
{
  size_t count;
  uint32_t *uids = read_uids (&count);
  if (strcmp (what, "up") == 0) {
    make_prohibits (true, table);
    make_rules (true, table, uids, count);
    make_route (true, AF_INET, table, ifindex);
    end_batch ();
  } else if (strcmp (what, "down") == 0) {
    /* the kernel itself took the route through the interface away when that went down */
    make_rules (false, table, uids, count);
    make_prohibits (false, table);
  } else {
    make_look (table);
  }
  free (uids);
  if (fflush (stdout) != 0)
    fail ("writing the messages");
  return 0;
}

/* Reads until the message numbered last is answered. A dump of a table that does not exist ends
 * with an error, which is an answer too. */
static void
drain (struct mnl_socket *socket, uint8_t *received, uint32_t last, bool dump)
{
  for (;;) {
    int size = (int) mnl_socket_recvfrom (socket, received, RECEIVE_SIZE);
    if (size < 0)
      fail ("receiving");
    const struct nlmsghdr *message = (const struct nlmsghdr *) received;
    for (; mnl_nlmsg_ok (message, size); message = mnl_nlmsg_next (message, &size)) {
      if (message->nlmsg_type == NLMSG_ERROR && !dump) {
        const struct nlmsgerr *answer = mnl_nlmsg_get_payload (message);
        errno = -answer->error;
        if (answer->error != 0)
          fail ("the kernel refused a message");
      }
      if (message->nlmsg_seq == last &&
          (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE))
        return;
    }
  }
}

static uint8_t *
read_file (const char *path, size_t *size)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat found;
  if (fd < 0 || fstat (fd, &found) < 0)
    fail (path);
  uint8_t *bytes = malloc ((size_t) found.st_size + 1);
  if (!bytes || read (fd, bytes, (size_t) found.st_size) != found.st_size)
    fail (path);
  close (fd);
  *size = (size_t) found.st_size;
  return bytes;
}

static int
send_file (const char *path)
{
  size_t size, start = 0;
  uint8_t *bytes = read_file (path, &size), *received = malloc (RECEIVE_SIZE);
  int on = 1, buffer = 2 * BATCH_SIZE;
  struct mnl_socket *socket = mnl_socket_open2 (NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!received || !socket || mnl_socket_bind (socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt (socket, NETLINK_GET_STRICT_CHK, &on, sizeof on) < 0 ||
      mnl_socket_setsockopt (socket, NETLINK_CAP_ACK, &on, sizeof on) < 0 ||
      setsockopt (mnl_socket_get_fd (socket), SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) <
          0)
    fail ("rtnetlink");
  for (size_t place = 0; place < size;) {
    const struct nlmsghdr *message = (const struct nlmsghdr *) (bytes + place);
    bool dump = is_dump (message);
    place += NLMSG_ALIGN (message->nlmsg_len);
    if (!dump && !(message->nlmsg_flags & NLM_F_ACK))
      continue;
    if (mnl_socket_sendto (socket, bytes + start, place - start) != (ssize_t) (place - start))
      fail ("sending");
    drain (socket, received, message->nlmsg_seq, dump);
    start = place;
  }
  if (start != size) {
    fprintf (stderr, "%s: the last batch has no end\n", path);
    return 1;
  }
  return 0; /* the end of the process closes and frees all */
}

int
main (int argc, char **argv)
{
  if (argc == 5 && strcmp (argv[1], "make") == 0)
    return make (argv[2], (uint32_t) strtoul (argv[3], NULL, 10),
                 (uint32_t) strtoul (argv[4], NULL, 10));
  if (argc == 3 && strcmp (argv[1], "send") == 0)
    return send_file (argv[2]);
  fprintf (stderr, "usage: bench-floor make up|down|look TABLE IFINDEX, or: send MESSAGES\n");
  return 2;
}
