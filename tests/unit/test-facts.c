/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What of the facts needs no kernel. */

#include "world.h"

static guint32
candidate (const char *name, const char *table, guint n)
{
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strdup_printf ("Users=alice\nInterface=x\nTable=%s\n", table);
  return cg_facts_table_candidate (world_add (world, name, lines, 0, 0)->gateway, n);
}

static void
given_table_comes_first (void)
{
  g_assert_cmpuint (candidate ("wg0", "42", 0), ==, 42);
  g_assert_cmpuint (candidate ("wg0", "42", 1), ==, candidate ("wg0", "auto", 1));
}

/* FNV-1a of the name. A change here would move the tables of everybody who updates. */
static void
derived_tables_are_stable (void)
{
  g_assert_cmpuint (candidate ("a", "auto", 0), ==, 198000000 + 0xe40c292cu % 1000000);
  g_assert_cmpuint (candidate ("foobar", "auto", 0), ==, 198000000 + 0xbf9cf968u % 1000000);
}

static void
derived_tables_stay_in_their_range (void)
{
  guint32 before = 0;
  for (guint n = 0; n < 64; n++) {
    guint32 table = candidate ("wg0", "auto", n);
    g_assert_cmpuint (table, >=, 198000000);
    g_assert_cmpuint (table, <=, 198999999);
    g_assert_cmpuint (table, !=, before);
    before = table;
  }
}

static const struct KeptCase {
  const char *name;
  guint32 saved_index, index;
  int value;
  gboolean ours;
} kept_cases[] = {
    {"as-we-left-it", 7, 7, CG_FILTER_LOOSE, TRUE},
    {"set-to-strict-since", 7, 7, CG_FILTER_STRICT, FALSE},
    {"switched-off-since", 7, 7, 0, FALSE},
    {"another-interface-of-the-name", 7, 8, CG_FILTER_LOOSE, FALSE},
    {"interface-is-gone", 7, 0, -1, FALSE},
};

static void
knows_its_own_value (gconstpointer data)
{
  const struct KeptCase *test = data;
  CgKeptFilter kept = {.saved = {.ifname = "wg0", .ifindex = test->saved_index, .value = 1},
                       .ifindex = test->index,
                       .value = test->value};
  g_assert_cmpint (cg_kept_filter_is_ours (&kept), ==, test->ours);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/facts/table/given-comes-first", given_table_comes_first);
  g_test_add_func ("/facts/table/derived-is-stable", derived_tables_are_stable);
  g_test_add_func ("/facts/table/derived-in-its-range", derived_tables_stay_in_their_range);
  ADD_CASES ("/facts/kept", kept_cases, knows_its_own_value);
  return g_test_run ();
}
