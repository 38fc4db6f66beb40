/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What lies in the place of a small file neither hangs a run nor fills its memory. That nothing
 * hangs is what the test program's time limit is for. */

#include "state-file.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct {
  char *directory;
  char *path; /* the file of the story, in it */
  char *other;
} Place;

static void
set_up (Place *place, gconstpointer data)
{
  (void) data;
  place->directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_assert_nonnull (place->directory);
  place->path = g_build_filename (place->directory, "file", NULL);
  place->other = g_build_filename (place->directory, "other", NULL);
}

static void
tear_down (Place *place, gconstpointer data)
{
  (void) data;
  g_remove (place->path);
  g_remove (place->other);
  g_rmdir (place->directory);
  g_free (place->directory);
  g_free (place->path);
  g_free (place->other);
}

static void
put (const char *path, const char *text)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
assert_unread (const Place *place)
{
  g_assert_null (cg_file_read (place->path, CG_STATE_MAX));
  g_assert_null (cg_state_read (place->path));
}

static void
what_was_written_is_read (Place *place, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (place->directory, "other", "file", NULL);
  g_assert_true (cg_state_write (path, "a word\n", -1, &error));
  g_assert_no_error (error);
  g_autofree char *text = cg_state_read (path), *same = cg_file_read (path, 7);
  g_assert_cmpstr (text, ==, "a word\n");
  g_assert_cmpstr (same, ==, "a word\n");
  g_assert_true (cg_state_exists (path));
  g_unlink (path);
  g_assert_false (cg_state_exists (path));
}

static void
as_much_as_allowed_and_no_more (Place *place, gconstpointer data)
{
  (void) data;
  g_autofree char *most = g_strnfill (CG_STATE_MAX, 'x');
  g_autofree char *more = g_strnfill (CG_STATE_MAX + 1, 'x');
  put (place->path, most);
  g_autofree char *text = cg_state_read (place->path);
  g_assert_cmpstr (text, ==, most);
  put (place->path, more);
  assert_unread (place);
  put (place->path, "");
  g_autofree char *nothing = cg_file_read (place->path, 0);
  g_assert_cmpstr (nothing, ==, "");
}

/* Its size is 0, as that of all files there. */
static void
file_of_proc_is_read (void)
{
  g_autofree char *text = cg_file_read ("/proc/self/comm", CG_STATE_MAX);
  g_assert_nonnull (text);
  g_assert_cmpuint (strlen (text), >, 1);
}

static void
fifo_is_not_waited_for (Place *place, gconstpointer data)
{
  (void) data;
  g_assert_cmpint (mkfifo (place->path, 0600), ==, 0);
  assert_unread (place);
  g_assert_false (cg_state_exists (place->path));
}

static void
device_is_not_read (Place *place, gconstpointer data)
{
  (void) data;
  g_assert_null (cg_file_read ("/dev/zero", CG_STATE_MAX));
  if (mknod (place->path, S_IFCHR | 0600, makedev (1, 5)) < 0) {
    g_test_skip ("for root, which may make devices");
    return;
  }
  assert_unread (place);
  g_assert_false (cg_state_exists (place->path));
}

static void
directory_is_no_file (Place *place, gconstpointer data)
{
  (void) data;
  g_assert_cmpint (g_mkdir (place->path, 0755), ==, 0);
  assert_unread (place);
  g_assert_false (cg_state_exists (place->path));
}

/* /etc/resolv.conf is one; what we keep is none. */
static void
link_is_followed_only_to_the_systems_files (Place *place, gconstpointer data)
{
  (void) data;
  put (place->other, "text");
  g_assert_cmpint (symlink (place->other, place->path), ==, 0);
  g_autofree char *text = cg_file_read (place->path, CG_STATE_MAX);
  g_assert_cmpstr (text, ==, "text");
  g_assert_null (cg_state_read (place->path));
  g_assert_false (cg_state_exists (place->path));
}

static void
what_others_can_write_is_not_ours (Place *place, gconstpointer data)
{
  (void) data;
  put (place->path, "text");
  g_assert_cmpint (g_chmod (place->path, 0620), ==, 0);
  g_assert_null (cg_state_read (place->path));
  g_assert_false (cg_state_exists (place->path));
  g_assert_cmpint (g_chmod (place->path, 0600), ==, 0);
  g_assert_true (cg_state_exists (place->path));
  g_assert_cmpint (g_chmod (place->directory, 0702), ==, 0);
  g_assert_null (cg_state_read (place->path));
  g_assert_false (cg_state_exists (place->path));
  if (geteuid () != 0)
    return;
  g_assert_cmpint (g_chmod (place->directory, 0700), ==, 0);
  g_assert_cmpint (chown (place->path, 61502, 0), ==, 0);
  g_assert_null (cg_state_read (place->path));
}

/* Whatever lies there, a file of ours takes its place; but a directory does not go. */
static void
writing_replaces (Place *place, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  put (place->other, "text");
  g_assert_cmpint (mkfifo (place->path, 0600), ==, 0);
  g_assert_true (cg_state_write (place->path, "new", -1, &error));
  g_assert_cmpint (g_unlink (place->path), ==, 0);
  g_assert_cmpint (symlink (place->other, place->path), ==, 0);
  g_assert_true (cg_state_write (place->path, "new", -1, &error));
  g_autofree char *text = cg_state_read (place->path), *untouched = cg_state_read (place->other);
  g_assert_cmpstr (text, ==, "new");
  g_assert_cmpstr (untouched, ==, "text");
  g_assert_cmpint (g_unlink (place->path), ==, 0);
  g_assert_cmpint (g_mkdir (place->path, 0755), ==, 0);
  g_assert_false (cg_state_write (place->path, "new", -1, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
}

static void
add (const char *name, void (*story) (Place *place, gconstpointer data))
{
  g_autofree char *path = g_strconcat ("/state-file/", name, NULL);
  g_test_add (path, Place, NULL, set_up, story, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("what-was-written-is-read", what_was_written_is_read);
  add ("as-much-as-allowed", as_much_as_allowed_and_no_more);
  add ("fifo", fifo_is_not_waited_for);
  add ("device", device_is_not_read);
  add ("directory", directory_is_no_file);
  add ("link", link_is_followed_only_to_the_systems_files);
  add ("what-others-can-write", what_others_can_write_is_not_ours);
  add ("writing-replaces", writing_replaces);
  g_test_add_func ("/state-file/proc", file_of_proc_is_read);
  return g_test_run ();
}
