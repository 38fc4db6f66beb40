/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "nm.h"
#include "profile.h"
#include "profiles.h"

#define NM_SECONDS 5 /* as in resolve-connections.c */

/* What a run is about, once it is known. */
typedef struct {
  const CgOptions *options;
  CgConfig *config;
  CgNmProfile *profile; /* NULL: NetworkManager has it no longer */
  const char *connection;
  GHashTable *data; /* what is to be attached; NULL: what is in the profile */
} Job;

static void
job_clear (Job *job)
{
  g_clear_pointer (&job->config, cg_config_free);
  g_clear_pointer (&job->profile, cg_nm_profile_free);
  g_clear_pointer (&job->data, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Job, job_clear)

static GHashTable *
data_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* "Users=alice" and so on, as user data. */
static GHashTable *
parse_arguments (const char *const *words, GError **error)
{
  g_autoptr (GHashTable) data = data_new ();
  for (; *words; words++) {
    const char *equals = strchr (*words, '=');
    g_autofree char *quoted = cg_quote (*words);
    g_autofree char *key = equals ? g_strndup (*words, (gsize) (equals - *words)) : NULL;
    if (!key || !*key || strspn (key, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) != strlen (key)) {
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s is no KEY=VALUE; see custom-gateway.conf(5) for the keys there are", quoted);
      return NULL;
    }
    if (!g_hash_table_insert (data, cg_profile_data_key (key),
                              g_strstrip (g_strdup (equals + 1)))) {
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s: its key is given twice; put all words into one argument", quoted);
      return NULL;
    }
  }
  return g_steal_pointer (&data);
}

static GHashTable *
data_of_profile (const CgNmProfile *profile)
{
  GHashTable *data = data_new ();
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, profile->data);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_str_has_prefix (key, CG_PROFILE_PREFIX))
      g_hash_table_insert (data, g_strdup (key), g_strdup (value));
  return data;
}

static gboolean
start (Job *job, GError **error)
{
  gboolean found;
  typeof (&cg_nm_find) find = CG_MODULE_FUNCTION ("nm", cg_nm_find, error);
  if (!find)
    return FALSE;
  job->config = cg_config_load (job->options->config_dir, FALSE, cg_user_lookup, error);
  if (!job->config)
    return FALSE;
  cg_profiles_add (job->config, "", cg_user_lookup);
  g_autoptr (GError) why = NULL;
  job->profile = find (job->connection, &found, NM_SECONDS, &why);
  if (job->profile || !found)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

static char *
attached_path (const CgOptions *options, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".conf", NULL);
  return g_build_filename (options->config_dir, CG_ATTACHED_DIR, file, NULL);
}

/* The name of the gateway that was attached to the connection of that UUID, or NULL; also if its
 * file is bad, or loses against another. The caller owns the result. */
static char *
find_attached (const CgOptions *options, const char *uuid)
{
  g_autofree char *directory = g_build_filename (options->config_dir, CG_ATTACHED_DIR, NULL);
  g_autofree char *line = g_strdup_printf ("Connection=%s", uuid);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  for (const char *file; dir && (file = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (directory, file, NULL);
    g_autoptr (GString) text =
        g_str_has_suffix (file, ".conf") ? cg_config_read_trusted (path, file, NULL) : NULL;
    g_auto (GStrv) lines = text ? g_strsplit (text->str, "\n", -1) : NULL;
    if (lines && g_strv_contains ((const char *const *) lines, line))
      return g_strndup (file, strlen (file) - strlen (".conf"));
  }
  return NULL;
}

/* All that a file is checked for, conflicts with other gateways too. Changes nothing. */
static gboolean
check (const Job *job, const char *name, const char *text, GError **error)
{
  g_autofree char *shown = cg_quote (job->profile->id);
  CgGateway *gateway =
      cg_gateway_parse_as (name, shown, text, strlen (text), cg_user_lookup, error);
  if (!gateway)
    return FALSE;
  GPtrArray *gateways = job->config->gateways;
  for (guint i = gateways->len; i-- > 0;)
    if (((CgGateway *) gateways->pdata[i])->from_profile &&
        g_strcmp0 (((CgGateway *) gateways->pdata[i])->connection, gateway->connection) == 0)
      g_ptr_array_remove_index (gateways, i);
  guint before = job->config->bad->len;
  cg_config_add (job->config, gateway);
  if (job->config->bad->len == before)
    return TRUE;
  const CgBadFile *bad = job->config->bad->pdata[before];
  g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG, bad->error->message);
  return FALSE;
}

