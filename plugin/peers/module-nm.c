/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <NetworkManager.h>

#include "error.h"
#include "nm.h"

/* One talk with NetworkManager: libnm in a main context of its own, and a clock that ends it. */
typedef struct {
  GMainContext *context;
  GCancellable *cancellable;
  GSource *clock;
  guint seconds;
  NMClient *client;
  GAsyncResult *result; /* of the call that is under way, once it is there */
} Talk;

static gboolean
time_is_over (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

static Talk *
talk_new (guint seconds)
{
  Talk *talk = g_new0 (Talk, 1);
  talk->seconds = seconds;
  talk->context = g_main_context_new ();
  talk->cancellable = g_cancellable_new ();
  talk->clock = g_timeout_source_new_seconds (seconds);
  g_source_set_callback (talk->clock, time_is_over, talk->cancellable, NULL);
  g_source_attach (talk->clock, talk->context);
  g_main_context_push_thread_default (talk->context);
  return talk;
}

/* libnm ends its business with the bus in the context; the watcher lives for as long as there is
 * any. */
static void
end_client (Talk *talk)
{
  gpointer busy = nm_client_get_context_busy_watcher (talk->client);
  GWeakRef watcher;
  g_weak_ref_init (&watcher, busy);
  g_clear_object (&talk->client);
  while ((busy = g_weak_ref_get (&watcher)) && !g_cancellable_is_cancelled (talk->cancellable)) {
    g_object_unref (busy);
    g_main_context_iteration (talk->context, TRUE);
  }
  g_clear_object (&busy);
  g_weak_ref_clear (&watcher);
}

static void
talk_free (Talk *talk)
{
  if (talk->client)
    end_client (talk);
  g_clear_object (&talk->result);
  g_source_destroy (talk->clock);
  g_source_unref (talk->clock);
  g_object_unref (talk->cancellable);
  g_main_context_pop_thread_default (talk->context);
  g_main_context_unref (talk->context);
  g_free (talk);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Talk, talk_free)

static void
keep_result (GObject *source, GAsyncResult *result, gpointer data)
{
  (void) source;
  ((Talk *) data)->result = g_object_ref (result);
}

static GAsyncResult *
wait_for_result (Talk *talk)
{
  while (!talk->result)
    g_main_context_iteration (talk->context, TRUE);
  return talk->result;
}

static gboolean
fail (const Talk *talk, const GError *why, GError **error)
{
  if (g_cancellable_is_cancelled (talk->cancellable))
    g_set_error (error, CG_ERROR, CG_ERROR_SILENT, "NetworkManager has not answered for %u seconds",
                 talk->seconds);
  else
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "NetworkManager: %s", why->message);
  return FALSE;
}

static Talk *
talk_begin (guint seconds, GError **error)
{
  g_autoptr (Talk) talk = talk_new (seconds);
  g_autoptr (GError) why = NULL;
  g_async_initable_new_async (NM_TYPE_CLIENT, G_PRIORITY_DEFAULT, talk->cancellable, keep_result,
                              talk, NM_CLIENT_INSTANCE_FLAGS,
                              NM_CLIENT_INSTANCE_FLAGS_NO_AUTO_FETCH_PERMISSIONS, NULL);
  wait_for_result (talk);
  talk->client = nm_client_new_finish (talk->result, &why);
  g_clear_object (&talk->result);
  if (!talk->client) {
    fail (talk, why, error);
    if (g_error_matches (why, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
      g_prefix_error (error, "no system bus, by which NetworkManager is asked; does D-Bus run? ");
    return NULL;
  }
  if (!nm_client_get_nm_running (talk->client)) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "NetworkManager does not run");
    return NULL;
  }
  return g_steal_pointer (&talk);
}

/* Whether somebody without root's rights can have made the profile as it is now. A profile that
 * names users is theirs to change, and what is in memory only may be anybody's passing idea. */
