/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which profiles make a gateway. Real files below a root of our own; trust is about who owns them,
 * so this is for root to try. */

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "profiles.h"
#include "world.h"

#define USR  "/usr/lib/NetworkManager/system-connections"
#define ETC  "/etc/NetworkManager/system-connections"
#define RUN  "/run/NetworkManager/system-connections"
#define OURS "etc/custom-gateway"
#define UUID "0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10"

#define PROFILE "[connection]\nid=Work\nuuid=" UUID "\ninterface-name=wg0\n"
#define DATA    "[user]\ncustom-gateway.users=alice\n"
#define FILE    "[Gateway]\nConnection=" UUID "\nUsers=alice\n"

typedef struct {
  const char *name;
  const char *files[3][2];
  const char *expected; /* "good | bad", then "?" if the config is incomplete */
  const char *warning;  /* a pattern, or NULL for none */
} Case;

static const Case cases[] = {
    {"nothing", {{NULL}}, "|", NULL},
    {"a profile without user data", {{USR "/a.nmconnection", PROFILE}}, "|", NULL},
    {"only root writes there", {{USR "/a.nmconnection", PROFILE DATA}}, "Work |", NULL},
    {"not attached", {{ETC "/a.nmconnection", PROFILE DATA}}, "| ?", "*'a.nmconnection'*attach*"},
    {"attached",
     {{ETC "/a.nmconnection", PROFILE DATA}, {OURS "/profiles/work.conf", FILE}},
     "work |",
     NULL},
    {"attached to one that a package brought",
     {{USR "/a.nmconnection", PROFILE "[user]\ncustom-gateway.users=bob\n"},
      {ETC "/a.nmconnection", PROFILE DATA},
      {OURS "/profiles/work.conf", FILE}},
     "work |",
     NULL},
    {"only root writes there, but others have written over it",
     {{USR "/a.nmconnection", PROFILE DATA},
      {ETC "/a.nmconnection", PROFILE "[user]\ncustom-gateway.users=bob\n"}},
     "Work | ?",
     "*whoever polkit lets*"},
    {"attached, then changed",
     {{ETC "/a.nmconnection", PROFILE "[user]\ncustom-gateway.users=bob\n"},
      {OURS "/profiles/work.conf", FILE}},
     "work |",
     "work: *no longer those*"},
    {"attached, then removed",
     {{ETC "/a.nmconnection", PROFILE}, {OURS "/profiles/work.conf", FILE}},
     "work |",
     "work: no profile*detach*" UUID "*"},
    {"attached to another",
     {{ETC "/a.nmconnection", PROFILE DATA},
      {OURS "/profiles/work.conf", "[Gateway]\nConnection=another\nUsers=bob\n"}},
     "work | ?",
     "*whoever polkit lets*"},
    {"of a single user",
     {{USR "/a.nmconnection", PROFILE "permissions=user:bob:;\n" DATA}},
     "|",
     "*connection.permissions*"},
    {"in memory only", {{RUN "/a.nmconnection", PROFILE DATA}}, "|", "*in memory only*"},
    {"not a profile's name", {{USR "/a.conf", PROFILE DATA}}, "|", NULL},
    {"hidden", {{USR "/.a.nmconnection", PROFILE DATA}}, "|", NULL},
    {"an id that is no name of a gateway",
     {{USR "/a.nmconnection", "[connection]\nid=Work VPN\nuuid=" UUID "\n" DATA}},
     UUID " |",
     NULL},
    {"neither", {{USR "/a.nmconnection", "[connection]\nid=Work VPN\n" DATA}}, "| Work VPN", NULL},
    {"an error in it",
     {{USR "/a.nmconnection", PROFILE "[user]\ncustom-gateway.users=dave\n"}},
     "| Work",
     NULL},
    {"no profile at all, where it would count",
     {{USR "/a.nmconnection", "[connection\nid=Work\n" DATA}},
     "| ?",
     "*'a.nmconnection'*"},
    {"no profile at all, where it would not",
     {{ETC "/a.nmconnection", "[connection\nid=Work\n" DATA}},
     "|",
     NULL},
    {"an unknown key",
     {{USR "/a.nmconnection", PROFILE DATA "custom-gateway.colour=red\n"}},
     "| Work",
     NULL},
    {"a file about its interface wins",
     {{USR "/a.nmconnection", PROFILE DATA}, {OURS "/wg0.conf", "[Gateway]\nUsers=bob\n"}},
     "wg0 |",
     "wg0: the file wg0.conf is in force*"},
    {"a file about its id wins",
     {{USR "/a.nmconnection", PROFILE DATA},
      {OURS "/x.conf", "[Gateway]\nConnection=Work\nUsers=bob\n"}},
     "x |",
     "x: the file x.conf is in force*"},
    {"a file wins over what was attached",
     {{ETC "/a.nmconnection", PROFILE DATA},
      {OURS "/profiles/work.conf", FILE},
      {OURS "/x.conf", "[Gateway]\nConnection=" UUID "\nUsers=bob\n"}},
     "x |",
     "x: the file x.conf is in force*"},
    {"a file that took its name wins, good or bad",
     {{OURS "/profiles/work.conf", FILE}, {OURS "/work.conf", "[Gateway]\nUsers=dave\n"}},
     "| work",
     "work: *"},
    {"a user who is in a file already",
     {{USR "/a.nmconnection", PROFILE DATA}, {OURS "/x.conf", "[Gateway]\nUsers=alice\n"}},
     "x | Work",
     NULL},
    {"attached without a connection",
     {{OURS "/profiles/work.conf", "[Gateway]\nInterface=wg0\nUsers=alice\n"}},
     "| work",
     NULL},
};

