/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What stands of the guard for each gateway, in each of its states. */

#include "plan-guard.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "world.h"

#define WG0 "Users=alice\nTable=42\nGuard=yes\n"

static CgPrefix
prefix_of (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

/* What the planned entries mean, one a line, in their order. */
static char *
entries_text (const CgPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < plan->entries->len; i++) {
    g_autofree char *line =
        cg_entry_to_string (&g_array_index (plan->entries, CgGuardEntry, i), TRUE);
    g_string_append_printf (text, "%s\n", strstr (line, "# ") + 2);
  }
  return g_strdup (text->str);
}

static char *
planned_without (const World *world, const char *const *released)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, released);
  return entries_text (plan);
}

static char *
planned (const World *world)
{
  return planned_without (world, NULL);
}

static void
assert_planned (const World *world, const char *expected)
{
  g_autofree char *text = planned (world);
  g_assert_cmpstr (text, ==, expected);
}

#define UID "table 42: uid 1500\n"

static const struct StateCase {
  const char *name;
  const char *lines;
  guint32 ifindex;
  guint flags;
  const char *entries;
} state_cases[] = {
    {"up", "", 7, LINK_ALL, "table 42: IPv4 by interface 7, IPv6 by 7\n" UID},
    {"up-for-ipv4", "", 7, LINK_UP | LINK_IPV4, "table 42: IPv4 by interface 7, IPv6 by 0\n" UID},
    {"up-for-ipv6", "", 7, LINK_UP | LINK_GLOBAL, "table 42: IPv4 by interface 0, IPv6 by 7\n" UID},
    {"ipv6-is-blocked", "IPv6=block\n", 7, LINK_ALL,
     "table 42: IPv4 by interface 7, IPv6 by 0\n" UID},
    {"ipv6-is-routed", "IPv6=route\n", 7, LINK_UP | LINK_IPV4 | LINK_IPV6,
     "table 42: IPv4 by interface 7, IPv6 by 7\n" UID},
    {"blocked", "", 0, 0, "table 42: IPv4 by interface 0, IPv6 by 0\n" UID},
    {"down", "OnDown=block\n", 7, LINK_ALL & ~LINK_UP,
     "table 42: IPv4 by interface 0, IPv6 by 0\n" UID},
    {"released", "OnDown=release\n", 0, 0, ""},
    {"half-up-is-not-released", "OnDown=release\n", 7, LINK_UP | LINK_IPV4,
     "table 42: IPv4 by interface 7, IPv6 by 0\n" UID},
    {"no-guard", "Guard=no\n", 7, LINK_ALL, ""},
    {"required", "Guard=required\n", 7, LINK_ALL, "table 42: IPv4 by interface 7, IPv6 by 7\n" UID},
    {"no-uid-yet", "Users=\nServices=x.service\n", 7, LINK_ALL, ""},
    {"ranges", "Users=alice 1502-1505\n", 0, 0,
     "table 42: IPv4 by interface 0, IPv6 by 0\n"
     "table 42: uid 1502-1503\ntable 42: uid 1504-1505\n" UID},
    {"all-uids", "Users=1-4294967294\n", 0, 0, NULL},
};

static CgTunnel *
add_wg0 (World *world, const char *lines, guint32 ifindex, guint flags)
{
  g_autofree char *text =
      g_strconcat ("Table=42\n", strstr (lines, "Users=") ? "" : "Users=alice\n",
                   strstr (lines, "Guard=") ? "" : "Guard=yes\n", lines, NULL);
  return world_add (world, "wg0", text, ifindex, flags);
}

static void
has_entries (gconstpointer data)
{
  const struct StateCase *test = data;
  g_autoptr (World) world = world_new ();
  add_wg0 (world, test->lines, test->ifindex, test->flags);
  if (test->entries)
    assert_planned (world, test->entries);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  if (!test->entries)
    g_assert_cmpuint (plan->entries->len, ==, 1 + 62); /* two halves of 31 prefixes */
}

static void
named_are_released (void)
{
  static const char *const wg0[] = {"wg0", NULL};
  g_autoptr (World) world = world_new ();
  world_add (world, "wg0", WG0, 7, LINK_ALL)->held = NULL;
  world_add (world, "wg1", "Users=bob\nTable=43\nGuard=yes\n", 0, 0);
  g_autofree char *text = planned_without (world, wg0);
  g_assert_cmpstr (text, ==,
                   "table 43: IPv4 by interface 0, IPv6 by 0\n"
                   "table 43: uid 1501\n");
}

