/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve-connections.h"

#include "nm.h"
#include "profiles.h"
#include "link-dns.h"

/* Others wait for our lock for 20 seconds. */
#define NM_SECONDS 5

gboolean
cg_gateway_has_connection (const CgGateway *gateway, const char *id, const char *uuid)
{
  return gateway->connection &&
         (g_strcmp0 (gateway->connection, uuid) == 0 || g_strcmp0 (gateway->connection, id) == 0);
}

/* Whether somebody has to be asked for it. */
static gboolean
is_open (const CgGateway *gateway)
{
  return (gateway->connection && !gateway->interface) ||
         (gateway->dns_mode == CG_DNS_AUTO && gateway->dns->len == 0);
}

static gboolean
needs_others (const CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++)
    if (is_open (config->gateways->pdata[i]))
      return TRUE;
  return FALSE;
}

static void
add_servers (CgGateway *gateway, const char *servers)
{
  if (gateway->dns_mode == CG_DNS_AUTO && servers)
    cg_link_dns_add (gateway->dns, servers);
}

static void
take_hints (CgConfig *config, const CgHints *hints)
{
  if (!hints->interface)
    return;
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    /* a user can make a profile of the same id, see cg_profiles_is_system() */
    if (!gateway->interface &&
        cg_gateway_has_connection (gateway, hints->connection_id, hints->connection_uuid) &&
        hints->profile && cg_profiles_is_system ("", hints->profile))
      gateway->interface = g_strdup (hints->interface);
    if (g_strcmp0 (gateway->interface, hints->interface) == 0 && gateway->dns->len == 0)
      for (guint j = 0; j < G_N_ELEMENTS (hints->servers); j++)
        add_servers (gateway, hints->servers[j]);
  }
}

/* The networks that systemd-networkd manages are not NetworkManager's. */
static void
ask_networkd (CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    if (gateway->interface && gateway->dns_mode == CG_DNS_AUTO && gateway->dns->len == 0)
      cg_link_dns_read (gateway->interface, gateway->dns);
  }
}

static void
take_connection (CgConfig *config, CgGateway *gateway, const CgNmConnection *connection)
{
  if (cg_gateway_has_connection (gateway, connection->id, connection->uuid) &&
      !gateway->interface && connection->interface) {
    g_autofree char *quoted = cg_quote (gateway->connection);
    if (connection->refused)
      cg_config_warn (config, "%s: the connection %s is up but is not used: its profile %s",
                      gateway->name, quoted, connection->refused);
    else if (cg_interface_name_valid (connection->interface))
      gateway->interface = g_strdup (connection->interface);
  }
  if (g_strcmp0 (gateway->interface, connection->interface) == 0)
    for (char **server = connection->servers; gateway->interface && *server; server++)
      add_servers (gateway, *server);
}

static GPtrArray *
ask_networkmanager (GError **error)
{
  typeof (&cg_nm_look) look = CG_MODULE_FUNCTION ("nm", cg_nm_look, error);
  return look ? look (NM_SECONDS, error) : NULL;
}

static void
take_connections (CgConfig *config, const GPtrArray *connections)
{
  for (guint i = 0; i < config->gateways->len; i++)
    for (guint j = 0; j < connections->len; j++)
      if (is_open (config->gateways->pdata[i]))
        take_connection (config, config->gateways->pdata[i], connections->pdata[j]);
}

/* Down is not what we know, only what we must assume: it sets nobody free. */
static void
say_what_is_unknown (CgConfig *config, const GError *error)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    if (!gateway->connection || gateway->interface)
      continue;
    if (gateway->on_down == CG_ON_DOWN_RELEASE)
      gateway->on_down = CG_ON_DOWN_BLOCK;
    g_autofree char *quoted = cg_quote (gateway->connection);
    cg_config_warn (config,
                    "%s: nobody can tell the interface of the connection %s, so the tunnel "
                    "counts as down: %s",
                    gateway->name, quoted, error->message);
  }
}

void
cg_resolve_connections (CgConfig *config, const CgHints *hints)
{
  cg_profiles_add (config, "", cg_user_lookup);
  if (hints && hints->is_now)
    take_hints (config, hints);
  if (needs_others (config)) {
    g_autoptr (GError) error = NULL;
    ask_networkd (config);
    g_autoptr (GPtrArray) connections = needs_others (config) ? ask_networkmanager (&error) : NULL;
    if (connections)
      take_connections (config, connections);
    else if (error && hints)
      take_hints (config, hints);
    config->unanswered = g_error_matches (error, CG_ERROR, CG_ERROR_SILENT);
    if (error)
      say_what_is_unknown (config, error);
    ask_networkd (config); /* about what has an interface by now */
  }
}
