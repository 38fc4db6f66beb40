/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The entries of the guard's maps, one by one. */

#include "guard-entry.h"

#include <arpa/inet.h>
#include <string.h>

#define TABLE 42u

static GArray *
entries_new (void)
{
  return g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
}

static GArray *
split (CgUidRange range)
{
  GArray *entries = entries_new ();
  cg_entries_append_uids (entries, range, TABLE);
  return entries;
}

/* The fewest prefixes that cover a range: at each step down the trie a half is outside, inside, or
 * to be split. */
static guint
count_prefixes (CgUidRange range, guint64 first, guint bits)
{
  const guint64 last = first + (G_GUINT64_CONSTANT (1) << bits) - 1;
  if (first > range.last || last < range.first)
    return 0;
  if (first >= range.first && last <= range.last)
    return 1;
  return count_prefixes (range, first, bits - 1) +
         count_prefixes (range, first + (G_GUINT64_CONSTANT (1) << (bits - 1)), bits - 1);
}

/* Without a gap, without an overlap, and no more than are needed. */
static void
assert_covers (CgUidRange range)
{
  g_autoptr (GArray) entries = split (range);
  guint64 next = range.first;
  for (guint i = 0; i < entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (entries, CgGuardEntry, i);
    const CgUidRange uids = cg_entry_uids (entry);
    g_assert_cmpint (entry->map, ==, CG_MAP_UIDS);
    g_assert_cmpuint (entry->value.number, ==, TABLE);
    g_assert_cmpuint (uids.first, ==, next);
    g_assert_cmpuint (uids.last, >=, uids.first);
    next = (guint64) uids.last + 1;
  }
  g_assert_cmpuint (next, ==, (guint64) range.last + 1);
  g_assert_cmpuint (entries->len, ==, count_prefixes (range, 0, 32));
}

static void
small_ranges_are_covered (void)
{
  for (guint32 first = 0; first < 70; first++)
    for (guint32 last = first; last < 70; last++)
      assert_covers ((CgUidRange){first, last});
}

static void
ranges_at_the_end_are_covered (void)
{
  for (guint32 first = 0; first < 40; first++)
    for (guint32 last = first; last < 40; last++)
      assert_covers ((CgUidRange){G_MAXUINT32 - last, G_MAXUINT32 - first});
}

static void
ranges_by_chance_are_covered (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (198);
  for (guint i = 0; i < 2000; i++) {
    const guint32 a = g_rand_int (rand) >> (g_rand_int (rand) % 32);
    const guint32 b = g_rand_int (rand) >> (g_rand_int (rand) % 32);
    assert_covers ((CgUidRange){MIN (a, b), MAX (a, b)});
  }
}

static void
all_uids_are_covered (void)
{
  g_autoptr (GArray) all = split ((CgUidRange){0, G_MAXUINT32});
  g_autoptr (GArray) valid = split ((CgUidRange){0, 4294967294u});
  g_assert_cmpuint (all->len, ==, 1);
  g_assert_cmpuint (g_array_index (all, CgGuardEntry, 0).key.uid.length, ==, 0);
  g_assert_cmpuint (valid->len, ==, 32);
  assert_covers ((CgUidRange){0, 4294967294u});
  assert_covers ((CgUidRange){1, 4294967294u});
}

/* The trie compares bytes from the left. */
static void
a_uid_is_in_network_order (void)
{
  g_autoptr (GArray) entries = split ((CgUidRange){0x01020304, 0x01020304});
  const struct cg_uid_key *key = &g_array_index (entries, CgGuardEntry, 0).key.uid;
  g_assert_cmpuint (key->length, ==, 32);
  g_assert_cmpmem (key->uid, sizeof key->uid, "\x01\x02\x03\x04", 4);
}

