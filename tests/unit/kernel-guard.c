/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the guard's program decides of a packet that leaves, by what guard-maps.h says that its maps
 * mean. Written from there, and not from guard.bpf.c, so that the two can be compared. */

#include "kernel.h"

#include <netinet/in.h>
#include <string.h>

#define LOOPBACK   1u
#define NAMES_PORT 53

static gboolean
has_bits (const guint8 *a, const guint8 *b, guint n)
{
  const guint whole = n / 8, rest = n % 8;
  return memcmp (a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* As a trie of the longest prefixes finds it: a key is a length, and the bits behind it. */
const CgGuardEntry *
kernel_find_longest (const GArray *entries, CgMap map, gconstpointer bits)
{
  const CgGuardEntry *best = NULL;
  guint32 best_length = 0;
  for (guint i = 0; i < entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (entries, CgGuardEntry, i);
    guint32 length;
    memcpy (&length, entry->key.bytes, sizeof length);
    if (entry->map != map || (best && length <= best_length) ||
        !has_bits (entry->key.bytes + sizeof length, bits, length))
      continue;
    best = entry;
    best_length = length;
  }
  return best;
}

const CgGuardEntry *
kernel_find_exact (const GArray *entries, CgMap map, gconstpointer key)
{
  for (guint i = 0; i < entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (entries, CgGuardEntry, i);
    if (entry->map == map && memcmp (entry->key.bytes, key, cg_map_types[map].key_size) == 0)
      return entry;
  }
  return NULL;
}

/* A number and an address: what stands behind the length in two of the tries. */
typedef struct {
  guint32 number;
  guint8 address[16];
} Numbered;

static Numbered
numbered (guint32 number, const CgPrefix *host)
{
  Numbered bits = {.number = number};
  if (host->family == AF_INET6) {
    memcpy (bits.address, host->address, 16);
  } else {
    bits.address[10] = bits.address[11] = 0xff;
    memcpy (bits.address + 12, host->address, 4);
  }
  return bits;
}

static const CgGuardEntry *
own_address (const GArray *entries, guint32 ifindex, const CgPrefix *address)
{
  const Numbered bits = numbered (ifindex, address);
  return kernel_find_longest (entries, CG_MAP_ADDRESSES, &bits);
}

static gboolean
may_ask (const GArray *entries, guint32 table, const KernelPacket *packet, gboolean by_tunnel)
{
  const Numbered key = numbered (table, &packet->destination);
  const CgGuardEntry *server = kernel_find_exact (entries, CG_MAP_SERVERS, &key);
  return server && (by_tunnel || !(server->value.number & CG_SERVER_BY_TUNNEL));
}

static gboolean
is_bypass (const GArray *entries, guint32 table, const KernelPacket *packet)
{
  const Numbered bits = numbered (table, &packet->destination);
  const CgGuardEntry *bypass = kernel_find_longest (entries, CG_MAP_BYPASSES, &bits);
  return bypass &&
         (bypass->value.number == CG_BYPASS_ANY || bypass->value.number == packet->ifindex);
}

static gboolean
is_unwrapped (const GArray *entries, const KernelPacket *packet)
{
  static const guint8 wrapping[] = {IPPROTO_IPIP, IPPROTO_IPV6,   IPPROTO_GRE, IPPROTO_ESP,
                                    IPPROTO_AH,   115 /* L2TP */, IPPROTO_MPLS};
  const guint32 port = packet->port;
  for (gsize i = 0; i < sizeof wrapping; i++)
    if (packet->protocol == wrapping[i])
      return TRUE;
  return packet->protocol == IPPROTO_UDP &&
         kernel_find_exact (entries, CG_MAP_PORTS, &port) != NULL;
}

gboolean
kernel_maps_pass (const GArray *entries, const KernelPacket *packet)
{
  const guint32 uid = htonl (packet->uid);
  const CgGuardEntry *confined = kernel_find_longest (entries, CG_MAP_UIDS, &uid);
  if (!confined)
    return TRUE;
  const guint32 table = confined->value.number;
  const CgGuardEntry *gateway = kernel_find_exact (entries, CG_MAP_GATEWAYS, &table);
  if (!gateway)
    return FALSE;
  const struct cg_way *way = &gateway->value.way;
  const guint32 tunnel = way->ifindex[cg_family_index (packet->destination.family)];
  const gboolean by_tunnel = tunnel && tunnel == packet->ifindex;
  if ((way->flags & CG_WAY_NAMES) && packet->port == NAMES_PORT &&
      !may_ask (entries, table, packet, by_tunnel))
    return FALSE;
  const gboolean is_local = cg_prefix_is_link_local (&packet->source);
  const CgGuardEntry *source = own_address (
      entries, is_local && packet->ifindex != LOOPBACK ? packet->ifindex : 0, &packet->source);
  if (packet->ifindex == LOOPBACK)
    return source && !is_unwrapped (entries, packet) &&
           (!is_local || cg_prefix_equal (&packet->source, &packet->destination));
  if (by_tunnel)
    return own_address (entries, tunnel, &packet->source) != NULL;
  return is_bypass (entries, table, packet) && source &&
         !(source->value.number & CG_ADDRESS_OF_TUNNEL);
}

gboolean
kernel_guard_passes (const Kernel *kernel, const KernelPacket *packet)
{
  return (!kernel->is_guarded || kernel_maps_pass (kernel->entries, packet)) &&
         (!kernel->outdated || kernel_maps_pass (kernel->outdated, packet));
}