/* Its guard is required and could not be written: rules and guard keep it closed. */
static void
one_that_is_unguarded_is_closed (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Guard=required\n", 7, LINK_ALL)->unguarded = TRUE;
  assert_planned (world, "table 42: IPv4 by interface 0, IPv6 by 0\n" UID);
}

static void
nothing_is_planned_where_bpf_cannot_be_had (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7, LINK_ALL);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  assert_planned (world, "");
}

static void
add_server (CgTunnel *tunnel, const char *address)
{
  const CgPrefix server = prefix_of (address);
  g_array_append_val (tunnel->gateway->dns, server);
}

/* One that a bypass covers has a route into the tunnel all the same. */
static void
servers_are_those_of_dns (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "DNS=10.0.0.1 192.168.1.53\nBypass=192.168.1.0/24\n", 0, 0);
  assert_planned (world, "table 42: name server 10.0.0.1/32\n"
                         "table 42: name server 192.168.1.53/32\n"
                         "table 42: bypass 192.168.1.53/32, closed\n"
                         "table 42: IPv4 by interface 0, IPv6 by 0, own name servers\n" UID);
}

/* The other end of the tunnel says which, and must not choose among the LAN's. */
static void
servers_of_the_tunnel_are_asked_by_it_alone (void)
{
  g_autoptr (World) world = world_new ();
  add_server (add_wg0 (world, "DNS=auto\n", 0, 0), "192.168.122.1");
  assert_planned (world, "table 42: name server 192.168.122.1/32, by the tunnel\n"
                         "table 42: IPv4 by interface 0, IPv6 by 0, own name servers\n" UID);
}

/* Then no server is asked. */
static void
names_are_held_while_no_server_is_known (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "DNS=auto\n", 0, 0);
  assert_planned (world, "table 42: IPv4 by interface 0, IPv6 by 0, own name servers\n" UID);
}

static void
add_bypass (CgTunnel *tunnel, const char *prefix, guint32 ifindex)
{
  const CgBypass bypass = {prefix_of (prefix), ifindex};
  if (!tunnel->bypasses)
    tunnel->bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass));
  g_array_append_val (tunnel->bypasses, bypass);
}

/* By the interfaces that the facts found, and not by Bypass= itself, which names none. */
static void
bypasses_have_their_interfaces (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, "Bypass=10.9.0.0/16 224.0.0.0/4 fd77::/64\n", 0, 0);
  add_bypass (tunnel, "10.9.0.0/16", 2);
  add_bypass (tunnel, "10.9.128.0/17", 3);
  add_bypass (tunnel, "224.0.0.0/4", CG_BYPASS_ANY);
  assert_planned (world, "table 42: bypass 224.0.0.0/4, interface 0\n"
                         "table 42: bypass 10.9.0.0/16, interface 2\n"
                         "table 42: bypass 10.9.128.0/17, interface 3\n"
                         "table 42: IPv4 by interface 0, IPv6 by 0\n" UID);
}

static void
add_local (World *world, const char *destination)
{
  CgRoute route = {
      .type = RTN_LOCAL, .table = RT_TABLE_LOCAL, .destination = prefix_of (destination)};
  route.family = route.destination.family;
  g_array_append_val (world->facts->local, route);
}

static void
add_address (World *world, guint32 ifindex, const char *text)
{
  CgAddress address = {.ifindex = ifindex, .address = prefix_of (text)};
  address.family = address.address.family;
  g_array_append_val (world->facts->addresses, address);
  add_local (world, text);
}

/* All of the machine's for any interface, and of a tunnel's that they are its own. */
static void
addresses_are_the_machines_and_the_tunnels (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7, LINK_UP | LINK_IPV4);
  add_local (world, "127.0.0.0/8");
  add_address (world, 2, "192.168.1.2");
  add_address (world, 7, "10.0.0.2");
  assert_planned (world, "own address 127.0.0.0/8, interface 0\n"
                         "own address 10.0.0.2/32, interface 0, of a tunnel\n"
                         "own address 192.168.1.2/32, interface 0\n"
                         "own address 10.0.0.2/32, interface 7, of a tunnel\n"
                         "table 42: IPv4 by interface 7, IPv6 by 0\n" UID);
}

