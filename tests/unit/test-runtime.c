/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime.h"
#include "sysctl.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

typedef struct {
  char *path;
  char *filters; /* the directory in it where values are kept */
} Directory;

static void
set_up (Directory *directory, gconstpointer data)
{
  (void) data;
  directory->path = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_assert_nonnull (directory->path);
  directory->filters = g_build_filename (directory->path, "rp_filter", NULL);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    if (g_file_test (child, G_FILE_TEST_IS_DIR))
      remove_tree (child);
    g_remove (child);
  }
  g_rmdir (path);
}

static void
tear_down (Directory *directory, gconstpointer data)
{
  (void) data;
  remove_tree (directory->path);
  g_free (directory->path);
  g_free (directory->filters);
}

static void
save (const Directory *directory, const char *ifname, guint32 ifindex, int value)
{
  g_autoptr (GError) error = NULL;
  CgSavedFilter saved = {.ifindex = ifindex, .value = value};
  g_strlcpy (saved.ifname, ifname, sizeof saved.ifname);
  g_assert_true (cg_runtime_save_filter (directory->path, &saved, &error));
  g_assert_no_error (error);
}

static void
assert_kept (const Directory *directory, const char *expected)
{
  g_autoptr (GArray) saved = g_array_new (FALSE, TRUE, sizeof (CgSavedFilter));
  g_autoptr (GString) text = g_string_new (NULL);
  cg_runtime_load_filters (directory->path, saved);
  for (guint i = 0; i < saved->len; i++) {
    const CgSavedFilter *filter = &g_array_index (saved, CgSavedFilter, i);
    g_string_append_printf (text, "%s:%u:%d ", filter->ifname, filter->ifindex, filter->value);
  }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
nothing_is_kept_at_first (Directory *directory, gconstpointer data)
{
  (void) data;
  assert_kept (directory, "");
}

static void
kept_values_come_back_by_name (Directory *directory, gconstpointer data)
{
  (void) data;
  save (directory, "wg1", 9, 0);
  save (directory, "wg0", 7, 1);
  save (directory, "eth0.5", 2147483647, 2);
  assert_kept (directory, "eth0.5:2147483647:2 wg0:7:1 wg1:9:0 ");
}

static void
later_value_replaces_the_earlier (Directory *directory, gconstpointer data)
{
  (void) data;
  save (directory, "wg0", 7, 1);
  save (directory, "wg0", 8, 0);
  assert_kept (directory, "wg0:8:0 ");
}

static void
forgotten_is_gone (Directory *directory, gconstpointer data)
{
  (void) data;
  save (directory, "wg0", 7, 1);
  save (directory, "wg1", 9, 1);
  cg_runtime_forget_filter (directory->path, "wg0");
  cg_runtime_forget_filter (directory->path, "never-kept");
  assert_kept (directory, "wg1:9:1 ");
}

/* What nobody can understand is as if it were not there. */
static void
garbage_is_passed_over (Directory *directory, gconstpointer data)
{
  static const struct {
    const char *name, *text;
  } files[] = {
      {"empty", ""},
      {"one-word", "7\n"},
      {"words", "a b\n"},
      {"index-0", "0 1\n"},
      {"index-neg", "-7 1\n"},
      {"value-3", "7 3\n"},
      {"three", "7 1 2\n"},
      {"index-big", "2147483648 1\n"},
      {"all", "7 1\n"},
      {"lo", "7 1\n"},
      {"longer-than-15-bytes", "7 1\n"},
  };
  (void) data;
  save (directory, "wg0", 7, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (directory->filters, files[i].name, NULL);
    g_assert_true (g_file_set_contents (path, files[i].text, -1, NULL));
  }
  g_autofree char *path = g_build_filename (directory->filters, "dir", NULL);
  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  assert_kept (directory, "wg0:7:1 ");
}

static void
save_table (const Directory *directory)
{
  char sum[] = "sum", print[] = "print";
  cg_runtime_save_table (directory->path, &(CgSavedTable){sum, print});
}

static void
assert_table (const Directory *directory, const char *text, const char *fingerprint)
{
  CgSavedTable saved = {NULL};
  cg_runtime_load_table (directory->path, &saved);
  g_assert_cmpstr (saved.text, ==, text);
  g_assert_cmpstr (saved.fingerprint, ==, fingerprint);
  cg_saved_table_clear (&saved);
}

static void
what_was_written_of_the_table_comes_back (Directory *directory, gconstpointer data)
{
  (void) data;
  assert_table (directory, NULL, NULL);
  save_table (directory);
  assert_table (directory, "sum", "print");
}

static void
a_table_that_is_forgotten_is_gone (Directory *directory, gconstpointer data)
{
  (void) data;
  cg_runtime_forget_table (directory->path);
  save_table (directory);
  cg_runtime_forget_table (directory->path);
  assert_table (directory, NULL, NULL);
}

/* Then the table is written anew. */
static void
garbage_of_the_table_is_passed_over (Directory *directory, gconstpointer data)
{
  static const char *const texts[] = {"", "\n", "sum\n"};
  g_autofree char *file = g_build_filename (directory->path, "table", NULL);
  (void) data;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_assert_true (g_file_set_contents (file, texts[i], -1, NULL));
    assert_table (directory, NULL, NULL);
  }
}

/* A directory in its place: the run goes on, and nothing is kept. */
static void
a_table_that_cannot_be_kept_is_not (Directory *directory, gconstpointer data)
{
  g_autofree char *file = g_build_filename (directory->path, "table", NULL);
  (void) data;
  g_assert_cmpint (g_mkdir (file, 0755), ==, 0);
  save_table (directory);
  assert_table (directory, NULL, NULL);
}

