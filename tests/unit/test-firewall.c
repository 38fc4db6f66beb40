/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Passes through firewalls: which are planned, when they are written and taken away, and how the
 * kernel's messages are read. That they let packets by is shown in tests/netns. */

#include "firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "netlink.h"
#include "nft-rule.h"
#include "world.h"

/* Places in cg_firewall_chains. */
enum { RAW_4, RAW_6, MANGLE_4, MANGLE_6, NIXOS, FIREWALLD, FIREWALLD_OLD };

#define V4 (LINK_UP | LINK_IPV4)

static World *
world_with (const char *lines, guint flags, guint chain)
{
  World *world = world_new ();
  world_add (world, "wg0", lines, 7, flags);
  if (chain < CG_N_FIREWALL_CHAINS)
    world->facts->firewall->checks[chain].check = 12;
  return world;
}

/* The lines of a run that are about the firewall. */
static char *
firewall_lines (const World *world, const char *const *names)
{
  g_autofree char *ops = world_diff_text (world, names);
  g_auto (GStrv) lines = g_strsplit (ops, "\n", -1);
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix (lines[i], "nft "))
      g_string_append_printf (text, "%s\n", lines[i]);
  return g_strdup (text->str);
}

#define NFT(place, rest) "nft '" place " " rest " comment \"custom-gateway wg0\"'\n"

static const struct PlanCase {
  const char *name;
  const char *lines;
  guint flags;
  guint chain;
  const char *wanted;
} plan_cases[] = {
    {"raw", "Users=alice", LINK_ALL, RAW_4,
     NFT ("add rule ip raw nixos-fw-rpfilter handle 12", "iifname \"wg0\" counter return")},
    {"mangle-ipv6", "Users=alice", LINK_ALL, MANGLE_6,
     NFT ("add rule ip6 mangle nixos-fw-rpfilter handle 12", "iifname \"wg0\" counter return")},
    {"both-families", "Users=alice", LINK_ALL, NIXOS,
     NFT ("add rule inet nixos-fw rpfilter handle 12",
          "meta nfproto ipv4 iifname \"wg0\" counter accept")
         NFT ("add rule inet nixos-fw rpfilter handle 12",
              "meta nfproto ipv6 iifname \"wg0\" counter accept")},
    {"firewalld-checks-ipv6", "Users=alice", LINK_ALL, FIREWALLD,
     NFT ("insert rule inet firewalld filter_PREROUTING handle 12",
          "meta nfproto ipv6 iifname \"wg0\" fib saddr . mark . iif oif missing counter accept")},
    {"firewalld-until-0.9", "Users=alice", LINK_ALL, FIREWALLD_OLD,
     NFT ("insert rule inet firewalld raw_PREROUTING handle 12",
          "meta nfproto ipv6 iifname \"wg0\" fib saddr . mark . iif oif missing counter accept")},
    {"family-that-is-down", "Users=alice", V4, NIXOS,
     NFT ("add rule inet nixos-fw rpfilter handle 12",
          "meta nfproto ipv4 iifname \"wg0\" counter accept")},
    {"family-of-another-chain", "Users=alice", V4, RAW_6, ""},
    {"ipv6-blocked", "Users=alice\nIPv6=block", LINK_ALL, FIREWALLD, ""},
    {"tunnel-down", "Users=alice", 0, NIXOS, ""},
    {"keep", "Users=alice\nReversePathFilter=keep", LINK_ALL, NIXOS, ""},
    {"no-firewall", "Users=alice", LINK_ALL, CG_N_FIREWALL_CHAINS, ""},
};

static void
plan_is (gconstpointer data)
{
  const struct PlanCase *test = data;
  g_autoptr (World) world = world_with (test->lines, test->flags, test->chain);
  g_autofree char *lines = firewall_lines (world, NULL);
  g_assert_cmpstr (lines, ==, test->wanted);
}

static CgPass
pass_of (const char *gateway, const char *ifname, guint8 chain, guint8 family)
{
  CgPass pass = {.chain = chain, .family = family, .handle = 34};
  g_strlcpy (pass.ifname, ifname, sizeof pass.ifname);
  g_strlcpy (pass.gateway, gateway, sizeof pass.gateway);
  return pass;
}

