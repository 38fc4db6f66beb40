/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What others said at one run, for the next one: what comes back is what was said, and of what is
 * not as it must be nothing comes back. */

#include "resolve-cache.h"

#include <glib/gstdio.h>

#include "link-dns.h"
#include "world.h"

#define WORK "Connection=work\nServices=a\nDNS=auto\nOnDown=release\n"
#define HOME "Interface=wg1\nUsers=1600\n"

static CgGateway *
add (World *world, const char *name, const char *lines)
{
  return (CgGateway *) world_add (world, name, lines, 3, LINK_ALL)->gateway;
}

static void
confine (CgGateway *gateway, guint32 first, guint32 last)
{
  const CgUidRange range = {first, last};
  g_array_append_val (gateway->uids, range);
}

/* Two gateways as their files have them. */
static World *
unresolved (void)
{
  World *world = world_new ();
  add (world, "work", WORK);
  add (world, "home", HOME);
  return world;
}

/* What cg_resolve() makes of the first. */
static void
resolve (World *world)
{
  CgGateway *work = world->config->gateways->pdata[0];
  work->interface = g_strdup ("tun3");
  work->unit = cg_service_fact_new ("custom-gateway@work.service");
  cg_link_dns_add (work->dns, "10.64.0.1 fd00::1");
  confine (work, 1500, 1500);
  confine (work, 70000, 70010);
}

static GVariant *
through_bytes (GVariant *answers)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (answers);
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (sunk);
  GVariant *read = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (CG_RESOLVE_CACHE), bytes, FALSE));
  g_assert_true (g_variant_is_normal_form (read));
  return read;
}

/* "work tun3 10.64.0.1, releases: 1500 70000-70010; home wg1, blocks: 1600; " and "?" for one that
 * has no answer. */
static char *
recall_text (GVariant *answers, World *world)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) unknown = cg_resolve_cache_recall (answers, world->config);
  g_assert_false (cg_config_is_complete (world->config));
  for (guint i = 0; i < world->config->gateways->len; i++) {
    const CgGateway *gateway = world->config->gateways->pdata[i];
    gboolean known = !g_strv_contains ((const char *const *) unknown->pdata, gateway->name);
    g_string_append_printf (text, "%s%s", gateway->name, known ? "" : "?");
    if (known) {
      g_string_append_printf (text, " %s", gateway->interface ? gateway->interface : "-");
      for (guint j = 0; j < gateway->dns->len; j++) {
        g_autofree char *server = cg_prefix_to_address (&g_array_index (gateway->dns, CgPrefix, j));
        g_string_append_printf (text, " %s", server);
      }
      g_string_append_printf (
          text, ", %s:", gateway->on_down == CG_ON_DOWN_RELEASE ? "releases" : "holds");
    }
    for (guint j = 0; j < gateway->uids->len; j++) {
      g_autofree char *uids = cg_uid_range_to_string (g_array_index (gateway->uids, CgUidRange, j));
      g_string_append_printf (text, " %s", uids);
    }
    g_string_append (text, "; ");
  }
  return g_strdup (text->str);
}

static void
assert_recalled (GVariant *answers, const char *expected)
{
  g_autoptr (World) world = unresolved ();
  g_autofree char *found = recall_text (answers, world);
  g_assert_cmpstr (found, ==, expected);
}

static void
they_come_back (void)
{
  g_autoptr (World) world = unresolved ();
  resolve (world);
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  assert_recalled (answers, "work tun3 10.64.0.1 fd00::1, releases: 1500 70000-70010; "
                            "home wg1, holds: 1600; ");
}

/* Nobody could tell the interface: that sets nobody free, at the next run neither. */
static void
what_is_unknown_still_holds (void)
{
  g_autoptr (World) world = unresolved ();
  resolve (world);
  CgGateway *work = world->config->gateways->pdata[0];
  g_clear_pointer (&work->interface, g_free);
  work->on_down = CG_ON_DOWN_BLOCK;
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  assert_recalled (answers, "work - 10.64.0.1 fd00::1, holds: 1500 70000-70010; "
                            "home wg1, holds: 1600; ");
}

static void
where_nobody_was_asked_there_are_none (void)
{
  g_autoptr (World) world = world_new ();
  add (world, "home", HOME "DNS=10.64.0.1\n");
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  g_assert_false (cg_resolve_cache_count (answers, "/nonexistent"));
  assert_recalled (answers, "work?; home?; ");
}

/* Its interface is NetworkManager's answer. */
static void
a_connection_is_asked_about (void)
{
  g_autoptr (World) world = world_new (), again = world_new ();
  add (world, "work", "Connection=work\nUsers=1500\n")->interface = g_strdup ("tun3");
  add (again, "work", "Connection=work\nUsers=1500\n");
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  g_autofree char *found = recall_text (answers, again);
  g_assert_cmpstr (found, ==, "work tun3, holds: 1500; ");
}

static void
a_stopped_gateway_has_none (void)
{
  g_autoptr (World) world = unresolved ();
  resolve (world);
  ((CgGateway *) world->config->gateways->pdata[0])->stopped = TRUE;
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  assert_recalled (answers, "work?; home wg1, holds: 1600; ");
}