static gboolean
store (const Job *job, GHashTable *data, GError **error)
{
  typeof (&cg_nm_store) call = CG_MODULE_FUNCTION ("nm", cg_nm_store, error);
  return call && call (job->profile->uuid, CG_PROFILE_PREFIX, data, NM_SECONDS, error);
}

static gboolean
write_attached (const Job *job, const char *name, const char *text, GError **error)
{
  g_autofree char *path = attached_path (job->options, name);
  g_autofree char *directory = g_path_get_dirname (path);
  g_autoptr (GError) why = NULL;
  if (g_mkdir (directory, 0755) < 0 && errno != EEXIST) {
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", directory, g_strerror (errno));
    return FALSE;
  }
  if (g_file_set_contents_full (
          path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &why))
    return TRUE;
  g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, why->message);
  return FALSE;
}

/* The name that the gateway has, if there is one already. The caller owns the result. */
static char *
choose_name (const Job *job)
{
  const CgNmProfile *profile = job->profile;
  g_autofree char *attached = find_attached (job->options, profile->uuid);
  if (attached)
    return g_steal_pointer (&attached);
  for (guint i = 0; i < job->config->gateways->len; i++) {
    const CgGateway *gateway = job->config->gateways->pdata[i];
    if (gateway->from_profile && g_strcmp0 (gateway->connection, profile->uuid) == 0)
      return g_strdup (gateway->name);
  }
  return g_strdup (cg_profiles_name (job->config, profile->id, profile->uuid));
}

static gboolean
attach (const Job *job, GError **error)
{
  const CgNmProfile *profile = job->profile;
  g_autoptr (GHashTable) data =
      job->data ? g_hash_table_ref (job->data) : data_of_profile (profile);
  g_autofree char *shown = cg_quote (profile->id);
  if (profile->refused || !g_uuid_string_is_valid (profile->uuid) ||
      g_hash_table_size (data) == 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "the profile %s %s", shown,
                 profile->refused                ? profile->refused
                 : g_hash_table_size (data) == 0 ? "has no user data of ours; give KEY=VALUE"
                                                 : "has a UUID that is none");
    return FALSE;
  }
  g_autofree char *text = cg_profile_to_config (shown, profile->uuid, data, error);
  g_autofree char *name = choose_name (job);
  return text && check (job, name, text, error) && (!job->data || store (job, data, error)) &&
         write_attached (job, name, text, error);
}

static gboolean
detach (const Job *job, GError **error)
{
  g_autofree char *name =
      find_attached (job->options, job->profile ? job->profile->uuid : job->connection);
  g_autoptr (GHashTable) had = job->profile ? data_of_profile (job->profile) : data_new ();
  g_autoptr (GHashTable) nothing = data_new ();
  if (!name && g_hash_table_size (had) == 0) {
    g_autofree char *quoted = cg_quote (job->connection);
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "nothing is attached to a connection %s%s",
                 quoted, job->profile ? "" : ", and NetworkManager has none of that id or UUID");
    return FALSE;
  }
  if (g_hash_table_size (had) > 0 && !store (job, nothing, error))
    return FALSE;
  g_autofree char *path = name ? attached_path (job->options, name) : NULL;
  if (!path || g_unlink (path) == 0)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
change (const CgOptions *options, gboolean is_attach, const char *const *words, GError **error)
{
  g_auto (CgLock) lock = CG_NO_LOCK;
  g_auto (Job) job = {.options = options, .connection = words[0]};
  if (words[1] && !(job.data = parse_arguments (words + 1, error)))
    return FALSE;
  if (!cg_lock_for (options, &lock, NULL, error) || !start (&job, error))
    return FALSE;
  if (!is_attach)
    return detach (&job, error);
  if (job.profile)
    return attach (&job, error);
  g_autofree char *quoted = cg_quote (words[0]);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
               "NetworkManager has no connection %s; see 'nmcli connection show'", quoted);
  return FALSE;
}

static int
run (const CgOptions *options, gboolean is_attach, const char *const *words)
{
  static const char *const all[] = {NULL};
  g_autoptr (GError) error = NULL;
  if (!change (options, is_attach, words, &error))
    return cg_fail (error);
  return cg_command_reapply (options, all);
}

int
cg_command_attach (const CgOptions *options, const char *const *words)
{
  if (*words)
    return run (options, TRUE, words);
  g_warning ("usage: custom-gateway attach CONNECTION [KEY=VALUE...]");
  return CG_EXIT_CONFIG;
}

int
cg_command_detach (const CgOptions *options, const char *const *words)
{
  if (*words && !words[1])
    return run (options, FALSE, words);
  g_warning ("usage: custom-gateway detach CONNECTION");
  return CG_EXIT_CONFIG;
}
