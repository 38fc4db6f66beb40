/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status.h"

#include "world.h"

#define WG0  "Users=alice bob\nTable=42\n"
#define IPV4 LINK_UP | LINK_IPV4

static const char *const all[] = {NULL};

typedef void (*Damage) (World *world);

static void
do_nothing (World *world)
{
  (void) world;
}

static void
lose_everything (World *world)
{
  g_array_set_size (world->facts->rules, 0);
  g_array_set_size (world->facts->routes, 0);
}

static void
lose_a_rule (World *world)
{
  g_array_remove_index (world->facts->rules, 0);
}

static void
lose_the_rules (World *world)
{
  g_array_set_size (world->facts->rules, 0);
}

static void
lose_a_route (World *world, gboolean last_word)
{
  GArray *routes = world->facts->routes;
  for (guint i = routes->len; i-- > 0;) {
    const CgRoute *route = &g_array_index (routes, CgRoute, i);
    if (route->family == AF_INET && cg_route_is_last_word (route) == last_word)
      g_array_remove_index (routes, i);
  }
}

static void
lose_the_way (World *world)
{
  lose_a_route (world, FALSE);
}

static void
lose_the_last_word (World *world)
{
  lose_a_route (world, TRUE);
}

static const struct StatusCase {
  const char *name;
  const char *lines;
  guint flags;
  Damage damage; /* to what should stand */
  const char *words;
  guint differences; /* also that connections from before are to be ended */
} status_cases[] = {
    {"up", "", LINK_ALL, do_nothing, "up, should be up; up, should be up", 0},
    {"half-up", "", IPV4, do_nothing, "up, should be up; blocked, should be blocked", 0},
    {"blocked", "", 0, do_nothing, "blocked, should be blocked; blocked, should be blocked", 0},
    {"released", "OnDown=release\n", 0, do_nothing,
     "released, should be released; released, should be released", 0},
    {"all-is-lost", "IPv6=block\n", IPV4, lose_everything,
     "released, should be up; released, should be blocked", 6},
    {"a-rule-is-lost", "", LINK_ALL, lose_a_rule, "partial, should be up; up, should be up", 2},
    {"the-rules-are-lost", "", LINK_ALL, lose_the_rules,
     "partial, should be up; partial, should be up", 3},
    {"the-way-is-lost", "", LINK_ALL, lose_the_way, "blocked, should be up; up, should be up", 1},
    {"the-last-word-is-lost", "", LINK_ALL, lose_the_last_word,
     "partial, should be up; up, should be up", 2},
};

static char *
describe (const CgGatewayStatus *status)
{
  return g_strdup_printf ("%s, should be %s; %s, should be %s", cg_status_word (&status->family[0]),
                          cg_state_name (status->family[0].should),
                          cg_status_word (&status->family[1]),
                          cg_state_name (status->family[1].should));
}

static void
install_plan (World *world)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  world_install (world, plan);
}

static void
tells (gconstpointer data)
{
  const struct StatusCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strconcat (WG0, test->lines, NULL);
  world_add (world, "wg0", lines, test->flags ? 7 : 0, test->flags);
  install_plan (world);
  test->damage (world);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  g_assert_cmpuint (status->gateways->len, ==, 1);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  g_autofree char *words = describe (gateway);
  g_assert_cmpstr (words, ==, test->words);
  g_assert_cmpuint (gateway->differences->len, ==, test->differences);
  g_assert_cmpint (cg_status_differs (status), ==, test->differences > 0);
  g_assert_cmpuint (status->differences->len, ==, 0);
}

static void
leftovers_are_nobodys (void)
{
  g_autoptr (World) before = world_new ();
  world_add (before, "wg1", "Users=carol\nTable=43\nIPv6=block\n", 9, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL);
  install_plan (world);
  world_install (world, plan);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  g_assert_cmpuint (gateway->differences->len, ==, 0);
  g_assert_cmpuint (status->differences->len, ==, 5);
  g_assert_cmpstr (status->differences->pdata[2], ==,
                   "ip -4 route del default dev wg1 table 43 protocol 198");
  g_assert_true (cg_status_differs (status));
}

static void
a_released_resolv_conf_is_no_leftover (void)
{
  g_autoptr (GArray) servers = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  cg_resolvconf_parse ("nameserver 192.0.2.7\n", servers);
  CgResolvConf released = {g_strdup ("wg7"), g_strdup ("/run/x/dns/wg7/resolv.conf"),
                           cg_resolvconf_text_released (servers)};
  CgResolvConf confined = {g_strdup ("wg8"), g_strdup ("/run/x/dns/wg8/resolv.conf"),
                           g_strdup ("# custom-gateway(8): x\nnameserver 10.64.0.1\n")};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL);
  install_plan (world);
  g_array_append_val (world->facts->resolvconfs, released);
  g_autoptr (CgStatus) fine = cg_status_new (world->facts, all);
  g_assert_false (cg_status_differs (fine));
  g_array_append_val (world->facts->resolvconfs, confined);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  g_assert_cmpuint (status->differences->len, ==, 1);
  g_assert_true (g_str_has_suffix (status->differences->pdata[0], "/wg8/resolv.conf"));
}

