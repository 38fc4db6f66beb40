/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Real files in a real directory. Trust is about who owns them, so this is for root to try. */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define GOOD "[Gateway]\nUsers=alice\n"

typedef struct {
  char *path;
} Directory;

static void
directory_set_up (Directory *directory, gconstpointer data)
{
  (void) data;
  directory->path = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_assert_nonnull (directory->path);
}

static void
directory_tear_down (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GDir) dir = g_dir_open (directory->path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (directory->path, name, NULL);
    g_remove (path);
  }
  g_rmdir (directory->path);
  g_free (directory->path);
}

static char *
put (const Directory *directory, const char *name, const char *text)
{
  char *path = g_build_filename (directory->path, name, NULL);
  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  return path;
}

static void
put_gateway (const Directory *directory, const char *name, const char *lines)
{
  g_autofree char *text = g_strconcat ("[Gateway]\n", lines, "\n", NULL);
  g_free (put (directory, name, text));
}

static CgConfig *
load (const Directory *directory)
{
  g_autoptr (GError) error = NULL;
  CgConfig *config = cg_config_load (directory->path, FALSE, world_lookup, &error);
  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

/* "a b" for those in force, then "| c d" for the bad. */
static void
assert_names (const CgConfig *config, const char *expected)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (guint i = 0; i < config->gateways->len; i++)
    g_string_append_printf (names, "%s ", ((CgGateway *) config->gateways->pdata[i])->name);
  g_string_append (names, "|");
  for (guint i = 0; i < config->bad->len; i++)
    g_string_append_printf (names, " %s", ((CgBadFile *) config->bad->pdata[i])->name);
  g_assert_cmpstr (names->str, ==, expected);
}

static void
assert_bad (const CgConfig *config, const char *name, const char *message)
{
  const GError *error = cg_config_find_bad (config, name);
  g_assert_nonnull (error);
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
  g_assert_null (cg_config_find (config, name));
}

static void
empty_is_no_error (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "|");
}

static void
missing_is_an_error (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (directory->path, "missing", NULL);
  g_autofree char *message =
      g_strdup_printf ("%s: No such file or directory; make it, root's own and mode 0755", path);
  g_assert_null (cg_config_load (path, FALSE, world_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
}

static void
missing_may_be_empty (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (directory->path, "missing", NULL);
  g_autoptr (CgConfig) config = cg_config_load (path, TRUE, world_lookup, &error);
  g_assert_no_error (error);
  assert_names (config, "|");
}

static void
file_is_no_directory (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = put (directory, "file", "");
  g_assert_null (cg_config_load (path, TRUE, world_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_true (g_str_has_suffix (error->message, ": Not a directory"));
}

static void
sorted_by_name (Directory *directory, gconstpointer data)
{
  (void) data;
  put_gateway (directory, "b.conf", "Users=1");
  put_gateway (directory, "a.conf", "Users=2");
  put_gateway (directory, "B.conf", "Users=3");
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "B a b |");
  g_assert_cmpstr (cg_config_find (config, "a")->name, ==, "a");
  g_assert_null (cg_config_find (config, "c"));
  g_assert_null (cg_config_find_bad (config, "a"));
}

static void
others_are_ignored (Directory *directory, gconstpointer data)
{
  (void) data;
  put_gateway (directory, ".hidden.conf", "Users=1");
  put_gateway (directory, ".conf", "Users=2");
  put_gateway (directory, "a.conf~", "Users=3");
  put_gateway (directory, "a.conf.bak", "Users=4");
  put_gateway (directory, "README", "Users=5");
  put_gateway (directory, "aconf", "Users=6");
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "|");
}

static void
bad_text_costs_that_one_alone (Directory *directory, gconstpointer data)
{
  (void) data;
  put_gateway (directory, "a.conf", "Users=alice");
  put_gateway (directory, "b.conf", "Users=eve");
  put_gateway (directory, "c.conf", "Users=carol");
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "a c | b");
  assert_bad (config, "b",
              "b.conf: [Gateway] Users: no such user 'eve'; create the user, or remove it from "
              "this line");
}

static void
bad_name_is_bad (Directory *directory, gconstpointer data)
{
  (void) data;
  put_gateway (directory, "my vpn.conf", "Users=alice");
  g_autoptr (CgConfig) config = load (directory);
  g_assert_true (g_pattern_match_simple ("'my vpn.conf': a gateway's file is called NAME.conf, *",
                                         cg_config_find_bad (config, "my vpn")->message));
}

static void
hostile_name_is_escaped (Directory *directory, gconstpointer data)
{
  (void) data;
  put_gateway (directory, "a\nb.conf", "Users=alice");
  g_autoptr (CgConfig) config = load (directory);
  g_assert_nonnull (strstr (cg_config_find_bad (config, "a\nb")->message, "'a\\nb.conf': "));
}

static void
directory_called_conf (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_build_filename (directory->path, "a.conf", NULL);
  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "a", "a.conf: not a regular file");
}