static void
while_systemd_is_silent_the_last_one_stays (void)
{
  g_autoptr (World) before = unresolved (), now = unresolved ();
  resolve (before);
  g_autoptr (GVariant) then = through_bytes (cg_resolve_cache_new (before->config, NULL));
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (now->config, then));
  assert_recalled (answers, "work tun3 10.64.0.1 fd00::1, releases: 1500 70000-70010; "
                            "home wg1, holds: 1600; ");
  g_autoptr (GVariant) none = through_bytes (cg_resolve_cache_new (now->config, NULL));
  assert_recalled (none, "work?; home wg1, holds: 1600; ");
}

static void
one_of_a_file_that_is_gone_is_passed_over (void)
{
  g_autoptr (World) world = unresolved (), other = world_new ();
  resolve (world);
  g_autoptr (GVariant) answers = through_bytes (cg_resolve_cache_new (world->config, NULL));
  add (other, "home", HOME);
  g_autofree char *found = recall_text (answers, other);
  g_assert_cmpstr (found, ==, "home wg1, holds: 1600; ");
}

static const struct HostileCase {
  const char *name;
  const char *answers; /* as g_variant_parse() reads it */
  const char *recalled;
} hostile_cases[] = {
    {"root", "(1, [('work', b'tun3', '', true, [(0, 0)])])", "work?; home?; "},
    {"root-in-a-range", "(1, [('work', b'tun3', '', true, [(0, 5000)])])", "work?; home?; "},
    {"no-uid", "(1, [('work', b'tun3', '', true, [(7, 4294967295)])])", "work?; home?; "},
    {"backwards", "(1, [('work', b'tun3', '', true, [(9, 7)])])", "work?; home?; "},
    {"out-of-order-and-touching", "(1, [('work', b'tun3', '', true, [(9, 9), (7, 8), (8, 9)])])",
     "work tun3, releases: 7-9; home?; "},
    {"loopback", "(1, [('work', b'lo', '', true, [(7, 7)])])", "work?; home?; "},
    {"for-nft", "(1, [('work', b't\\\"; accept', '', true, [(7, 7)])])", "work?; home?; "},
    {"too-long", "(1, [('work', b'abcdefghijklmnop', '', true, [(7, 7)])])", "work?; home?; "},
    {"unterminated", "(1, [('work', [byte 0x74], '', true, [(7, 7)])])",
     "work -, releases: 7; home?; "},
    {"an-interface-against-the-file", "(1, [('home', b'eth0', '', true, [(7, 7)])])",
     "work?; home wg1, holds: 7; "},
    {"servers-against-the-file", "(1, [('home', b'', '10.0.0.1', true, [(7, 7)])])",
     "work?; home wg1, holds: 7; "},
    {"servers-that-are-none",
     "(1, [('work', b'', '127.0.0.53 x 10.0.0.1/8 fd00::7', true, [(7, 7)])])",
     "work - fd00::7, releases: 7; home?; "},
    {"one-uid-in-two",
     "(1, [('work', b'', '', true, [(7, 9)]), ('home', b'', '', true, [(9, 9)])])",
     "work -, releases: 7-9; home?; "},
    {"twice", "(1, [('work', b'', '', true, [(7, 7)]), ('work', b'', '', true, [(8, 8)])])",
     "work -, releases: 7; home?; "},
    {"nobody", "(1, [('work', b'tun3', '', true, [])])", "work tun3, releases:; home?; "},
};

static void
hostile (gconstpointer data)
{
  const struct HostileCase *test = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answers =
      g_variant_parse (G_VARIANT_TYPE (CG_RESOLVE_CACHE), test->answers, NULL, NULL, &error);
  g_assert_no_error (error);
  assert_recalled (answers, test->recalled);
}

static void
they_count_until_somebody_else_acts (void)
{
  g_autofree char *directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *mark = g_build_filename (directory, "answers", NULL);
  g_autoptr (World) world = unresolved ();
  resolve (world);
  g_autoptr (GVariant) first = through_bytes (cg_resolve_cache_new (world->config, NULL));
  g_usleep (10); /* they are numbered by the clock */
  g_autoptr (GVariant) second = through_bytes (cg_resolve_cache_new (world->config, NULL));
  g_assert_false (cg_resolve_cache_count (first, directory));
  cg_resolve_cache_vouch (first, directory);
  g_assert_true (cg_resolve_cache_count (first, directory));
  cg_resolve_cache_vouch (second, directory);
  g_assert_false (cg_resolve_cache_count (first, directory));
  g_assert_true (cg_resolve_cache_count (second, directory));
  cg_resolve_cache_outdate (directory);
  g_assert_false (cg_resolve_cache_count (second, directory));
  g_assert_cmpint (g_unlink (mark), ==, -1);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resolve-cache/come-back", they_come_back);
  g_test_add_func ("/resolve-cache/unknown-interface", what_is_unknown_still_holds);
  g_test_add_func ("/resolve-cache/nobody-was-asked", where_nobody_was_asked_there_are_none);
  g_test_add_func ("/resolve-cache/connection", a_connection_is_asked_about);
  g_test_add_func ("/resolve-cache/stopped", a_stopped_gateway_has_none);
  g_test_add_func ("/resolve-cache/silent", while_systemd_is_silent_the_last_one_stays);
  g_test_add_func ("/resolve-cache/gone", one_of_a_file_that_is_gone_is_passed_over);
  g_test_add_func ("/resolve-cache/count", they_count_until_somebody_else_acts);
  ADD_CASES ("/resolve-cache/hostile", hostile_cases, hostile);
  return g_test_run ();
}
