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
