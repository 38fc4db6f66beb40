/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <net/if.h>

#include "error.h"

/* The runtime directory: the lock, and what the kernel cannot tell of what stood before us and of
 * what we wrote. */

/* A lock that is held: a descriptor, or CG_NO_LOCK. */
typedef int CgLock;
#define CG_NO_LOCK (-1)

/* Waits for the lock that serialises runs, at most seconds. Returns CG_NO_LOCK with a
 * CG_ERROR_FAILED if it is not to be had. Creates the directory.
 *
 * Where the directory or the lock file cannot be made (no inode is left, or it is read-only) root
 * gets a lock all the same, which takes no file (name-lock.h), and *lacking says why nothing can be
 * kept; the caller owns it. It is NULL otherwise. Runs with the file and without wait for each
 * other. */
CgLock cg_runtime_lock (const char *runtime_dir, guint seconds, char **lacking, GError **error);

void cg_lock_release (CgLock lock);
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (CgLock, cg_lock_release, CG_NO_LOCK)

/* net.ipv4.conf.IFACE.rp_filter as it was before we set it. */
typedef struct {
  char ifname[IFNAMSIZ];
  guint32 ifindex; /* an interface of that name with another index is another interface */
  int value;       /* 0-2, linux/Documentation/networking/ip-sysctl.rst */
} CgSavedFilter;

/* Appends what is kept to an array of CgSavedFilter, by name. What cannot be read or understood is
 * as if it were not there. */
void cg_runtime_load_filters (const char *runtime_dir, GArray *saved);

/* Keeps one, durably against our own death, before the sysctl is written. FALSE with a
 * CG_ERROR_FAILED. */
gboolean
cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error);

/* Forgets it. */
void cg_runtime_forget_filter (const char *runtime_dir, const char *ifname);

/* What we wrote into nftables, and how the kernel showed it right after. */
typedef struct {
  char *text;        /* the SHA-256 of cg_guard_text, in hexadecimal; NULL if nothing is kept */
  char *fingerprint; /* as CgTableFound has it */
} CgSavedTable;

void cg_saved_table_clear (CgSavedTable *saved);

/* Likewise for the guard's table: load, keep, forget. Where nothing is kept the table is written
 * anew, so a failure costs time and nothing else. */
void cg_runtime_load_table (const char *runtime_dir, CgSavedTable *saved);
void cg_runtime_save_table (const char *runtime_dir, const CgSavedTable *saved);
void cg_runtime_forget_table (const char *runtime_dir);
