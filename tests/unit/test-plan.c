/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link-dns.h"
#include "world.h"

#include <string.h>

/* What the tunnel is like, and what follows for "IPv4 IPv6" under IPv6=auto, block and route; down:
 * the tunnel counts as down, so OnDown= decides. */
static const struct LinkCase {
  const char *name;
  guint32 ifindex;
  guint flags;
  const char *states[3];
} link_cases[] = {
    {"missing", 0, LINK_ALL, {"down", "down", "down"}},
    {"down", 7, LINK_ALL & ~LINK_UP, {"down", "down", "down"}},
    {"no-address", 7, LINK_UP, {"down", "down", "down"}},
    {"ipv4", 7, LINK_UP | LINK_IPV4, {"up blocked", "up blocked", "up blocked"}},
    {"ipv4-and-link-local",
     7,
     LINK_UP | LINK_IPV4 | LINK_IPV6,
     {"up blocked", "up blocked", "up up"}},
    {"ipv4-and-ula", 7, LINK_ALL, {"up up", "up blocked", "up up"}},
    {"ula-alone", 7, LINK_UP | LINK_IPV6 | LINK_GLOBAL, {"blocked up", "down", "blocked up"}},
    {"link-local-alone", 7, LINK_UP | LINK_IPV6, {"down", "down", "blocked up"}},
};
static const char *const ipv6_words[] = {"auto", "block", "route"};
static const char *const on_down_words[] = {"stop", "block", "release"};

typedef struct {
  const struct LinkCase *link;
  guint ipv6;
  guint on_down;
} StateCase;

static void
has_state (gconstpointer data)
{
  const StateCase *test = data;
  const char *expected = test->link->states[test->ipv6];
  gboolean release = g_str_equal (on_down_words[test->on_down], "release");
  if (g_str_equal (expected, "down"))
    expected = release ? "released released" : "blocked blocked";

  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strdup_printf ("Users=alice\nIPv6=%s\nOnDown=%s\n",
                                            ipv6_words[test->ipv6], on_down_words[test->on_down]);
  const CgTunnel *tunnel = world_add (world, "wg0", lines, test->link->ifindex, test->link->flags);
  g_autofree char *states =
      g_strdup_printf ("%s %s", cg_state_name (cg_plan_state (tunnel, AF_INET)),
                       cg_state_name (cg_plan_state (tunnel, AF_INET6)));
  g_assert_cmpstr (states, ==, expected);
}

static void
add_state_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (link_cases) * 9; i++) {
    StateCase *test = g_new0 (StateCase, 1);
    *test = (StateCase){&link_cases[i / 9], i / 3 % 3, i % 3};
    g_autofree char *path = g_strdup_printf ("/plan/state/%s/ipv6-%s/on-down-%s", test->link->name,
                                             ipv6_words[test->ipv6], on_down_words[test->on_down]);
    g_test_add_data_func_full (path, test, has_state, g_free);
  }
}

#define RULES                                                                                      \
  "-4 rule priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"                               \
  "-6 rule priority 500 uidrange 1500-1500 lookup 42 protocol 198\n"
#define OUT_4  "-4 route default dev wg0 table 42 protocol 198\n"
#define OUT_6  "-6 route default dev wg0 table 42 metric 1024 protocol 198\n"
#define LAST_4 "-4 route prohibit default table 42 metric 4294967295 protocol 198\n"
#define LAST_6 "-6 route prohibit default table 42 metric 4294967295 protocol 198\n"

