/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "subuids.h"

#include "state-file.h"

#define MAX_FILE (4 << 20) /* bytes: a hundred thousand users */

/* A line is "USER:FIRST:COUNT", with the user by name or by uid. */
static gboolean
parse_line (const char *line, CgUserLookup lookup, CgSubuids *found)
{
  guint64 owner, first, count;
  g_auto (GStrv) words = g_strsplit (line, ":", 4);
  if (g_strv_length (words) != 3 ||
      !g_ascii_string_to_unsigned (words[1], 10, 1, CG_UID_INVALID - 1, &first, NULL) ||
      !g_ascii_string_to_unsigned (words[2], 10, 1, CG_UID_INVALID - first, &count, NULL))
    return FALSE;
  found->uids = (CgUidRange){(guint32) first, (guint32) (first + count - 1)};
  if (!g_ascii_string_to_unsigned (words[0], 10, 0, CG_UID_INVALID - 1, &owner, NULL))
    return lookup (words[0], &found->owner, NULL);
  found->owner = (guint32) owner;
  return TRUE;
}

void
cg_subuids_parse (const char *text, CgUserLookup lookup, GArray *subuids)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++) {
    CgSubuids found;
    if (parse_line (g_strstrip (*line), lookup, &found))
      g_array_append_val (subuids, found);
  }
}

void
cg_subuids_load (GArray *subuids)
{
  g_autofree char *program = g_find_program_in_path ("newuidmap");
  g_autofree char *text = program ? cg_file_read (CG_SUBUID_FILE, MAX_FILE) : NULL;
  if (text)
    cg_subuids_parse (text, cg_user_lookup, subuids);
}
