/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bpf-place.h"

/* Which guards of ours are there: by their pins, and by what is attached to the root of cgroup v2.
 * For bpf.c alone. */

/* Appends all of them, of each version, to guards, an array of CgBpfFound. FALSE with errno set if
 * we may not look. */
gboolean cg_bpf_find (const CgBpfPlace *place, GArray *guards);

/* The one of this version that is whole, or NULL; it belongs to the array. */
CgBpfFound *cg_bpf_current (GArray *guards);

/* Whether all its programs are. */
gboolean cg_bpf_is_attached (const CgBpfFound *guard);

/* Reads a value of a map (BPF_MAP_LOOKUP_ELEM in linux/bpf.h). FALSE with errno set. */
gboolean cg_bpf_lookup (int map, gconstpointer key, gpointer value);
