/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <string.h>

static const struct GoodCase {
  const char *name;
  const char *text;
  int family;
  const char *printed;
  const char *masked; /* NULL: no bit is set behind the length */
} good_cases[] = {
    {"ipv4-network", "192.168.1.0/24", AF_INET, "192.168.1.0/24", NULL},
    {"ipv4-address-is-a-32", "10.64.0.1", AF_INET, "10.64.0.1/32", NULL},
    {"ipv4-full-length", "10.64.0.1/32", AF_INET, "10.64.0.1/32", NULL},
    {"ipv4-host-bits", "192.168.1.77/24", AF_INET, "192.168.1.77/24", "192.168.1.0/24"},
    {"ipv4-odd-length", "10.255.255.255/9", AF_INET, "10.255.255.255/9", "10.128.0.0/9"},
    {"ipv4-length-31", "10.0.0.1/31", AF_INET, "10.0.0.1/31", "10.0.0.0/31"},
    {"ipv4-everything", "0.0.0.0/0", AF_INET, "default", NULL},
    {"ipv4-everything-with-host-bits", "1.2.3.4/0", AF_INET, "default", "default"},
    {"ipv6-network", "fd00::/8", AF_INET6, "fd00::/8", NULL},
    {"ipv6-address-is-a-128", "2001:DB8::1", AF_INET6, "2001:db8::1/128", NULL},
    {"ipv6-host-bits", "2001:db8::1/64", AF_INET6, "2001:db8::1/64", "2001:db8::/64"},
    {"ipv6-odd-length", "fdff::/9", AF_INET6, "fdff::/9", "fd80::/9"},
    {"ipv6-length-127", "::1/127", AF_INET6, "::1/127", "::/127"},
    {"ipv6-mapped-ipv4", "::ffff:10.0.0.1", AF_INET6, "::ffff:10.0.0.1/128", NULL},
    {"ipv6-everything", "::/0", AF_INET6, "default", NULL},
};

static void
parses (gconstpointer data)
{
  const struct GoodCase *test = data;
  CgPrefix prefix;
  memset (&prefix, 0xaa, sizeof prefix);
  g_assert_true (cg_prefix_parse (test->text, &prefix));
  g_assert_cmpint (prefix.family, ==, test->family);
  g_autofree char *printed = cg_prefix_to_string (&prefix);
  g_assert_cmpstr (printed, ==, test->printed);
  g_assert_cmpint (cg_prefix_has_host_bits (&prefix), ==, test->masked != NULL);
}

static void
masks (gconstpointer data)
{
  const struct GoodCase *test = data;
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (test->text, &prefix));
  CgPrefix masked = cg_prefix_masked (&prefix), twice = cg_prefix_masked (&masked);
  g_autofree char *printed = cg_prefix_to_string (&masked);
  g_assert_cmpstr (printed, ==, test->masked ? test->masked : test->printed);
  g_assert_false (cg_prefix_has_host_bits (&masked));
  g_assert_cmpmem (&masked, sizeof masked, &twice, sizeof twice);
}

static const struct BadCase {
  const char *name;
  const char *text;
} bad_cases[] = {
    {"empty", ""},
    {"slash-alone", "/"},
    {"no-address", "/24"},
    {"no-length", "10.0.0.0/"},
    {"length-too-great-for-ipv4", "10.0.0.0/33"},
    {"length-too-great-for-ipv6", "::/129"},
    {"length-with-sign", "10.0.0.0/+8"},
    {"negative-length", "10.0.0.0/-8"},
    {"length-with-space", "10.0.0.0/ 8"},
    {"length-no-number", "10.0.0.0/x"},
    {"length-hexadecimal", "10.0.0.0/0x8"},
    {"length-that-wraps", "10.0.0.0/4294967304"},
    {"two-lengths", "10.0.0.0/8/8"},
    {"netmask", "10.0.0.0/255.0.0.0"},
    {"three-numbers", "10.0.0"},
    {"number-too-great", "10.0.0.256"},
    {"name", "localhost"},
    {"ipv6-with-zone", "fe80::1%eth0"},
    {"ipv6-in-brackets", "[::1]"},
    {"ipv6-two-gaps", "1::2::3"},
    {"space-before", " 10.0.0.0/8"},
    {"space-behind", "10.0.0.0/8 "},
};

static void
refuses (gconstpointer data)
{
  const struct BadCase *test = data;
  CgPrefix prefix;
  g_assert_false (cg_prefix_parse (test->text, &prefix));
}

static const struct CoverCase {
  const char *name;
  const char *prefix, *address;
  gboolean covers;
} cover_cases[] = {
    {"first", "10.0.0.0/8", "10.0.0.0", TRUE},
    {"last", "10.0.0.0/8", "10.255.255.255", TRUE},
    {"before", "10.0.0.0/8", "9.255.255.255", FALSE},
    {"behind", "10.0.0.0/8", "11.0.0.0", FALSE},
    {"within-a-byte", "172.16.0.0/12", "172.31.0.1", TRUE},
    {"beside-within-a-byte", "172.16.0.0/12", "172.32.0.1", FALSE},
    {"itself", "10.2.0.1", "10.2.0.1", TRUE},
    {"ipv6", "fd77::/64", "fd77::1", TRUE},
    {"other-family", "::/0", "10.2.0.1", FALSE},
    {"longer-than-ipv4", "a00::/7", "10.2.0.1", FALSE},
    {"other-family-likewise", "0.0.0.0/0", "::1", FALSE},
};

static void
covers (gconstpointer data)
{
  const struct CoverCase *test = data;
  CgPrefix prefix, address;
  g_assert_true (cg_prefix_parse (test->prefix, &prefix));
  g_assert_true (cg_prefix_parse (test->address, &address));
  g_assert_cmpint (cg_prefix_covers (&prefix, &address), ==, test->covers);
}

static void
knows_link_local (void)
{
  static const struct {
    const char *address;
    gboolean is;
  } cases[] = {{"fe80::1", TRUE},  {"febf::1", TRUE},      {"fec0::1", FALSE},
               {"fe7f::1", FALSE}, {"254.128.0.1", FALSE}, {"169.254.0.1", FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    CgPrefix address;
    g_assert_true (cg_prefix_parse (cases[i].address, &address));
    g_assert_cmpint (cg_prefix_is_link_local (&address), ==, cases[i].is);
  }
}

static void
knows_both_families (void)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    CgPrefix everything = cg_prefix_default (cg_families[i]);
    g_autofree char *printed = cg_prefix_to_string (&everything);
    g_assert_cmpstr (printed, ==, "default");
    g_assert_cmpuint (cg_family_index (cg_families[i]), ==, i);
  }
  g_assert_cmpint (cg_families[0], ==, AF_INET);
  g_assert_cmpint (cg_families[1], ==, AF_INET6);
  g_assert_cmpuint (cg_family_bytes (AF_INET), ==, 4);
  g_assert_cmpuint (cg_family_bytes (AF_INET6), ==, 16);
  g_assert_cmpstr (cg_family_name (AF_INET), ==, "IPv4");
  g_assert_cmpstr (cg_family_name (AF_INET6), ==, "IPv6");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/prefix/parse", good_cases, parses);
  ADD_CASES ("/prefix/mask", good_cases, masks);
  ADD_CASES ("/prefix/refuse", bad_cases, refuses);
  ADD_CASES ("/prefix/covers", cover_cases, covers);
  g_test_add_func ("/prefix/link-local", knows_link_local);
  g_test_add_func ("/prefix/families", knows_both_families);
  return g_test_run ();
}