static char *
why_refused (NMRemoteConnection *remote)
{
  NMSettingConnection *setting =
      remote ? nm_connection_get_setting_connection (NM_CONNECTION (remote)) : NULL;
  const char *file = remote ? nm_remote_connection_get_filename (remote) : NULL;
  if (!setting)
    return g_strdup ("cannot be looked at");
  if (nm_setting_connection_get_num_permissions (setting) > 0)
    return g_strdup ("belongs to single users (connection.permissions), who may change it");
  if (nm_remote_connection_get_flags (remote) &
          (NM_SETTINGS_CONNECTION_FLAG_UNSAVED | NM_SETTINGS_CONNECTION_FLAG_VOLATILE |
           NM_SETTINGS_CONNECTION_FLAG_NM_GENERATED | NM_SETTINGS_CONNECTION_FLAG_EXTERNAL) ||
      !file || g_str_has_prefix (file, "/run/"))
    return g_strdup ("is in memory only; save it to disk");
  return NULL;
}

/* A VPN's active connection names the device below it, and has the IP configuration of its own
 * interface in common with that interface's device. Compared are objects, not addresses: those are
 * for the server to choose, and it could choose the LAN's. */
static NMDevice *
find_vpn_device (NMClient *client, NMActiveConnection *active)
{
  const GPtrArray *below = nm_active_connection_get_devices (active);
  const GPtrArray *devices = nm_client_get_devices (client);
  NMIPConfig *ip4 = nm_active_connection_get_ip4_config (active);
  NMIPConfig *ip6 = nm_active_connection_get_ip6_config (active);
  for (guint i = 0; i < devices->len; i++) {
    NMDevice *device = devices->pdata[i];
    if (below && g_ptr_array_find ((GPtrArray *) below, device, NULL))
      continue;
    if ((ip4 && nm_device_get_ip4_config (device) == ip4) ||
        (ip6 && nm_device_get_ip6_config (device) == ip6))
      return device;
  }
  return NULL;
}

static NMDevice *
find_device (NMClient *client, NMActiveConnection *active)
{
  if (nm_active_connection_get_vpn (active))
    return find_vpn_device (client, active);
  const GPtrArray *devices = nm_active_connection_get_devices (active);
  return devices && devices->len == 1 ? devices->pdata[0] : NULL;
}

static void
add_servers (GStrvBuilder *builder, NMIPConfig *config)
{
  const char *const *servers = config ? nm_ip_config_get_nameservers (config) : NULL;
  for (; servers && *servers; servers++)
    g_strv_builder_add (builder, *servers);
}

static CgNmConnection *
describe (NMClient *client, NMActiveConnection *active)
{
  CgNmConnection *connection = g_new0 (CgNmConnection, 1);
  NMDevice *device = find_device (client, active);
  const char *ip_iface = device ? nm_device_get_ip_iface (device) : NULL;
  g_autoptr (GStrvBuilder) servers = g_strv_builder_new ();
  connection->id = g_strdup (nm_active_connection_get_id (active));
  connection->uuid = g_strdup (nm_active_connection_get_uuid (active));
  connection->interface = g_strdup (ip_iface ? ip_iface
                                    : device ? nm_device_get_iface (device)
                                             : NULL);
  connection->refused = why_refused (nm_active_connection_get_connection (active));
  add_servers (servers, nm_active_connection_get_ip4_config (active));
  add_servers (servers, nm_active_connection_get_ip6_config (active));
  connection->servers = g_strv_builder_end (servers);
  return connection;
}

static gboolean
is_active (NMActiveConnection *active)
{
  /* while it is being taken down the interface may still be there: the kernel knows better */
  return nm_active_connection_get_state (active) != NM_ACTIVE_CONNECTION_STATE_DEACTIVATED &&
         nm_active_connection_get_id (active) && nm_active_connection_get_uuid (active);
}

GPtrArray *
cg_nm_look (guint seconds, GError **error)
{
  g_autoptr (Talk) talk = talk_begin (seconds, error);
  if (!talk)
    return NULL;
  GPtrArray *connections = g_ptr_array_new_with_free_func ((GDestroyNotify) cg_nm_connection_free);
  const GPtrArray *actives = nm_client_get_active_connections (talk->client);
  for (guint i = 0; i < actives->len; i++)
    if (is_active (actives->pdata[i]))
      g_ptr_array_add (connections, describe (talk->client, actives->pdata[i]));
  return connections;
}

