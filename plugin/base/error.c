/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "error.h"

#include <string.h>

#define MAX_SHOWN 64 /* bytes: enough to recognise a word, too few to flood a journal */

GQuark
cg_error_quark (void)
{
  /* not G_DEFINE_QUARK(): clang-format takes the dashes of the name for minus signs */
  return g_quark_from_static_string ("cg-error-quark");
}

char *
cg_quote (const char *word)
{
  g_autofree char *head = g_strndup (word, MAX_SHOWN);
  g_autofree char *safe = g_strescape (head, "\"");
  return g_strdup_printf ("'%s%s'", safe, strlen (word) > MAX_SHOWN ? "..." : "");
}

char *
cg_printable (const char *text)
{
  GString *shown = g_string_new (NULL);
  for (const char *end; *text; text = end) {
    gunichar c = g_utf8_get_char_validated (text, -1);
    gboolean is_character = c < (gunichar) -2; /* which with -1 stands for bytes that are none */
    end = is_character ? g_utf8_next_char (text) : text + 1;
    if (is_character && g_unichar_isprint (c))
      g_string_append_len (shown, text, end - text);
    else
      for (; text < end; text++)
        g_string_append_printf (shown, "\\x%02x", (guint8) *text);
  }
  return g_string_free (shown, FALSE);
}