static const struct PlanCase {
  const char *name;
  const char *lines;
  guint32 ifindex;
  guint flags;
  const char *plan;
} plan_cases[] = {
    {"up", "", 7, LINK_ALL, RULES OUT_4 LAST_4 OUT_6 LAST_6},
    {"up-for-ipv4", "", 7, LINK_UP | LINK_IPV4, RULES OUT_4 LAST_4 LAST_6},
    {"up-for-ipv6", "", 7, LINK_UP | LINK_IPV6 | LINK_GLOBAL, RULES LAST_4 OUT_6 LAST_6},
    {"blocked", "", 0, 0, RULES LAST_4 LAST_6},
    {"blocked-has-no-way-to-a-link-that-is-down", "OnDown=block\n", 7, LINK_ALL & ~LINK_UP,
     RULES LAST_4 LAST_6},
    {"released", "OnDown=release\n", 0, 0, ""},
    {"released-has-no-bypass", "OnDown=release\nBypass=10.0.0.0/8\n", 0, 0, ""},
    {"half-up-is-not-released", "OnDown=release\n", 7, LINK_UP | LINK_IPV4,
     RULES OUT_4 LAST_4 LAST_6},
    {"bypass-of-ipv4", "Bypass=10.0.0.0/8\n", 7, LINK_ALL,
     RULES OUT_4 LAST_4 "-4 route throw 10.0.0.0/8 table 42 protocol 198\n" OUT_6 LAST_6},
    {"bypass-of-ipv6", "Bypass=fd77::/64\n", 7, LINK_ALL,
     RULES OUT_4 LAST_4 OUT_6 LAST_6
     "-6 route throw fd77::/64 table 42 metric 1024 protocol 198\n"},
    {"bypass-while-blocked", "Bypass=10.0.0.0/8 fd77::/64\n", 0, 0,
     RULES LAST_4 "-4 route throw 10.0.0.0/8 table 42 protocol 198\n" LAST_6
                  "-6 route throw fd77::/64 table 42 metric 1024 protocol 198\n"},
    {"server-in-a-bypass", "Bypass=10.0.0.0/8\nDNS=10.2.0.1 192.0.2.1\n", 7, LINK_ALL,
     RULES OUT_4 "-4 route 10.2.0.1/32 dev wg0 table 42 protocol 198\n" LAST_4
                 "-4 route prohibit 10.2.0.1/32 table 42 metric 4294967295 protocol 198\n"
                 "-4 route throw 10.0.0.0/8 table 42 protocol 198\n" OUT_6 LAST_6},
    {"server-in-a-bypass-ipv6", "Bypass=fd77::/64\nDNS=fd77::1 fd77::1\n", 7, LINK_ALL,
     RULES OUT_4 LAST_4 OUT_6
     "-6 route fd77::1/128 dev wg0 table 42 metric 1024 protocol 198\n" LAST_6
     "-6 route prohibit fd77::1/128 table 42 metric 4294967295 protocol 198\n"
     "-6 route throw fd77::/64 table 42 metric 1024 protocol 198\n"},
    {"server-in-a-bypass-while-blocked", "Bypass=10.0.0.0/8\nDNS=10.2.0.1\n", 0, 0,
     RULES LAST_4 "-4 route prohibit 10.2.0.1/32 table 42 metric 4294967295 protocol 198\n"
                  "-4 route throw 10.0.0.0/8 table 42 protocol 198\n" LAST_6},
    {"server-that-is-named-by-the-bypass", "Bypass=10.2.0.1 10.0.0.0/8\nDNS=10.2.0.1\n", 0, 0,
     RULES LAST_4 "-4 route throw 10.0.0.0/8 table 42 protocol 198\n"
                  "-4 route throw 10.2.0.1/32 table 42 protocol 198\n" LAST_6},
    {"server-on-loopback", "Bypass=127.0.0.0/8\nDNS=127.0.0.1\n", 7, LINK_ALL,
     RULES OUT_4 LAST_4 "-4 route throw 127.0.0.0/8 table 42 protocol 198\n" OUT_6 LAST_6},
    {"services-without-users-have-no-rule", "Users=\nServices=x.service\n", 0, 0, LAST_4 LAST_6},
    {"runs-of-uids", "Users=1600 1500 1601 1700-1800\nPriority=9\n", 0, 0,
     "-4 rule priority 9 uidrange 1500-1500 lookup 42 protocol 198\n"
     "-4 rule priority 9 uidrange 1600-1601 lookup 42 protocol 198\n"
     "-4 rule priority 9 uidrange 1700-1800 lookup 42 protocol 198\n"
     "-6 rule priority 9 uidrange 1500-1500 lookup 42 protocol 198\n"
     "-6 rule priority 9 uidrange 1600-1601 lookup 42 protocol 198\n"
     "-6 rule priority 9 uidrange 1700-1800 lookup 42 protocol 198\n" LAST_4 LAST_6},
};

static CgTunnel *
add_wg0 (World *world, const char *lines, guint32 ifindex, guint flags)
{
  g_autofree char *text = g_strconcat (
      strstr (lines, "Users=") ? "Table=42\n" : "Table=42\nUsers=alice\n", lines, NULL);
  return world_add (world, "wg0", text, ifindex, flags);
}

static void
plans (gconstpointer data)
{
  const struct PlanCase *test = data;
  g_autoptr (World) world = world_new ();
  add_wg0 (world, test->lines, test->ifindex, test->flags);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==, test->plan);
}

