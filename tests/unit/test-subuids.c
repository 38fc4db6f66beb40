/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Whom else a confined user can be, by subuid(5). */

#include "subuids.h"
#include "warnings.h"
#include "world.h"

static const struct Case {
  const char *name;
  const char *lines; /* of the gateway's file */
  const char *subuid;
  const char *pattern; /* of the only warning; NULL: none */
} cases[] = {
    {"by-name", "Users=alice\n", "alice:100000:65536\n",
     "wg0: uid 1500 can be the uids 100000-165535 *"},
    {"by-uid", "Users=alice\n", "1500:100000:65536\n",
     "wg0: uid 1500 can be the uids 100000-165535 *"},
    {"one-only", "Users=alice\n", " alice:7:1", "wg0: uid 1500 can be the uids 7 too*"},
    {"somebody-elses", "Users=alice\n", "bob:100000:65536\n", NULL},
    {"nobody-knows-him", "Users=alice\n", "dave:100000:65536\n", NULL},
    {"confined-too", "Users=alice 100000-165535\n", "alice:100000:65536\n", NULL},
    {"confined-but-for-one", "Users=alice 100000-165534\n", "alice:100000:65536\n",
     "wg0: uid 1500 *"},
    {"second-line", "Users=1000-1600\n", "bob:1200:3\n# alice:1:1\nalice:300000:2\n",
     "wg0: uid 1500 can be the uids 300000-300001 *"},
    {"nobody-at-all", "Users=alice\n", "alice:100000:0\n", NULL},
    {"too-many", "Users=alice\n", "alice:4294967290:65536\n", NULL},
    {"to-the-last", "Users=alice\n", "alice:4294967290:5\n",
     "wg0: uid 1500 can be the uids 4294967290-4294967294 *"},
    {"half-a-line", "Users=alice\n", "alice:100000\nalice:\n:::\nalice:1:2:3\n", NULL},
};

static void
warns (gconstpointer data)
{
  static const char *const all[] = {NULL};
  const struct Case *test = data;
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", test->lines, 0, 0);
  cg_subuids_parse (test->subuid, world_lookup, world->facts->subuids);
  g_autoptr (GPtrArray) warnings = cg_warnings (world->facts, all);
  g_assert_cmpuint (warnings->len, ==, test->pattern ? 1 : 0);
  if (test->pattern && warnings->len > 0)
    g_assert_true (g_pattern_match_simple (test->pattern, warnings->pdata[0]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/subuids", cases, warns);
  return g_test_run ();
}
