/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard-entry.h"

#include <arpa/inet.h>
#include <string.h>

const CgMapType cg_map_types[CG_N_MAPS] = {
    [CG_MAP_ADDRESSES] = {"cg_addresses", sizeof (struct cg_address_key), sizeof (guint32)},
    [CG_MAP_PORTS] = {"cg_ports", sizeof (guint32), sizeof (guint32)},
    [CG_MAP_SERVERS] = {"cg_servers", sizeof (struct cg_server_key), sizeof (guint32)},
    [CG_MAP_BYPASSES] = {"cg_bypasses", sizeof (struct cg_bypass_key), sizeof (guint32)},
    [CG_MAP_GATEWAYS] = {"cg_gateways", sizeof (guint32), sizeof (struct cg_way)},
    [CG_MAP_UIDS] = {"cg_uids", sizeof (struct cg_uid_key), sizeof (guint32)},
};

/* What stands before an address of IPv4 in 16 bytes (RFC 4291, 2.5.5.2). */
static const guint8 mapped[12] = {[10] = 0xff, [11] = 0xff};

static struct cg_ip
ip_of (const CgPrefix *prefix)
{
  struct cg_ip ip = {{0}};
  if (prefix->family == AF_INET6) {
    memcpy (ip.bytes, prefix->address, sizeof ip.bytes);
    return ip;
  }
  memcpy (ip.bytes, mapped, sizeof mapped);
  memcpy (ip.bytes + sizeof mapped, prefix->address, 4);
  return ip;
}

/* How many bits a prefix has in 16 bytes. */
static guint32
bits_of (const CgPrefix *prefix)
{
  return prefix->length + (prefix->family == AF_INET ? 8 * (guint32) sizeof mapped : 0);
}

static char *
ip_to_string (const struct cg_ip *ip, guint32 bits)
{
  CgPrefix prefix = {.family = AF_INET6, .length = (guint8) bits};
  gboolean is_four = bits >= 8 * sizeof mapped && memcmp (ip->bytes, mapped, sizeof mapped) == 0;
  if (is_four) {
    prefix.family = AF_INET;
    prefix.length = (guint8) (bits - 8 * sizeof mapped);
    memcpy (prefix.address, ip->bytes + sizeof mapped, 4);
  } else {
    memcpy (prefix.address, ip->bytes, sizeof ip->bytes);
  }
  return cg_prefix_to_string (&prefix);
}

CgGuardEntry
cg_entry_address (guint32 ifindex, const CgPrefix *prefix, guint32 flags)
{
  CgGuardEntry entry = {.map = CG_MAP_ADDRESSES};
  entry.key.address = (struct cg_address_key){
      .length = 32 + bits_of (prefix), .ifindex = ifindex, .address = ip_of (prefix)};
  entry.value.number = flags;
  return entry;
}

CgGuardEntry
cg_entry_port (guint16 port)
{
  CgGuardEntry entry = {.map = CG_MAP_PORTS};
  entry.key.port = port;
  return entry;
}

CgGuardEntry
cg_entry_server (guint32 table, const CgPrefix *server, guint32 flags)
{
  CgGuardEntry entry = {.map = CG_MAP_SERVERS};
  entry.key.server = (struct cg_server_key){.table = table, .address = ip_of (server)};
  entry.value.number = flags;
  return entry;
}

CgGuardEntry
cg_entry_bypass (guint32 table, const CgPrefix *prefix, guint32 ifindex)
{
  CgGuardEntry entry = {.map = CG_MAP_BYPASSES};
  entry.key.bypass = (struct cg_bypass_key){
      .length = 32 + bits_of (prefix), .table = table, .destination = ip_of (prefix)};
  entry.value.number = ifindex;
  return entry;
}

CgGuardEntry
cg_entry_gateway (guint32 table, struct cg_way way)
{
  CgGuardEntry entry = {.map = CG_MAP_GATEWAYS};
  entry.key.table = table;
  entry.value.way = way;
  return entry;
}

/* A prefix of 2^bits uids, of which first is the first. */
static CgGuardEntry
entry_uids (guint32 first, guint bits, guint32 table)
{
  CgGuardEntry entry = {.map = CG_MAP_UIDS};
  const guint32 ordered = htonl (first);
  entry.key.uid.length = 32 - bits;
  memcpy (entry.key.uid.uid, &ordered, sizeof ordered);
  entry.value.number = table;
  return entry;
}

void
cg_entries_append_uids (GArray *entries, CgUidRange range, guint32 table)
{
  for (guint64 first = range.first; first <= range.last;) {
    guint bits = 0;
    while (bits < 32 && first % (G_GUINT64_CONSTANT (2) << bits) == 0 &&
           first + (G_GUINT64_CONSTANT (2) << bits) - 1 <= range.last)
      bits++;
    CgGuardEntry entry = entry_uids ((guint32) first, bits, table);
    g_array_append_val (entries, entry);
    first += G_GUINT64_CONSTANT (1) << bits;
  }
}

CgUidRange
cg_entry_uids (const CgGuardEntry *entry)
{
  guint32 ordered;
  memcpy (&ordered, entry->key.uid.uid, sizeof ordered);
  const guint32 length = MIN (entry->key.uid.length, 32);
  const guint32 others =
      length ? (guint32) ((G_GUINT64_CONSTANT (1) << (32 - length)) - 1) : G_MAXUINT32;
  const guint32 first = ntohl (ordered) & ~others;
  return (CgUidRange){first, first | others};
}

