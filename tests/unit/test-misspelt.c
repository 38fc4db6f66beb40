/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a typist meant. */

#include "gateway-keys.h"
#include "misspelt.h"

#include <string.h>

static const struct MeantCase {
  const char *name, *word, *meant; /* NULL: nothing that is known */
} meant_cases[] = {
    {"right", "Services", "Services"},
    {"lower-case", "services", "Services"},
    {"one-letter-fewer", "Service", "Services"},
    {"one-fewer-inside", "Servces", "Services"},
    {"one-more", "Userss", "Users"},
    {"another-one", "Usets", "Users"},
    {"swapped", "Uesrs", "Users"},
    {"two-slips", "Srvces", "Services"},
    {"three-slips", "Srvcs", NULL},
    {"a-colon", "Services:", "Services"},
    {"of-systemd", "Unit", "Services"},
    {"many-of-systemd", "units", "Services"},
    {"uids", "UIDs", "Users"},
    {"not-what-groups-are", "Gid", NULL},
    {"a-short-word-has-one-slip", "DN", "DNS"},
    {"and-no-two", "MTU", NULL},
    {"no-digit-is-a-slip", "IPv4", NULL},
    {"another-word", "PrivateKey", NULL},
    {"servers-are-no-services", "Servers", NULL},
    {"empty", "", NULL},
    {"long", "ServicesServicesServicesServicesServicesServices", NULL},
    {"no-text", "\xff\xfe\x80", NULL},
};

static void
means (gconstpointer data)
{
  const struct MeantCase *test = data;
  g_assert_cmpstr (cg_gateway_key_meant (test->word), ==, test->meant);
}

/* To guess is no help then. */
static void
as_near_to_two (void)
{
  static const char *const known[] = {"block", "clock", NULL};
  g_assert_null (cg_misspelt ("flock", known));
  g_assert_cmpstr (cg_misspelt ("clokc", known), ==, "clock");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  for (gsize i = 0; i < G_N_ELEMENTS (meant_cases); i++) {
    g_autofree char *path = g_strconcat ("/misspelt/", meant_cases[i].name, NULL);
    g_test_add_data_func (path, &meant_cases[i], means);
  }
  g_test_add_func ("/misspelt/as-near-to-two", as_near_to_two);
  return g_test_run ();
}
