/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A user that a bad file names is blocked where nothing holds him. Trust is about who owns files,
 * so this is for root to try. */

#include "bad-users-confine.h"

#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "bad-users.h"
#include "plan.h"
#include "world.h"

static const char *const all[] = {NULL};

/* A directory with bad files, and the configuration that it makes. */
typedef struct {
  char *path;
  CgConfig *config;
  GArray *held;
} Case;

static void
set_up (Case *test, gconstpointer data)
{
  (void) data;
  test->path = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  test->held = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
}

static void
tear_down (Case *test, gconstpointer data)
{
  (void) data;
  g_autoptr (GDir) dir = g_dir_open (test->path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (test->path, name, NULL);
    g_remove (path);
  }
  g_rmdir (test->path);
  g_free (test->path);
  g_array_unref (test->held);
  g_clear_pointer (&test->config, cg_config_free);
}

static char *
put (const Case *test, const char *name, const char *text)
{
  char *path = g_build_filename (test->path, name, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  return path;
}

static void
write_file (const Case *test, const char *name, const char *text)
{
  g_free (put (test, name, text));
}

/* "a:1500 a:1600-1610": the uids of the gateways that block. */
static void
assert_blocks (Case *test, const char *const *names, const char *expected)
{
  g_clear_pointer (&test->config, cg_config_free);
  test->config = cg_config_load (test->path, FALSE, world_lookup, NULL);
  if (*expected)
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*are blocked until it is mended*");
  cg_bad_users_confine (test->config, names, test->held, world_lookup);
  g_test_assert_expected_messages ();
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < test->config->gateways->len; i++) {
    const CgGateway *gateway = test->config->gateways->pdata[i];
    for (guint j = 0; !gateway->interface && j < gateway->uids->len; j++) {
      g_autofree char *range =
          cg_uid_range_to_string (g_array_index (gateway->uids, CgUidRange, j));
      g_string_append_printf (text, "%s:%s ", gateway->name, range);
    }
  }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
users_of_a_bad_file_are_blocked (Case *test, gconstpointer data)
{
  (void) data;
  write_file (test, "a.conf", "[Gateway]\nUser=alice 1600-1610\n");
  assert_blocks (test, all, "a:1500 a:1600-1610 ");
  const CgGateway *gateway = test->config->gateways->pdata[0];
  const CgTunnel tunnel = {.gateway = gateway, .rp_filter = -1};
  g_assert_cmpint (cg_plan_state (&tunnel, AF_INET), ==, CG_STATE_BLOCKED);
  g_assert_cmpint (cg_plan_state (&tunnel, AF_INET6), ==, CG_STATE_BLOCKED);
}

static void
those_of_good_files_are_not (Case *test, gconstpointer data)
{
  (void) data;
  write_file (test, "a.conf", "[Gateway]\nUsers=1500-1510 nobody-of-this-name\n");
  write_file (test, "b.conf", "[Gateway]\nUsers=1505\n");
  assert_blocks (test, all, "a:1500-1504 a:1506-1510 ");
}

static void
those_who_are_held_stay_as_they_are (Case *test, gconstpointer data)
{
  CgUidRange held = {1500, 1502};
  (void) data;
  g_array_append_val (test->held, held);
  write_file (test, "a.conf", "[Gateway]\nUser=1500-1502\n");
  assert_blocks (test, all, "");
  write_file (test, "a.conf", "[Gateway]\nUser=1500-1503\n");
  assert_blocks (test, all, "a:1503 ");
}

static void
only_files_that_are_named (Case *test, gconstpointer data)
{
  (void) data;
  write_file (test, "a.conf", "[Gateway]\nUser=1500\n");
  write_file (test, "b.conf", "[Gateway]\nUser=1600\n");
  assert_blocks (test, (const char *const[]){"b", NULL}, "b:1600 ");
}

static void
a_file_that_others_can_write_blocks_nobody (Case *test, gconstpointer data)
{
  (void) data;
  g_autofree char *path = put (test, "a.conf", "[Gateway]\nUsers=1500\n");
  g_chmod (path, 0666);
  assert_blocks (test, all, "");
}

static void
a_file_that_is_called_wrong_has_a_gateway_all_the_same (Case *test, gconstpointer data)
{
  (void) data;
  write_file (test, "my vpn.conf", "[Gateway]\nUsers=1500\n");
  g_autofree char *name = cg_bad_users_name ("my vpn");
  g_autofree char *expected = g_strconcat (name, ":1500 ", NULL);
  g_assert_true (cg_gateway_name_valid (name));
  assert_blocks (test, all, expected);
}

static void
add_rule (World *world, guint8 family, guint8 protocol, guint32 first, guint32 last)
{
  const CgRule rule = {
      .family = family, .protocol = protocol, .priority = 500, .table = 77, .uids = {first, last}};
  g_array_append_val (world->facts->rules, rule);
}

static void
add_last_word (World *world, guint8 family)
{
  const CgRoute route = {.family = family,
                         .protocol = CG_PROTOCOL,
                         .table = 77,
                         .type = RTN_PROHIBIT,
                         .metric = CG_METRIC_LAST,
                         .destination = cg_prefix_default (family)};
  g_array_append_val (world->facts->routes, route);
}

static char *
held_text (const World *world)
{
  g_autoptr (GArray) held = cg_bad_users_held (world->facts);
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < held->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (held, CgUidRange, i));
    g_string_append_printf (text, "%s ", range);
  }
  return g_strdup (text->str);
}

static void
assert_held (const World *world, const char *expected)
{
  g_autofree char *held = held_text (world);
  g_assert_cmpstr (held, ==, expected);
}

/* One family of two is a way out, and so is a table in which the kernel finds nothing. */
static void
who_is_held (void)
{
  World *world = world_new ();
  add_rule (world, AF_INET, CG_PROTOCOL, 1500, 1510);
  add_last_word (world, AF_INET);
  assert_held (world, "");
  add_rule (world, AF_INET6, CG_PROTOCOL, 1505, 1520);
  assert_held (world, "");
  add_last_word (world, AF_INET6);
  assert_held (world, "1505-1510 ");
  add_rule (world, AF_INET6, RTPROT_STATIC, 1500, 1510); /* another program's */
  assert_held (world, "1505-1510 ");
  world->facts->has[1] = FALSE;
  assert_held (world, "1500-1510 ");
  world_free (world);
}

static void
skip (void)
{
  g_test_skip ("only root can own what is trusted");
}

static void
add (const char *path, void (*test) (Case *, gconstpointer))
{
  g_test_add (path, Case, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bad-users/held", who_is_held);
  if (geteuid () != 0) {
    g_test_add_func ("/bad-users", skip);
    return g_test_run ();
  }
  add ("/bad-users/blocked", users_of_a_bad_file_are_blocked);
  add ("/bad-users/of-good-files", those_of_good_files_are_not);
  add ("/bad-users/what-stands", those_who_are_held_stay_as_they_are);
  add ("/bad-users/named", only_files_that_are_named);
  add ("/bad-users/trust", a_file_that_others_can_write_blocks_nobody);
  add ("/bad-users/name", a_file_that_is_called_wrong_has_a_gateway_all_the_same);
  return g_test_run ();
}
