/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Files that went bad, and what is kept of them across boots. Trust is about who owns files, so
 * this is for root to try. */

#include "last-good.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD  "[Gateway]\nUsers=1500\n"
#define OTHER "[Gateway]\nUsers=1600\n"
#define BAD   "[Gateway]\nUsers=\n"

static const char *const all[] = {NULL};

typedef struct {
  char *root, *files, *state;
} World;

static void
set_up (World *world, gconstpointer data)
{
  (void) data;
  world->root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  world->files = g_build_filename (world->root, "etc", NULL);
  world->state = g_build_filename (world->root, "var", NULL);
  g_assert_cmpint (g_mkdir (world->files, 0755), ==, 0);
}

static void
clear (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *below = g_build_filename (path, name, NULL);
    g_remove (below);
  }
  g_rmdir (path);
}

static void
tear_down (World *world, gconstpointer data)
{
  (void) data;
  clear (world->files);
  clear (world->state);
  clear (world->root);
  g_free (world->root);
  g_free (world->files);
  g_free (world->state);
}

static char *
put (const char *directory, const char *name, const char *text)
{
  char *path = g_build_filename (directory, name, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  return path;
}

static void
write_file (const World *world, const char *name, const char *text)
{
  g_free (put (world->files, name, text));
}

static CgConfig *
load (const World *world, CgUserLookup lookup)
{
  g_autoptr (GError) error = NULL;
  CgConfig *config = cg_last_good_load (world->files, world->state, FALSE, lookup, &error);
  g_assert_no_error (error);
  return config;
}

/* A run that puts the files in force. */
static void
apply (const World *world, const char *const *names)
{
  g_autoptr (CgConfig) config = load (world, cg_user_lookup);
  cg_last_good_save (world->state, config, names);
  if (!*names)
    cg_last_good_forget_gone (world->state, config);
}

/* "a:1500 b!": the gateway a with its first uid, and b among the bad ones. */
static void
assert_loads (const World *world, CgUserLookup lookup, const char *expected)
{
  g_autoptr (CgConfig) config = load (world, lookup);
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_string_append_printf (text, "%s:%u ", gateway->name,
                            g_array_index (gateway->uids, CgUidRange, 0).first);
  }
  for (guint i = 0; i < config->bad->len; i++)
    g_string_append_printf (text, "%s! ", ((const CgBadFile *) config->bad->pdata[i])->name);
  g_assert_cmpstr (text->str, ==, expected);
}

static void
a_bad_file_falls_back_to_the_last_good_one (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  write_file (world, "b.conf", OTHER);
  apply (world, all);
  write_file (world, "a.conf", BAD);
  assert_loads (world, cg_user_lookup, "b:1600 a:1500 a! ");
  apply (world, all); /* keeps no bad one in its place */
  assert_loads (world, cg_user_lookup, "b:1600 a:1500 a! ");
  write_file (world, "a.conf", "[Gateway]\nUsers=1700\n");
  apply (world, all);
  write_file (world, "a.conf", BAD);
  assert_loads (world, cg_user_lookup, "b:1600 a:1700 a! ");
}

static void
what_is_not_in_force_is_not_kept (World *world, gconstpointer data)
{
  const char *const names[] = {"b", NULL};
  (void) data;
  write_file (world, "a.conf", GOOD);
  write_file (world, "b.conf", OTHER);
  apply (world, names);
  write_file (world, "a.conf", BAD);
  write_file (world, "b.conf", BAD);
  assert_loads (world, cg_user_lookup, "b:1600 a! b! ");
}

static void
it_gives_way_to_a_good_file_with_its_uid (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  apply (world, all);
  write_file (world, "a.conf", BAD);
  write_file (world, "b.conf", GOOD);
  assert_loads (world, cg_user_lookup, "b:1500 a! a! ");
}

static void
it_goes_with_its_file (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  apply (world, all);
  g_autofree char *path = g_build_filename (world->files, "a.conf", NULL);
  g_remove (path);
  apply (world, (const char *const[]){"b", NULL});
  write_file (world, "a.conf", BAD);
  assert_loads (world, cg_user_lookup, "a:1500 a! ");
  g_remove (path);
  apply (world, all);
  write_file (world, "a.conf", BAD);
  assert_loads (world, cg_user_lookup, "a! ");
}

static void
it_goes_with_a_removal (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  write_file (world, "b.conf", OTHER);
  apply (world, all);
  write_file (world, "a.conf", BAD);
  write_file (world, "b.conf", BAD);
  cg_last_good_drop (world->state, (const char *const[]){"a", "../a", NULL});
  assert_loads (world, cg_user_lookup, "b:1600 a! b! ");
  cg_last_good_drop (world->state, all);
  assert_loads (world, cg_user_lookup, "a! b! ");
}

static gboolean
alice_is_1500 (const char *name, guint32 *uid, GError **error)
{
  (void) error;
  *uid = g_str_equal (name, "alice") ? 1500 : 1501;
  return TRUE;
}

static gboolean
nobody_answers (const char *name, guint32 *uid, GError **error)
{
  (void) name;
  (void) uid;
  g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG, "the user database does not answer for");
  return FALSE;
}

