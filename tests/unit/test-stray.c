/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which connections are strays, and when they are looked for. */

#include "stray-run.h"

#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "records.h"
#include "world.h"

static const char *const all[] = {NULL};

typedef struct {
  const char *name;
  guint32 uid;
  const char *local, *remote;
  guint32 ifindex;
  gboolean stray;
} Case;

static const Case cases[] = {
    {"from-the-lan", 1500, "192.0.2.2", "203.0.113.1", 0, TRUE},
    {"from-the-lan-ipv6", 1500, "2001:db8:1::2", "2001:db8:ffff::1", 0, TRUE},
    {"bound-to-the-lan", 1500, "192.0.2.2", "203.0.113.1", 2, TRUE},
    {"last-of-a-range", 1504, "192.0.2.2", "203.0.113.1", 0, TRUE},
    {"link-local", 1500, "fe80::2", "fe80::1", 2, TRUE},
    {"neighbour", 1500, "192.0.2.2", "192.0.2.1", 0, TRUE},
    {"somebody-else", 1505, "192.0.2.2", "203.0.113.1", 0, FALSE},
    {"by-the-tunnel", 1500, "10.64.0.2", "203.0.113.1", 0, FALSE},
    {"by-the-tunnel-ipv6", 1500, "fd00:64::2", "2001:db8:ffff::1", 0, FALSE},
    {"by-the-tunnel-link-local", 1500, "fe80::64", "fe80::1", 7, FALSE},
    {"loopback", 1500, "127.0.0.1", "127.0.0.1", 0, FALSE},
    {"loopback-elsewhere", 1500, "127.1.2.3", "127.0.0.1", 0, FALSE},
    {"loopback-ipv6", 1500, "::1", "::1", 0, FALSE},
    {"bypass", 1500, "192.0.2.2", "198.51.100.9", 0, FALSE},
    {"beside-the-bypass", 1500, "192.0.2.2", "198.51.101.9", 0, TRUE},
    {"bypass-ipv6", 1500, "2001:db8:1::2", "2001:db8:7::9", 0, FALSE},
    {"server-in-the-bypass", 1500, "192.0.2.2", "198.51.100.53", 0, TRUE},
    {"this-machine", 1500, "192.0.2.2", "192.0.2.2", 0, FALSE},
    {"this-machine-ipv6", 1500, "2001:db8:1::2", "2001:db8:1::2", 0, FALSE},
    {"not-of-this-machine-by-another-type", 1500, "192.0.2.2", "192.0.2.255", 0, TRUE},
};

static CgPrefix
address (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

static GArray *
table_local (void)
{
  static const struct {
    guint8 type;
    const char *destination;
  } routes[] = {{RTN_LOCAL, "192.0.2.2"},
                {RTN_BROADCAST, "192.0.2.255"},
                {RTN_LOCAL, "2001:db8:1::2"},
                {RTN_MULTICAST, "ff00::/8"}};
  GArray *here = cg_routes_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (routes); i++) {
    CgRoute route = {.type = routes[i].type, .destination = address (routes[i].destination)};
    g_array_append_val (here, route);
  }
  return here;
}

static void
is_it_a_stray (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (World) world = world_new ();
  g_autoptr (GArray) here = table_local ();
  g_autoptr (GArray) held = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  const CgPrefix of_tunnel[] = {address ("10.64.0.2"), address ("fd00:64::2")};
  CgTunnel *tunnel = world_add (
      world, "wg0", "Users=1500-1504\nBypass=198.51.100.0/24 2001:db8:7::/64\nDNS=198.51.100.53", 7,
      LINK_ALL);
  g_array_append_vals (held, of_tunnel, G_N_ELEMENTS (of_tunnel));
  tunnel->held = held;
  const CgSocket socket = {.uid = one->uid,
                           .ifindex = one->ifindex,
                           .local = address (one->local),
                           .remote = address (one->remote)};
  g_assert_cmpint (cg_socket_is_stray (&socket, tunnel, here), ==, one->stray);
  tunnel->held = NULL;
}

/* Without an interface "bound to none" is not "bound to the tunnel". */
static void
a_tunnel_that_is_gone_has_no_index (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (GArray) here = cg_routes_new ();
  const CgTunnel *tunnel = world_add (world, "wg0", "Users=1500", 0, 0);
  const CgSocket socket = {
      .uid = 1500, .local = address ("192.0.2.2"), .remote = address ("203.0.113.1")};
  g_assert_true (cg_socket_is_stray (&socket, tunnel, here));
}

static char *
with_strays (const World *world, const char *const *released, const char *const *names)
{
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, released);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  cg_strays_add_ops (ops, plan, world->facts, scope);
  return ops_text (ops);
}

static void
install (World *world)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  world_install (world, plan);
}

#define LINE(name) "# ss -K, for each connection of the confined of " name " from before\n"

/* Behind what closes, and before the tunnel opens. */
static void
have_their_place (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=1500\nTable=42", 7, LINK_UP | LINK_IPV4);
  g_autofree char *text = with_strays (world, NULL, all);
  g_assert_cmpstr (text, ==,
                   "ip -4 route add prohibit default table 42 metric 4294967295 protocol 198\n"
                   "ip -6 route add prohibit default table 42 metric 4294967295 protocol 198\n"
                   "ip -4 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
                   "ip -6 rule add priority 500 uidrange 1500-1500 lookup 42 protocol 198\n" LINE (
                       "wg0") "ip -4 route add default dev wg0 table 42 protocol 198\n");
}

