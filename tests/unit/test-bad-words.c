/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a file names although it has an error, wherever that is. */

#include "bad-words.h"
#include "world.h"

#include <string.h>

static const struct WordsCase {
  const char *name, *text;
  const char *services, *uids; /* with a blank behind each */
} words_cases[] = {
    /* keys */
    {"key/right", "[Gateway]\nServices=a b.service\nUsers=alice 2000-2010\nNonsense=1\n",
     "a.service b.service ", "1500 2000-2010 "},
    {"key/misspelt", "[Gateway]\nServces=a\nUser=alice\n", "a.service ", "1500 "},
    {"key/lower-case", "services=a\nusers=alice\n", "a.service ", "1500 "},
    {"key/of-another-format", "Units=a\nUids=1600\n", "a.service ", "1600 "},
    {"key/colon", "Services:=a\nUsers: alice\n", "a.service ", "1500 "},
    {"key/without-sign", "Services a\nUsers alice 1600\n", "a.service ", "1500 1600 "},
    {"key/unknown", "Daemons=a b.service\nOwner=alice\n", "b.service ", "1500 "},
    {"key/behind-another", "Interface=wg0 Services=a Users=alice\n", "a.service ", "1500 "},
    {"key/twice", "Services=a\nServices=b a\n", "a.service b.service ", ""},
    {"key/two-signs", "Services=a=b\nUsers=alice=bob\n", "a.service b.service ", "1500-1501 "},
    {"key/that-is-a-unit", "a.service=yes\n", "a.service ", ""},
    {"key/of-the-tunnel",
     "Interface=a.service\nInterfaceUnit=b.service\nConnection=c.service\n"
     "Interfaceunits=d.service\n",
     "", ""},
    {"key/with-the-wrong-words", "Users=a.service\nServices=alice\n", "a.service alice.service ",
     ""},
    /* lines */
    {"line/group-not-closed", "[Gateway\nServices=a\n", "a.service ", ""},
    {"line/group-and-key", "[Gateway] Services=a\n", "a.service ", ""},
    {"line/no-group", "Services=a\n", "a.service ", ""},
    {"line/continued", "Services=a \\\n  b\nUsers=alice \\\nbob\n", "a.service b.service ",
     "1500-1501 "},
    {"line/continued-by-comma", "Services=a,\nb\n", "a.service b.service ", ""},
    {"line/continued-with-a-key's-name", "Services=a \\\n dns b\n",
     "a.service dns.service b.service ", ""},
    {"line/no-longer-continued", "Users=alice\nDNS bob\n", "", "1500 "},
    {"line/no-key-at-all", "a.service b\n", "a.service ", ""},
    {"line/of-windows", "[Gateway]\r\nServices=a\r\nUsers=alice\r\n", "a.service ", "1500 "},
    {"line/of-old-machines", "[Gateway]\rServices=a\rUsers=alice\r", "a.service ", "1500 "},
    {"line/no-end", "Services=a", "a.service ", ""},
    /* comments */
    {"comment/line", "# Services=a b.service\n  #Users=alice\n", "", ""},
    {"comment/semicolon", ";Services=a\n", "", ""},
    {"comment/behind", "Services=a # b.service\nUsers=alice#bob\n", "a.service ", "1500 "},
    /* words */
    {"word/quotes", "Services=\"a\" 'b'\nUsers=\"alice\"\n", "a.service b.service ", "1500 "},
    {"word/of-a-web-page",
     "Services=\xe2\x80\x9c"
     "a\xe2\x80\x9d\xc2\xa0"
     "b\nUsers=alice\xc2\xa0"
     "bob\n",
     "a.service b.service ", "1500-1501 "},
    {"word/byte-order-mark", "\xef\xbb\xbfServices=a\n", "a.service ", ""},
    {"word/of-another-type", "Services=a.socket b\n", "b.service ", ""},
    {"word/inside-a-command", "PostUp=systemctl restart (a.service)\n", "a.service ", ""},
    {"word/no-unit", "Services=\\ - . @ a@ a/\n", "a.service ", ""},
    {"word/ours",
     "Services=custom-gateway custom-gateway@wg0 custom-gateway-monitor\n"
     "After=custom-gateway.service\n",
     "", ""},
    {"word/template", "Services=a@.service a@b.service\n", "a@b.service ", ""},
    /* users */
    {"user/no-such", "Users=eve alice broken\n", "", "1500 "},
    {"user/root", "Users=0 0-10 toor 000\n", "", ""},
    {"user/no-uid", "Users=4294967295 1-4294967295 nouid 99999999999 2010-2000 5-\n", "", ""},
    {"user/overlap", "Users=1500-1600 1550 1601\n", "", "1500-1601 "},
    {"user/in-a-place-of-other-words", "Mode=alice always\n", "", ""},
    {"user/number-of-something", "ListenPort=51820\nMTU=1420\n", "", ""},
    {"user/number-beside-a-name", "Owner=alice 1600\n", "", "1500 1600 "},
    {"user/of-every-system", "Mode=daemon\nOwner=alice daemon\nType=nobody\n", "", ""},
    {"user/of-every-system-by-its-key", "User=daemon nobody\n", "", "1 65534 "},
    {"user/range-over-those-of-every-system", "Owner=alice 50-200\n", "", ""},
    {"user/without-a-key", "alice\n", "", ""},
    {"user/of-a-known-key", "Table=alice\nBypass=bob\n", "", ""},
    {"nothing", "", "", ""},
    {"signs-alone", "=\n==\n=a.service=\n[]=\n]=[\n", "a.service ", ""},
};

