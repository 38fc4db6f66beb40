/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

#define CG_SUBUID_FILE "/etc/subuid"

/* Further uids that a user may take without being root, see subuid(5): newuidmap(1), which is
 * setuid, gives them to a user namespace of his own, and it is by them that the kernel goes then.
 */
typedef struct {
  guint32 owner;
  CgUidRange uids;
} CgSubuids;

/* Appends to an array of CgSubuids what a text in the form of /etc/subuid says. Lines about users
 * whom nobody knows, and lines that newuidmap(1) would not take, are passed over. */
void cg_subuids_parse (const char *text, CgUserLookup lookup, GArray *subuids);

/* The same of /etc/subuid itself; nothing where there is no newuidmap(1). */
void cg_subuids_load (GArray *subuids);
