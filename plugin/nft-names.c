/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft-names.h"

#include <string.h>

#include "gateway.h"

/* What follows the gateway's name; that has no slash but in "/40". */
#define SHIELD "/shield"
#define OWNED  "/owned-"

char *
cg_nft_table_of (const char *gateway)
{
  g_auto (GStrv) parts = g_strsplit (gateway, "@", -1);
  g_autofree char *name = g_strjoinv ("/40", parts);
  return g_strconcat (CG_NFT_PREFIX, name, NULL);
}

char *
cg_nft_shield_of (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return g_strconcat (table, SHIELD, NULL);
}

char *
cg_nft_owned_of (const char *gateway, guint serial)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return g_strdup_printf ("%s" OWNED "%u", table, serial);
}

/* The name that the gateway's table of that kind has, if its serial is what rest begins with. */
static char *
proper_name (CgTableKind kind, const char *gateway, const char *rest)
{
  switch (kind) {
  case CG_TABLE_SHIELD:
    return cg_nft_shield_of (gateway);
  case CG_TABLE_OWNED:
    return cg_nft_owned_of (gateway, (guint) g_ascii_strtoull (rest, NULL, 10));
  default:
    return cg_nft_table_of (gateway);
  }
}

CgTableKind
cg_nft_kind_of (const char *table, char **gateway)
{
  *gateway = NULL;
  if (!g_str_has_prefix (table, CG_NFT_PREFIX))
    return CG_TABLE_OTHERS;
  const char *name = table + strlen (CG_NFT_PREFIX), *end = name + strlen (name);
  const char *owned = g_strrstr (name, OWNED);
  CgTableKind kind = CG_TABLE_GUARD;
  if (g_str_has_suffix (name, SHIELD)) {
    kind = CG_TABLE_SHIELD;
    end -= strlen (SHIELD);
  } else if (owned) {
    kind = CG_TABLE_OWNED;
    end = owned;
  }
  g_autofree char *escaped = g_strndup (name, (gsize) (end - name));
  g_auto (GStrv) parts = g_strsplit (escaped, "/40", -1);
  g_autofree char *found = g_strjoinv ("@", parts);
  g_autofree char *proper = proper_name (kind, found, owned ? owned + strlen (OWNED) : "");
  if (!cg_gateway_name_valid (found) || !g_str_equal (proper, table))
    return CG_TABLE_OTHERS;
  *gateway = g_steal_pointer (&found);
  return kind;
}
