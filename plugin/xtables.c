/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xtables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state-file.h"

/* The numbers are those of IPv4, and the structures but for what begins a rule. */
G_STATIC_ASSERT (IPT_SO_GET_INFO == IP6T_SO_GET_INFO);
G_STATIC_ASSERT (IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES);
G_STATIC_ASSERT (sizeof (struct ipt_getinfo) == sizeof (struct ip6t_getinfo));
G_STATIC_ASSERT (sizeof (struct ipt_get_entries) == sizeof (struct ip6t_get_entries));

/* More than the largest rule sets that are in use; a limit all the same. */
#define MAX_SIZE (64u * 1024 * 1024)
/* The table may grow between the question for its size and that for its rules. */
#define MAX_TRIES 8

/* What begins a rule. */
typedef struct {
  gsize size;      /* of the fixed part; matches follow */
  guint16 matches; /* where they end */
  guint16 next;    /* where the next rule begins */
} Entry;

static gboolean
read_entry (int family, const guint8 *bytes, gsize left, Entry *entry)
{
  entry->size = family == AF_INET6 ? sizeof (struct ip6t_entry) : sizeof (struct ipt_entry);
  if (left < entry->size)
    return FALSE;
  if (family == AF_INET6) {
    struct ip6t_entry fixed;
    memcpy (&fixed, bytes, sizeof fixed);
    entry->matches = fixed.target_offset;
    entry->next = fixed.next_offset;
  } else {
    struct ipt_entry fixed;
    memcpy (&fixed, bytes, sizeof fixed);
    entry->matches = fixed.target_offset;
    entry->next = fixed.next_offset;
  }
  return entry->matches >= entry->size && entry->next >= entry->matches && entry->next <= left;
}

static gboolean
has_check (const guint8 *bytes, const Entry *entry)
{
  struct xt_entry_match match;
  for (gsize at = entry->size; at + sizeof match <= entry->matches; at += match.u.match_size) {
    memcpy (&match, bytes + at, sizeof match);
    if (match.u.match_size < sizeof match)
      return FALSE;
    if (strncmp (match.u.user.name, "rpfilter", sizeof match.u.user.name) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
cg_xtables_entries_check (int family, const guint8 *entries, gsize size)
{
  Entry entry;
  for (gsize at = 0; read_entry (family, entries + at, size - at, &entry); at += entry.next)
    if (has_check (entries + at, &entry))
      return TRUE;
  return FALSE;
}

/* What a look at a table came to. */
typedef enum { FREE, CHECKED, UNSEEN, CHANGED } Finding;

static Finding
check_once (int fd, int family, const char *table)
{
  int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  struct ipt_getinfo info = {0};
  socklen_t length = sizeof info;
  g_strlcpy (info.name, table, sizeof info.name);
  if (getsockopt (fd, level, IPT_SO_GET_INFO, &info, &length) < 0)
    return errno == ENOENT ? FREE : UNSEEN;
  if (info.size > MAX_SIZE)
    return UNSEEN;
  g_autofree struct ipt_get_entries *rules = g_malloc0 (sizeof *rules + info.size);
  length = (socklen_t) (sizeof *rules + info.size);
  g_strlcpy (rules->name, table, sizeof rules->name);
  rules->size = info.size;
  if (getsockopt (fd, level, IPT_SO_GET_ENTRIES, rules, &length) < 0)
    return errno == EAGAIN ? CHANGED : UNSEEN;
  return cg_xtables_entries_check (family, (const guint8 *) rules->entrytable, info.size) ? CHECKED
                                                                                          : FREE;
}

static Finding
look_at_table (int family, const char *table)
{
  int fd = socket (family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  Finding found = fd < 0 ? UNSEEN : CHANGED;
  for (guint i = 0; i < MAX_TRIES && found == CHANGED; i++)
    found = check_once (fd, family, table);
  if (fd >= 0)
    close (fd);
  return found;
}

gboolean
cg_xtables_check (int family, gboolean *unseen)
{
  static const char *const tables[] = {"raw", "mangle"};
  const char *path =
      family == AF_INET6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names";
  /* to ask for a table would make it; this file names those that there are */
  g_autofree char *names = cg_file_read (path, CG_STATE_MAX);
  if (!names)
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (names, "\n", -1);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
    Finding found = FREE;
    if (g_strv_contains ((const char *const *) lines, tables[i]))
      found = look_at_table (family, tables[i]);
    if (found == CHECKED)
      return TRUE;
    if (found != FREE)
      *unseen = TRUE;
  }
  return FALSE;
}