static void
an_address_of_a_tunnel_without_a_guard_is_any_address (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0, 0);
  world_add (world, "wg1", "Users=bob\nTable=43\n", 8, LINK_ALL);
  add_address (world, 8, "10.0.0.3");
  assert_planned (world, "own address 10.0.0.3/32, interface 0\n"
                         "table 42: IPv4 by interface 0, IPv6 by 0\n" UID);
}

static void
ports_are_those_of_tunnels_in_the_kernel (void)
{
  static const guint16 ports[] = {6081, 4789, 4789};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0, 0);
  g_array_append_vals (world->facts->tunnel_ports, ports, G_N_ELEMENTS (ports));
  assert_planned (world, "UDP port 4789 of a tunnel in the kernel\n"
                         "UDP port 6081 of a tunnel in the kernel\n"
                         "table 42: IPv4 by interface 0, IPv6 by 0\n" UID);
}

/* What the machine is like is of no account then. */
static void
without_the_confined_there_are_no_entries (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Guard=no\n", 7, LINK_ALL);
  add_address (world, 7, "10.0.0.2");
  assert_planned (world, "");
}

static void
add_rule (World *world, guint8 protocol, guint32 table, CgUidRange uids)
{
  const CgRule rule = {.family = AF_INET,
                       .protocol = protocol,
                       .action = FR_ACT_TO_TBL,
                       .priority = 500,
                       .table = table,
                       .uids = uids};
  g_array_append_val (world->facts->rules, rule);
}

static void
add_entry (World *world, CgUidRange uids, guint32 table)
{
  cg_entries_append_uids (world->facts->guard->entries, uids, table);
  cg_entries_normalise (world->facts->guard->entries);
}

/* wg0 lost some to a bad file: our rules and its guard tell which, rules of others and of other
 * tables do not. */
static void
a_bad_file_holds_uids_that_no_good_one_knows (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0, 0);
  add_rule (world, CG_PROTOCOL, 42, (CgUidRange){1503, 1503});
  add_rule (world, RTPROT_STATIC, 42, (CgUidRange){0, 4294967294u});
  add_rule (world, CG_PROTOCOL, 43, (CgUidRange){1505, 1505});
  add_entry (world, (CgUidRange){1507, 1507}, 42);
  add_entry (world, (CgUidRange){1509, 1509}, 43);
  assert_planned (world, "table 42: IPv4 by interface 0, IPv6 by 0\n" UID);
  world_add_bad (world, "wg2");
  assert_planned (world, "table 42: IPv4 by interface 0, IPv6 by 0\n" UID "table 42: uid 1503\n"
                         "table 42: uid 1507\n");
}

/* bob is wg1's by a good file, whatever stands. */
static void
a_bad_file_holds_no_uid_that_a_good_one_knows (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0, 0);
  world_add (world, "wg1", "Users=bob\nTable=43\nGuard=no\n", 0, 0);
  add_rule (world, CG_PROTOCOL, 42, (CgUidRange){1501, 1503});
  world_add_bad (world, "wg2");
  assert_planned (world, "table 42: IPv4 by interface 0, IPv6 by 0\n"
                         "table 42: uid 1502-1503\n" UID);
}

/* In nftables */

static CgTunnel *
add_held (World *world, const char *lines, const char *address)
{
  const CgPrefix prefix = prefix_of (address);
  CgTunnel *tunnel = add_wg0 (world, lines, 7, LINK_ALL);
  tunnel->held = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_array_append_val (tunnel->held, prefix);
  return tunnel;
}

static void
the_table_stands_with_the_guard (void)
{
  g_autoptr (World) world = world_new ();
  add_held (world, "OnDown=release\n", "10.0.0.2");
  g_autoptr (CgPlan) up = cg_plan_new (world->facts, NULL);
  g_assert_nonnull (strstr (up->table_text, "10.0.0.2"));
  g_assert_null (up->table_wide);
  g_array_index (world->facts->tunnels, CgTunnel, 0).is_up = FALSE;
  g_autoptr (CgPlan) released = cg_plan_new (world->facts, NULL);
  g_assert_null (released->table_text);
}

/* Its services were stopped, and the kernel has their connections still to close: what has no
 * socket is held; in BPF there is nothing left to do. */