/* The profile, or NULL with error set; *count is how many have that name. */
static NMRemoteConnection *
find_profile (Talk *talk, const char *name, guint *count, GError **error)
{
  NMRemoteConnection *remote = nm_client_get_connection_by_uuid (talk->client, name);
  const GPtrArray *all = nm_client_get_connections (talk->client);
  *count = remote ? 1 : 0;
  for (guint i = 0; !nm_client_get_connection_by_uuid (talk->client, name) && i < all->len; i++)
    if (g_strcmp0 (nm_connection_get_id (all->pdata[i]), name) == 0) {
      remote = all->pdata[i];
      (*count)++;
    }
  if (*count == 1)
    return remote;
  g_autofree char *quoted = cg_quote (name);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "NetworkManager has %s connection %s; %s",
               *count ? "more than one" : "no", quoted,
               *count ? "give its UUID" : "see 'nmcli connection show'");
  return NULL;
}

static GHashTable *
read_data (NMRemoteConnection *remote)
{
  GHashTable *data = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  NMSettingUser *user =
      NM_SETTING_USER (nm_connection_get_setting (NM_CONNECTION (remote), NM_TYPE_SETTING_USER));
  const char *const *keys = user ? nm_setting_user_get_keys (user, NULL) : NULL;
  for (; keys && *keys; keys++)
    g_hash_table_insert (data, g_strdup (*keys), g_strdup (nm_setting_user_get_data (user, *keys)));
  return data;
}

CgNmProfile *
cg_nm_find (const char *connection, gboolean *found, guint seconds, GError **error)
{
  guint count = 0;
  *found = TRUE; /* as far as anybody knows */
  g_autoptr (Talk) talk = talk_begin (seconds, error);
  if (!talk)
    return NULL;
  NMRemoteConnection *remote = find_profile (talk, connection, &count, error);
  *found = count > 0;
  if (!remote)
    return NULL;
  CgNmProfile *profile = g_new0 (CgNmProfile, 1);
  profile->id = g_strdup (nm_connection_get_id (NM_CONNECTION (remote)));
  profile->uuid = g_strdup (nm_connection_get_uuid (NM_CONNECTION (remote)));
  profile->interface = g_strdup (nm_connection_get_interface_name (NM_CONNECTION (remote)));
  profile->refused = why_refused (remote);
  profile->data = read_data (remote);
  return profile;
}

/* Puts the data into a copy of the profile's user setting. */
static gboolean
change_data (NMConnection *profile, const char *prefix, GHashTable *data, GError **error)
{
  NMSetting *old = nm_connection_get_setting (profile, NM_TYPE_SETTING_USER);
  NMSettingUser *user = NM_SETTING_USER (old ? nm_setting_duplicate (old) : nm_setting_user_new ());
  nm_connection_add_setting (profile, NM_SETTING (user)); /* takes it */
  g_auto (GStrv) keys = g_strdupv ((char **) nm_setting_user_get_keys (user, NULL));
  for (char **key = keys; key && *key; key++)
    if (g_str_has_prefix (*key, prefix) && !nm_setting_user_set_data (user, *key, NULL, error))
      return FALSE;
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, data);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (!nm_setting_user_set_data (user, key, value, error))
      return FALSE;
  if (!nm_setting_user_get_keys (user, NULL))
    nm_connection_remove_setting (profile, NM_TYPE_SETTING_USER);
  return TRUE;
}

gboolean
cg_nm_store (const char *uuid, const char *prefix, GHashTable *data, guint seconds, GError **error)
{
  guint count = 0;
  g_autoptr (GError) why = NULL;
  g_autoptr (Talk) talk = talk_begin (seconds, error);
  if (!talk)
    return FALSE;
  NMRemoteConnection *remote = find_profile (talk, uuid, &count, error);
  if (!remote)
    return FALSE;
  g_autoptr (NMConnection) copy = nm_simple_connection_new_clone (NM_CONNECTION (remote));
  if (!change_data (copy, prefix, data, &why))
    return fail (talk, why, error);
  /* NetworkManager keeps the secrets that it has when an update brings none */
  nm_remote_connection_update2 (
      remote, nm_connection_to_dbus (copy, NM_CONNECTION_SERIALIZE_WITH_NON_SECRET),
      NM_SETTINGS_UPDATE2_FLAG_TO_DISK | NM_SETTINGS_UPDATE2_FLAG_NO_REAPPLY, NULL,
      talk->cancellable, keep_result, talk);
  wait_for_result (talk);
  g_autoptr (GVariant) done = nm_remote_connection_update2_finish (remote, talk->result, &why);
  return done ? TRUE : fail (talk, why, error);
}