static void
what_stands_is_left_alone (void)
{
  g_autoptr (World) world = world_with ("Users=alice", LINK_ALL, MANGLE_4);
  CgPass pass = pass_of ("wg0", "wg0", MANGLE_4, AF_INET);
  g_array_append_val (world->facts->firewall->passes, pass);
  g_array_append_val (world->facts->firewall->passes, pass);
  g_autofree char *lines = firewall_lines (world, NULL);
  g_assert_cmpstr (lines, ==, "");
}

#define DELETE "nft delete rule ip mangle nixos-fw-rpfilter handle 34\n"

static void
what_is_odd_is_replaced (void)
{
  g_autoptr (World) world = world_with ("Users=alice", LINK_ALL, MANGLE_4);
  CgPass pass = pass_of ("wg0", "wg0", MANGLE_4, AF_INET);
  pass.is_odd = TRUE;
  g_array_append_val (world->facts->firewall->passes, pass);
  g_autofree char *lines = firewall_lines (world, NULL);
  g_assert_true (g_str_has_prefix (lines, DELETE "nft 'add rule ip mangle"));
}

static void
another_interface_is_another_pass (void)
{
  g_autoptr (World) world = world_with ("Users=alice", LINK_ALL, MANGLE_4);
  CgPass pass = pass_of ("wg0", "tun0", MANGLE_4, AF_INET);
  g_array_append_val (world->facts->firewall->passes, pass);
  g_autofree char *lines = firewall_lines (world, NULL);
  g_assert_true (g_str_has_prefix (lines, DELETE "nft 'add rule ip mangle"));
}

static void
of_no_gateway_is_for_a_run_over_all (void)
{
  const char *const names[] = {"wg0", NULL};
  g_autoptr (World) world = world_with ("Users=alice", 0, MANGLE_4);
  CgPass pass = pass_of ("gone", "wg7", MANGLE_4, AF_INET);
  g_array_append_val (world->facts->firewall->passes, pass);
  g_autofree char *named = firewall_lines (world, names);
  g_autofree char *all = firewall_lines (world, NULL);
  g_assert_cmpstr (named, ==, "");
  g_assert_cmpstr (all, ==, DELETE);
}

/* Answers are let in before there are questions, and till after the last of them. */
static void
stands_as_long_as_the_way_does (void)
{
  g_autoptr (World) world = world_with ("Users=alice", LINK_ALL, MANGLE_4);
  g_autofree char *up = world_diff_text (world, NULL);
  g_assert_cmpuint (strstr (up, "nft ") - up, <, strstr (up, "route add default dev") - up);

  g_autoptr (World) down = world_with ("Users=alice\nOnDown=block", 0, MANGLE_4);
  CgPass pass = pass_of ("wg0", "wg0", MANGLE_4, AF_INET);
  CgTunnel *tunnel = &g_array_index (down->facts->tunnels, CgTunnel, 0);
  CgRoute way = {.family = AF_INET,
                 .protocol = CG_PROTOCOL,
                 .type = 1,
                 .table = tunnel->table,
                 .ifindex = 7,
                 .ifname = "wg0",
                 .destination = cg_prefix_default (AF_INET)};
  g_array_append_val (down->facts->firewall->passes, pass);
  g_array_append_val (down->facts->routes, way);
  g_autofree char *ops = world_diff_text (down, NULL);
  g_assert_cmpuint (strstr (ops, "route del default dev") - ops, <, strstr (ops, "nft ") - ops);
}

static void
a_table_of_its_owners_gets_no_pass (void)
{
  g_autoptr (World) world = world_with ("Users=alice", LINK_ALL, FIREWALLD);
  world->facts->firewall->checks[FIREWALLD].is_owned = TRUE;
  g_autofree char *passes = firewall_lines (world, NULL);
  g_assert_cmpstr (passes, ==, "");
}

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static struct nlmsghdr *
message_of (Message *space, const CgPass *pass)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  mnl_nlmsg_put_extra_header (message, sizeof (struct nfgenmsg));
  cg_nft_rule_put_pass (message, pass);
  return message;
}

