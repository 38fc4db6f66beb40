/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bad-users-confine.h"

#include <string.h>

#include "bad-users.h"
#include "bad-words.h"
#include "profiles.h"

/* As far as it is root's alone: what others could write names no user. */
static GString *
read_file (const CgConfig *config, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".conf", NULL);
  if (!config->directory || strchr (name, '/'))
    return NULL;
  g_autofree char *path = g_build_filename (config->directory, file, NULL);
  g_autofree char *attached = g_build_filename (config->directory, CG_ATTACHED_DIR, file, NULL);
  return cg_config_read_trusted (g_file_test (path, G_FILE_TEST_EXISTS) ? path : attached, file,
                                 NULL);
}

static GArray *
without (const GArray *uids, const GArray *others)
{
  GArray *rest = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < uids->len; i++)
    cg_uids_append_rest (others, g_array_index (uids, CgUidRange, i), rest);
  return rest;
}

static GArray *
uids_of_gateways (const CgConfig *config)
{
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_array_append_vals (uids, gateway->uids->data, gateway->uids->len);
  }
  cg_uids_normalise (uids);
  return uids;
}

/* No tunnel will ever be there for it. */
static CgGateway *
gateway_new (const char *name, const GArray *uids)
{
  static const char text[] = "[Gateway]\nInterface=none\nOnDown=block\nIPv6=block\nUsers=1\n";
  g_autofree char *valid = cg_bad_users_name (name);
  CgGateway *gateway = cg_gateway_parse (valid, text, strlen (text), NULL, NULL);
  g_clear_pointer (&gateway->interface, g_free);
  g_array_set_size (gateway->uids, 0);
  g_array_append_vals (gateway->uids, uids->data, uids->len);
  return gateway;
}

static void
tell (const char *name, const GArray *uids)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *quoted = cg_quote (name);
  for (guint i = 0; i < MIN (uids->len, 4); i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (uids, CgUidRange, i));
    g_string_append_printf (text, " %s", range);
  }
  g_warning ("%s.conf: no good one is kept, so the users that it names are blocked until it is "
             "mended: uid%s%s",
             cg_gateway_name_valid (name) ? name : quoted, text->str, uids->len > 4 ? " ..." : "");
}

static void
confine (CgConfig *config, const char *name, const GArray *held, CgUserLookup lookup)
{
  g_autoptr (GString) text = read_file (config, name);
  if (!text)
    return;
  g_autoptr (GArray) named = cg_bad_uids (text->str, text->len, lookup);
  g_autoptr (GArray) known = uids_of_gateways (config);
  g_autoptr (GArray) unknown = without (named, known);
  g_autoptr (GArray) uids = without (unknown, held);
  if (uids->len == 0)
    return;
  tell (name, uids);
  cg_config_add (config, gateway_new (name, uids));
}

void
cg_bad_users_confine (CgConfig *config,
                      const char *const *names,
                      const GArray *held,
                      CgUserLookup lookup)
{
  guint n_bad = config->bad->len;
  for (guint i = 0; i < n_bad; i++) {
    const char *name = ((const CgBadFile *) config->bad->pdata[i])->name;
    g_autofree char *valid = cg_bad_users_name (name);
    if (!cg_config_find (config, valid) && (!*names || g_strv_contains (names, name)))
      confine (config, name, held, lookup);
  }
}
