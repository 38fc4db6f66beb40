/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Real files: trust is about who owns them, so this is for root to try. */

#include "config-copy.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define GOOD  "[Gateway]\nUsers=1500\n"
#define OTHER "[Gateway]\nUsers=1600\n"
#define BAD   "[Gateway]\nUsers=\n"

typedef struct {
  char *path;
  GVariant *config_copy;
} World;

static void
set_up (World *world, gconstpointer data)
{
  (void) data;
  world->path = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  world->config_copy = g_variant_ref_sink (g_variant_new (CG_CONFIG_COPY, NULL));
}

static void
take_away (const World *world, const char *name)
{
  g_autofree char *path = g_build_filename (world->path, name, NULL);
  g_remove (path);
}

static void
tear_down (World *world, gconstpointer data)
{
  (void) data;
  g_autoptr (GDir) dir = g_dir_open (world->path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));)
    take_away (world, name);
  g_rmdir (world->path);
  g_free (world->path);
  g_variant_unref (world->config_copy);
}

static void
put (const World *world, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (world->path, name, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
}

/* "a:1500 b!": the gateway a with its first uid, and b among the bad ones. */
static char *
describe (const CgConfig *config)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_string_append_printf (text, "%s:%u ", gateway->name,
                            g_array_index (gateway->uids, CgUidRange, 0).first);
  }
  for (guint i = 0; i < config->bad->len; i++)
    g_string_append_printf (text, "%s! ", ((const CgBadFile *) config->bad->pdata[i])->name);
  return g_strdup (text->str);
}

/* Reads the directory; the copy must hold the same from then on, also after it went through bytes.
 */
static void
assert_reload (World *world, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config =
      cg_config_copy_reload (world->config_copy, world->path, NULL, cg_user_lookup, &error);
  g_assert_no_error (error);
  g_autofree char *found = describe (config);
  g_assert_cmpstr (found, ==, expected);

  g_autoptr (GVariant) config_copy = g_variant_ref_sink (cg_config_copy_new (config));
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (config_copy);
  g_variant_unref (world->config_copy);
  world->config_copy =
      g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (CG_CONFIG_COPY), bytes, FALSE));
  g_assert_true (g_variant_is_normal_form (world->config_copy));
  g_autoptr (CgConfig) again =
      cg_config_copy_load (world->config_copy, world->path, cg_user_lookup);
  g_autofree char *kept = describe (again);
  g_assert_cmpstr (kept, ==, expected);
}

static void
good_files (World *world, gconstpointer data)
{
  (void) data;
  assert_reload (world, "");
  put (world, "a.conf", GOOD);
  put (world, "b.conf", OTHER);
  assert_reload (world, "a:1500 b:1600 ");
  take_away (world, "a.conf");
  assert_reload (world, "b:1600 ");
}

static void
a_broken_file_keeps_the_old_one (World *world, gconstpointer data)
{
  (void) data;
  put (world, "a.conf", GOOD);
  put (world, "b.conf", OTHER);
  assert_reload (world, "a:1500 b:1600 ");
  put (world, "a.conf", BAD);
  assert_reload (world, "b:1600 a:1500 a! ");
  assert_reload (world, "b:1600 a:1500 a! ");
  put (world, "a.conf", "[Gateway]\nUsers=1700\n");
  assert_reload (world, "a:1700 b:1600 ");
}

static void
one_that_never_was_good_has_nothing_to_keep (World *world, gconstpointer data)
{
  (void) data;
  put (world, "a.conf", BAD);
  assert_reload (world, "a! ");
  put (world, "\xff.conf", BAD); /* a GVariant has no such strings */
  g_autoptr (CgConfig) config =
      cg_config_copy_reload (world->config_copy, world->path, NULL, cg_user_lookup, NULL);
  g_autoptr (GVariant) config_copy = g_variant_ref_sink (cg_config_copy_new (config));
  g_assert_cmpuint (g_variant_n_children (config_copy), ==, 2);
}

static void
the_old_one_gives_way_to_a_new_one_with_its_uid (World *world, gconstpointer data)
{
  (void) data;
  put (world, "a.conf", GOOD);
  assert_reload (world, "a:1500 ");
  put (world, "a.conf", BAD);
  put (world, "b.conf", GOOD);
  g_autoptr (CgConfig) config =
      cg_config_copy_reload (world->config_copy, world->path, NULL, cg_user_lookup, NULL);
  g_autofree char *found = describe (config);
  g_assert_cmpstr (found, ==, "b:1500 a! a! ");
  g_autoptr (GVariant) config_copy = g_variant_ref_sink (cg_config_copy_new (config));
  g_assert_cmpuint (g_variant_n_children (config_copy), ==, 2); /* each once */
}

static gboolean
somebody_is_1500 (const char *name, guint32 *uid, GError **error)
{
  (void) name;
  (void) error;
  *uid = 1500;
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

/* As when it is behind the network that has just gone. */
static void
a_user_whom_nobody_knows_any_more_stays (World *world, gconstpointer data)
{
  (void) data;
  put (world, "a.conf", "[Gateway]\nUsers=alice 1600-1700\n");
  g_autoptr (CgConfig) config =
      cg_config_copy_reload (world->config_copy, world->path, NULL, somebody_is_1500, NULL);
  g_autoptr (GVariant) config_copy = g_variant_ref_sink (cg_config_copy_new (config));
  g_autoptr (CgConfig) kept = cg_config_copy_load (config_copy, world->path, nobody_answers);
  g_autofree char *found = describe (kept);
  g_assert_cmpstr (found, ==, "a:1500 ");
  const CgGateway *gateway = kept->gateways->pdata[0];
  g_assert_cmpuint (gateway->uids->len, ==, 2);
  g_assert_cmpuint (g_array_index (gateway->uids, CgUidRange, 1).last, ==, 1700);

  g_autoptr (GVariant) next = g_variant_ref_sink (cg_config_copy_new (kept));
  g_assert_true (g_variant_equal (config_copy, next));
  g_autoptr (CgConfig) read =
      cg_config_copy_reload (config_copy, world->path, NULL, nobody_answers, NULL);
  g_autofree char *reread = describe (read);
  g_assert_cmpstr (reread, ==, "a:1500 a! ");
}

static void
a_directory_that_cannot_be_read (World *world, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_assert_null (
      cg_config_copy_reload (world->config_copy, "/nonexistent", NULL, cg_user_lookup, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_autoptr (CgConfig) kept =
      cg_config_copy_load (world->config_copy, "/nonexistent", cg_user_lookup);
  g_assert_false (cg_config_is_complete (kept)); /* what is attached there is not known */
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
    g_test_add_func ("/config_copy", skip);
    return g_test_run ();
  }
  add ("/config-copy/good", good_files);
  add ("/config-copy/broken", a_broken_file_keeps_the_old_one);
  add ("/config-copy/never-good", one_that_never_was_good_has_nothing_to_keep);
  add ("/config-copy/conflict", the_old_one_gives_way_to_a_new_one_with_its_uid);
  add ("/config-copy/user-database", a_user_whom_nobody_knows_any_more_stays);
  add ("/config-copy/directory", a_directory_that_cannot_be_read);
  return g_test_run ();
}
