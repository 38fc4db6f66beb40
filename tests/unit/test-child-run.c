/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "child-run.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What the child is to do, and what it has: the parent's memory as it was. */
static int
report_back (gpointer data, GVariant **report)
{
  *report = g_variant_ref_sink (g_variant_new_string (data));
  memset (data, 'x', 1);
  return 3;
}

static int
say_nothing (gpointer data, GVariant **report)
{
  (void) report;
  return GPOINTER_TO_INT (data);
}

static int
hang (gpointer data, GVariant **report)
{
  (void) data;
  (void) report;
  while (pause () < 0) { /* it always is */
  }
  return 0;
}

/* No string of GVariant's: there is no zero at its end. */
static int
talk_nonsense (gpointer data, GVariant **report)
{
  static const guint8 bytes[] = {'n', 'o', ' ', 'e', 'n', 'd', 0xff};
  (void) data;
  *report = g_variant_ref_sink (
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, sizeof *bytes));
  return 0;
}

/* The monitor takes its signals from a descriptor; its runs must die of theirs. */
static int
are_signals_blocked (gpointer data, GVariant **report)
{
  sigset_t set;
  (void) data;
  (void) report;
  sigprocmask (SIG_SETMASK, NULL, &set);
  return sigismember (&set, SIGTERM);
}

static CgChildRun
start (CgWork work, gpointer data)
{
  CgChildRun worker = {0};
  g_autoptr (GError) error = NULL;
  g_assert_true (cg_child_run_start (&worker, work, data, 0, &error));
  g_assert_no_error (error);
  g_assert_cmpint (worker.pid, >, 0);
  return worker;
}

static GVariant *
wait_for (CgChildRun *worker, int *status)
{
  GVariant *report = NULL;
  while (!cg_child_run_collect (worker, G_VARIANT_TYPE_STRING, status, &report))
    g_usleep (1000);
  g_assert_cmpint (worker->pid, ==, 0);
  return report;
}

static void
status_and_report_come_back (void)
{
  char text[] = "hello";
  int status;
  CgChildRun worker = start (report_back, text);
  g_autoptr (GVariant) report = wait_for (&worker, &status);
  g_assert_cmpint (status, ==, 3);
  g_assert_cmpstr (g_variant_get_string (report, NULL), ==, "hello");
  g_assert_cmpstr (text, ==, "hello");
}

/* More than a pipe holds while no process reads it. */
static void
a_report_may_be_large (void)
{
  g_autofree char *text = g_strnfill (5 << 20, 'a');
  int status;
  CgChildRun worker = start (report_back, text);
  g_autoptr (GVariant) report = wait_for (&worker, &status);
  g_assert_cmpuint (strlen (g_variant_get_string (report, NULL)), ==, 5 << 20);
}

static void
there_may_be_none (void)
{
  int status;
  CgChildRun worker = start (say_nothing, GINT_TO_POINTER (7));
  g_assert_null (wait_for (&worker, &status));
  g_assert_cmpint (status, ==, 7);
}

static void
what_is_no_report_is_none (void)
{
  int status;
  CgChildRun worker = start (talk_nonsense, NULL);
  g_assert_null (wait_for (&worker, &status));
  g_assert_cmpint (status, ==, 0);
}

static void
one_that_hangs_is_ended (void)
{
  int status;
  GVariant *report;
  CgChildRun worker = start (hang, NULL);
  g_assert_false (cg_child_run_collect (&worker, G_VARIANT_TYPE_STRING, &status, &report));
  cg_child_run_kill (&worker);
  g_assert_null (wait_for (&worker, &status));
  g_assert_cmpint (status, ==, -1);
  g_assert_false (cg_child_run_collect (&worker, G_VARIANT_TYPE_STRING, &status, &report));
  cg_child_run_kill (&worker); /* nobody: and surely not the process group */
}

static void
it_hears_signals_that_the_parent_blocks (void)
{
  sigset_t set, before;
  int status;
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, &before);
  CgChildRun worker = start (are_signals_blocked, NULL);
  sigprocmask (SIG_SETMASK, &before, NULL);
  g_assert_null (wait_for (&worker, &status));
  g_assert_cmpint (status, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/child-run/report", status_and_report_come_back);
  g_test_add_func ("/child-run/large", a_report_may_be_large);
  g_test_add_func ("/child-run/none", there_may_be_none);
  g_test_add_func ("/child-run/nonsense", what_is_no_report_is_none);
  g_test_add_func ("/child-run/hangs", one_that_hangs_is_ended);
  g_test_add_func ("/child-run/signals", it_hears_signals_that_the_parent_blocks);
  return g_test_run ();
}
