/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The resolv.conf of a gateway's own, and what DNS= puts into a service's drop-in. */

#include "resolvconf.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dropin-dns.h"
#include "world.h"

static const struct TextCase {
  const char *name;
  const char *lines;
  const char *servers; /* the last lines */
} text_cases[] = {
    {"one", "DNS=10.64.0.1", "search .\nnameserver 10.64.0.1\n"},
    {"in-their-order", "DNS=fd00::1 10.64.0.1",
     "search .\nnameserver fd00::1\nnameserver 10.64.0.1\n"},
    {"three-at-most", "DNS=10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4",
     "search .\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"},
    {"none-known", "DNS=auto", "search .\nnameserver 255.255.255.255\n"},
};

static void
text_has (gconstpointer data)
{
  const struct TextCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strconcat ("Users=alice\n", test->lines, NULL);
  const CgTunnel *tunnel = world_add (world, "wg0", lines, 0, 0);
  g_autofree char *text = cg_resolvconf_text (tunnel->gateway);
  g_assert_true (g_str_has_prefix (text, "# "));
  g_assert_cmpstr (strchr (text, '\n') + 1, ==, test->servers);
}

static const struct ParseCase {
  const char *name;
  const char *text;
  const char *servers;
} parse_cases[] = {
    {"empty", "", ""},
    {"one", "nameserver 192.0.2.1\n", "192.0.2.1 "},
    {"no-newline", "nameserver 192.0.2.1", "192.0.2.1 "},
    {"blanks", "nameserver \t 192.0.2.1 \t # mine\n", "192.0.2.1 "},
    {"both", "# nameserver 1.1.1.1\nsearch lan\nnameserver ::1\nnameserver 127.0.0.53\n",
     "::1 127.0.0.53 "},
    {"three-at-most",
     "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver ::1\n",
     "1.0.0.1 1.0.0.2 1.0.0.3 "},
    {"nonsense", "nameserver\nnameserver \nnameserver x\nnameserver 10.0.0.0/8\nnameservers ::1\n",
     ""},
};

static void
parse_finds (gconstpointer data)
{
  const struct ParseCase *test = data;
  g_autoptr (GArray) servers = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_autoptr (GString) text = g_string_new (NULL);
  cg_resolvconf_parse (test->text, servers);
  for (guint i = 0; i < servers->len; i++) {
    g_autofree char *server = cg_prefix_to_address (&g_array_index (servers, CgPrefix, i));
    g_string_append_printf (text, "%s ", server);
  }
  g_assert_cmpstr (text->str, ==, test->servers);
}

static const struct LocalCase {
  const char *name; /* the address */
  gboolean local;
} local_cases[] = {{"127.0.0.1", TRUE},  {"127.0.0.53", TRUE}, {"127.255.0.1", TRUE},
                   {"0.0.0.0", TRUE},    {"::1", TRUE},        {"::", TRUE},
                   {"192.0.2.1", FALSE}, {"::2", FALSE},       {"2001:db8::1", FALSE}};

static void
is_local (gconstpointer data)
{
  const struct LocalCase *test = data;
  CgPrefix server;
  g_assert_true (cg_prefix_parse (test->name, &server));
  g_assert_cmpint (cg_server_is_local (&server), ==, test->local);
}

static void
released_names_the_systems_servers (void)
{
  g_autoptr (GArray) servers = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_autofree char *none = cg_resolvconf_text_released (servers);
  cg_resolvconf_parse ("nameserver 192.0.2.1\nnameserver ::1\n", servers);
  g_autofree char *two = cg_resolvconf_text_released (servers);
  g_assert_true (g_str_has_suffix (none, "\nnameserver 127.0.0.1\n"));
  g_assert_true (g_str_has_suffix (two, "\nnameserver 192.0.2.1\nnameserver ::1\n"));
}

/* A directory for one test. */
typedef struct {
  char *directory;
  char *path; /* of the resolv.conf in it */
} Place;

static void
set_up (Place *place, gconstpointer data)
{
  (void) data;
  place->directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_assert_nonnull (place->directory);
  place->path = cg_resolvconf_path (place->directory, "wg0");
}

static void
tear_down (Place *place, gconstpointer data)
{
  (void) data;
  g_autofree char *inner = g_path_get_dirname (place->path);
  g_autofree char *outer = g_path_get_dirname (inner);
  g_unlink (place->path);
  g_rmdir (inner);
  g_rmdir (outer);
  g_rmdir (place->directory);
  g_free (place->path);
  g_free (place->directory);
}

static void
write_text (const Place *place, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_assert_true (cg_resolvconf_write (place->path, text, &error));
  g_assert_no_error (error);
}

