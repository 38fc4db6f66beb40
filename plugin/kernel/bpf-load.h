/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bpf.h"
#include "module.h"

/* Between bpf.c and the module that links libbpf, which only a run loads that has to load the
 * guard: see module.h. */

/* The hooks, in the order in which they are attached: from the first on, packets are held. */
typedef enum {
  CG_HOOK_EGRESS,
  CG_HOOK_INGRESS,
  CG_HOOK_SOCK_CREATE,
  CG_HOOK_SETSOCKOPT,
  CG_N_HOOKS
} CgHook;

/* The maps that are no CgMap, behind these. */
enum { CG_MAP_DROPS = CG_N_MAPS, CG_MAP_SELF, CG_N_ALL_MAPS };
#define CG_MAP_NAME_DROPS "cg_drops"
#define CG_MAP_NAME_SELF  ".rodata.self"

/* The names of the programs, by hook. */
#define CG_PROGRAM_NAMES                                                                           \
  {                                                                                                \
    "cg_egress", "cg_ingress", "cg_sock_create", "cg_setsockopt"                                   \
  }

/* A guard's descriptors; -1 for those that are not open. */
typedef struct {
  int programs[CG_N_HOOKS];
  int maps[CG_N_ALL_MAPS];
} CgBpfGuard;

/* Loads the object file into the kernel, attached to nothing, for the network namespace of that
 * cookie. The caller owns the descriptors. FALSE with a CG_ERROR_ABSENT if the kernel does not take
 * it or we may not, and with a CG_ERROR_FAILED for want of memory. */
CG_EXPORTED gboolean cg_bpf_load_object (const char *path,
                                         guint64 cookie,
                                         CgBpfGuard *guard,
                                         GError **error);