static gboolean
lookup (const char *name, guint32 *uid, GError **error)
{
  if (!g_str_equal (name, "daemon") && !g_str_equal (name, "nobody"))
    return world_lookup (name, uid, error);
  *uid = *name == 'd' ? 1 : CG_BAD_UID_NOBODY;
  return TRUE;
}

static void
assert_words (const char *text, gsize length, const char *services, const char *uids)
{
  g_auto (GStrv) units = cg_bad_services (text, length);
  g_autoptr (GArray) ranges = cg_bad_uids (text, length, lookup);
  g_autoptr (GString) found = g_string_new (NULL), who = g_string_new (NULL);
  for (char **unit = units; *unit; unit++)
    g_string_append_printf (found, "%s ", *unit);
  for (guint i = 0; i < ranges->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (ranges, CgUidRange, i));
    g_string_append_printf (who, "%s ", range);
  }
  g_assert_cmpstr (found->str, ==, services);
  g_assert_cmpstr (who->str, ==, uids);
}

static void
names (gconstpointer data)
{
  const struct WordsCase *test = data;
  assert_words (test->text, strlen (test->text), test->services, test->uids);
}

static void
nul_bytes (void)
{
  static const char text[] = "\0[Gateway]\nServices=a\0b\n\0Users=alice\0";
  assert_words (text, sizeof text - 1, "a.service b.service ", "1500 ");
}

/* As an editor of Windows writes it. */
static void
utf_16 (void)
{
  static const char text[] = "S\0e\0r\0v\0i\0c\0e\0s\0=\0a\0\r\0\n\0U\0s\0e\0r\0s\0=\0"
                             "1\0"
                             "6\0"
                             "0\0"
                             "0\0";
  g_autoptr (GString) little = g_string_new ("\xff\xfe");
  g_string_append_len (little, text, sizeof text - 1);
  assert_words (little->str, little->len, "a.service ", "1600 ");
}

static void
more_words_than_count (void)
{
  g_autoptr (GString) text = g_string_new ("Services=");
  for (guint i = 0; i < CG_BAD_WORDS_MAX + 100; i++)
    g_string_append_printf (text, " s%u", i);
  g_auto (GStrv) units = cg_bad_services (text->str, text->len);
  g_assert_cmpuint (g_strv_length (units), ==, CG_BAD_WORDS_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/bad-words", words_cases, names);
  g_test_add_func ("/bad-words/nul-bytes", nul_bytes);
  g_test_add_func ("/bad-words/utf-16", utf_16);
  g_test_add_func ("/bad-words/too-many", more_words_than_count);
  return g_test_run ();
}