static void
assert_stands (const Place *place, const char *text)
{
  g_autoptr (GArray) found = cg_resolvconfs_new ();
  cg_resolvconf_load (place->directory, found);
  g_assert_cmpuint (found->len, ==, 1);
  const CgResolvConf *file = &g_array_index (found, CgResolvConf, 0);
  g_assert_cmpstr (file->gateway, ==, "wg0");
  g_assert_cmpstr (file->path, ==, place->path);
  g_assert_cmpstr (file->text, ==, text);
}

static void
nothing_stands_at_first (Place *place, gconstpointer data)
{
  (void) data;
  g_autoptr (GArray) found = cg_resolvconfs_new ();
  cg_resolvconf_load (place->directory, found);
  g_assert_cmpuint (found->len, ==, 0);
}

static void
later_text_replaces_the_earlier_in_place (Place *place, gconstpointer data)
{
  struct stat before, after;
  (void) data;
  write_text (place, "nameserver 10.64.0.1\nnameserver 10.64.0.2\n");
  assert_stands (place, "nameserver 10.64.0.1\nnameserver 10.64.0.2\n");
  g_assert_cmpint (stat (place->path, &before), ==, 0);
  write_text (place, "nameserver fd00::1\n");
  assert_stands (place, "nameserver fd00::1\n");
  g_assert_cmpint (stat (place->path, &after), ==, 0);
  g_assert_cmpuint (after.st_ino, ==, before.st_ino);
  /* never shorter: a reader would find half a text */
  g_assert_cmpint (after.st_size, ==, before.st_size);
  g_assert_true (after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
                 after.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
}

static void
what_others_left_longer_is_cut (Place *place, gconstpointer data)
{
  (void) data;
  g_autofree char *junk = g_strnfill (4000, 'x');
  write_text (place, "nameserver 10.64.0.1\n");
  g_assert_true (g_file_set_contents (place->path, junk, -1, NULL));
  write_text (place, "nameserver 10.64.0.2\n");
  assert_stands (place, "nameserver 10.64.0.2\n");
}

static void
no_link_is_followed (Place *place, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  write_text (place, "nameserver 10.64.0.1\n");
  g_assert_cmpint (g_unlink (place->path), ==, 0);
  g_assert_cmpint (symlink ("elsewhere", place->path), ==, 0);
  g_assert_false (cg_resolvconf_write (place->path, "nameserver 10.64.0.1\n", &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, place->path));
}

/* What is written, and in which step. */

static void
put_file (World *world, const char *gateway, const char *text)
{
  const CgResolvConf file = {
      g_strdup (gateway), cg_resolvconf_path (world->facts->runtime_dir, gateway), g_strdup (text)};
  g_array_append_val (world->facts->resolvconfs, file);
}

/* "3:text" of each operation about resolv.conf. */
static char *
steps (const World *world, const char *const *released)
{
  static const char *const all[] = {NULL};
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, released);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    if (op->step == CG_STEP_CONFINE_DNS || op->step == CG_STEP_RELEASE_DNS)
      g_string_append_printf (text, "%s %s",
                              op->step == CG_STEP_CONFINE_DNS ? "confine" : "release",
                              strrchr (op->resolvconf.text, ' ') + 1);
  }
  return g_string_free (text, FALSE);
}

static const struct StepCase {
  const char *name;
  const char *lines;
  guint flags;
  const char *have; /* "own": what it should say; NULL: nothing */
  const char *steps;
} step_cases[] = {
    {"no-dns", "", LINK_ALL, NULL, ""},
    {"new", "DNS=10.0.0.1\n", LINK_ALL, NULL, "confine 10.0.0.1\n"},
    {"there", "DNS=10.0.0.1\n", LINK_ALL, "own", ""},
    {"another", "DNS=10.0.0.1\n", LINK_ALL, "nameserver 10.0.0.2\n", "confine 10.0.0.1\n"},
    {"blocked", "DNS=10.0.0.1\n", 0, NULL, "confine 10.0.0.1\n"},
    {"released", "DNS=10.0.0.1\nOnDown=release\n", 0, NULL, "release 127.0.0.1\n"},
    {"dns-is-gone", "", LINK_ALL, "nameserver 10.0.0.1\n", "release 127.0.0.1\n"},
};

static void
steps_are (gconstpointer data)
{
  const struct StepCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strconcat ("Users=alice\n", test->lines, NULL);
  const CgTunnel *tunnel = world_add (world, "wg0", lines, test->flags ? 7 : 0, test->flags);
  g_autofree char *own = cg_resolvconf_text (tunnel->gateway);
  if (test->have)
    put_file (world, "wg0", g_str_equal (test->have, "own") ? own : test->have);
  g_autofree char *found = steps (world, NULL);
  g_assert_cmpstr (found, ==, test->steps);
}