static void
put (const char *root, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (root, name, NULL);
  g_autofree char *directory = g_path_get_dirname (path);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *inside = g_build_filename (path, name, NULL);
    remove_tree (inside);
  }
  g_remove (path);
}

static char *
names_of (const CgConfig *config)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (guint i = 0; i < config->gateways->len; i++)
    g_string_append_printf (names, "%s ", ((CgGateway *) config->gateways->pdata[i])->name);
  g_string_append (names, "|");
  for (guint i = 0; i < config->bad->len; i++)
    g_string_append_printf (names, " %s", ((CgBadFile *) config->bad->pdata[i])->name);
  if (config->incomplete)
    g_string_append (names, " ?");
  return g_strdup (names->str);
}

static void
case_is (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *ours = g_build_filename (root, OURS, NULL);
  g_assert_cmpint (g_mkdir_with_parents (ours, 0755), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (one->files) && one->files[i][0]; i++)
    put (root, one->files[i][0], one->files[i][1]);
  g_autoptr (CgConfig) config = cg_config_load (ours, FALSE, world_lookup, &error);
  g_assert_no_error (error);
  cg_profiles_add (config, root, world_lookup);
  cg_profiles_add (config, root, world_lookup);
  remove_tree (root);

  g_autofree char *names = names_of (config);
  g_assert_cmpstr (names, ==, one->expected);
  gboolean found = one->warning == NULL && config->warnings->len == 0;
  for (guint i = 0; one->warning && i < config->warnings->len; i++)
    found = found || g_pattern_match_simple (one->warning, config->warnings->pdata[i]);
  if (!found)
    g_error ("not \"%s\" in %u warnings, such as: %s", one->warning, config->warnings->len,
             config->warnings->len ? (char *) config->warnings->pdata[0] : "none");
}

/* A profile that is not root's alone does not count, wherever it is. */
static void
others_may_not_write (void)
{
  g_autofree char *root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *ours = g_build_filename (root, OURS, NULL);
  g_autofree char *path = g_build_filename (root, USR, "a.nmconnection", NULL);
  g_assert_cmpint (g_mkdir_with_parents (ours, 0755), ==, 0);
  put (root, USR "/a.nmconnection", PROFILE DATA);
  g_assert_cmpint (chown (path, 1500, 0), ==, 0);
  g_autoptr (CgConfig) config = cg_config_load (ours, FALSE, world_lookup, NULL);
  cg_profiles_add (config, root, world_lookup);
  remove_tree (root);
  g_assert_cmpuint (config->gateways->len, ==, 0);
  g_assert_true (config->incomplete); /* it may have counted until now */
}