static void
a_pass_comes_back (void)
{
  for (guint8 chain = 0; chain < CG_N_FIREWALL_CHAINS; chain++)
    for (guint family = 0; family < CG_N_FAMILIES; family++) {
      if (!cg_firewall_chains[chain].checks[family])
        continue;
      CgPass pass = pass_of ("work@home", "a-long-name-15b", chain, (guint8) cg_families[family]);
      CgPass back;
      CgNftRule rule;
      Message space;
      g_assert_true (cg_nft_rule_parse (message_of (&space, &pass), &rule));
      g_assert_true (cg_nft_rule_to_pass (&rule, chain, &back));
      g_assert_true (cg_pass_equal (&pass, &back));
      /* in a chain where it should say something else it is an odd one */
      guint8 other = cg_firewall_chains[chain].returns ? NIXOS : RAW_4;
      g_assert_true (cg_nft_rule_to_pass (&rule, other, &back));
      g_assert_true (back.is_odd);
    }
}

/* Whatever a message holds, it is read within its bounds: for valgrind and the sanitizers. */
static void
broken_messages_are_read_within_their_bounds (void)
{
  CgPass pass = pass_of ("wg0", "wg0", FIREWALLD, AF_INET6);
  Message whole;
  guint32 length = message_of (&whole, &pass)->nlmsg_len;
  for (guint32 i = NLMSG_HDRLEN; i < length; i++)
    for (guint value = 0; value < 256; value += 51) {
      g_autofree guint8 *copy = g_memdup2 (&whole, length);
      CgNftRule rule;
      CgPass back;
      copy[i] = (guint8) value;
      if (cg_nft_rule_parse ((struct nlmsghdr *) copy, &rule))
        cg_nft_rule_to_pass (&rule, FIREWALLD, &back);
    }
}

static const struct CommentCase {
  const char *name;
  const char *comment;
  const char *gateway; /* NULL: not ours */
} comment_cases[] = {
    {"ours", "custom-gateway wg0", "wg0"},
    {"with-an-at", "custom-gateway work@home", "work@home"},
    {"others", "mine", NULL},
    {"nothing-behind-it", "custom-gateway ", NULL},
    {"no-space", "custom-gatewaywg0", NULL},
    {"path", "custom-gateway ../x", NULL},
    {"two-words", "custom-gateway wg0 x", NULL},
    {"too-long", "custom-gateway aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     NULL},
};

static void
comment_is (gconstpointer data)
{
  const struct CommentCase *test = data;
  char gateway[CG_PASS_NAME_SIZE];
  g_assert_cmpint (cg_pass_comment_parse (test->comment, gateway), ==, test->gateway != NULL);
  if (test->gateway)
    g_assert_cmpstr (gateway, ==, test->gateway);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/firewall/plan", plan_cases, plan_is);
  ADD_CASES ("/firewall/comment", comment_cases, comment_is);
  g_test_add_func ("/firewall/what-stands-is-left-alone", what_stands_is_left_alone);
  g_test_add_func ("/firewall/what-is-odd-is-replaced", what_is_odd_is_replaced);
  g_test_add_func ("/firewall/another-interface-is-another-pass",
                   another_interface_is_another_pass);
  g_test_add_func ("/firewall/of-no-gateway-is-for-a-run-over-all",
                   of_no_gateway_is_for_a_run_over_all);
  g_test_add_func ("/firewall/stands-as-long-as-the-way-does", stands_as_long_as_the_way_does);
  g_test_add_func ("/firewall/a-table-of-its-owners-gets-no-pass",
                   a_table_of_its_owners_gets_no_pass);
  g_test_add_func ("/firewall/a-pass-comes-back", a_pass_comes_back);
  g_test_add_func ("/firewall/broken-messages-are-read-within-their-bounds",
                   broken_messages_are_read_within_their_bounds);
  return g_test_run ();
}
