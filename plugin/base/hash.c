/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hash.h"

/* FNV-1a, 32 bits (draft-eastlake-fnv). */
guint32
cg_hash_name (const char *name)
{
  guint32 hash = 2166136261u;
  for (; *name; name++)
    hash = (hash ^ (guint8) *name) * 16777619u;
  return hash;
}