/* Its rules stand; without it a program may have picked its own way. */
static void
a_guard_that_was_lost_is_a_reason (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=1500\nGuard=yes", 7, LINK_ALL);
  install (world);
  g_autofree char *text = with_strays (world, NULL, all);
  const char *held = strstr (text, "uid 1500"), *ended = strstr (text, LINE ("wg0")),
             *opened = strstr (text, "IPv4 by interface 7");
  g_assert_true (held && ended && opened && held < ended && ended < opened);
}

static void
nothing_to_do_is_nothing_to_look_for (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=1500", 7, LINK_ALL);
  install (world);
  g_autofree char *text = with_strays (world, NULL, all);
  g_assert_cmpstr (text, ==, "");
}

static void
a_tunnel_that_opens_is_no_reason (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = world_add (world, "wg0", "Users=1500\nOnDown=block", 7, 0);
  install (world);
  tunnel->is_up = tunnel->usable[0] = TRUE;
  g_autofree char *text = with_strays (world, NULL, all);
  g_assert_nonnull (strstr (text, "route add default dev wg0"));
  g_assert_null (strstr (text, "ss -K"));
}

static void
a_run_that_was_killed_is_made_up_for (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=1500", 7, LINK_ALL);
  world_add (world, "wg1", "Users=1501", 8, LINK_ALL)->has_strays = TRUE;
  install (world);
  g_autofree char *text = with_strays (world, NULL, all);
  g_assert_cmpstr (text, ==, LINE ("wg1"));
  const char *const other[] = {"wg0", NULL};
  g_autofree char *elsewhere = with_strays (world, NULL, other);
  g_assert_cmpstr (elsewhere, ==, "");
}

/* Who is released keeps what he has. */
static void
none_of_who_is_released (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", "Users=1500\nOnDown=release", 7, 0)->has_strays = TRUE;
  world_add (world, "wg1", "Users=1501", 8, LINK_ALL)->has_strays = TRUE;
  const char *const released[] = {"wg1", NULL};
  g_autofree char *text = with_strays (world, released, all);
  g_assert_cmpstr (text, ==, "");
}

/* What went by a bypass that is no more. */
static void
a_bypass_that_goes_leaves_strays (void)
{
  g_autoptr (World) before = world_new (), after = world_new ();
  world_add (before, "wg0", "Users=1500\nBypass=198.51.100.0/24", 7, LINK_ALL);
  world_add (after, "wg0", "Users=1500", 7, LINK_ALL);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  world_install (after, plan);
  g_autofree char *text = with_strays (after, NULL, all);
  g_assert_nonnull (strstr (text, LINE ("wg0")));
}

/* Before the old rules go: the last word to the other side goes by the old tunnel. */
static void
who_moves_has_those_of_the_old_tunnel (void)
{
  g_autoptr (World) before = world_new (), after = world_new ();
  world_add (before, "wg0", "Users=1500", 7, LINK_ALL);
  world_add (before, "wg1", "Users=1501", 8, LINK_ALL);
  world_add (after, "wg0", "Users=1501", 7, LINK_ALL);
  world_add (after, "wg1", "Users=1500", 8, LINK_ALL);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  world_install (after, plan);
  g_autofree char *text = with_strays (after, NULL, all);
  const char *both = strstr (text, LINE ("wg0") LINE ("wg1"));
  g_assert_nonnull (both);
  g_assert_true (strstr (text, "rule add") < both);
  g_assert_null (strstr (both, "rule add"));
  g_assert_nonnull (strstr (both, "rule del"));
}

static gboolean
is_noted (const char *directory, const char *gateway)
{
  g_autofree char *note = cg_record_get (directory, CG_RECORD_STRAYS, gateway);
  return note != NULL;
}

static void
a_note_says_whose_are_to_be_ended (void)
{
  g_autofree char *directory = g_dir_make_tmp (NULL, NULL);
  g_autofree char *file = g_build_filename (directory, "strays", "wg0", NULL);
  g_autofree char *inner = g_path_get_dirname (file);
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = world_add (world, "wg0", "Users=1500", 7, LINK_ALL);
  const CgOp ops[] = {{.step = CG_STEP_END_STRAYS, .tunnel = tunnel}};
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (CgOp));
  g_assert_false (is_noted (directory, "wg0"));
  cg_strays_note (list, directory);
  g_assert_false (is_noted (directory, "wg0"));
  g_array_append_vals (list, ops, 1);
  cg_strays_note (list, directory);
  g_assert_true (is_noted (directory, "wg0"));
  g_assert_false (is_noted (directory, "wg1"));
  g_unlink (file);
  g_rmdir (inner);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/stray/which", cases, is_it_a_stray);
  g_test_add_func ("/stray/a-tunnel-that-is-gone-has-no-index", a_tunnel_that_is_gone_has_no_index);
  g_test_add_func ("/stray/have-their-place", have_their_place);
  g_test_add_func ("/stray/nothing-to-do", nothing_to_do_is_nothing_to_look_for);
  g_test_add_func ("/stray/a-guard-that-was-lost", a_guard_that_was_lost_is_a_reason);
  g_test_add_func ("/stray/a-tunnel-that-opens-is-no-reason", a_tunnel_that_opens_is_no_reason);
  g_test_add_func ("/stray/a-run-that-was-killed", a_run_that_was_killed_is_made_up_for);
  g_test_add_func ("/stray/none-of-who-is-released", none_of_who_is_released);
  g_test_add_func ("/stray/a-bypass-that-goes", a_bypass_that_goes_leaves_strays);
  g_test_add_func ("/stray/who-moves", who_moves_has_those_of_the_old_tunnel);
  g_test_add_func ("/stray/a-note-says-whose", a_note_says_whose_are_to_be_ended);
  return g_test_run ();
}
