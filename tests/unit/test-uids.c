/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* "1-3 5" */
static GArray *
parse_uids (const char *text)
{
  GArray *ranges = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  for (char **word = words; *word; word++) {
    const char *dash = strchr (*word, '-');
    CgUidRange range = {.first = (guint32) strtoul (*word, NULL, 10)};
    range.last = dash ? (guint32) strtoul (dash + 1, NULL, 10) : range.first;
    if (**word)
      g_array_append_val (ranges, range);
  }
  return ranges;
}

static char *
print_uids (const GArray *ranges)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  for (guint i = 0; i < ranges->len; i++) {
    g_autofree char *word = cg_uid_range_to_string (g_array_index (ranges, CgUidRange, i));
    g_strv_builder_add (words, word);
  }
  g_auto (GStrv) all = g_strv_builder_end (words);
  return g_strjoinv (" ", all);
}

static const struct NormaliseCase {
  const char *name;
  const char *given;
  const char *normal;
  guint64 count;
} normalise_cases[] = {
    {"nothing", "", "", 0},
    {"one", "1500", "1500", 1},
    {"adjacent-are-joined", "1001 1000", "1000-1001", 2},
    {"adjacent-ranges-are-joined", "10-19 20-29", "10-29", 20},
    {"one-apart-stay-apart", "1000 1002", "1000 1002", 2},
    {"overlapping-are-joined", "2000-2010 2005-2020", "2000-2020", 21},
    {"contained-vanish", "2000-2010 2003-2004 2000", "2000-2010", 11},
    {"contained-does-not-shorten", "1-100 2-3 50-60 101", "1-101", 101},
    {"equal-are-one", "7 7 7", "7", 1},
    {"sorted", "30 10 20", "10 20 30", 3},
    {"all-at-once", "9 1-3 5 4 8-12 20", "1-5 8-12 20", 11},
    {"highest-uid", "4294967294 4294967293", "4294967293-4294967294", 2},
    {"highest-number-does-not-wrap", "0 4294967295", "0 4294967295", 2},
    {"range-to-the-highest-number", "5-4294967295 4294967295 1", "1 5-4294967295", 4294967292},
    {"everything", "0-4294967295", "0-4294967295", 4294967296},
};

static void
normalises (gconstpointer data)
{
  const struct NormaliseCase *test = data;
  g_autoptr (GArray) ranges = parse_uids (test->given);
  cg_uids_normalise (ranges);
  g_autofree char *normal = print_uids (ranges);
  g_assert_cmpstr (normal, ==, test->normal);
  g_assert_cmpuint (cg_uids_count (ranges), ==, test->count);
}

static const struct OverlapCase {
  const char *name;
  const char *a;
  const char *b;
  const char *shared; /* NULL: they share nothing */
} overlap_cases[] = {
    {"two-empty", "", "", NULL},
    {"one-empty", "1-5", "", NULL},
    {"neighbours", "1-5", "6-9", NULL},
    {"interleaved", "1 3 5", "2 4 6", NULL},
    {"same", "1000", "1000", "1000"},
    {"ends-touch", "1-5", "5-9", "5"},
    {"contained", "1-100", "40-50", "40-50"},
    {"the-first-of-several", "1 10-20 30", "5 15-35", "15-20"},
    {"last-with-last", "1 2 4294967294", "3 4294967294", "4294967294"},
};

static void
overlaps (gconstpointer data)
{
  const struct OverlapCase *test = data;
  g_autoptr (GArray) a = parse_uids (test->a);
  g_autoptr (GArray) b = parse_uids (test->b);
  CgUidRange shared = {0, 0}, turned = {0, 0};
  g_assert_cmpint (cg_uids_overlap (a, b, NULL), ==, test->shared != NULL);
  g_assert_cmpint (cg_uids_overlap (a, b, &shared), ==, test->shared != NULL);
  g_assert_cmpint (cg_uids_overlap (b, a, &turned), ==, test->shared != NULL);
  if (!test->shared)
    return;
  g_autofree char *text = cg_uid_range_to_string (shared);
  g_autofree char *turned_text = cg_uid_range_to_string (turned);
  g_assert_cmpstr (text, ==, test->shared);
  g_assert_cmpstr (turned_text, ==, test->shared);
}

static const struct RestCase {
  const char *name;
  const char *covered;
  const char *range;
  const char *rest;
} rest_cases[] = {
    {"nothing-covered", "", "5-9", "5-9"},
    {"elsewhere", "1-4 10-20", "5-9", "5-9"},
    {"all", "1-20", "5-9", ""},
    {"just", "5-9", "5-9", ""},
    {"head", "1-6", "5-9", "7-9"},
    {"tail", "8-20", "5-9", "5-7"},
    {"middle", "7", "5-9", "5-6 8-9"},
    {"two-holes", "6 8", "5-9", "5 7 9"},
    {"highest-number", "4294967295", "4294967294-4294967295", "4294967294"},
};

static void
leaves_a_rest (gconstpointer data)
{
  const struct RestCase *test = data;
  g_autoptr (GArray) covered = parse_uids (test->covered);
  g_autoptr (GArray) range = parse_uids (test->range);
  g_autoptr (GArray) rest = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  cg_uids_append_rest (covered, g_array_index (range, CgUidRange, 0), rest);
  g_autofree char *text = print_uids (rest);
  g_assert_cmpstr (text, ==, test->rest);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/uids/normalise", normalise_cases, normalises);
  ADD_CASES ("/uids/overlap", overlap_cases, overlaps);
  ADD_CASES ("/uids/rest", rest_cases, leaves_a_rest);
  return g_test_run ();
}
