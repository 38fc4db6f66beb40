/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gateway.h"
#include "gateway-keys.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define GROUP "Gateway"

void
cg_gateway_free (CgGateway *gateway)
{
  g_free (gateway->name);
  g_free (gateway->interface);
  g_free (gateway->connection);
  g_free (gateway->interface_unit);
  g_strfreev (gateway->services);
  g_array_unref (gateway->uids);
  g_array_unref (gateway->users);
  g_array_unref (gateway->dns);
  g_array_unref (gateway->bypass);
  g_ptr_array_unref (gateway->found);
  g_clear_pointer (&gateway->unit, cg_service_fact_free);
  g_clear_pointer (&gateway->text, g_bytes_unref);
  g_clear_pointer (&gateway->tunnel_unit, cg_service_fact_free);
  g_free (gateway);
}

static CgGateway *
gateway_new (const char *name)
{
  CgGateway *gateway = g_new0 (CgGateway, 1);
  gateway->name = g_strdup (name);
  gateway->services = g_new0 (char *, 1);
  gateway->uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  gateway->users = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  gateway->dns = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  gateway->bypass = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  gateway->found = cg_service_facts_new ();
  gateway->guard = CG_GUARD_YES;
  gateway->priority = CG_PRIORITY_DEFAULT;
  return gateway;
}

gboolean
cg_user_lookup (const char *name, guint32 *uid, GError **error)
{
  struct passwd entry, *found = NULL;
  gsize size = 1024;
  g_autofree char *buffer = g_malloc (size);
  int status;
  while ((status = getpwnam_r (name, &entry, buffer, size, &found)) == ERANGE && size < 1 << 20) {
    size *= 2;
    buffer = g_realloc (buffer, size);
  }
  if (!found) {
    /* getpwnam(3): these all mean that there is no such name */
    if (status == 0 || status == ENOENT || status == ESRCH || status == EBADF || status == EPERM)
      g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG, "no such user");
    else
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "the user database does not answer (%s) for",
                   g_strerror (status));
    return FALSE;
  }
  *uid = found->pw_uid;
  return TRUE;
}

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static gboolean
bad_line (const char *file, guint number, const char *word, const char *what, GError **error)
{
  g_autofree char *quoted = cg_quote (word);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: line %u: %s %s", file, number, quoted, what);
  return FALSE;
}

/* What GKeyFile does not refuse, or not in words that help. It silently lets the last of two equal
 * keys win; a second Users= line would then take users out of the tunnel. */
static gboolean
check_lines (const char *file, const char *text, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean in_group = FALSE;
  if (g_str_has_prefix (text, BYTE_ORDER_MARK)) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: begins with a byte order mark; save it as UTF-8 without one", file);
    return FALSE;
  }
  for (guint i = 0; lines[i]; i++) {
    char *line = g_strstrip (lines[i]);
    char *equals = strchr (line, '=');
    if (!*line || *line == '#')
      continue;
    if (*line == '[') {
      if (!g_str_has_suffix (line, "]"))
        return bad_line (file, i + 1, line, "is no group; write [" GROUP "]", error);
      in_group = TRUE;
      continue;
    }
    g_autofree char *key = equals ? g_strchomp (g_strndup (line, (gsize) (equals - line))) : NULL;
    /* GKeyFile takes Key[de] for a translation of Key, and passes over it in another locale */
    if (!key || !*key || strchr (key, '['))
      return bad_line (file, i + 1, key && *key ? key : line,
                       "is no KEY=VALUE; a comment starts with #", error);
    if (!in_group)
      return bad_line (file, i + 1, key, "stands before [" GROUP "]; begin the file with that line",
                       error);
    g_autofree char *quoted = cg_quote (key);
    if (!g_hash_table_add (seen, g_steal_pointer (&key))) {
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s: [" GROUP "] key %s is given twice; keep one line, with all the words on it",
                   file, quoted);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
refuse_unknown_groups (const char *file, GKeyFile *keyfile, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (keyfile, NULL);
  for (char **group = groups; *group; group++)
    if (!g_str_equal (*group, GROUP)) {
      g_autofree char *quoted = cg_quote (*group);
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s: unknown group %s; all keys belong to [" GROUP "]", file, quoted);
      return FALSE;
    }
  if (!groups[0]) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: no group [" GROUP "]; see custom-gateway.conf(5) for an example", file);
    return FALSE;
  }
  return TRUE;
}

