/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profiles.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile.h"

#define SUFFIX ".nmconnection"
/* Anybody can make profiles for himself; so many lines tell that there are some. */
#define MAX_REFUSED 4

typedef enum {
  WRITTEN_BY_ROOT, /* NetworkManager only reads there */
  WRITTEN_BY_NM,   /* for whomever polkit lets it */
  NOT_STORED,      /* gone with the next boot */
} Writer;

/* NetworkManager.conf(5), section keyfile; what is in /etc goes before what is in /usr/lib. */
static const struct {
  const char *path;
  Writer writer;
} places[] = {
    {"/etc/NetworkManager/system-connections", WRITTEN_BY_NM},
    {"/usr/lib/NetworkManager/system-connections", WRITTEN_BY_ROOT},
    {"/run/NetworkManager/system-connections", NOT_STORED},
};

static gboolean
is_in_place (const char *path, const char *place)
{
  return g_str_has_prefix (path, place) && path[strlen (place)] == '/' &&
         !strchr (path + strlen (place) + 1, '/');
}

gboolean
cg_profiles_is_system (const char *root, const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    if (places[i].writer == NOT_STORED || !is_in_place (path, places[i].path))
      continue;
    g_autofree char *file = g_path_get_basename (path);
    g_autofree char *real = g_strconcat (root, path, NULL);
    g_autoptr (GString) text = cg_config_read_trusted (real, file, NULL);
    g_autoptr (CgProfile) profile =
        text ? cg_profile_parse (file, text->str, text->len, NULL) : NULL;
    return profile && !profile->is_private;
  }
  return FALSE;
}

const char *
cg_profiles_name (const CgConfig *config, const char *id, const char *uuid)
{
  return cg_gateway_name_valid (id) && !cg_config_find (config, id) &&
                 !cg_config_find_bad (config, id)
             ? id
             : uuid;
}

/* The gateway of a file that is about the same connection or interface, or NULL. */
static const CgGateway *
find_file (const CgConfig *config, const char *connection, const CgProfile *profile)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (gateway->from_profile)
      continue;
    if (g_strcmp0 (gateway->connection, connection) == 0)
      return gateway;
    if (profile &&
        (g_strcmp0 (gateway->connection, profile->id) == 0 ||
         (gateway->interface && g_strcmp0 (gateway->interface, profile->interface) == 0)))
      return gateway;
  }
  return NULL;
}

/* profile is NULL if its file was not found. */
static void
add_unless_file (CgConfig *config, CgGateway *gateway, const CgProfile *profile)
{
  const CgGateway *file = find_file (config, gateway->connection, profile);
  const char *winner = file                                         ? file->name
                       : cg_config_find (config, gateway->name)     ? gateway->name
                       : cg_config_find_bad (config, gateway->name) ? gateway->name
                                                                    : NULL;
  gateway->from_profile = TRUE;
  if (!winner) {
    cg_config_add (config, gateway);
    return;
  }
  g_autofree char *quoted = cg_quote (gateway->connection);
  cg_config_warn (config, "%s: the file %s.conf is in force, not the user data of the profile %s",
                  winner, winner, quoted);
  cg_gateway_free (gateway);
}

/* What was attached. The config has the gateway in the end. */
typedef struct {
  CgGateway *gateway;
  gboolean seen; /* in a profile */
} Attached;

static int
is_config (const struct dirent *entry)
{
  return entry->d_name[0] != '.' && g_str_has_suffix (entry->d_name, ".conf");
}

static int
is_profile (const struct dirent *entry)
{
  return entry->d_name[0] != '.' && g_str_has_suffix (entry->d_name, SUFFIX);
}

/* By name, so that the same one always wins. */
static int
by_file_name (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

/* The names in a directory; one that is not there is an empty one. Who cannot look does not know
 * what is in it, and sets nobody free. */
static GStrv
list_files (CgConfig *config, const char *directory, int (*filter) (const struct dirent *))
{
  struct dirent **entry = NULL;
  int count = scandir (directory, &entry, filter, by_file_name);
  if (count < 0 && errno != ENOENT && errno != ENOTDIR)
    config->incomplete = TRUE;
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  for (int i = 0; i < count; i++) {
    g_strv_builder_add (names, entry[i]->d_name);
    free (entry[i]);
  }
  if (count >= 0)
    free (entry);
  return g_strv_builder_end (names);
}

static void
load_attached (
    CgConfig *config, const char *path, const char *file, CgUserLookup lookup, GArray *all)
{
  g_autofree char *name = g_strndup (file, strlen (file) - strlen (".conf"));
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway = cg_config_load_file (path, lookup, &error);
  if (gateway && !gateway->connection)
    g_set_error (&error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [Gateway] Connection: is not given; what is attached belongs to a connection",
                 file);
  if (error) {
    cg_config_add_bad (config, name, g_steal_pointer (&error));
    return;
  }
  Attached attached = {.gateway = g_steal_pointer (&gateway)};
  g_array_append_val (all, attached);
}

static GArray *
load_all_attached (CgConfig *config, CgUserLookup lookup)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (Attached));
  g_autofree char *directory = g_build_filename (config->directory, CG_ATTACHED_DIR, NULL);
  g_autoptr (GError) error = NULL;
  if (g_file_test (directory, G_FILE_TEST_EXISTS) && !cg_config_check_trust (directory, &error)) {
    cg_config_add_bad (config, CG_ATTACHED_DIR, g_steal_pointer (&error));
    return all;
  }
  g_auto (GStrv) files = list_files (config, directory, is_config);
  for (char **file = files; *file; file++) {
    g_autofree char *path = g_build_filename (directory, *file, NULL);
    load_attached (config, path, *file, lookup, all);
  }
  return all;
}