static void
fifo_does_not_hang (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_build_filename (directory->path, "a.conf", NULL);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "a", "a.conf: not a regular file");
}

static void
dangling_link (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_build_filename (directory->path, "a.conf", NULL);
  g_assert_cmpint (symlink ("nowhere", path), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "a", "a.conf: No such file or directory");
}

static void
size_has_a_limit (Directory *directory, gconstpointer data)
{
  static const gsize limit = 4 << 20;
  (void) data;
  g_autofree char *fits = put (directory, "fits.conf", GOOD);
  g_autofree char *path = put (directory, "large.conf", GOOD);
  g_assert_cmpint (truncate (path, (off_t) limit + 1), ==, 0);
  g_assert_cmpint (truncate (fits, (off_t) limit), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "large", "large.conf: larger than 4194304 bytes");
  assert_bad (config, "fits", "fits.conf: a NUL byte at offset 22; this is not a text file");
}

static void
file_of_another_user (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *path = put (directory, "a.conf", GOOD);
  g_assert_cmpint (chown (path, 1000, 0), ==, 0);
  put_gateway (directory, "b.conf", "Users=bob");
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "b | a");
  assert_bad (config, "a",
              "a.conf: belongs to uid 1000, so it is not trusted; run 'chown root' on it");
}

static void
file_that_others_can_write (Directory *directory, gconstpointer mode)
{
  g_autofree char *path = put (directory, "a.conf", GOOD);
  g_assert_cmpint (g_chmod (path, (mode_t) GPOINTER_TO_INT (mode)), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "a",
              "a.conf: group or others can write it, so it is not trusted; run 'chmod go-w' on "
              "it");
}

static void
file_that_others_can_only_read (Directory *directory, gconstpointer mode)
{
  g_autofree char *path = put (directory, "a.conf", GOOD);
  g_assert_cmpint (g_chmod (path, (mode_t) GPOINTER_TO_INT (mode)), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "a |");
}

/* What counts is the file behind the link. */
static void
link_to_a_file_of_another_user (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autofree char *target = put (directory, "target", GOOD);
  g_autofree char *path = g_build_filename (directory->path, "a.conf", NULL);
  g_assert_cmpint (chown (target, 1000, 0), ==, 0);
  g_assert_cmpint (symlink ("target", path), ==, 0);
  g_autoptr (CgConfig) config = load (directory);
  assert_bad (config, "a",
              "a.conf: belongs to uid 1000, so it is not trusted; run 'chown root' on it");
}