/* What no key can check alone. */
static gboolean
check_whole (CgGateway *gateway, const char *file, GError **error)
{
  if (gateway->interface && gateway->connection) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [" GROUP "] Connection: Interface= is given beside it; remove one of them: a "
                 "connection brings its interface along",
                 file);
    return FALSE;
  }
  if (gateway->uids->len == 0 && !gateway->services[0]) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [" GROUP "] confines nobody; give Services= or Users=", file);
    return FALSE;
  }
  if (gateway->interface || gateway->connection)
    return TRUE;
  if (!cg_interface_name_valid (gateway->name)) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [" GROUP
                 "] Interface: is not given, and the file's name is no interface's; give "
                 "Interface= or Connection=",
                 file);
    return FALSE;
  }
  gateway->interface = g_strdup (gateway->name);
  return TRUE;
}

CgGateway *
cg_gateway_parse (
    const char *name, const char *text, gsize length, CgUserLookup lookup, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".conf", NULL);
  return cg_gateway_parse_as (name, file, text, length, lookup, error);
}

CgGateway *
cg_gateway_parse_as (const char *name,
                     const char *file,
                     const char *text,
                     gsize length,
                     CgUserLookup lookup,
                     GError **error)
{
  g_autofree char *copy = g_strndup (length > 0 ? text : "", length);
  if (strlen (copy) != length) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: a NUL byte at offset %" G_GSIZE_FORMAT "; this is not a text file", file,
                 strlen (copy));
    return NULL;
  }
  g_autoptr (GKeyFile) keyfile = g_key_file_new ();
  g_autoptr (GError) why = NULL;
  if (!check_lines (file, copy, error))
    return NULL;
  if (length > 0 && !g_key_file_load_from_data (keyfile, copy, length, G_KEY_FILE_NONE, &why)) {
    g_autofree char *quoted = cg_quote (why->message);
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: %s; write [" GROUP "], then lines KEY=VALUE", file, quoted);
    return NULL;
  }
  if (!refuse_unknown_groups (file, keyfile, error))
    return NULL;

  g_autoptr (CgGateway) gateway = gateway_new (name);
  g_auto (GStrv) given = g_key_file_get_keys (keyfile, GROUP, NULL, NULL);
  for (char **key = given; *key; key++) {
    g_autofree char *value = g_key_file_get_value (keyfile, GROUP, *key, NULL);
    if (!cg_gateway_set_key (gateway, file, *key, g_strstrip (value), lookup, error))
      return NULL;
  }
  if (!check_whole (gateway, file, error))
    return NULL;
  g_array_append_vals (gateway->users, gateway->uids->data, gateway->uids->len);
  return g_steal_pointer (&gateway);
}

const CgPrefix *
cg_gateway_find_bypass (const CgGateway *gateway, const CgPrefix *address)
{
  for (guint i = 0; i < gateway->bypass->len; i++) {
    const CgPrefix *bypass = &g_array_index (gateway->bypass, CgPrefix, i);
    if (cg_prefix_covers (bypass, address))
      return bypass;
  }
  return NULL;
}

gboolean
cg_gateway_pins (const CgGateway *gateway, const CgPrefix *server)
{
  /* the other end of the tunnel says what the servers of DNS=auto are, so nothing in the file can
   * mean one of them */
  gboolean is_meant =
      gateway->dns_mode == CG_DNS_SERVERS && cg_prefixes_have (gateway->bypass, server);
  return !is_meant && cg_prefixes_have (gateway->dns, server) && !cg_prefix_is_loopback (server) &&
         cg_gateway_find_bypass (gateway, server);
}

gboolean
cg_gateway_bypasses (const CgGateway *gateway, const CgPrefix *address)
{
  return cg_gateway_find_bypass (gateway, address) && !cg_gateway_pins (gateway, address);
}
