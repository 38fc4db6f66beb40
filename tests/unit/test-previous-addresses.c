/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The addresses that a tunnel had last, in the runtime directory. */

#include "previous-addresses.h"

#include <glib/gstdio.h>

typedef struct {
  char *path;
} Directory;

static void
directory_new (Directory *directory, gconstpointer data)
{
  (void) data;
  directory->path = g_dir_make_tmp (NULL, NULL);
}

static void
directory_free (Directory *directory, gconstpointer data)
{
  g_autofree char *file = g_build_filename (directory->path, "addresses", "wg0", NULL);
  g_autofree char *inner = g_path_get_dirname (file);
  (void) data;
  g_unlink (file);
  g_rmdir (inner);
  g_rmdir (directory->path);
  g_free (directory->path);
}

static GArray *
addresses_new (const char *words)
{
  GArray *addresses = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_auto (GStrv) parts = g_strsplit (words, " ", -1);
  for (char **part = parts; *part; part++) {
    CgPrefix address;
    if (cg_prefix_parse (*part, &address))
      g_array_append_val (addresses, address);
  }
  return addresses;
}

static char *
loaded (const Directory *directory)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_autoptr (GString) text = g_string_new (NULL);
  cg_previous_addresses_load (directory->path, "wg0", addresses);
  for (guint i = 0; i < addresses->len; i++) {
    g_autofree char *address = cg_prefix_to_address (&g_array_index (addresses, CgPrefix, i));
    g_string_append_printf (text, "%s ", address);
  }
  return g_strdup (text->str);
}

static void
come_back_as_they_were (Directory *directory, gconstpointer data)
{
  g_autoptr (GArray) addresses = addresses_new ("10.0.0.2 fd00::2");
  (void) data;
  cg_previous_addresses_save (directory->path, "wg0", addresses);
  g_autofree char *text = loaded (directory);
  g_assert_cmpstr (text, ==, "10.0.0.2 fd00::2 ");
  cg_previous_addresses_forget (directory->path, "wg0");
  g_autofree char *after = loaded (directory);
  g_assert_cmpstr (after, ==, "");
}

static void
what_is_no_address_is_passed_over (Directory *directory, gconstpointer data)
{
  g_autofree char *file = g_build_filename (directory->path, "addresses", "wg0", NULL);
  g_autofree char *inner = g_path_get_dirname (file);
  (void) data;
  g_mkdir (inner, 0755);
  g_assert_true (g_file_set_contents (file, "10.0.0.0/8\n; flush ruleset\n\n10.0.0.3", -1, NULL));
  g_autofree char *text = loaded (directory);
  g_assert_cmpstr (text, ==, "10.0.0.3 ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  g_test_add ("/previous-addresses/come-back", Directory, NULL, directory_new,
              come_back_as_they_were, directory_free);
  g_test_add ("/previous-addresses/no-address", Directory, NULL, directory_new,
              what_is_no_address_is_passed_over, directory_free);
  return g_test_run ();
}
