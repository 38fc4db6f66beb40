/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uids.h"

static int
by_first_uid (gconstpointer a, gconstpointer b)
{
  const CgUidRange *left = a, *right = b;
  return (left->first > right->first) - (left->first < right->first);
}

void
cg_uids_normalise (GArray *ranges)
{
  if (ranges->len == 0)
    return;
  g_array_sort (ranges, by_first_uid);

  CgUidRange *range = (CgUidRange *) ranges->data;
  guint kept = 0;
  for (guint i = 1; i < ranges->len; i++) {
    /* 64 bits: last + 1 must not wrap at the highest uid */
    if (range[i].first <= (guint64) range[kept].last + 1)
      range[kept].last = MAX (range[kept].last, range[i].last);
    else
      range[++kept] = range[i];
  }
  g_array_set_size (ranges, kept + 1);
}

gboolean
cg_uids_overlap (const GArray *a, const GArray *b, CgUidRange *shared)
{
  for (guint i = 0, j = 0; i < a->len && j < b->len;) {
    CgUidRange left = g_array_index (a, CgUidRange, i);
    CgUidRange right = g_array_index (b, CgUidRange, j);
    if (left.last < right.first) {
      i++;
    } else if (right.last < left.first) {
      j++;
    } else {
      if (shared)
        *shared = (CgUidRange){MAX (left.first, right.first), MIN (left.last, right.last)};
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
cg_uids_touch (const GArray *ranges, CgUidRange range)
{
  for (guint i = 0; i < ranges->len; i++) {
    CgUidRange one = g_array_index (ranges, CgUidRange, i);
    if (one.first <= range.last && one.last >= range.first)
      return TRUE;
  }
  return FALSE;
}

static int
by_place (gconstpointer element, gconstpointer wanted)
{
  const CgUidRange *range = element, *whole = wanted;
  if (range->last < whole->first)
    return -1;
  return range->first > whole->first;
}

gboolean
cg_uids_contain (GArray *ranges, CgUidRange range)
{
  guint place;
  return g_array_binary_search (ranges, &range, by_place, &place) &&
         g_array_index (ranges, CgUidRange, place).last >= range.last;
}

void
cg_uids_append_rest (const GArray *ranges, CgUidRange range, GArray *out)
{
  for (guint i = 0; i < ranges->len; i++) {
    CgUidRange covered = g_array_index (ranges, CgUidRange, i);
    if (covered.last < range.first || covered.first > range.last)
      continue;
    if (covered.first > range.first) {
      CgUidRange before = {range.first, covered.first - 1};
      g_array_append_val (out, before);
    }
    if (covered.last >= range.last)
      return;
    range.first = covered.last + 1;
  }
  g_array_append_val (out, range);
}

guint64
cg_uids_count (const GArray *ranges)
{
  guint64 count = 0;
  for (guint i = 0; i < ranges->len; i++) {
    CgUidRange range = g_array_index (ranges, CgUidRange, i);
    count += (guint64) range.last - range.first + 1;
  }
  return count;
}

char *
cg_uid_range_to_string (CgUidRange range)
{
  if (range.first == range.last)
    return g_strdup_printf ("%u", range.first);
  return g_strdup_printf ("%u-%u", range.first, range.last);
}