static Attached *
find_attached (GArray *all, const char *uuid)
{
  for (guint i = 0; uuid && i < all->len; i++) {
    Attached *attached = &g_array_index (all, Attached, i);
    if (g_strcmp0 (attached->gateway->connection, uuid) == 0)
      return attached;
  }
  return NULL;
}

/* A profile that makes a gateway by itself. */
static void
add_profile (CgConfig *config, const char *file, const CgProfile *profile, CgUserLookup lookup)
{
  const char *connection = profile->uuid ? profile->uuid : profile->id;
  const char *name = cg_profiles_name (config, profile->id, connection);
  g_autofree char *shown = cg_quote (file);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = cg_profile_to_config (shown, connection, profile->data, &error);
  CgGateway *gateway = text && cg_gateway_name_valid (name)
                           ? cg_gateway_parse_as (name, shown, text, strlen (text), lookup, &error)
                           : NULL;
  if (gateway) {
    add_unless_file (config, gateway, profile);
    return;
  }
  if (!error)
    g_set_error (&error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: [connection] uuid: is not given, and the id is no gateway's name; give both",
                 shown);
  cg_config_add_bad (config, name, g_steal_pointer (&error));
}

/* Whether the user data are what the gateway's file was made from. */
static gboolean
are_attached (const CgGateway *gateway, const char *shown, const CgProfile *profile)
{
  g_autofree char *text = cg_profile_to_config (shown, gateway->connection, profile->data, NULL);
  gsize size;
  gconstpointer attached = g_bytes_get_data (gateway->text, &size);
  return text && strlen (text) == size && memcmp (text, attached, size) == 0;
}

static void
look_at_attached (CgConfig *config, Attached *attached, const char *file, const CgProfile *profile)
{
  if (attached->seen)
    return;
  g_autofree char *shown = cg_quote (file);
  if (!are_attached (attached->gateway, shown, profile))
    cg_config_warn (config,
                    "%s: the user data of %s are no longer those that were attached, which stay in "
                    "force; run 'custom-gateway attach' with its UUID to take them over",
                    attached->gateway->name, shown);
  attached->seen = TRUE;
  add_unless_file (config, attached->gateway, profile);
}

/* One look at all profiles. */
typedef struct {
  CgConfig *config;
  GArray *attached;
  CgUserLookup lookup;
  guint refused;
} Search;

static void
refuse (Search *search, const char *file, const char *why)
{
  g_autofree char *shown = cg_quote (file);
  if (search->refused++ < MAX_REFUSED)
    cg_config_warn (search->config, "%s: the user data of this profile are not in force: %s", shown,
                    why);
}

/* Where data count without an attach, a profile that cannot be read may have been in force. */
static void
doubt (Search *search, const char *file, const GError *why)
{
  search->config->incomplete = TRUE;
  if (geteuid () == 0) /* others cannot read profiles */
    refuse (search, file, why->message);
}

static void
look_at_profile (Search *search, const char *file, Writer writer, const CgProfile *profile)
{
  Attached *known = find_attached (search->attached, profile->uuid);
  if (profile->is_private)
    refuse (search, file, "it belongs to single users (connection.permissions), who may change it");
  else if (writer == NOT_STORED)
    refuse (search, file, "it is in memory only; save it to disk");
  else if (known)
    look_at_attached (search->config, known, file, profile);
  else if (writer == WRITTEN_BY_ROOT)
    add_profile (search->config, file, profile, search->lookup);
  else {
    refuse (search, file,
            "whoever polkit lets change profiles can have written them; if they are right, run "
            "'custom-gateway attach' with its id or UUID");
    search->config->incomplete =
        TRUE; /* they may have been in force, in a place where they counted */
  }
}

static void
look_at_file (Search *search, const char *path, const char *file, Writer writer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = cg_config_read_trusted (path, file, &error);
  /* most profiles are no business of ours, and are not worth a parser's time */
  if (text && !strstr (text->str, CG_PROFILE_PREFIX))
    return;
  g_autoptr (CgProfile) profile =
      text ? cg_profile_parse (file, text->str, text->len, &error) : NULL;
  if (profile && g_hash_table_size (profile->data) > 0)
    look_at_profile (search, file, writer, profile);
  else if (!profile && writer == WRITTEN_BY_ROOT)
    doubt (search, file, error);
}

/* What was attached, and is in no profile any more. */
static void
add_lost (CgConfig *config, const Attached *lost)
{
  g_autofree char *quoted = cg_quote (lost->gateway->connection);
  if (geteuid () == 0) /* others cannot read profiles */
    cg_config_warn (config,
                    "%s: no profile has the user data that were attached, which stay in force; run "
                    "'custom-gateway detach' with the UUID %s to remove them",
                    lost->gateway->name, quoted);
  add_unless_file (config, lost->gateway, NULL);
}

void
cg_profiles_add (CgConfig *config, const char *root, CgUserLookup lookup)
{
  if (!config->directory || config->has_profiles)
    return;
  config->has_profiles = TRUE;
  g_autoptr (GArray) attached = load_all_attached (config, lookup);
  Search search = {.config = config, .attached = attached, .lookup = lookup};
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree char *directory = g_strconcat (root, places[i].path, NULL);
    g_auto (GStrv) files = list_files (config, directory, is_profile);
    for (char **file = files; *file; file++) {
      g_autofree char *path = g_build_filename (directory, *file, NULL);
      look_at_file (&search, path, *file, places[i].writer);
    }
  }
  for (guint i = 0; i < attached->len; i++)
    if (!g_array_index (attached, Attached, i).seen)
      add_lost (config, &g_array_index (attached, Attached, i));
}
