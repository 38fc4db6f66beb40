/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard-program.h"

#include <string.h>

#include "guard.bpf.c"
#include "kernel.h"

/* What the helpers work on during one call. */
static struct {
  const GArray *entries;
  const ProgramPacket *packet;
  struct cg_drops *drops;
  guint32 current_uid;
} call;

static const struct {
  void *map;
  CgMap number;
} maps[] = {
    {&cg_addresses, CG_MAP_ADDRESSES}, {&cg_ports, CG_MAP_PORTS},
    {&cg_servers, CG_MAP_SERVERS},     {&cg_bypasses, CG_MAP_BYPASSES},
    {&cg_gateways, CG_MAP_GATEWAYS},   {&cg_uids, CG_MAP_UIDS},
};

static gboolean
is_trie (CgMap map)
{
  return map == CG_MAP_ADDRESSES || map == CG_MAP_BYPASSES || map == CG_MAP_UIDS;
}

void *
bpf_map_lookup_elem (void *map, const void *key)
{
  if (map == &cg_drops)
    return call.drops;
  for (guint i = 0; i < G_N_ELEMENTS (maps); i++) {
    const CgMap number = maps[i].number;
    if (maps[i].map != map)
      continue;
    /* a program reads no more than that of it */
    const CgGuardEntry *found =
        is_trie (number)
            ? kernel_find_longest (call.entries, number, (const guint8 *) key + sizeof (guint32))
            : kernel_find_exact (call.entries, number, key);
    return found ? (void *) found->value.bytes : NULL;
  }
  g_assert_not_reached ();
}

long
bpf_map_update_elem (void *map, const void *key, const void *value, __u64 flags)
{
  (void) map;
  (void) key;
  (void) value;
  (void) flags;
  g_assert_not_reached (); /* the drops are always there */
}

void *
bpf_sk_storage_get (void *map, void *sk, void *value, __u64 flags)
{
  (void) map;
  (void) sk;
  (void) value;
  (void) flags;
  return NULL;
}

struct bpf_sock *
bpf_sk_fullsock (struct bpf_sock *sk)
{
  return sk;
}

long
bpf_skb_load_bytes (const void *skb, __u32 offset, void *to, __u32 size)
{
  (void) skb;
  if (offset > call.packet->size || size > call.packet->size - offset)
    return -1;
  memcpy (to, call.packet->bytes + offset, size);
  return 0;
}

__u32
bpf_get_socket_uid (struct __sk_buff *skb)
{
  (void) skb;
  return call.packet->uid;
}

/* That of .rodata, as it is here. */
__u64
bpf_get_netns_cookie (void *context)
{
  (void) context;
  return 0;
}

__u64
bpf_get_current_uid_gid (void)
{
  return ((__u64) 77 << 32) | call.current_uid;
}

static gboolean
run (int (*program) (struct __sk_buff *),
     const GArray *entries,
     ProgramPacket *packet,
     struct cg_drops *drops)
{
  struct __sk_buff skb = {
      .protocol = htons (packet->ethertype), .ifindex = packet->ifindex, .mark = packet->mark};
  memset (drops, 0, sizeof *drops);
  call.entries = entries;
  call.packet = packet;
  call.drops = drops;
  const gboolean passes = program (&skb) == PASS;
  packet->mark = skb.mark;
  return passes;
}

gboolean
program_egress (const GArray *entries, ProgramPacket *packet, struct cg_drops *drops)
{
  return run (cg_egress, entries, packet, drops);
}

gboolean
program_ingress (const GArray *entries, ProgramPacket *packet, struct cg_drops *drops)
{
  return run (cg_ingress, entries, packet, drops);
}

gboolean
program_sock_create (const GArray *entries, guint32 uid, guint32 protocol)
{
  struct cg_drops drops = {0};
  struct bpf_sock sk = {.protocol = protocol};
  call.entries = entries;
  call.drops = &drops;
  call.current_uid = uid;
  const gboolean passes = cg_sock_create (&sk) == PASS;
  g_assert_cmpuint (drops.protocols, ==, passes ? 0 : 1);
  return passes;
}
