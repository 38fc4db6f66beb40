/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link-dns.h"

#include <net/if.h>
#include <string.h>

#include "state-file.h"

#define LINKS    "/run/systemd/netif/links"
#define MAX_LINK 65536 /* bytes; networkd writes some hundred */

/* IPv4 in the clothes of IPv6, ::ffff:0:0/96 (RFC 4291), which would pass for no loopback. */
static gboolean
is_mapped (const CgPrefix *server)
{
  static const guint8 mapped[12] = {[10] = 0xff, [11] = 0xff};
  return server->family == AF_INET6 && memcmp (server->address, mapped, sizeof mapped) == 0;
}

static void
add_word (GArray *servers, const char *word)
{
  CgPrefix server;
  g_autofree char *address = g_strndup (word, strcspn (word, "#%"));
  gsize length = strlen (address);
  if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
    memmove (address, address + 1, length - 2);
    address[length - 2] = '\0';
  }
  if (servers->len >= CG_LINK_DNS_MAX || strchr (address, '/') ||
      !cg_prefix_parse (address, &server) || cg_prefix_is_unspecified (&server) ||
      cg_prefix_is_loopback (&server) || is_mapped (&server) || cg_prefixes_have (servers, &server))
    return;
  g_array_append_val (servers, server);
}

void
cg_link_dns_add (GArray *servers, const char *text)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t\n\"", -1);
  for (char **word = words; *word; word++)
    if (**word)
      add_word (servers, *word);
}

gboolean
cg_link_dns_parse (const char *text, gsize length, GArray *servers)
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
    cg_link_dns_add (servers, found);
  return managed;
}

gboolean
cg_link_dns_read (const char *ifname, GArray *servers)
{
  g_autofree char *path = g_strdup_printf (LINKS "/%u", if_nametoindex (ifname));
  g_autofree char *text = cg_file_read (path, MAX_LINK); /* renamed into place as a whole */
  return text && cg_link_dns_parse (text, strlen (text), servers);
}