static void
named_say_nothing_of_leftovers (void)
{
  static const char *const names[] = {"wg0", NULL};
  g_autoptr (World) before = world_new ();
  world_add (before, "wg1", "Users=carol\nTable=43\n", 9, IPV4);
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL);
  world_add (world, "wg2", "Users=1700\n", 0, 0);
  install_plan (world);
  world_install (world, plan);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, names);
  g_assert_cmpuint (status->gateways->len, ==, 1);
  g_assert_false (cg_status_differs (status));
}

/* A difference is either the gateway's or nobody's. */
static void
each_difference_is_told_once (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL);
  world_add (world, "wg1", "Users=1700\nTable=43\nIPv6=block\n", 9, IPV4);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *first = status->gateways->pdata[0];
  const CgGatewayStatus *second = status->gateways->pdata[1];
  g_assert_cmpuint (first->differences->len, ==, 7);
  g_assert_cmpuint (second->differences->len, ==, 6);
  g_assert_cmpuint (status->differences->len, ==, 0);
}

static void
filter_is_a_difference (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL)->rp_filter = CG_FILTER_STRICT;
  install_plan (world);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  g_assert_cmpuint (gateway->differences->len, ==, 1);
  g_assert_cmpstr (gateway->differences->pdata[0], ==, "sysctl -w net.ipv4.conf.wg0.rp_filter=2");
}

/* Where nothing differs, what is must be what should be: ipv6.disable=1 is not a fault. */
static void
kernel_without_ipv6_is_no_fault (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, IPV4);
  world->facts->has[1] = FALSE;
  install_plan (world);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  g_assert_false (cg_status_differs (status));
  g_assert_cmpstr (cg_status_word (&gateway->family[1]), ==,
                   cg_state_name (gateway->family[1].should));
}

static CgGuardForm
form_of (const World *world)
{
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  return ((const CgGatewayStatus *) status->gateways->pdata[0])->guard;
}

/* As it stands, and not as it should be. */
static void
guard_is_told_as_it_stands (void)
{
  const CgGuardEntry entry = cg_entry_gateway (42, (struct cg_way){.flags = 0});
  const CgGuardEntry other = cg_entry_gateway (43, (struct cg_way){.flags = 0});
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "Guard=yes\n", 7, LINK_ALL);
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_NONE);
  g_array_append_val (world->facts->guard->entries, other);
  world->facts->guard->is_loaded = TRUE;
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_NONE);
  g_array_append_val (world->facts->guard->entries, entry);
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_BPF);
  world->facts->guard->is_loaded = FALSE;
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_NONE);
}

static void
guard_by_uid_is_told (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "Guard=yes\n", 7, LINK_ALL);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_NONE);
  world->facts->table.fingerprint = g_strdup ("it stands");
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_NFTABLES);
}

/* A process that may not look says neither that it stands nor that it does not. */
static void
guard_that_is_hidden_is_unknown (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "Guard=yes\n", 7, LINK_ALL);
  world->facts->guard->impossible = g_strdup ("not permitted");
  world->facts->guard->is_hidden = TRUE;
  world->facts->table.unseen = g_strdup ("not permitted");
  g_assert_cmpint (form_of (world), ==, CG_GUARD_FORM_UNKNOWN);
  install_plan (world);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  g_assert_false (cg_status_differs (status));
}

static void
drops_are_those_of_the_gateway (void)
{
  const CgGuardDrops drops[] = {
      {43, {.out = 100}}, {42, {.out = 1, .in = 2, .names = 4, .sources = 8, .protocols = 16}}};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "Guard=yes\n", 7, LINK_ALL);
  g_array_append_vals (world->facts->guard->drops, drops, G_N_ELEMENTS (drops));
  world->facts->table.dropped = 5;
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  g_assert_cmpuint (gateway->dropped, ==, 31);
  g_assert_cmpuint (gateway->drops.names, ==, 4);
  g_assert_cmpuint (status->dropped, ==, 5);
}

static void
guard_that_is_lost_is_a_difference (void)
{
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0 "Guard=yes\n", 7, LINK_ALL);
  install_plan (world);
  g_autoptr (CgStatus) status = cg_status_new (world->facts, all);
  const CgGatewayStatus *gateway = status->gateways->pdata[0];
  gboolean loads = FALSE;
  for (guint i = 0; i < gateway->differences->len; i++)
    loads = loads || g_str_has_prefix (gateway->differences->pdata[i], "# the guard: bpftool");
  g_assert_true (loads);
  g_assert_cmpuint (status->differences->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/status", status_cases, tells);
  g_test_add_func ("/status/leftovers-are-nobodys", leftovers_are_nobodys);
  g_test_add_func ("/status/released-resolv-conf", a_released_resolv_conf_is_no_leftover);
  g_test_add_func ("/status/named-say-nothing-of-leftovers", named_say_nothing_of_leftovers);
  g_test_add_func ("/status/each-difference-is-told-once", each_difference_is_told_once);
  g_test_add_func ("/status/filter-is-a-difference", filter_is_a_difference);
  g_test_add_func ("/status/kernel-without-ipv6-is-no-fault", kernel_without_ipv6_is_no_fault);
  g_test_add_func ("/status/guard/as-it-stands", guard_is_told_as_it_stands);
  g_test_add_func ("/status/guard/by-uid", guard_by_uid_is_told);
  g_test_add_func ("/status/guard/hidden", guard_that_is_hidden_is_unknown);
  g_test_add_func ("/status/guard/drops", drops_are_those_of_the_gateway);
  g_test_add_func ("/status/guard/lost", guard_that_is_lost_is_a_difference);
  return g_test_run ();
}
