/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <string.h>

static void
append_quoted (GString *json, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_string_append_c (json, '"');
  for (const char *c = valid; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_printf (json, "\\%c", *c);
    else if (g_ascii_iscntrl (*c))
      g_string_append_printf (json, "\\u%04x", (guint) (guchar) *c);
    else
      g_string_append_c (json, *c);
  }
  g_string_append_c (json, '"');
}

static void
begin (GString *json, const char *key)
{
  if (json->len > 0 && !strchr ("{[", json->str[json->len - 1]))
    g_string_append_c (json, ',');
  if (key) {
    append_quoted (json, key);
    g_string_append_c (json, ':');
  }
}

void
cg_json_open (GString *json, const char *key, char bracket)
{
  if (json->len)
    begin (json, key);
  g_string_append_c (json, bracket);
}

void
cg_json_close (GString *json, char bracket)
{
  g_string_append_c (json, bracket);
}

void
cg_json_string (GString *json, const char *key, const char *text)
{
  begin (json, key);
  if (text)
    append_quoted (json, text);
  else
    g_string_append (json, "null");
}

void
cg_json_boolean (GString *json, const char *key, gboolean value)
{
  begin (json, key);
  g_string_append (json, value ? "true" : "false");
}

void
cg_json_number (GString *json, const char *key, gint64 number)
{
  begin (json, key);
  g_string_append_printf (json, "%" G_GINT64_FORMAT, number);
}