static void
removal_releases_it (void)
{
  static const char *const released[] = {"wg0", NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=alice\nDNS=10.0.0.1\n", 0, 0);
  g_autofree char *without = steps (world, released);
  g_assert_cmpstr (without, ==, "");
  put_file (world, "wg0", "nameserver 10.0.0.1\n");
  g_autofree char *with = steps (world, released);
  g_assert_cmpstr (with, ==, "release 127.0.0.1\n");
}

static void
that_of_a_bad_file_stays (void)
{
  g_autoptr (World) world = world_new ();
  world_add_bad (world, "wg0");
  put_file (world, "wg0", "nameserver 10.0.0.1\n");
  g_autofree char *found = steps (world, NULL);
  g_assert_cmpstr (found, ==, "");
}

/* A uid that stands in no good file keeps its rule, and so its servers. */
static void
that_of_whom_no_good_file_knows_stays (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = world_add (world, "wg0", "Users=alice\nOnDown=release\nDNS=10.0.0.1\n", 0, 0);
  const CgRule rule = {.family = AF_INET,
                       .protocol = CG_PROTOCOL,
                       .priority = 500,
                       .table = tunnel->table,
                       .uids = {1501, 1501}};
  world_add_bad (world, "wg1");
  g_array_append_val (world->facts->rules, rule);
  put_file (world, "wg0", "nameserver 10.0.0.1\n");
  g_autofree char *found = steps (world, NULL);
  g_assert_cmpstr (found, ==, "");
}

static void
line_is_one_of_a_shell (void)
{
  const CgOp op = {
      .step = CG_STEP_CONFINE_DNS,
      .resolvconf = {.path = "/run/a b/resolv.conf", .text = "# it's\nnameserver ::1\n"}};
  g_autofree char *line = cg_op_to_string (&op);
  g_assert_cmpstr (line, ==,
                   "mkdir -p '/run/a b' && printf '%s\\n' '# it'\\''s' 'nameserver ::1' "
                   ">'/run/a b/resolv.conf'");
}

static void
dropin_binds_the_file_and_hides_the_others (void)
{
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = world_add (world, "a@b.c", "Users=alice\nDNS=auto\n", 0, 0);
  g_autoptr (GString) text = g_string_new (NULL);
  cg_dropin_append_dns (text, tunnel->gateway);
  g_assert_cmpstr (text->str, ==,
                   "BindReadOnlyPaths=/run/custom-gateway/dns/a@b.c/resolv.conf:/etc/resolv.conf\n"
                   "TemporaryFileSystem=/run/avahi-daemon:ro\n"
                   "TemporaryFileSystem=/run/dbus:ro\n"
                   "TemporaryFileSystem=/run/nscd:ro\n"
                   "TemporaryFileSystem=/run/systemd/resolve:ro\n");
}

static void
dropin_without_dns_is_empty (void)
{
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = world_add (world, "wg0", "Users=alice\n", 0, 0);
  g_autoptr (GString) text = g_string_new (NULL);
  cg_dropin_append_dns (text, tunnel->gateway);
  g_assert_cmpstr (text->str, ==, "");
}

static void
add_with_place (const char *path, void (*function) (Place *, gconstpointer))
{
  g_test_add (path, Place, NULL, set_up, function, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/resolvconf/text", text_cases, text_has);
  ADD_CASES ("/resolvconf/parse", parse_cases, parse_finds);
  ADD_CASES ("/resolvconf/local", local_cases, is_local);
  ADD_CASES ("/resolvconf/step", step_cases, steps_are);
  g_test_add_func ("/resolvconf/released", released_names_the_systems_servers);
  g_test_add_func ("/resolvconf/step/removal", removal_releases_it);
  g_test_add_func ("/resolvconf/step/bad-file", that_of_a_bad_file_stays);
  g_test_add_func ("/resolvconf/step/held", that_of_whom_no_good_file_knows_stays);
  g_test_add_func ("/resolvconf/line", line_is_one_of_a_shell);
  g_test_add_func ("/resolvconf/dropin/dns", dropin_binds_the_file_and_hides_the_others);
  g_test_add_func ("/resolvconf/dropin/no-dns", dropin_without_dns_is_empty);
  add_with_place ("/resolvconf/file/none", nothing_stands_at_first);
  add_with_place ("/resolvconf/file/in-place", later_text_replaces_the_earlier_in_place);
  add_with_place ("/resolvconf/file/longer", what_others_left_longer_is_cut);
  add_with_place ("/resolvconf/file/link", no_link_is_followed);
  return g_test_run ();
}
