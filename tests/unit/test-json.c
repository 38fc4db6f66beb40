/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include "world.h"

static const struct StringCase {
  const char *name;
  const char *text;
  const char *json;
} string_cases[] = {
    {"plain", "wg0", "\"wg0\""},
    {"empty", "", "\"\""},
    {"null", NULL, "null"},
    {"quote", "a\"b", "\"a\\\"b\""},
    {"backslash", "a\\b", "\"a\\\\b\""},
    {"slash-stays", "a/b", "\"a/b\""},
    {"newline", "a\nb", "\"a\\u000ab\""},
    {"tab", "\t", "\"\\u0009\""},
    {"first-control-character", "\x01", "\"\\u0001\""},
    {"last-control-character", "\x1f", "\"\\u001f\""},
    {"delete", "\x7f", "\"\\u007f\""},
    {"utf-8-stays", "Büro ⇄ 🚇", "\"Büro ⇄ 🚇\""},
    {"stray-byte",
     "a\xff"
     "b",
     "\"a\xef\xbf\xbd"
     "b\""},
    {"cut-off-utf-8", "a\xc3", "\"a\xef\xbf\xbd\""},
    {"surrogate", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"overlong-nul", "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void
writes_string (gconstpointer data)
{
  const struct StringCase *test = data;
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '[');
  cg_json_string (json, NULL, test->text);
  cg_json_close (json, ']');
  g_autofree char *expected = g_strdup_printf ("[%s]", test->json);
  g_assert_cmpstr (json->str, ==, expected);
  g_assert_true (g_utf8_validate (json->str, -1, NULL));
}

static void
escapes_keys (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '{');
  cg_json_string (json, "a\"\n", "b");
  cg_json_close (json, '}');
  g_assert_cmpstr (json->str, ==, "{\"a\\\"\\u000a\":\"b\"}");
}

static void
sets_commas (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '{');
  cg_json_open (json, "none", '[');
  cg_json_close (json, ']');
  cg_json_open (json, "pairs", '[');
  for (int i = 0; i < 2; i++) {
    cg_json_open (json, NULL, '[');
    cg_json_number (json, NULL, i);
    cg_json_number (json, NULL, -i);
    cg_json_close (json, ']');
  }
  cg_json_close (json, ']');
  cg_json_open (json, "inner", '{');
  cg_json_string (json, "x", NULL);
  cg_json_close (json, '}');
  cg_json_number (json, "y", 1);
  cg_json_close (json, '}');
  g_assert_cmpstr (json->str, ==,
                   "{\"none\":[],\"pairs\":[[0,0],[1,-1]],\"inner\":{\"x\":null},\"y\":1}");
}

/* A string may end in what looks like an opening bracket. */
static void
sets_commas_behind_brackets_in_strings (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '[');
  cg_json_string (json, NULL, "{");
  cg_json_string (json, NULL, "[");
  cg_json_close (json, ']');
  g_assert_cmpstr (json->str, ==, "[\"{\",\"[\"]");
}

static void
writes_numbers (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '[');
  cg_json_number (json, NULL, 0);
  cg_json_number (json, NULL, G_MAXUINT32);
  cg_json_number (json, NULL, G_MININT64);
  cg_json_close (json, ']');
  g_assert_cmpstr (json->str, ==, "[0,4294967295,-9223372036854775808]");
}

static void
writes_booleans (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '[');
  cg_json_boolean (json, NULL, TRUE);
  cg_json_boolean (json, NULL, FALSE);
  cg_json_boolean (json, NULL, 2);
  cg_json_close (json, ']');
  g_assert_cmpstr (json->str, ==, "[true,false,true]");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/json/string", string_cases, writes_string);
  g_test_add_func ("/json/keys-are-escaped", escapes_keys);
  g_test_add_func ("/json/commas", sets_commas);
  g_test_add_func ("/json/commas-behind-brackets-in-strings",
                   sets_commas_behind_brackets_in_strings);
  g_test_add_func ("/json/numbers", writes_numbers);
  g_test_add_func ("/json/booleans", writes_booleans);
  return g_test_run ();
}