/* At boot it may be behind the network that is to come, and its silence makes the file bad. */
static void
users_have_the_uids_that_they_had (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", "[Gateway]\nUsers=alice 1600-1700\nServices=foo\n");
  g_autoptr (CgConfig) config = load (world, alice_is_1500);
  CgUidRange of_a_service = {1234, 1234};
  CgGateway *gateway = config->gateways->pdata[0];
  g_array_append_val (gateway->uids, of_a_service); /* which systemd tells anew */
  cg_last_good_save (world->state, config, all);
  g_autoptr (CgConfig) kept = load (world, nobody_answers);
  g_assert_nonnull (cg_config_find_bad (kept, "a"));
  gateway = kept->gateways->pdata[0];
  g_assert_cmpuint (gateway->uids->len, ==, 2);
  g_assert_cmpuint (g_array_index (gateway->uids, CgUidRange, 0).first, ==, 1500);
  g_assert_cmpuint (g_array_index (gateway->uids, CgUidRange, 1).last, ==, 1700);
}

static void
what_is_kept_is_roots_alone (World *world, gconstpointer data)
{
  (void) data;
  struct stat found;
  write_file (world, "a.conf", GOOD);
  apply (world, all);
  g_autofree char *path = g_build_filename (world->state, "a.conf", NULL);
  g_assert_cmpint (g_stat (world->state, &found), ==, 0);
  g_assert_cmpint (found.st_mode & 07777, ==, 0700);
  g_assert_cmpint (g_stat (path, &found), ==, 0);
  g_assert_cmpint (found.st_mode & 07777, ==, 0600);
  ino_t inode = found.st_ino;
  apply (world, all);
  g_assert_cmpint (g_stat (path, &found), ==, 0);
  g_assert_cmpint (found.st_ino, ==, inode); /* what stands is not written anew */
}

static void
assert_refused (const World *world, const char *why)
{
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, why);
  assert_loads (world, cg_user_lookup, "a! ");
  g_test_assert_expected_messages ();
}

static void
what_others_could_write_is_not_used (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  apply (world, all);
  write_file (world, "a.conf", BAD);
  g_autofree char *path = g_build_filename (world->state, "a.conf", NULL);
  g_chmod (path, 0666);
  assert_refused (world, "a: its last good file cannot be used: *chmod go-w*");
  g_chmod (path, 0600);
  g_chmod (world->state, 0777);
  assert_refused (world, "a: its last good file cannot be used: *chmod go-w*");
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "b: its file is not kept*chmod go-w*");
  write_file (world, "b.conf", OTHER);
  g_autoptr (CgConfig) config = cg_config_load (world->files, FALSE, cg_user_lookup, NULL);
  cg_last_good_save (world->state, config, all);
  g_test_assert_expected_messages ();
}

static const char *const hostile[] = {
    "",
    "# uids:",
    GOOD,
    "# uids: 0\n" GOOD,
    "# uids: 1500-1400\n" GOOD,
    "# uids: 1-4294967295\n" GOOD,
    "# uids: -1\n" GOOD,
    "# uids: 1500\n" BAD,
    "# uids: 1500\n[Gateway]\nUsers=0\n",
    "# uids: 1500\n\xff\xfe",
};

static void
what_is_none_of_ours_is_not_used (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", BAD);
  g_assert_cmpint (g_mkdir (world->state, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (hostile); i++) {
    g_free (put (world->state, "a.conf", hostile[i]));
    assert_refused (world, "a: its last good file cannot be used: *");
  }
}

static void
uids_that_are_not_those_of_the_text_are_not_used (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", BAD);
  g_assert_cmpint (g_mkdir (world->state, 0700), ==, 0);
  g_free (put (world->state, "a.conf", "# uids:\n[Gateway]\nUsers=no-such-user-here\n"));
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "*are those from before");
  assert_refused (world, "a: its last good file cannot be used: its uids*");
}

static void
without_a_state_directory_nothing_is_kept (World *world, gconstpointer data)
{
  (void) data;
  write_file (world, "a.conf", GOOD);
  g_autoptr (CgConfig) config = cg_last_good_load (world->files, NULL, FALSE, cg_user_lookup, NULL);
  cg_last_good_save (NULL, config, all);
  cg_last_good_forget_gone (NULL, config);
  cg_last_good_drop (NULL, all);
  g_assert_null (cg_last_good_find (NULL, "a", cg_user_lookup));
  g_assert_false (g_file_test (world->state, G_FILE_TEST_EXISTS));
}

static void
skip (void)
{
  g_test_skip ("only root can own what is trusted");
}

static void
add (const char *path, void (*test) (World *, gconstpointer))
{
  g_test_add (path, World, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (geteuid () != 0) {
    g_test_add_func ("/last-good", skip);
    return g_test_run ();
  }
  add ("/last-good/falls-back", a_bad_file_falls_back_to_the_last_good_one);
  add ("/last-good/in-force-alone", what_is_not_in_force_is_not_kept);
  add ("/last-good/conflict", it_gives_way_to_a_good_file_with_its_uid);
  add ("/last-good/gone", it_goes_with_its_file);
  add ("/last-good/removed", it_goes_with_a_removal);
  add ("/last-good/user-database", users_have_the_uids_that_they_had);
  add ("/last-good/modes", what_is_kept_is_roots_alone);
  add ("/last-good/trust", what_others_could_write_is_not_used);
  add ("/last-good/hostile", what_is_none_of_ours_is_not_used);
  add ("/last-good/other-uids", uids_that_are_not_those_of_the_text_are_not_used);
  add ("/last-good/nowhere", without_a_state_directory_nothing_is_kept);
  return g_test_run ();
}
