/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* In the place of libbpf's header: the kernel's helpers are functions of the test. */

#include <linux/bpf.h>

#define SEC(name_)
#define __uint(name_, value_) int (*name_)[value_]
#define __type(name_, type_)  __typeof__ (type_) *name_
#ifndef __always_inline
#define __always_inline inline __attribute__ ((always_inline))
#endif

void *bpf_map_lookup_elem (void *map, const void *key);
long bpf_map_update_elem (void *map, const void *key, const void *value, __u64 flags);
void *bpf_sk_storage_get (void *map, void *sk, void *value, __u64 flags);
struct bpf_sock *bpf_sk_fullsock (struct bpf_sock *sk);
long bpf_skb_load_bytes (const void *skb, __u32 offset, void *to, __u32 size);
__u32 bpf_get_socket_uid (struct __sk_buff *skb);
__u64 bpf_get_netns_cookie (void *context);
__u64 bpf_get_current_uid_gid (void);