/* The other end of the tunnel chose it, so Bypass= cannot mean it, even where it says the same. */
static void
server_of_the_tunnels_own_goes_before_any_bypass (void)
{
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, "Bypass=10.2.0.1\nDNS=auto\n", 7, LINK_UP | LINK_IPV4);
  cg_link_dns_add (tunnel->gateway->dns, "10.2.0.1");
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==,
                   RULES OUT_4 "-4 route 10.2.0.1/32 dev wg0 table 42 protocol 198\n" LAST_4
                               "-4 route prohibit 10.2.0.1/32 table 42 metric 4294967295 "
                               "protocol 198\n" LAST_6);
}

#define WAY_BACK_4 "-4 rule from 10.0.0.2/32 priority 500 uidrange 0-0 lookup 42 protocol 198\n"
#define WAY_BACK_6 "-6 rule from fd00::2/128 priority 500 uidrange 0-0 lookup 42 protocol 198\n"

static const struct WayBackCase {
  const char *name;
  const char *lines;
  guint32 ifindex;
  guint flags;
  const char *shared; /* by an interface of no gateway; NULL: none */
  const char *rules;
} way_back_cases[] = {
    {"up", "", 7, LINK_ALL, NULL, WAY_BACK_4 WAY_BACK_6},
    {"filters-are-kept", "ReversePathFilter=keep\n", 7, LINK_ALL, NULL, WAY_BACK_4 WAY_BACK_6},
    {"priority", "Priority=9\nIPv6=block\n", 7, LINK_ALL, NULL,
     "-4 rule from 10.0.0.2/32 priority 9 uidrange 0-0 lookup 42 protocol 198\n"},
    {"up-for-ipv4", "IPv6=block\n", 7, LINK_ALL, NULL, WAY_BACK_4},
    {"up-for-ipv6", "", 7, LINK_UP | LINK_IPV6 | LINK_GLOBAL, NULL, WAY_BACK_6},
    {"blocked", "", 7, LINK_ALL & ~LINK_UP, NULL, ""},
    {"released", "OnDown=release\n", 7, LINK_ALL & ~LINK_UP, NULL, ""},
    {"address-of-the-lan-too", "", 7, LINK_ALL, "10.0.0.2", WAY_BACK_6},
};

static void
ways_back (gconstpointer data)
{
  const struct WayBackCase *test = data;
  g_autoptr (World) world = world_new ();
  CgTunnel *tunnel = add_wg0 (world, test->lines, test->ifindex, test->flags);
  tunnel->addresses = world_prefixes ("10.0.0.2 fd00::2");
  tunnel->shared = test->shared ? world_prefixes (test->shared) : NULL;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < plan->ways_back->len; i++) {
    const CgRule *rule = &g_array_index (plan->ways_back, CgRule, i);
    g_autofree char *line = cg_rule_to_string (rule);
    g_string_append_printf (text, "-%c rule %s\n", rule->family == AF_INET6 ? '6' : '4', line);
  }
  g_assert_cmpstr (text->str, ==, test->rules);
}

static void
kernel_without_ipv6 (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Bypass=fd77::/64\n", 7, LINK_ALL);
  world->facts->has[1] = FALSE;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==,
                   "-4 rule priority 500 uidrange 1500-1500 lookup 42 protocol 198\n" OUT_4 LAST_4);
}

static void
named_are_released (void)
{
  static const char *const released[] = {"wg0", NULL};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7, LINK_ALL)->rp_filter = CG_FILTER_STRICT;
  world_add (world, "wg1", "Users=bob\nTable=43\nIPv6=block\n", 0, 0);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, released);
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==,
                   "-4 rule priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
                   "-6 rule priority 500 uidrange 1501-1501 lookup 43 protocol 198\n"
                   "-4 route prohibit default table 43 metric 4294967295 protocol 198\n"
                   "-6 route prohibit default table 43 metric 4294967295 protocol 198\n");
}

static void
empty_plan_is_empty (void)
{
  g_autoptr (CgPlan) plan = cg_plan_empty ();
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==, "");
}

/* all, the interface's own, whether we kept 0 or 1 of it (-1: nothing), ReversePathFilter=; and
 * whether it must be loose. */