static void
directory_of_another_user (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = g_strdup_printf (
      "%s: belongs to uid 1000, so it is not trusted; run 'chown root' on it", directory->path);
  g_assert_cmpint (chown (directory->path, 1000, 0), ==, 0);
  g_assert_null (cg_config_load (directory->path, TRUE, world_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
}

static void
directory_that_others_can_write (Directory *directory, gconstpointer mode)
{
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (g_chmod (directory->path, (mode_t) GPOINTER_TO_INT (mode)), ==, 0);
  g_assert_null (cg_config_load (directory->path, TRUE, world_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_true (g_str_has_suffix (error->message, ": group or others can write it, so it is not "
                                                   "trusted; run 'chmod go-w' on it"));
}

/* What the later of two says, and why it is bad. */
typedef struct {
  const char *first, *second, *message;
} Conflict;

static const Conflict shared_uid = {
    "Users=alice 2000-2010", "Users=bob 2008-2020",
    "b.conf: [Gateway] Users: gateway 'a' already has uid '2008-2010'; remove it from one of the "
    "two files"};
static const Conflict shared_service = {"Services=x.service y.service", "Services=z y",
                                        "b.conf: [Gateway] Services: gateway 'a' already has "
                                        "'y.service'; remove it from one of the two "
                                        "files"};
static const Conflict shared_table = {
    "Users=1\nTable=42", "Users=2\nTable=42",
    "b.conf: [Gateway] Table: gateway 'a' already has table '42'; choose another, or auto"};

/* c has what b alone would have had too. */
static void
costs_the_later (Directory *directory, gconstpointer data)
{
  const Conflict *conflict = data;
  put_gateway (directory, "a.conf", conflict->first);
  put_gateway (directory, "b.conf", conflict->second);
  put_gateway (directory, "c.conf", "Users=2015");
  put_gateway (directory, "d.conf", "Users=4");
  g_autoptr (CgConfig) config = load (directory);
  assert_names (config, "a c d | b");
  assert_bad (config, "b", conflict->message);
}

static void
one_file_for_itself (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = put (directory, "wg7.conf", GOOD);
  g_autoptr (CgGateway) gateway = cg_config_load_file (path, world_lookup, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (gateway->name, ==, "wg7");
  g_assert_cmpstr (gateway->interface, ==, "wg7");
}

static void
one_file_without_suffix (Directory *directory, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = put (directory, "wg7", GOOD);
  g_assert_null (cg_config_load_file (path, world_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
}

typedef void (*Story) (Directory *directory, gconstpointer data);

static void
add_with (const char *name, gconstpointer data, Story story)
{
  g_autofree char *path = g_strconcat ("/config/", name, NULL);
  g_test_add (path, Directory, data, directory_set_up, story, directory_tear_down);
}

static void
add (const char *name, int mode, Story story)
{
  add_with (name, GINT_TO_POINTER (mode), story);
}

static void
skip (void)
{
  g_test_skip ("only root can own what is trusted");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (geteuid () != 0) {
    g_test_add_func ("/config", skip);
    return g_test_run ();
  }
  add ("directory/empty", 0, empty_is_no_error);
  add ("directory/missing-is-an-error", 0, missing_is_an_error);
  add ("directory/missing-may-be-empty", 0, missing_may_be_empty);
  add ("directory/is-a-file", 0, file_is_no_directory);
  add ("directory/of-another-user", 0, directory_of_another_user);
  add ("directory/group-can-write", 0775, directory_that_others_can_write);
  add ("directory/others-can-write", 0757, directory_that_others_can_write);
  add ("files/sorted-by-name", 0, sorted_by_name);
  add ("files/others-are-ignored", 0, others_are_ignored);
  add ("files/bad-text-costs-that-one-alone", 0, bad_text_costs_that_one_alone);
  add ("files/bad-name", 0, bad_name_is_bad);
  add ("files/hostile-name", 0, hostile_name_is_escaped);
  add ("files/directory", 0, directory_called_conf);
  add ("files/fifo-does-not-hang", 0, fifo_does_not_hang);
  add ("files/dangling-link", 0, dangling_link);
  add ("files/size-has-a-limit", 0, size_has_a_limit);
  add ("trust/of-another-user", 0, file_of_another_user);
  add ("trust/link-to-another-users", 0, link_to_a_file_of_another_user);
  add ("trust/group-can-write", 0664, file_that_others_can_write);
  add ("trust/others-can-write", 0646, file_that_others_can_write);
  add ("trust/others-can-read", 0644, file_that_others_can_only_read);
  add ("trust/root-alone-can-read", 0600, file_that_others_can_only_read);
  add_with ("conflict/uid", &shared_uid, costs_the_later);
  add_with ("conflict/service", &shared_service, costs_the_later);
  add_with ("conflict/table", &shared_table, costs_the_later);
  add ("one-file/good", 0, one_file_for_itself);
  add ("one-file/without-suffix", 0, one_file_without_suffix);
  return g_test_run ();
}
