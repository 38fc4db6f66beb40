/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "error.h"

#include <string.h>

#include "world.h"

#define TEN "0123456789"

static const struct QuoteCase {
  const char *name;
  const char *word;
  const char *shown;
} quote_cases[] = {
    {"plain", "wg0", "'wg0'"},
    {"empty", "", "''"},
    {"double-quotes-stay", "a\"b", "'a\"b'"},
    {"backslash", "a\\b", "'a\\\\b'"},
    {"newline-cannot-forge-a-line", "x\nroot: all is well", "'x\\nroot: all is well'"},
    {"escape-cannot-paint-a-terminal", "\033[2J", "'\\033[2J'"},
    {"delete", "\x7f", "'\\177'"},
    {"bytes-above-ascii", "B\xc3\xbcro\xff", "'B\\303\\274ro\\377'"},
    {"64-bytes-are-whole", TEN TEN TEN TEN TEN TEN "0123", "'" TEN TEN TEN TEN TEN TEN "0123'"},
    {"65-bytes-are-cut", TEN TEN TEN TEN TEN TEN "01234", "'" TEN TEN TEN TEN TEN TEN "0123...'"},
};

static void
quotes (gconstpointer data)
{
  const struct QuoteCase *test = data;
  g_autofree char *shown = cg_quote (test->word);
  g_assert_cmpstr (shown, ==, test->shown);
}

static const struct QuoteCase printable_cases[] = {
    {"plain", "a: IPv4 up ~", "a: IPv4 up ~"},
    {"empty", "", ""},
    {"utf-8-stays", "B\xc3\xbcro \xe2\x82\xac", "B\xc3\xbcro \xe2\x82\xac"},
    {"newline-cannot-forge-a-line", "x\nroot: all is well", "x\\x0aroot: all is well"},
    {"escape-cannot-paint-a-terminal", "\033[2J\x7f", "\\x1b[2J\\x7f"},
    {"nor-can-that-of-8-bits",
     "\xc2\x9b"
     "2J\x9b",
     "\\xc2\\x9b2J\\x9b"},
    {"direction-stays", "a\xe2\x80\xaez", "a\\xe2\\x80\\xaez"},
    {"half-a-character-at-the-end", "wg\xf0", "wg\\xf0"},
    {"half-a-character-before-others", "\xe2\x82z", "\\xe2\\x82z"},
};

static void
is_printable (gconstpointer data)
{
  const struct QuoteCase *test = data;
  g_autofree char *shown = cg_printable (test->word);
  g_assert_cmpstr (shown, ==, test->shown);
}

static void
huge_words_are_cut (void)
{
  g_autofree char *word = g_strnfill (1 << 20, '\n');
  g_autofree char *shown = cg_quote (word);
  g_assert_cmpuint (strlen (shown), ==, 64 * 2 + strlen ("'...'"));
}

static void
codes_are_exit_statuses (void)
{
  g_assert_cmpint (CG_ERROR_FAILED, ==, 1);
  g_assert_cmpint (CG_ERROR_CONFIG, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/error/quote", quote_cases, quotes);
  ADD_CASES ("/error/printable", printable_cases, is_printable);
  g_test_add_func ("/error/huge-words-are-cut", huge_words_are_cut);
  g_test_add_func ("/error/codes-are-exit-statuses", codes_are_exit_statuses);
  return g_test_run ();
}
