/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How the rules of iptables-legacy(8) are read. */

#include "xtables.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>

/* One rule: the fixed part, a match with so many bytes of data, a target. */
static void
append_rule (GByteArray *rules, int family, const char *match, guint16 data)
{
  struct xt_entry_match head = {0};
  struct xt_entry_target target = {0};
  static const guint8 zeros[256];
  guint16 fixed = family == AF_INET6 ? sizeof (struct ip6t_entry) : sizeof (struct ipt_entry);
  head.u.match_size = (guint16) (sizeof head + data);
  guint16 matches = (guint16) (fixed + (match ? head.u.match_size : 0));
  struct ipt_entry entry = {.target_offset = matches,
                            .next_offset = (guint16) (matches + sizeof target)};
  struct ip6t_entry entry6 = {.target_offset = entry.target_offset,
                              .next_offset = entry.next_offset};
  g_byte_array_append (rules, family == AF_INET6 ? (guint8 *) &entry6 : (guint8 *) &entry, fixed);
  if (match) {
    g_strlcpy (head.u.user.name, match, sizeof head.u.user.name);
    g_byte_array_append (rules, (guint8 *) &head, sizeof head);
    g_byte_array_append (rules, zeros, data);
  }
  g_strlcpy (target.u.user.name, "rpfilter", sizeof target.u.user.name);
  g_byte_array_append (rules, (guint8 *) &target, sizeof target);
}

static void
a_check_is_found_behind_other_rules (void)
{
  static const int families[] = {AF_INET, AF_INET6};
  for (guint i = 0; i < G_N_ELEMENTS (families); i++) {
    g_autoptr (GByteArray) rules = g_byte_array_new ();
    append_rule (rules, families[i], NULL, 0);
    append_rule (rules, families[i], "comment", 256);
    append_rule (rules, families[i], "rpfilters", 8);
    g_assert_false (cg_xtables_entries_check (families[i], rules->data, rules->len));
    append_rule (rules, families[i], "rpfilter", 8);
    append_rule (rules, families[i], NULL, 0);
    g_assert_true (cg_xtables_entries_check (families[i], rules->data, rules->len));
  }
}

/* Whatever the bytes are, they are read within their bounds: for the sanitizers. */
static void
broken_rules_are_read_within_their_bounds (void)
{
  g_autoptr (GByteArray) rules = g_byte_array_new ();
  append_rule (rules, AF_INET, "comment", 16);
  append_rule (rules, AF_INET, "multiport", 48);
  for (guint size = 0; size < rules->len; size++) {
    g_autofree guint8 *copy = g_memdup2 (rules->data, size);
    g_assert_false (cg_xtables_entries_check (AF_INET, copy, size));
    g_assert_false (cg_xtables_entries_check (AF_INET6, copy, size));
  }
  for (guint at = 0; at < rules->len; at++)
    for (guint value = 0; value < 256; value += 17) {
      g_autofree guint8 *copy = g_memdup2 (rules->data, rules->len);
      copy[at] = (guint8) value;
      cg_xtables_entries_check (AF_INET, copy, rules->len);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xtables/a-check-is-found-behind-other-rules",
                   a_check_is_found_behind_other_rules);
  g_test_add_func ("/xtables/broken-rules-are-read-within-their-bounds",
                   broken_rules_are_read_within_their_bounds);
  return g_test_run ();
}
