/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define CG_N_FAMILIES 2

/* AF_INET, AF_INET6: the order in which everything is done for both. */
extern const int cg_families[CG_N_FAMILIES];

/* A destination in CIDR form (RFC 4632, RFC 4291). Without padding and with unused bytes zero, so
 * that two of them compare with memcmp(3). */
typedef struct {
  guint8 family; /* AF_INET or AF_INET6 */
  guint8 length; /* 0-32 or 0-128 */
  guint8 address[16];
} CgPrefix;

/* 0.0.0.0/0 or ::/0. */
CgPrefix cg_prefix_default (int family);

/* 0 for AF_INET, 1 for AF_INET6: the place of the family in a pair. */
guint cg_family_index (int family);

/* 4 or 16, the bytes of an address. */
guint cg_family_bytes (int family);

/* "IPv4" or "IPv6". */
const char *cg_family_name (int family);

/* Reads "192.168.1.0/24", "fd00::/8", or an address alone, which is a /32 or /128. Bits behind the
 * prefix length are kept: see cg_prefix_has_host_bits. FALSE if it is none of these. */
gboolean cg_prefix_parse (const char *text, CgPrefix *prefix);

/* Whether the address has a bit set behind the prefix length, which the kernel refuses in a route.
 */
gboolean cg_prefix_has_host_bits (const CgPrefix *prefix);

/* The same prefix with those bits cleared. */
CgPrefix cg_prefix_masked (const CgPrefix *prefix);

/* Whether the two are the same. */
gboolean cg_prefix_equal (const CgPrefix *a, const CgPrefix *b);

/* Whether every address of part, a network or an address, lies in the prefix. */
gboolean cg_prefix_covers (const CgPrefix *prefix, const CgPrefix *part);

/* Whether an array of CgPrefix has such a one. */
gboolean cg_prefixes_have (const GArray *prefixes, const CgPrefix *prefix);

/* Of one of full length, whether its address is one of 127.0.0.0/8, or ::1 (RFC 1122, RFC 4291);
 * and whether it is 0.0.0.0 or ::. */
gboolean cg_prefix_is_loopback (const CgPrefix *prefix);
gboolean cg_prefix_is_unspecified (const CgPrefix *prefix);

/* Of one of full length, whether its address is one of fe80::/10 (RFC 4291), which each link has
 * for itself. */
gboolean cg_prefix_is_link_local (const CgPrefix *prefix);

/* "default" for length 0, as ip-route(8) writes it, else CIDR. The caller owns the result. */
char *cg_prefix_to_string (const CgPrefix *prefix);

/* The address alone, whatever the length. The caller owns the result. */
char *cg_prefix_to_address (const CgPrefix *prefix);