/* What the kernel hands back may be anything that another program wrote. */
static void
a_key_that_is_none_is_read_as_something (void)
{
  CgGuardEntry entry = {.map = CG_MAP_UIDS};
  entry.key.uid = (struct cg_uid_key){.length = G_MAXUINT32, .uid = {0, 0, 5, 220}};
  g_assert_cmpuint (cg_entry_uids (&entry).first, ==, 1500);
  g_assert_cmpuint (cg_entry_uids (&entry).last, ==, 1500);
  entry.key.uid.length = 30; /* bits behind the prefix do not count */
  entry.key.uid.uid[3] = 222;
  g_assert_cmpuint (cg_entry_uids (&entry).first, ==, 1500);
  g_assert_cmpuint (cg_entry_uids (&entry).last, ==, 1503);
}

static CgPrefix
prefix_of (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

/* In 16 bytes, and how many bits of these count, behind the 32 of the number. */
static const struct AddressCase {
  const char *name;
  const char *prefix;
  guint32 length;
  guint8 bytes[16];
} address_cases[] = {
    {"ipv4-host", "10.0.0.2", 160, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}},
    {"ipv4-net", "10.0.0.0/8", 136, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10}},
    {"ipv4-all", "0.0.0.0/0", 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
    {"ipv6-host", "fd77::1", 160, {0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
    {"ipv6-net", "fd77::/64", 96, {0xfd, 0x77}},
    {"ipv6-all", "::/0", 32, {0}},
};

static void
address_is_written (gconstpointer data)
{
  const struct AddressCase *test = data;
  const CgPrefix prefix = prefix_of (test->prefix);
  const CgGuardEntry address = cg_entry_address (7, &prefix, CG_ADDRESS_OF_TUNNEL);
  const CgGuardEntry bypass = cg_entry_bypass (TABLE, &prefix, 2);
  g_assert_cmpint (address.map, ==, CG_MAP_ADDRESSES);
  g_assert_cmpuint (address.key.address.length, ==, test->length);
  g_assert_cmpuint (address.key.address.ifindex, ==, 7);
  g_assert_cmpmem (address.key.address.address.bytes, 16, test->bytes, 16);
  g_assert_cmpuint (address.value.number, ==, CG_ADDRESS_OF_TUNNEL);
  g_assert_cmpuint (cg_entry_table (&address), ==, 0);
  g_assert_cmpint (bypass.map, ==, CG_MAP_BYPASSES);
  g_assert_cmpuint (bypass.key.bypass.length, ==, test->length);
  g_assert_cmpmem (bypass.key.bypass.destination.bytes, 16, test->bytes, 16);
  g_assert_cmpuint (bypass.value.number, ==, 2);
  g_assert_cmpuint (cg_entry_table (&bypass), ==, TABLE);
}

static void
each_entry_knows_its_table (void)
{
  const CgPrefix server = prefix_of ("10.0.0.1");
  const CgGuardEntry entries[] = {cg_entry_server (TABLE, &server, 0),
                                  cg_entry_gateway (TABLE, (struct cg_way){.flags = 0})};
  g_autoptr (GArray) uids = split ((CgUidRange){1500, 1500});
  const CgGuardEntry port = cg_entry_port (4789);
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    g_assert_cmpuint (cg_entry_table (&entries[i]), ==, TABLE);
  g_assert_cmpuint (cg_entry_table (&g_array_index (uids, CgGuardEntry, 0)), ==, TABLE);
  g_assert_cmpuint (cg_entry_table (&port), ==, 0);
  g_assert_cmpuint (port.key.port, ==, 4789);
}

/* A uid is confined when all that its gateway needs stands. */
static void
uids_come_last (void)
{
  const CgPrefix host = prefix_of ("10.0.0.1");
  g_autoptr (GArray) entries = split ((CgUidRange){1500, 1500});
  const CgGuardEntry others[] = {
      cg_entry_gateway (TABLE, (struct cg_way){.flags = 0}), cg_entry_bypass (TABLE, &host, 2),
      cg_entry_server (TABLE, &host, 0), cg_entry_port (4789), cg_entry_address (0, &host, 0)};
  g_array_append_vals (entries, others, G_N_ELEMENTS (others));
  cg_entries_normalise (entries);
  g_assert_cmpuint (entries->len, ==, CG_N_MAPS);
  for (guint i = 0; i < entries->len; i++)
    g_assert_cmpuint (g_array_index (entries, CgGuardEntry, i).map, ==, i);
  g_assert_cmpint (CG_MAP_UIDS, ==, CG_N_MAPS - 1);
  g_assert_cmpint (CG_MAP_GATEWAYS, ==, CG_N_MAPS - 2);
}

static void
the_last_of_a_key_stays (void)
{
  const CgPrefix a = prefix_of ("10.0.0.1"), b = prefix_of ("10.0.0.2");
  g_autoptr (GArray) entries = entries_new ();
  const CgGuardEntry given[] = {cg_entry_bypass (TABLE, &a, 2), cg_entry_bypass (TABLE, &b, 3),
                                cg_entry_bypass (TABLE, &a, 4), cg_entry_bypass (43, &a, 5),
                                cg_entry_bypass (TABLE, &a, 6)};
  g_array_append_vals (entries, given, G_N_ELEMENTS (given));
  cg_entries_normalise (entries);
  g_assert_cmpuint (entries->len, ==, 3);
  for (guint i = 0; i < entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (entries, CgGuardEntry, i);
    if (cg_entry_compare (entry, &given[0]) == 0)
      g_assert_cmpuint (entry->value.number, ==, 6);
    g_assert_true (i == 0 || cg_entry_compare (entry - 1, entry) < 0);
  }
}

static void
nothing_is_normal (void)
{
  g_autoptr (GArray) entries = entries_new ();
  cg_entries_normalise (entries);
  g_assert_cmpuint (entries->len, ==, 0);
}

static void
values_are_told_apart (void)
{
  const CgPrefix host = prefix_of ("10.0.0.1");
  const CgGuardEntry plain = cg_entry_server (TABLE, &host, 0);
  const CgGuardEntry by_tunnel = cg_entry_server (TABLE, &host, CG_SERVER_BY_TUNNEL);
  const CgGuardEntry up = cg_entry_gateway (TABLE, (struct cg_way){.ifindex = {7, 0}});
  const CgGuardEntry both = cg_entry_gateway (TABLE, (struct cg_way){.ifindex = {7, 7}});
  g_assert_cmpint (cg_entry_compare (&plain, &by_tunnel), ==, 0);
  g_assert_false (cg_entry_has_same_value (&plain, &by_tunnel));
  g_assert_true (cg_entry_has_same_value (&plain, &plain));
  g_assert_false (cg_entry_has_same_value (&up, &both));
  g_assert_true (cg_entry_has_same_value (&both, &both));
}

static const struct MeetCase {
  const char *name;
  struct cg_way a, b, both;
} meet_cases[] = {
    {"same", {{7, 7}, 1}, {{7, 7}, 1}, {{7, 7}, 1}},
    {"other-interface", {{7, 7}, 0}, {{8, 8}, 0}, {{0, 0}, 0}},
    {"closed", {{7, 7}, 0}, {{0, 0}, 0}, {{0, 0}, 0}},
    {"one-family", {{7, 0}, 0}, {{7, 7}, 0}, {{7, 0}, 0}},
    {"families-apart", {{7, 0}, 0}, {{0, 7}, 0}, {{0, 0}, 0}},
    {"ipsec-passes-by-both", {{7, 7}, CG_WAY_IPSEC}, {{7, 7}, 0}, {{7, 7}, 0}},
    {"names-are-held-by-one", {{7, 7}, 0}, {{7, 7}, CG_WAY_NAMES}, {{7, 7}, CG_WAY_NAMES}},
};

static void
ways_meet (gconstpointer data)
{
  const struct MeetCase *test = data;
  g_assert_true (cg_way_equal (cg_way_meet (test->a, test->b), test->both));
  g_assert_true (cg_way_equal (cg_way_meet (test->b, test->a), test->both));
  g_assert_true (cg_way_equal (cg_way_meet (test->a, test->a), test->a));
}

static void
ways_are_told_apart (void)
{
  const struct cg_way way = {{7, 8}, CG_WAY_NAMES};
  const struct cg_way others[] = {{{7, 8}, 0}, {{7, 7}, CG_WAY_NAMES}, {{8, 8}, CG_WAY_NAMES}};
  g_assert_true (cg_way_equal (way, way));
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_false (cg_way_equal (way, others[i]));
}

/* The arguments of bpftool are bytes in the order of the machine; what follows is for people. */
static void
entries_are_told (void)
{
  const CgPrefix four = prefix_of ("10.9.0.0/16"), six = prefix_of ("fd77::1");
  g_autoptr (GArray) uids = split ((CgUidRange){1500, 1503});
  const struct {
    CgGuardEntry entry;
    const char *pattern;
  } cases[] = {
      {g_array_index (uids, CgGuardEntry, 0),
       "cg_uids key hex * 00 00 05 dc value hex * # table 42: uid 1500-1503"},
      {cg_entry_bypass (TABLE, &four, 2),
       "cg_bypasses key hex * ff ff 0a 09 00 00 value hex * # table 42: bypass 10.9.0.0/16, "
       "interface 2"},
      {cg_entry_bypass (TABLE, &four, CG_BYPASS_NONE), "* # table 42: bypass 10.9.0.0/16, closed"},
      {cg_entry_server (TABLE, &six, CG_SERVER_BY_TUNNEL),
       "cg_servers key hex * # table 42: name server fd77::1/128, by the tunnel"},
      {cg_entry_address (7, &six, CG_ADDRESS_OF_TUNNEL),
       "cg_addresses key hex * # own address fd77::1/128, interface 7, of a tunnel"},
      {cg_entry_gateway (TABLE, (struct cg_way){{7, 0}, CG_WAY_NAMES}),
       "cg_gateways key hex * # table 42: IPv4 by interface 7, IPv6 by 0, own name servers"},
      {cg_entry_port (4789), "cg_ports key hex * # UDP port 4789 of a tunnel in the kernel"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *set = cg_entry_to_string (&cases[i].entry, TRUE);
    g_autofree char *deleted = cg_entry_to_string (&cases[i].entry, FALSE);
    if (!g_pattern_match_simple (cases[i].pattern, set))
      g_test_fail_printf ("'%s' is not '%s'", set, cases[i].pattern);
    g_assert_null (strstr (deleted, " value "));
    g_assert_cmpstr (strchr (set, '#'), ==, strchr (deleted, '#'));
  }
}

#define ADD(prefix, cases, function)                                                               \
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {                                               \
    g_autofree char *path = g_strconcat (prefix "/", (cases)[i].name, NULL);                       \
    g_test_add_data_func (path, &(cases)[i], function);                                            \
  }

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guard-entry/uids/small", small_ranges_are_covered);
  g_test_add_func ("/guard-entry/uids/at-the-end", ranges_at_the_end_are_covered);
  g_test_add_func ("/guard-entry/uids/by-chance", ranges_by_chance_are_covered);
  g_test_add_func ("/guard-entry/uids/all", all_uids_are_covered);
  g_test_add_func ("/guard-entry/uids/network-order", a_uid_is_in_network_order);
  g_test_add_func ("/guard-entry/uids/any-key", a_key_that_is_none_is_read_as_something);
  ADD ("/guard-entry/address", address_cases, address_is_written);
  g_test_add_func ("/guard-entry/table", each_entry_knows_its_table);
  g_test_add_func ("/guard-entry/order", uids_come_last);
  g_test_add_func ("/guard-entry/normalise/last-of-a-key", the_last_of_a_key_stays);
  g_test_add_func ("/guard-entry/normalise/nothing", nothing_is_normal);
  g_test_add_func ("/guard-entry/values", values_are_told_apart);
  ADD ("/guard-entry/meet", meet_cases, ways_meet);
  g_test_add_func ("/guard-entry/ways", ways_are_told_apart);
  g_test_add_func ("/guard-entry/told", entries_are_told);
  return g_test_run ();
}
