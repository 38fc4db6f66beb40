/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "servers.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#define LINKS    "/run/systemd/netif/links"
#define MAX_LINK 65536 /* bytes; networkd writes some hundred */

static gboolean
is_loopback (const CgPrefix *server)
{
  static const guint8 mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96, RFC 4291 */
  const guint8 *address = server->address;
  if (server->family == AF_INET)
    return address[0] == 127;
  return memcmp (address, &in6addr_loopback, sizeof in6addr_loopback) == 0 ||
         memcmp (address, mapped, sizeof mapped) == 0;
}

static gboolean
is_known (const GArray *servers, const CgPrefix *server)
{
  for (guint i = 0; i < servers->len; i++)
    if (memcmp (&g_array_index (servers, CgPrefix, i), server, sizeof *server) == 0)
      return TRUE;
  return FALSE;
}

static void
add_word (GArray *servers, const char *word)
{
  static const CgPrefix zero;
  CgPrefix server;
  g_autofree char *address = g_strndup (word, strcspn (word, "#%"));
  gsize length = strlen (address);
  if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
    memmove (address, address + 1, length - 2);
    address[length - 2] = '\0';
  }
  if (servers->len >= CG_SERVERS_MAX || strchr (address, '/') ||
      !cg_prefix_parse (address, &server) ||
      memcmp (server.address, zero.address, sizeof zero.address) == 0 || is_loopback (&server) ||
      is_known (servers, &server))
    return;
  g_array_append_val (servers, server);
}

void
cg_servers_add (GArray *servers, const char *text)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t\n\"", -1);
  for (char **word = words; *word; word++)
    if (**word)
      add_word (servers, *word);
}

gboolean
cg_servers_parse_link (const char *text, gsize length, GArray *servers)
{
  g_autofree char *copy = g_strndup (text, MIN (length, MAX_LINK));
  g_auto (GStrv) lines = g_strsplit (copy, "\n", -1);
  const char *found = "";
  gboolean managed = FALSE;
  for (char **line = lines; *line; line++) {
    if (g_str_has_prefix (*line, "ADMIN_STATE="))
      managed = !g_str_equal (*line, "ADMIN_STATE=unmanaged");
    else if (g_str_has_prefix (*line, "DNS="))
      found = *line + strlen ("DNS=");
  }
  if (managed)
    cg_servers_add (servers, found);
  return managed;
}

gboolean
cg_servers_of_link (const char *ifname, GArray *servers)
{
  g_autofree char *path = g_strdup_printf (LINKS "/%u", if_nametoindex (ifname));
  g_autofree char *text = g_malloc (MAX_LINK);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0)
    return FALSE;
  /* networkd renames a whole file into place; half of a longer one is as good as none */
  ssize_t got = read (fd, text, MAX_LINK);
  close (fd);
  return got > 0 && cg_servers_parse_link (text, (gsize) got, servers);
}