static void
one_at_rest_holds_what_is_nobodys (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_held (world, "Users=\nServices=a\nGuard=required\n", "10.0.0.2");
  ((CgGateway *) world->config->gateways->pdata[0])->stopped = TRUE;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->entries->len, ==, 0);
  g_assert_nonnull (strstr (plan->table_text, "former4 { type ipv4_addr; elements = { 10.0.0.2 }"));
  g_array_set_size (tunnel->held, 0);
  g_autoptr (CgPlan) nothing = cg_plan_new (world->facts, NULL);
  g_assert_null (nothing->table_text);
}

/* Until the rules that still confine bob are gone. */
static void
by_uid_the_wide_text_holds_those_of_rules_too (void)
{
  g_autoptr (World) world = world_new ();
  add_held (world, "", "10.0.0.2");
  world->facts->guard->impossible = g_strdup ("no BPF here");
  add_rule (world, CG_PROTOCOL, 42, (CgUidRange){1500, 1501});
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_nonnull (strstr (plan->table_text, "meta skuid 1500 goto gateway-42"));
  g_assert_nonnull (strstr (plan->table_wide, "meta skuid 1500-1501 goto gateway-42"));
  g_array_set_size (world->facts->rules, 0);
  g_autoptr (CgPlan) alone = cg_plan_new (world->facts, NULL);
  g_assert_null (alone->table_wide);
}

/* Their gateway's file is bad. */
static void
by_uid_those_of_no_gateway_are_held (void)
{
  g_autoptr (World) world = world_new ();
  add_rule (world, CG_PROTOCOL, 77, (CgUidRange){1600, 1600});
  world->facts->guard->impossible = g_strdup ("no BPF here");
  g_autoptr (CgPlan) none = cg_plan_new (world->facts, NULL);
  g_assert_null (none->table_text);
  world_add_bad (world, "wg1");
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_nonnull (strstr (plan->table_text, "meta skuid 1600 oifname != \"lo\" goto stop"));
}

/* Then BPF may well be there. */
static void
a_process_that_may_not_look_plans_no_guard_by_uid (void)
{
  g_autoptr (World) world = world_new ();
  add_held (world, "", "10.0.0.2");
  world->facts->guard->impossible = g_strdup ("not permitted");
  world->facts->guard->is_hidden = TRUE;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_null (strstr (plan->table_text, "1500"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/plan-guard/state", state_cases, has_entries);
  g_test_add_func ("/plan-guard/named-are-released", named_are_released);
  g_test_add_func ("/plan-guard/unguarded-is-closed", one_that_is_unguarded_is_closed);
  g_test_add_func ("/plan-guard/no-bpf", nothing_is_planned_where_bpf_cannot_be_had);
  g_test_add_func ("/plan-guard/servers/dns", servers_are_those_of_dns);
  g_test_add_func ("/plan-guard/servers/auto", servers_of_the_tunnel_are_asked_by_it_alone);
  g_test_add_func ("/plan-guard/servers/unknown", names_are_held_while_no_server_is_known);
  g_test_add_func ("/plan-guard/bypasses", bypasses_have_their_interfaces);
  g_test_add_func ("/plan-guard/addresses/own", addresses_are_the_machines_and_the_tunnels);
  g_test_add_func ("/plan-guard/addresses/without-a-guard",
                   an_address_of_a_tunnel_without_a_guard_is_any_address);
  g_test_add_func ("/plan-guard/ports", ports_are_those_of_tunnels_in_the_kernel);
  g_test_add_func ("/plan-guard/nothing", without_the_confined_there_are_no_entries);
  g_test_add_func ("/plan-guard/bad-file/unknown", a_bad_file_holds_uids_that_no_good_one_knows);
  g_test_add_func ("/plan-guard/bad-file/known", a_bad_file_holds_no_uid_that_a_good_one_knows);
  g_test_add_func ("/plan-guard/table/stands", the_table_stands_with_the_guard);
  g_test_add_func ("/plan-guard/table/at-rest", one_at_rest_holds_what_is_nobodys);
  g_test_add_func ("/plan-guard/table/wide", by_uid_the_wide_text_holds_those_of_rules_too);
  g_test_add_func ("/plan-guard/table/of-no-gateway", by_uid_those_of_no_gateway_are_held);
  g_test_add_func ("/plan-guard/table/hidden", a_process_that_may_not_look_plans_no_guard_by_uid);
  return g_test_run ();
}
