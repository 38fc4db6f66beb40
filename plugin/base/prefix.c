/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prefix.h"

#include <arpa/inet.h>
#include <string.h>

const int cg_families[CG_N_FAMILIES] = {AF_INET, AF_INET6};

CgPrefix
cg_prefix_default (int family)
{
  return (CgPrefix){.family = (guint8) family};
}

guint
cg_family_index (int family)
{
  return family == AF_INET6 ? 1 : 0;
}

guint
cg_family_bytes (int family)
{
  return family == AF_INET6 ? 16 : 4;
}

const char *
cg_family_name (int family)
{
  return family == AF_INET6 ? "IPv6" : "IPv4";
}

gboolean
cg_prefix_parse (const char *text, CgPrefix *prefix)
{
  g_auto (GStrv) part = g_strsplit (text, "/", 2);
  if (!part[0])
    return FALSE;

  int family = strchr (part[0], ':') ? AF_INET6 : AF_INET;
  guint bits = cg_family_bytes (family) * 8;
  *prefix = (CgPrefix){.family = (guint8) family, .length = (guint8) bits};
  if (inet_pton (family, part[0], prefix->address) != 1)
    return FALSE;
  if (!part[1])
    return TRUE;

  guint64 length;
  if (!g_ascii_string_to_unsigned (part[1], 10, 0, bits, &length, NULL))
    return FALSE;
  prefix->length = (guint8) length;
  return TRUE;
}

CgPrefix
cg_prefix_masked (const CgPrefix *prefix)
{
  CgPrefix masked = *prefix;
  for (guint bit = prefix->length; bit < cg_family_bytes (prefix->family) * 8; bit++)
    masked.address[bit / 8] &= (guint8) ~(0x80u >> (bit % 8));
  return masked;
}

gboolean
cg_prefix_has_host_bits (const CgPrefix *prefix)
{
  CgPrefix masked = cg_prefix_masked (prefix);
  return !cg_prefix_equal (&masked, prefix);
}

gboolean
cg_prefix_equal (const CgPrefix *a, const CgPrefix *b)
{
  return memcmp (a, b, sizeof *a) == 0;
}

gboolean
cg_prefix_covers (const CgPrefix *prefix, const CgPrefix *part)
{
  CgPrefix network = *part;
  network.length = prefix->length;
  network = cg_prefix_masked (&network);
  return prefix->length <= part->length && cg_prefix_equal (&network, prefix);
}

gboolean
cg_prefixes_have (const GArray *prefixes, const CgPrefix *prefix)
{
  for (guint i = 0; i < prefixes->len; i++)
    if (cg_prefix_equal (&g_array_index (prefixes, CgPrefix, i), prefix))
      return TRUE;
  return FALSE;
}

gboolean
cg_prefix_is_loopback (const CgPrefix *prefix)
{
  if (prefix->family == AF_INET)
    return prefix->address[0] == IN_LOOPBACKNET;
  return memcmp (prefix->address, &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

gboolean
cg_prefix_is_unspecified (const CgPrefix *prefix)
{
  static const CgPrefix zero;
  return memcmp (prefix->address, zero.address, sizeof zero.address) == 0;
}

gboolean
cg_prefix_is_link_local (const CgPrefix *prefix)
{
  return prefix->family == AF_INET6 && prefix->address[0] == 0xfe &&
         (prefix->address[1] & 0xc0) == 0x80;
}

char *
cg_prefix_to_address (const CgPrefix *prefix)
{
  char text[INET6_ADDRSTRLEN];
  inet_ntop (prefix->family, prefix->address, text, sizeof text);
  return g_strdup (text);
}

char *
cg_prefix_to_string (const CgPrefix *prefix)
{
  if (prefix->length == 0)
    return g_strdup ("default");
  g_autofree char *address = cg_prefix_to_address (prefix);
  return g_strdup_printf ("%s/%u", address, prefix->length);
}
