/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <linux/bpf.h>

#include "bpf-load.h"

/* Where a guard has its place: the root of cgroup v2, the network namespace of this process, and a
 * directory of pins. For bpf.c and bpf-find.c alone. */

typedef struct {
  int cgroup; /* the root of cgroup v2; -1 if it is not open */
  guint64 cookie;
  char *pins; /* the directory of its network namespace */
} CgBpfPlace;

#define CG_BPF_NO_PLACE                                                                            \
  {                                                                                                \
    .cgroup = -1                                                                                   \
  }

/* A guard that was found. */
typedef struct {
  CgBpfGuard fds;
  guint32 version;
  gboolean is_attached[CG_N_HOOKS];
} CgBpfFound;

/* By hook: enum bpf_attach_type of linux/bpf.h, and the programs' names. */
extern const guint32 cg_bpf_attach_types[CG_N_HOOKS];
extern const char *const cg_bpf_program_names[CG_N_HOOKS];

/* bpf(2). The kernel takes the part of the union that we know. -1 with errno set. */
int cg_bpf_call (int command, union bpf_attr *attributes);

/* FALSE, with a CG_ERROR_FAILED of what and errno. */
gboolean cg_bpf_fail (GError **error, const char *what);

/* Finds it. FALSE with a CG_ERROR_ABSENT. The caller clears it, also then. */
gboolean cg_bpf_place_find (CgBpfPlace *place, GError **error);
void cg_bpf_place_clear (CgBpfPlace *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CgBpfPlace, cg_bpf_place_clear)

/* A guard without descriptors; closes those of one, which is a CgBpfFound; an array of CgBpfFound
 * that closes them, which the caller owns. */
void cg_bpf_guard_init (CgBpfFound *guard);
void cg_bpf_guard_clear (gpointer guard);
GArray *cg_bpf_guards_new (void);

/* The path of a pin, which the caller owns. The version is the guard's, hook a CgHook, map a CgMap
 * or one behind these. */
char *cg_bpf_pin_of_program (const CgBpfPlace *place, guint32 version, guint hook);
char *cg_bpf_pin_of_map (const CgBpfPlace *place, guint32 version, guint map);

/* Opens what is pinned there, and frees the path. A descriptor, or -1 with errno set. */
int cg_bpf_open_pin (char *path);

/* Pins all of a guard. Without pins, which only spare later runs a privilege, the guard holds all
 * the same: it is said in the journal. And deletes the pins of a version. */
void cg_bpf_pin_all (const CgBpfPlace *place, const CgBpfFound *guard);
void cg_bpf_unpin (const CgBpfPlace *place, guint32 version);