static void
what_cannot_be_kept_is_said (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  CgSavedFilter saved = {.ifname = "wg0", .ifindex = 7, .value = 1};
  g_assert_true (g_file_set_contents (directory->filters, "in the way", -1, NULL));
  g_assert_false (cg_runtime_save_filter (directory->path, &saved, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, directory->filters));
}

/* A lock that has its file if has_file. */
static CgLock
take_lock (const char *path, gboolean has_file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *lacking = NULL;
  CgLock lock = cg_runtime_lock (path, 0, &lacking, &error);
  g_assert_no_error (error);
  g_assert_cmpint (lock, >=, 0);
  g_assert_true (has_file == !lacking);
  return lock;
}

static void
assert_locked (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *lacking = NULL;
  g_assert_cmpint (cg_runtime_lock (path, 0, &lacking, &error), ==, CG_NO_LOCK);
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
  g_assert_null (lacking);
  g_assert_nonnull (strstr (error->message, "another custom-gateway"));
}

static void
lock_keeps_others_out (Directory *directory, gconstpointer data)
{
  (void) data;
  CgLock lock = take_lock (directory->path, TRUE);
  assert_locked (directory->path);
  cg_lock_release (lock);
}

static void
lock_is_free_again (Directory *directory, gconstpointer data)
{
  (void) data;
  for (int i = 0; i < 3; i++)
    cg_lock_release (take_lock (directory->path, TRUE));
}

static void
lock_creates_its_directory (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_build_filename (directory->path, "a", "b", NULL);
  cg_lock_release (take_lock (path, TRUE));
  g_assert_true (g_file_test (path, G_FILE_TEST_IS_DIR));
}

/* What may lie in the place of the lock file: by name. */
static void
put_in_the_way (const char *path, const char *kind)
{
  if (g_str_equal (kind, "link"))
    g_assert_cmpint (symlink ("elsewhere", path), ==, 0);
  else if (g_str_equal (kind, "fifo"))
    g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  else
    g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
}

/* Root has it without the file, so that a user is confined all the same; and the next run waits,
 * whether it finds the file or not. */
static void
lock_needs_no_file (Directory *directory, gconstpointer data)
{
  g_autofree char *path = g_build_filename (directory->path, "lock", NULL);
  g_autofree char *elsewhere = g_build_filename (directory->path, "elsewhere", NULL);
  if (geteuid () != 0) {
    g_test_skip ("for root");
    return;
  }
  put_in_the_way (path, data);
  CgLock lock = take_lock (directory->path, FALSE);
  g_assert_false (g_file_test (elsewhere, G_FILE_TEST_EXISTS));
  assert_locked (directory->path);
  g_assert_cmpint (g_remove (path), ==, 0);
  assert_locked (directory->path);
  cg_lock_release (lock);
  cg_lock_release (take_lock (directory->path, TRUE));
}

/* Where others may write they may put anything in the place of what is kept. */
static void
lock_trusts_only_a_directory_of_ours (Directory *directory, gconstpointer data)
{
  (void) data;
  if (geteuid () != 0) {
    g_test_skip ("for root");
    return;
  }
  g_assert_cmpint (g_chmod (directory->path, 0777), ==, 0);
  cg_lock_release (take_lock (directory->path, FALSE));
}

/* Two runtime directories have nothing to do with each other. */
static void
lock_is_one_of_its_directory (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_build_filename (directory->path, "other", NULL);
  CgLock lock = take_lock (directory->path, TRUE);
  cg_lock_release (take_lock (path, TRUE));
  cg_lock_release (lock);
}

static void
no_such_interface_has_no_filter (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (cg_sysctl_read_filter ("no-such-if"), ==, -1);
  g_assert_false (cg_sysctl_write_filter ("no-such-if", 2, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "no-such-if"));
}

static void
add_with (const char *name,
          const char *word,
          void (*story) (Directory *directory, gconstpointer data))
{
  g_autofree char *path = g_strconcat ("/runtime/", name, NULL);
  g_test_add (path, Directory, word, set_up, story, tear_down);
}

static void
add (const char *name, void (*story) (Directory *directory, gconstpointer data))
{
  add_with (name, NULL, story);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("filter/nothing-at-first", nothing_is_kept_at_first);
  add ("filter/comes-back-by-name", kept_values_come_back_by_name);
  add ("filter/later-replaces-earlier", later_value_replaces_the_earlier);
  add ("filter/forgotten-is-gone", forgotten_is_gone);
  add ("filter/garbage-is-passed-over", garbage_is_passed_over);
  add ("table/comes-back", what_was_written_of_the_table_comes_back);
  add ("table/forgotten-is-gone", a_table_that_is_forgotten_is_gone);
  add ("table/garbage-is-passed-over", garbage_of_the_table_is_passed_over);
  add ("table/cannot-be-kept", a_table_that_cannot_be_kept_is_not);
  add ("filter/cannot-be-kept", what_cannot_be_kept_is_said);
  add ("lock/keeps-others-out", lock_keeps_others_out);
  add ("lock/is-free-again", lock_is_free_again);
  add ("lock/creates-its-directory", lock_creates_its_directory);
  add ("lock/is-one-of-its-directory", lock_is_one_of_its_directory);
  add ("lock/trusts-only-a-directory-of-ours", lock_trusts_only_a_directory_of_ours);
  add_with ("lock/needs-no-file/link", "link", lock_needs_no_file);
  add_with ("lock/needs-no-file/fifo", "fifo", lock_needs_no_file);
  add_with ("lock/needs-no-file/directory", "directory", lock_needs_no_file);
  g_test_add_func ("/runtime/sysctl/no-such-interface", no_such_interface_has_no_filter);
  return g_test_run ();
}