guint32
cg_entry_table (const CgGuardEntry *entry)
{
  switch (entry->map) {
  case CG_MAP_ADDRESSES:
  case CG_MAP_PORTS:
  case CG_N_MAPS:
    return 0;
  case CG_MAP_SERVERS:
    return entry->key.server.table;
  case CG_MAP_BYPASSES:
    return entry->key.bypass.table;
  case CG_MAP_GATEWAYS:
    return entry->key.table;
  case CG_MAP_UIDS:
    return entry->value.number;
  }
  return 0;
}

int
cg_entry_compare (gconstpointer a, gconstpointer b)
{
  const CgGuardEntry *left = a, *right = b;
  if (left->map != right->map)
    return left->map < right->map ? -1 : 1;
  return memcmp (left->key.bytes, right->key.bytes, cg_map_types[left->map].key_size);
}

gboolean
cg_entry_has_same_value (const CgGuardEntry *a, const CgGuardEntry *b)
{
  return memcmp (a->value.bytes, b->value.bytes, cg_map_types[a->map].value_size) == 0;
}

void
cg_entries_normalise (GArray *entries)
{
  guint kept = 0;
  g_array_sort (entries, cg_entry_compare); /* stable, by its documentation */
  for (guint i = 0; i < entries->len; i++) {
    const CgGuardEntry entry = g_array_index (entries, CgGuardEntry, i);
    if (kept > 0 &&
        cg_entry_compare (&g_array_index (entries, CgGuardEntry, kept - 1), &entry) == 0)
      kept--;
    g_array_index (entries, CgGuardEntry, kept++) = entry;
  }
  g_array_set_size (entries, kept);
}

struct cg_way
cg_way_meet (struct cg_way a, struct cg_way b)
{
  const guint32 holds = CG_WAY_NAMES; /* the other flags let something pass */
  struct cg_way both = {.flags = ((a.flags | b.flags) & holds) | (a.flags & b.flags & ~holds)};
  for (guint i = 0; i < CG_N_FAMILIES; i++)
    both.ifindex[i] = a.ifindex[i] == b.ifindex[i] ? a.ifindex[i] : 0;
  return both;
}

gboolean
cg_way_equal (struct cg_way a, struct cg_way b)
{
  return a.ifindex[0] == b.ifindex[0] && a.ifindex[1] == b.ifindex[1] && a.flags == b.flags;
}

static void
append_hex (GString *text, const char *word, const guint8 *bytes, guint size)
{
  g_string_append_printf (text, " %s hex", word);
  for (guint i = 0; i < size; i++)
    g_string_append_printf (text, " %02x", bytes[i]);
}

/* In words. The caller owns the result. */
static char *
meaning_of (const CgGuardEntry *entry)
{
  g_autofree char *text = NULL;
  switch (entry->map) {
  case CG_MAP_ADDRESSES:
    text = ip_to_string (&entry->key.address.address, entry->key.address.length - 32);
    return g_strdup_printf ("own address %s, interface %u%s", text, entry->key.address.ifindex,
                            entry->value.number & CG_ADDRESS_OF_TUNNEL ? ", of a tunnel" : "");
  case CG_MAP_PORTS:
    return g_strdup_printf ("UDP port %u of a tunnel in the kernel", entry->key.port);
  case CG_MAP_SERVERS:
    text = ip_to_string (&entry->key.server.address, 128);
    return g_strdup_printf ("table %u: name server %s%s", entry->key.server.table, text,
                            entry->value.number & CG_SERVER_BY_TUNNEL ? ", by the tunnel" : "");
  case CG_MAP_BYPASSES:
    text = ip_to_string (&entry->key.bypass.destination, entry->key.bypass.length - 32);
    if (entry->value.number == CG_BYPASS_NONE)
      return g_strdup_printf ("table %u: bypass %s, closed", entry->key.bypass.table, text);
    return g_strdup_printf ("table %u: bypass %s, interface %u", entry->key.bypass.table, text,
                            entry->value.number);
  case CG_MAP_GATEWAYS:
    return g_strdup_printf ("table %u: IPv4 by interface %u, IPv6 by %u%s", entry->key.table,
                            entry->value.way.ifindex[0], entry->value.way.ifindex[1],
                            entry->value.way.flags & CG_WAY_NAMES ? ", own name servers" : "");
  case CG_MAP_UIDS:
    text = cg_uid_range_to_string (cg_entry_uids (entry));
    return g_strdup_printf ("table %u: uid %s", entry->value.number, text);
  case CG_N_MAPS:
    break;
  }
  return g_strdup ("");
}

char *
cg_entry_to_string (const CgGuardEntry *entry, gboolean is_set)
{
  const CgMapType *type = &cg_map_types[entry->map];
  g_autoptr (GString) text = g_string_new (type->name);
  g_autofree char *meaning = meaning_of (entry);
  append_hex (text, "key", entry->key.bytes, type->key_size);
  if (is_set)
    append_hex (text, "value", entry->value.bytes, type->value_size);
  g_string_append_printf (text, " # %s", meaning);
  return g_strdup (text->str);
}
