/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "last-good.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define SUFFIX     ".conf"
#define HEADER     "# uids:" /* and then " 1500 1600-1700", by which uids' order */
#define MAX_RANGES 65536

/* In the place of the user database: the users are put in afterwards. */
static gboolean
look_up_anybody (const char *name, guint32 *uid, GError **error)
{
  (void) name;
  (void) error;
  *uid = CG_UID_ROOT + 1;
  return TRUE;
}

CgGateway *
cg_last_good_parse (const char *name,
                    const char *text,
                    gsize length,
                    const GArray *users,
                    CgUserLookup lookup,
                    GError **error)
{
  g_autoptr (GError) why = NULL;
  CgGateway *gateway = cg_gateway_parse (name, text, length, lookup, &why);
  if (!gateway) {
    gateway = cg_gateway_parse (name, text, length, look_up_anybody, error);
    if (!gateway)
      return NULL;
    g_info ("%s; the uids are those from before", why->message);
    g_array_set_size (gateway->uids, 0);
    g_array_append_vals (gateway->uids, users->data, users->len);
    g_array_set_size (gateway->users, 0);
    g_array_append_vals (gateway->users, users->data, users->len);
  }
  gateway->text = g_bytes_new (text, length);
  return gateway;
}

static char *
path_of (const char *state_dir, const char *name)
{
  g_autofree char *file = g_strconcat (name, SUFFIX, NULL);
  return g_build_filename (state_dir, file, NULL);
}

static GString *
encode (const CgGateway *gateway)
{
  gsize size;
  gconstpointer text = g_bytes_get_data (gateway->text, &size);
  GString *bytes = g_string_new (HEADER);
  for (guint i = 0; i < gateway->users->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (gateway->users, CgUidRange, i));
    g_string_append_printf (bytes, " %s", range);
  }
  g_string_append_c (bytes, '\n');
  return g_string_append_len (bytes, text, (gssize) size);
}

static gboolean
parse_range (const char *word, CgUidRange *range)
{
  g_auto (GStrv) ends = g_strsplit (word, "-", 2);
  guint64 first, last;
  if (!ends[0] ||
      !g_ascii_string_to_unsigned (ends[0], 10, CG_UID_ROOT + 1, CG_UID_INVALID - 1, &first,
                                   NULL) ||
      !g_ascii_string_to_unsigned (ends[1] ? ends[1] : ends[0], 10, first, CG_UID_INVALID - 1,
                                   &last, NULL))
    return FALSE;
  *range = (CgUidRange){(guint32) first, (guint32) last};
  return TRUE;
}

/* The uids of our line, normalised, or NULL if it is none of ours. The caller owns the result. */
static GArray *
decode_uids (const char *line)
{
  g_autoptr (GArray) uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  if (!g_str_has_prefix (line, HEADER))
    return NULL;
  g_auto (GStrv) words = g_strsplit (line + strlen (HEADER), " ", MAX_RANGES);
  for (char **word = words; *word; word++) {
    CgUidRange range;
    if (!**word)
      continue;
    if (!parse_range (*word, &range))
      return NULL;
    g_array_append_val (uids, range);
  }
  cg_uids_normalise (uids);
  return g_steal_pointer (&uids);
}

CgGateway *
cg_last_good_decode (
    const char *name, const char *bytes, gsize size, CgUserLookup lookup, GError **error)
{
  const char *end = size ? memchr (bytes, '\n', size) : NULL;
  g_autofree char *line = end ? g_strndup (bytes, (gsize) (end - bytes)) : NULL;
  g_autoptr (GArray) users = line ? decode_uids (line) : NULL;
  if (!users) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "its first line is none of ours");
    return NULL;
  }
  const char *text = end + 1;
  gsize length = size - (gsize) (text - bytes);
  CgGateway *gateway = cg_last_good_parse (name, text, length, users, lookup, error);
  if (!gateway || gateway->users->len > 0 || gateway->services[0])
    return gateway;
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "its uids are not those of its text");
  cg_gateway_free (gateway);
  return NULL;
}

static gboolean
is_usable (const char *state_dir, GError **error)
{
  return state_dir && cg_config_check_trust (state_dir, error);
}

