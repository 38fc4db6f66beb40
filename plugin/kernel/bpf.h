/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"
#include "guard-entry.h"

/* The room that talks to bpf(2): the guard's programs and maps as they stand in the kernel, for the
 * network namespace of this process. Programs are attached to the root of cgroup v2 by
 * BPF_PROG_ATTACH, so that they stay whatever becomes of processes, pins and file systems. Maps and
 * programs are pinned below /sys/fs/bpf/custom-gateway, so that a run finds them that has
 * CAP_NET_ADMIN alone; one that has CAP_SYS_ADMIN finds them without pins, too. */

/* What was dropped for a gateway, of all processors. */
typedef struct {
  guint32 table;
  struct cg_drops drops;
} CgGuardDrops;

/* The guard as it stands. */
typedef struct {
  gboolean is_hidden;  /* this process may not look */
  char *impossible;    /* why there can be none here; NULL if it can be had */
  gboolean is_loaded;  /* it stands: this version, attached by each of its hooks */
  gboolean has_others; /* of another version, or incomplete, beside it or in its place */
  GArray *entries;     /* CgGuardEntry, normalised: what is in its maps */
  GArray *drops;       /* CgGuardDrops */
} CgGuardFound;

/* One that says nothing. */
CgGuardFound *cg_guard_found_new (void);
void cg_guard_found_free (CgGuardFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgGuardFound, cg_guard_found_free)

/* Those of the table, or NULL. */
const CgGuardDrops *cg_guard_found_drops (const CgGuardFound *found, guint32 table);

/* Looks. FALSE with a CG_ERROR_FAILED if there is a guard and its maps cannot be read. */
gboolean cg_bpf_look (CgGuardFound *found, GError **error);

/* Loads the guard with empty maps and attaches it: egress first. What stands of it already is left
 * and completed. FALSE with a CG_ERROR_ABSENT if that cannot be had here (no cgroup v2, no libbpf,
 * no right to, a kernel that does not take the programs), and with a CG_ERROR_FAILED if it may work
 * another time. */
gboolean cg_bpf_load (GError **error);

/* Detaches the guards of other versions and those that are incomplete, or with all every one of
 * ours; in an order in which the last that goes is what holds packets. FALSE with a CG_ERROR_FAILED
 * if one is left. */
gboolean cg_bpf_unload (gboolean all, GError **error);

/* The maps of the guard that is loaded, open to be written. */
typedef struct CgBpfMaps CgBpfMaps;
void cg_bpf_maps_close (CgBpfMaps *maps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgBpfMaps, cg_bpf_maps_close)

/* NULL with a CG_ERROR_FAILED. */
CgBpfMaps *cg_bpf_maps_open (GError **error);

/* One entry is there with its value, or not there, for the next packet. FALSE with a
 * CG_ERROR_FAILED. To delete one that is not there is no failure. */
gboolean cg_bpf_set (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error);
gboolean cg_bpf_delete (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error);