/* By the path that NetworkManager gives, whose word the hook takes for nothing else. */
static void
one_of_the_system_is_known_by_its_file (void)
{
  static const struct {
    const char *path, *text;
    gboolean is_system;
  } profiles[] = {
      {USR "/a.nmconnection", PROFILE, TRUE},
      {ETC "/a.nmconnection", PROFILE, TRUE},
      {RUN "/a.nmconnection", PROFILE, FALSE},
      {ETC "/b.nmconnection", PROFILE "permissions=user:bob:;\n", FALSE},
      {ETC "/below/a.nmconnection", PROFILE, FALSE},
      {ETC "2/a.nmconnection", PROFILE, FALSE},
      {"/home/bob/a.nmconnection", PROFILE, FALSE},
      {ETC "/c.nmconnection", "no profile", FALSE},
  };
  g_autofree char *root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (profiles); i++) {
    put (root, profiles[i].path, profiles[i].text);
    g_test_message ("%s", profiles[i].path);
    g_assert_cmpint (cg_profiles_is_system (root, profiles[i].path), ==, profiles[i].is_system);
  }
  g_assert_false (cg_profiles_is_system (root, ETC "/missing.nmconnection"));
  g_assert_false (cg_profiles_is_system (root, ETC "/../../../home/bob/a.nmconnection"));
  g_autofree char *file = g_strconcat (root, ETC "/a.nmconnection", NULL);
  g_assert_cmpint (chown (file, 1500, 0), ==, 0);
  g_assert_false (cg_profiles_is_system (root, ETC "/a.nmconnection"));
  remove_tree (root);
}

/* Here by links that lead in a circle, since root may look into whatever he likes. */
static void
a_place_that_nobody_can_look_into (void)
{
  g_autofree char *root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *ours = g_build_filename (root, OURS, NULL);
  g_autofree char *place = g_strconcat (root, USR, NULL);
  g_autofree char *parent = g_path_get_dirname (place);
  g_assert_cmpint (g_mkdir_with_parents (ours, 0755), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_cmpint (symlink ("system-connections", place), ==, 0);
  g_autoptr (CgConfig) config = cg_config_load (ours, FALSE, world_lookup, NULL);
  cg_profiles_add (config, root, world_lookup);
  remove_tree (root);
  g_assert_false (cg_config_is_complete (config));
}

/* A directory that others can change, or that nobody can look into. */
static void
a_place_that_is_not_to_be_trusted (void)
{
  g_autofree char *root = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *ours = g_build_filename (root, OURS, NULL);
  g_autofree char *attached = g_build_filename (ours, "profiles", NULL);
  g_assert_cmpint (g_mkdir_with_parents (attached, 0755), ==, 0);
  g_assert_cmpint (chown (attached, 1500, 0), ==, 0); /* empty, or so it seems */
  g_autoptr (CgConfig) config = cg_config_load (ours, FALSE, world_lookup, NULL);
  cg_profiles_add (config, root, world_lookup);
  remove_tree (root);
  g_assert_cmpuint (config->bad->len, ==, 1);
  g_assert_false (cg_config_is_complete (config));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (geteuid () != 0) {
    g_test_skip ("only root owns what root owns");
    return 0;
  }
  ADD_CASES ("/profiles", cases, case_is);
  g_test_add_func ("/profiles/others may not write", others_may_not_write);
  g_test_add_func ("/profiles/one of the system", one_of_the_system_is_known_by_its_file);
  g_test_add_func ("/profiles/a place that nobody can look into",
                   a_place_that_nobody_can_look_into);
  g_test_add_func ("/profiles/a place that is not to be trusted",
                   a_place_that_is_not_to_be_trusted);
  return g_test_run ();
}
