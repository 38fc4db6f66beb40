/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

static const CgRule some_rule = {.family = AF_INET,
                                 .protocol = CG_PROTOCOL,
                                 .action = FR_ACT_TO_TBL,
                                 .priority = 500,
                                 .table = 42,
                                 .uids = {1500, 1501}};

static const struct RuleCase {
  const char *name;
  CgRule rule;
  const char *text;
} rule_cases[] = {
    {"lookup",
     {.protocol = 198, .action = FR_ACT_TO_TBL, .priority = 500, .table = 42, .uids = {7, 9}},
     "priority 500 uidrange 7-9 lookup 42 protocol 198"},
    {"from-an-address",
     {.family = AF_INET,
      .protocol = 198,
      .action = FR_ACT_TO_TBL,
      .priority = 500,
      .table = 42,
      .source = {AF_INET, 32, {10, 0, 0, 2}}},
     "from 10.0.0.2/32 priority 500 uidrange 0-0 lookup 42 protocol 198"},
    {"for-all-uids",
     {.protocol = 2, .action = FR_ACT_TO_TBL, .table = 255, .uids = {0, G_MAXUINT32}},
     "priority 0 lookup 255 protocol 2"},
    {"goto", {.action = FR_ACT_GOTO, .uids = {1, 1}}, "priority 0 uidrange 1-1 goto protocol 0"},
    {"nop", {.action = FR_ACT_NOP, .uids = {1, 1}}, "priority 0 uidrange 1-1 nop protocol 0"},
    {"blackhole",
     {.action = FR_ACT_BLACKHOLE, .uids = {1, 1}},
     "priority 0 uidrange 1-1 blackhole protocol 0"},
    {"unreachable",
     {.action = FR_ACT_UNREACHABLE, .uids = {1, 1}},
     "priority 0 uidrange 1-1 unreachable protocol 0"},
    {"prohibit",
     {.action = FR_ACT_PROHIBIT, .uids = {1, 1}},
     "priority 0 uidrange 1-1 prohibit protocol 0"},
    {"of-a-later-kernel",
     {.action = 250, .uids = {1, 1}},
     "priority 0 uidrange 1-1 unknown protocol 0"},
};

static void
prints_rule (gconstpointer data)
{
  const struct RuleCase *test = data;
  g_autofree char *text = cg_rule_to_string (&test->rule);
  g_assert_cmpstr (text, ==, test->text);
}

static const struct RouteCase {
  const char *name;
  const char *destination;
  CgRoute route;
  const char *text;
} route_cases[] = {
    {"tunnel",
     "0.0.0.0/0",
     {.type = RTN_UNICAST, .table = 42, .ifindex = 7, .ifname = "wg0", .protocol = 198},
     "default dev wg0 table 42 protocol 198"},
    {"tunnel-of-ipv6",
     "::/0",
     {.type = RTN_UNICAST, .table = 42, .metric = 1024, .ifname = "wg0", .protocol = 198},
     "default dev wg0 table 42 metric 1024 protocol 198"},
    {"prohibit",
     "::/0",
     {.type = RTN_PROHIBIT, .table = 42, .metric = G_MAXUINT32, .protocol = 198},
     "prohibit default table 42 metric 4294967295 protocol 198"},
    {"throw",
     "fd00::/8",
     {.type = RTN_THROW, .table = 42, .protocol = 198},
     "throw fd00::/8 table 42 protocol 198"},
    {"interface-without-a-name",
     "10.0.0.0/8",
     {.type = RTN_UNICAST, .table = 42, .ifindex = 7},
     "10.0.0.0/8 table 42 protocol 0"},
    {"name-that-a-shell-would-read",
     "10.0.0.0/8",
     {.type = RTN_UNICAST, .table = 1, .ifname = "a;b"},
     "10.0.0.0/8 dev 'a;b' table 1 protocol 0"},
    {"of-a-later-kernel",
     "10.0.0.0/8",
     {.type = 99, .table = 1},
     "unknown 10.0.0.0/8 table 1 protocol 0"},
};

