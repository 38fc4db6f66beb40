/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "guard-maps.h"
#include "prefix.h"
#include "uids.h"

/* The entries of the guard's maps as plain data: what guard-maps.h says, for the plan and the diff.
 * Pure. */

/* The maps. In this order entries are written and compared: a uid is confined when all that its
 * gateway needs stands. */
typedef enum {
  CG_MAP_ADDRESSES,
  CG_MAP_PORTS,
  CG_MAP_SERVERS,
  CG_MAP_BYPASSES,
  CG_MAP_GATEWAYS,
  CG_MAP_UIDS,
  CG_N_MAPS
} CgMap;

/* The name of each, and the bytes of its keys and values. */
typedef struct {
  const char *name;
  guint key_size, value_size;
} CgMapType;
extern const CgMapType cg_map_types[CG_N_MAPS];

typedef struct {
  CgMap map;
  union {
    struct cg_address_key address;
    guint32 port;
    struct cg_server_key server;
    struct cg_bypass_key bypass;
    guint32 table; /* of CG_MAP_GATEWAYS */
    struct cg_uid_key uid;
    guint8 bytes[32];
  } key;
  union {
    guint32 number; /* flags, an interface or a table: of all maps but CG_MAP_GATEWAYS */
    struct cg_way way;
    guint8 bytes[16];
  } value;
} CgGuardEntry;

/* Each has zeros where its map has no bytes. */
CgGuardEntry cg_entry_address (guint32 ifindex, const CgPrefix *prefix, guint32 flags);
CgGuardEntry cg_entry_port (guint16 port);
CgGuardEntry cg_entry_server (guint32 table, const CgPrefix *server, guint32 flags);
CgGuardEntry cg_entry_bypass (guint32 table, const CgPrefix *prefix, guint32 ifindex);
CgGuardEntry cg_entry_gateway (guint32 table, struct cg_way way);

/* Appends those that lead the uids of the range to the table: the fewest prefixes that cover it. */
void cg_entries_append_uids (GArray *entries, CgUidRange range, guint32 table);

/* The uids that an entry of CG_MAP_UIDS is about. */
CgUidRange cg_entry_uids (const CgGuardEntry *entry);

/* The table that an entry belongs to; 0 if it is the whole machine's. */
guint32 cg_entry_table (const CgGuardEntry *entry);

/* An order by map and key; and whether two entries of one key have one value. */
int cg_entry_compare (gconstpointer a, gconstpointer b);
gboolean cg_entry_has_same_value (const CgGuardEntry *a, const CgGuardEntry *b);

/* Sorts, and keeps the last one appended of each key. */
void cg_entries_normalise (GArray *entries);

/* What both ways let pass, and no more: questions for names are held if one holds them. */
struct cg_way cg_way_meet (struct cg_way a, struct cg_way b);
gboolean cg_way_equal (struct cg_way a, struct cg_way b);

/* The arguments that bpftool-map(8) takes behind "map update pinned DIRECTORY/" or, if is_set is
 * FALSE, "map delete pinned DIRECTORY/", and behind a "#" what they mean. The caller owns the
 * result. */
char *cg_entry_to_string (const CgGuardEntry *entry, gboolean is_set);