static const struct FilterCase {
  const char *name;
  int all, own, kept;
  const char *word;
  gboolean set;
} filter_cases[] = {
    {"off", 0, 0, -1, "loose", FALSE},
    {"strict", 0, 1, -1, "loose", TRUE},
    {"loose", 0, 2, -1, "loose", FALSE},
    {"strict-by-all", 1, 0, -1, "loose", TRUE},
    {"strict-by-both", 1, 1, -1, "loose", TRUE},
    {"loose-beats-strict-all", 1, 2, -1, "loose", FALSE},
    {"loose-all-beats-off", 2, 0, -1, "loose", FALSE},
    {"loose-all-beats-strict", 2, 1, -1, "loose", FALSE},
    {"ours-stays-while-strict-before", 0, 2, 1, "loose", TRUE},
    {"ours-stays-while-all-is-strict", 1, 2, 0, "loose", TRUE},
    {"ours-goes-when-all-is-no-longer-strict", 0, 2, 0, "loose", FALSE},
    {"ours-goes-when-all-is-loose", 2, 2, 1, "loose", FALSE},
    {"set-again-by-somebody-else", 0, 1, 1, "loose", TRUE},
    {"switched-off-by-somebody-else", 0, 0, 1, "loose", FALSE},
    {"keep-strict", 0, 1, -1, "keep", FALSE},
    {"keep-strict-by-all", 1, 0, -1, "keep", FALSE},
    {"keep-gives-ours-back", 0, 2, 1, "keep", FALSE},
};

static void
filters (gconstpointer data)
{
  const struct FilterCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strdup_printf ("ReversePathFilter=%s\n", test->word);
  add_wg0 (world, lines, 7, LINK_ALL)->rp_filter = test->own;
  world->facts->rp_filter_all = test->all;
  if (test->kept >= 0)
    world_add_kept (world, "wg0", 7, test->kept, 7, test->own);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->filters->len, ==, test->set ? 1 : 0);
  if (!test->set)
    return;
  const CgFilter *filter = &g_array_index (plan->filters, CgFilter, 0);
  g_assert_cmpstr (filter->ifname, ==, "wg0");
  g_assert_cmpuint (filter->ifindex, ==, 7);
  g_assert_cmpint (filter->value, ==, CG_FILTER_LOOSE);
  g_assert_cmpint (filter->now, ==, test->own);
}

/* Strict must stay where no IPv4 packet comes in by a tunnel. */
static void
no_filter_unless_ipv4_is_up (void)
{
  static const guint flags[] = {0, LINK_UP, LINK_UP | LINK_IPV6 | LINK_GLOBAL, LINK_IPV4};
  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++) {
    g_autoptr (World) world = world_new ();
    add_wg0 (world, "", 7, flags[i])->rp_filter = CG_FILTER_STRICT;
    g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
    g_assert_cmpuint (plan->filters->len, ==, 0);
  }
}

/* The kept value is of an interface that had the same name. */
static void
kept_of_another_interface_does_not_count (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7, LINK_ALL)->rp_filter = CG_FILTER_LOOSE;
  world_add_kept (world, "wg0", 6, CG_FILTER_STRICT, 7, CG_FILTER_LOOSE);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->filters->len, ==, 0);
}

static void
one_filter_for_two_gateways_of_an_interface (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7, LINK_ALL)->rp_filter = CG_FILTER_STRICT;
  world_add (world, "also", "Users=bob\nInterface=wg0\n", 7, LINK_ALL)->rp_filter =
      CG_FILTER_STRICT;
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_assert_cmpuint (plan->filters->len, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  add_state_cases ();
  ADD_CASES ("/plan", plan_cases, plans);
  ADD_CASES ("/plan/filter", filter_cases, filters);
  ADD_CASES ("/plan/way-back", way_back_cases, ways_back);
  g_test_add_func ("/plan/server-of-the-tunnels-own-goes-before-any-bypass",
                   server_of_the_tunnels_own_goes_before_any_bypass);
  g_test_add_func ("/plan/kernel-without-ipv6", kernel_without_ipv6);
  g_test_add_func ("/plan/named-are-released", named_are_released);
  g_test_add_func ("/plan/empty", empty_plan_is_empty);
  g_test_add_func ("/plan/filter/not-unless-ipv4-is-up", no_filter_unless_ipv4_is_up);
  g_test_add_func ("/plan/filter/kept-of-another-interface",
                   kept_of_another_interface_does_not_count);
  g_test_add_func ("/plan/filter/one-for-two-gateways",
                   one_filter_for_two_gateways_of_an_interface);
  return g_test_run ();
}
