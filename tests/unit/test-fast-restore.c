/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the first half of a repair does of all that there is to be done. That it lets no packet out
 * is shown in test-order.c. */

#include "fast-restore.h"

#include "diff.h"

static void
it_closes_and_does_nothing_else (void)
{
  g_autoptr (GArray) ops = g_array_new (FALSE, TRUE, sizeof (CgOp));
  for (int step = 0; step < CG_N_STEPS; step++) {
    CgOp op = {.step = step};
    if (step == CG_STEP_GUARD)
      op.guard.work = CG_GUARD_SET;
    g_array_append_val (ops, op);
  }
  cg_fast_restore_choose (ops);
  g_assert_cmpuint (ops->len, ==, 3);
  g_assert_cmpint (g_array_index (ops, CgOp, 0).step, ==, CG_STEP_ADD_PROHIBIT);
  g_assert_cmpint (g_array_index (ops, CgOp, 1).step, ==, CG_STEP_ADD_RULE);
  g_assert_cmpint (g_array_index (ops, CgOp, 2).step, ==, CG_STEP_GUARD);
}

static const struct GuardCase {
  const char *name;
  CgGuardOp op;
  gboolean chosen;
} guard_cases[] = {
    {"programs-are-gone", {.work = CG_GUARD_LOAD}, TRUE},
    {"an-entry-is-gone", {.work = CG_GUARD_SET}, TRUE},
    /* the answers of now may know what it is for */
    {"an-entry-is-not-known", {.work = CG_GUARD_DELETE}, FALSE},
    {"table-is-gone-or-changed-by-others", {.work = CG_GUARD_TABLE, .text = "x"}, TRUE},
    {"table-is-ours", {.work = CG_GUARD_TABLE, .text = "x", .stands = TRUE}, FALSE},
};

static void
guard (gconstpointer data)
{
  const struct GuardCase *test = data;
  g_autoptr (GArray) ops = g_array_new (FALSE, TRUE, sizeof (CgOp));
  const CgOp op = {.step = CG_STEP_GUARD, .guard = test->op};
  g_array_append_val (ops, op);
  cg_fast_restore_choose (ops);
  g_assert_cmpuint (ops->len, ==, test->chosen);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fast-restore/closes", it_closes_and_does_nothing_else);
  for (gsize i = 0; i < G_N_ELEMENTS (guard_cases); i++) {
    g_autofree char *path = g_strconcat ("/fast-restore/guard/", guard_cases[i].name, NULL);
    g_test_add_data_func (path, &guard_cases[i], guard);
  }
  return g_test_run ();
}