CgGateway *
cg_last_good_find (const char *state_dir, const char *name, CgUserLookup lookup)
{
  g_autoptr (GError) error = NULL;
  if (!state_dir || !cg_gateway_name_valid (name))
    return NULL;
  g_autofree char *path = path_of (state_dir, name);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  g_autoptr (GString) bytes =
      is_usable (state_dir, &error) ? cg_config_read_trusted (path, path, &error) : NULL;
  CgGateway *gateway =
      bytes ? cg_last_good_decode (name, bytes->str, bytes->len, lookup, &error) : NULL;
  if (!gateway)
    g_warning ("%s: its last good file cannot be used: %s", name, error->message);
  return gateway;
}

CgConfig *
cg_last_good_load (const char *directory,
                   const char *state_dir,
                   gboolean missing_ok,
                   CgUserLookup lookup,
                   GError **error)
{
  CgConfig *config = cg_config_load (directory, missing_ok, lookup, error);
  guint n_bad = config ? config->bad->len : 0; /* one that no longer fits adds one */
  for (guint i = 0; i < n_bad; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    CgGateway *gateway = cg_last_good_find (state_dir, bad->name, lookup);
    if (gateway)
      cg_config_add (config, gateway);
  }
  return config;
}

static gboolean
stands_already (const char *path, const GString *bytes)
{
  g_autoptr (GString) found = cg_config_read_trusted (path, path, NULL);
  return found && g_string_equal (found, bytes);
}

static gboolean
save (const char *state_dir, const CgGateway *gateway, GError **error)
{
  g_autofree char *path = path_of (state_dir, gateway->name);
  g_autoptr (GString) bytes = encode (gateway);
  if (stands_already (path, bytes))
    return TRUE;
  if (g_mkdir (state_dir, 0700) < 0 && errno != EEXIST) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", state_dir, g_strerror (errno));
    return FALSE;
  }
  /* renames over the old one, and is on the disk before it does */
  return is_usable (state_dir, error) &&
         g_file_set_contents_full (path, bytes->str, (gssize) bytes->len,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

void
cg_last_good_save (const char *state_dir, const CgConfig *config, const char *const *names)
{
  for (guint i = 0; state_dir && i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_autoptr (GError) error = NULL;
    if (!gateway->text || gateway->from_profile || cg_config_find_bad (config, gateway->name) ||
        (*names && !g_strv_contains (names, gateway->name)))
      continue;
    if (!save (state_dir, gateway, &error))
      g_warning ("%s: its file is not kept for the case that it goes bad: %s", gateway->name,
                 error->message);
  }
}

/* The names that are kept. What has another name, as what was not written to its end, is no
 * gateway's. */
static GStrv
list (const char *state_dir)
{
  g_autoptr (GDir) dir = g_dir_open (state_dir, 0, NULL);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  for (const char *file; dir && (file = g_dir_read_name (dir));) {
    if (!g_str_has_suffix (file, SUFFIX))
      continue;
    g_autofree char *name = g_strndup (file, strlen (file) - strlen (SUFFIX));
    g_strv_builder_add (names, name);
  }
  return g_strv_builder_end (names);
}

static void
drop (const char *state_dir, const char *name)
{
  g_autofree char *path = path_of (state_dir, name);
  if (g_unlink (path) < 0 && errno != ENOENT)
    g_warning ("%s: %s", path, g_strerror (errno));
}

void
cg_last_good_forget_gone (const char *state_dir, const CgConfig *config)
{
  g_auto (GStrv) names = state_dir ? list (state_dir) : NULL;
  for (char **name = names; name && *name; name++)
    if (!cg_config_find (config, *name) && !cg_config_find_bad (config, *name))
      drop (state_dir, *name);
}

void
cg_last_good_drop (const char *state_dir, const char *const *names)
{
  g_auto (GStrv) all = state_dir && !*names ? list (state_dir) : NULL;
  for (const char *const *name = all ? (const char *const *) all : names; state_dir && *name;
       name++)
    if (cg_gateway_name_valid (*name))
      drop (state_dir, *name);
}
