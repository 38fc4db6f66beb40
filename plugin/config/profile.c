/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile.h"

#include <string.h>

#define SUFFIX ".nmconnection"

void
cg_profile_free (CgProfile *profile)
{
  g_free (profile->id);
  g_free (profile->uuid);
  g_free (profile->interface);
  g_hash_table_unref (profile->data);
  g_free (profile);
}

/* NULL for an empty value, too: NetworkManager takes it for none. */
static char *
get_string (GKeyFile *keyfile, const char *group, const char *key)
{
  g_autofree char *value = g_key_file_get_string (keyfile, group, key, NULL);
  return value && *value ? g_steal_pointer (&value) : NULL;
}

static GHashTable *
get_data (GKeyFile *keyfile)
{
  GHashTable *data = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_auto (GStrv) keys = g_key_file_get_keys (keyfile, "user", NULL, NULL);
  for (char **key = keys; key && *key; key++) {
    char *value = g_str_has_prefix (*key, CG_PROFILE_PREFIX)
                      ? g_key_file_get_string (keyfile, "user", *key, NULL)
                      : NULL;
    if (value)
      g_hash_table_insert (data, g_strdup (*key), value);
  }
  return data;
}

CgProfile *
cg_profile_parse (const char *file, const char *text, gsize length, GError **error)
{
  g_autoptr (GKeyFile) keyfile = g_key_file_new ();
  g_autoptr (GError) why = NULL;
  if (!g_key_file_load_from_data (keyfile, text, length, G_KEY_FILE_NONE, &why)) {
    g_autofree char *shown = cg_quote (file);
    g_autofree char *quoted = cg_quote (why->message);
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: %s", shown, quoted);
    return NULL;
  }
  CgProfile *profile = g_new0 (CgProfile, 1);
  g_autofree char *permissions = get_string (keyfile, "connection", "permissions");
  profile->id = get_string (keyfile, "connection", "id");
  profile->uuid = get_string (keyfile, "connection", "uuid");
  profile->interface = get_string (keyfile, "connection", "interface-name");
  profile->is_private = permissions != NULL;
  profile->data = get_data (keyfile);
  if (!profile->id) /* NetworkManager takes the file's name then */
    profile->id = g_str_has_suffix (file, SUFFIX)
                      ? g_strndup (file, strlen (file) - strlen (SUFFIX))
                      : g_strdup (file);
  return profile;
}

/* Whose letters are not all put between hyphens. */
static const char *const initials[][2] = {{"DNS", "dns"}, {"IPv6", "ipv6"}};

char *
cg_profile_data_key (const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (initials); i++)
    if (g_str_equal (key, initials[i][0]))
      return g_strconcat (CG_PROFILE_PREFIX, initials[i][1], NULL);
  g_autoptr (GString) data_key = g_string_new (CG_PROFILE_PREFIX);
  for (const char *c = key; *c; c++) {
    if (g_ascii_isupper (*c) && c > key)
      g_string_append_c (data_key, '-');
    g_string_append_c (data_key, g_ascii_tolower (*c));
  }
  return g_strdup (data_key->str);
}

char *
cg_profile_config_key (const char *data_key)
{
  if (!g_str_has_prefix (data_key, CG_PROFILE_PREFIX))
    return NULL;
  const char *word = data_key + strlen (CG_PROFILE_PREFIX);
  for (guint i = 0; i < G_N_ELEMENTS (initials); i++)
    if (g_str_equal (word, initials[i][1]))
      return g_strdup (initials[i][0]);
  g_autoptr (GString) key = g_string_new (NULL);
  for (const char *c = word; *c; c++)
    if (*c != '-')
      g_string_append_c (key, c == word || c[-1] == '-' ? g_ascii_toupper (*c) : *c);
  /* There is one way to write each. Any other stays as it is, and is the name of no key. */
  g_autofree char *back = cg_profile_data_key (key->str);
  return g_strdup (g_str_equal (back, data_key) ? key->str : data_key);
}

static gboolean
has_control_character (const char *value)
{
  for (; *value; value++)
    if (g_ascii_iscntrl (*value))
      return TRUE;
  return FALSE;
}

static gboolean
add_line (GString *text, const char *shown, const char *data_key, const char *value, GError **error)
{
  g_autofree char *key = cg_profile_config_key (data_key);
  g_autofree char *quoted = cg_quote (data_key);
  if (strspn (key, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) != strlen (key) || !*key)
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [user] unknown key %s; see custom-gateway.conf(5) for the keys there are",
                 shown, quoted);
  else if (g_str_equal (key, "Interface") || g_str_equal (key, "Connection"))
    g_set_error (
        error, CG_ERROR, CG_ERROR_CONFIG,
        "%s: [user] %s: the profile itself says which interface it is about; remove the key", shown,
        quoted);
  else if (has_control_character (value)) {
    g_autofree char *word = cg_quote (value);
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [user] %s: control character in %s; write one line", shown, quoted, word);
  } else {
    g_string_append_printf (text, "%s=%s\n", key, value);
    return TRUE;
  }
  return FALSE;
}

char *
cg_profile_to_config (const char *shown, const char *connection, GHashTable *data, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_printf (text, "[Gateway]\nConnection=%s\n", connection);
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (data), (GCompareFunc) strcmp);
  for (GList *key = keys; key; key = key->next)
    if (g_str_has_prefix (key->data, CG_PROFILE_PREFIX) &&
        !add_line (text, shown, key->data, g_hash_table_lookup (data, key->data), error))
      return NULL;
  return g_strdup (text->str);
}
