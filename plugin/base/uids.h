/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* A closed range of user ids, as FRA_UID_RANGE of a policy rule takes it (linux/fib_rules.h). */
typedef struct {
  guint32 first;
  guint32 last; /* first <= last */
} CgUidRange;

#define CG_UID_ROOT    0u
#define CG_UID_INVALID G_MAXUINT32 /* (uid_t) -1: chown(2) and setreuid(2) take it for "no uid" */

/* Sorts an array of CgUidRange and joins those that overlap or touch: the fewest rules that cover
 * the same uids. */
void cg_uids_normalise (GArray *ranges);

/* Whether two normalised arrays share a uid; if so and shared is not NULL, it gets the first run of
 * uids that they share. */
gboolean cg_uids_overlap (const GArray *a, const GArray *b, CgUidRange *shared);

/* Whether one of the uids of a normalised array is in the range. */
gboolean cg_uids_touch (const GArray *ranges, CgUidRange range);

/* Whether a normalised array covers the whole range. */
gboolean cg_uids_contain (GArray *ranges, CgUidRange range);

/* Appends to out what of the range a normalised array does not cover. */
void cg_uids_append_rest (const GArray *ranges, CgUidRange range, GArray *out);

/* How many uids a normalised array covers. */
guint64 cg_uids_count (const GArray *ranges);

/* "1000" or "1000-1004". The caller owns the result. */
char *cg_uid_range_to_string (CgUidRange range);
