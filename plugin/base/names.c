/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "names.h"

#include <net/if.h>
#include <string.h>

#define MAX_NAME 64 /* bytes of a gateway's name */

gboolean
cg_interface_name_valid (const char *name)
{
  static const char *const special[] = {".", "..", "lo", "all", "default", NULL};
  gsize length = strlen (name);
  if (length == 0 || length >= IFNAMSIZ || g_strv_contains (special, name))
    return FALSE;
  for (const guchar *c = (const guchar *) name; *c; c++)
    /* 0xa0 is white space to the kernel's isspace() */
    if (*c <= ' ' || *c == 0x7f || *c == 0xa0 || *c == '/' || *c == ':' || *c == '"' ||
        *c == '\\' || *c == '*')
      return FALSE;
  return TRUE;
}

#define NAME_CHARS "_.@-" G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS

gboolean
cg_gateway_name_valid (const char *name)
{
  gsize length = strlen (name);
  return length > 0 && length <= MAX_NAME && name[0] != '.' && name[0] != '-' &&
         strspn (name, NAME_CHARS) == length;
}