static void
prints_route (gconstpointer data)
{
  const struct RouteCase *test = data;
  CgRoute route = test->route;
  g_assert_true (cg_prefix_parse (test->destination, &route.destination));
  g_autofree char *text = cg_route_to_string (&route);
  g_assert_cmpstr (text, ==, test->text);
}

static void
assert_order (int order, int turned, const char *what)
{
  g_test_message ("%s", what);
  g_assert_cmpint (order, !=, 0);
  g_assert_cmpint (order<0, ==, turned> 0);
}

/* Whatever makes another rule of it. */
static void
rules_differ_in_each_field (void)
{
  static const char *const fields[] = {"family",   "protocol", "action",    "odd",
                                       "priority", "table",    "first uid", "last uid"};
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    CgRule other = some_rule;
    g_assert_cmpint (cg_rule_compare (&some_rule, &other), ==, 0);
    other.family = i == 0 ? AF_INET6 : other.family;
    other.protocol = i == 1 ? 2 : other.protocol;
    other.action = i == 2 ? FR_ACT_PROHIBIT : other.action;
    other.odd = i == 3;
    other.priority += i == 4;
    other.table += i == 5;
    other.uids.first -= i == 6;
    other.uids.last += i == 7;
    assert_order (cg_rule_compare (&some_rule, &other), cg_rule_compare (&other, &some_rule),
                  fields[i]);
  }
}

static void
routes_differ_in_each_field (void)
{
  static const char *const fields[] = {"family", "protocol", "type",    "odd",          "table",
                                       "metric", "ifindex",  "address", "prefix length"};
  CgRoute route = {
      .family = AF_INET, .protocol = 198, .type = RTN_UNICAST, .table = 42, .ifindex = 7};
  g_assert_true (cg_prefix_parse ("10.0.0.0/8", &route.destination));
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    CgRoute other = route;
    g_strlcpy (other.ifname, "any", sizeof other.ifname); /* does not count */
    g_assert_cmpint (cg_route_compare (&route, &other), ==, 0);
    other.family = i == 0 ? AF_INET6 : other.family;
    other.protocol = i == 1 ? 2 : other.protocol;
    other.type = i == 2 ? RTN_THROW : other.type;
    other.odd = i == 3;
    other.table += i == 4;
    other.metric += i == 5;
    other.ifindex += i == 6;
    other.destination.address[0] += i == 7;
    other.destination.length += i == 8;
    assert_order (cg_route_compare (&route, &other), cg_route_compare (&other, &route), fields[i]);
  }
}

static void
knows_the_last_word (void)
{
  CgRoute route = {.type = RTN_PROHIBIT, .metric = CG_METRIC_LAST};
  g_assert_true (cg_route_is_last_word (&route));
  route.metric--;
  g_assert_false (cg_route_is_last_word (&route));
  route = (CgRoute){.type = RTN_UNREACHABLE, .metric = CG_METRIC_LAST};
  g_assert_false (cg_route_is_last_word (&route));
  g_assert_false (cg_route_closes (&route));
  route = (CgRoute){.type = RTN_PROHIBIT, .metric = CG_METRIC_LAST, .destination.length = 1};
  g_assert_false (cg_route_is_last_word (&route));
  g_assert_true (cg_route_closes (&route));
}

static void
knows_shell_words (void)
{
  static const char *const bad[] = {"",   "a b", "$x", "`",  "'",        "\"",
                                    "a;", "*",   "~",  "\n", "\xc3\xbc", "#"};
  g_assert_true (cg_is_shell_word ("net/ipv4/conf/eth0.5/rp_filter=2"));
  g_assert_true (cg_is_shell_word ("wg_0-A"));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (cg_is_shell_word (bad[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/routing/rule", rule_cases, prints_rule);
  ADD_CASES ("/routing/route", route_cases, prints_route);
  g_test_add_func ("/routing/rules-differ-in-each-field", rules_differ_in_each_field);
  g_test_add_func ("/routing/routes-differ-in-each-field", routes_differ_in_each_field);
  g_test_add_func ("/routing/last-word", knows_the_last_word);
  g_test_add_func ("/routing/shell-words", knows_shell_words);
  return g_test_run ();
}
