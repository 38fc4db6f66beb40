/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status-json.h"

#include "json.h"

static void
json_lines (GString *json, const char *key, const GPtrArray *lines)
{
  cg_json_open (json, key, '[');
  for (guint i = 0; i < lines->len; i++)
    cg_json_string (json, NULL, lines->pdata[i]);
  cg_json_close (json, ']');
}

static void
json_family (GString *json, const char *key, const CgFamilyStatus *status)
{
  cg_json_open (json, key, '{');
  cg_json_string (json, "state", cg_status_word (status));
  cg_json_string (json, "should", cg_state_name (status->should));
  cg_json_close (json, '}');
}

static void
json_service (GString *json, const CgServiceFact *fact)
{
  cg_json_open (json, NULL, '{');
  cg_json_string (json, "name", fact->name);
  cg_json_string (json, "unit", fact->id);
  cg_json_string (json, "load", fact->load_state);
  cg_json_string (json, "state", fact->active_state);
  cg_json_string (json, "user", fact->user && *fact->user ? fact->user : "root");
  cg_json_number (json, "uid", fact->uid == CG_UID_INVALID ? -1 : (gint64) fact->uid);
  cg_json_boolean (json, "dynamic", fact->dynamic);
  cg_json_boolean (json, "bound", fact->bound);
  cg_json_close (json, '}');
}

static void
json_dns (GString *json, const CgGatewayStatus *status, const GArray *resolvers)
{
  gboolean own = cg_status_has_own_dns (status);
  const GArray *servers = own ? status->tunnel->gateway->dns : resolvers;
  cg_json_open (json, "dns", '{');
  cg_json_string (json, "of", own ? "gateway" : "system");
  cg_json_open (json, "servers", '[');
  for (guint i = 0; i < servers->len; i++) {
    g_autofree char *server = cg_prefix_to_address (&g_array_index (servers, CgPrefix, i));
    cg_json_string (json, NULL, server);
  }
  cg_json_close (json, ']');
  cg_json_close (json, '}');
}

static void
json_uids (GString *json, const GArray *uids)
{
  cg_json_open (json, "uids", '[');
  for (guint i = 0; i < uids->len; i++) {
    CgUidRange range = g_array_index (uids, CgUidRange, i);
    cg_json_open (json, NULL, '[');
    cg_json_number (json, NULL, range.first);
    cg_json_number (json, NULL, range.last);
    cg_json_close (json, ']');
  }
  cg_json_close (json, ']');
}

static void
json_bad_files (GString *json, const GArray *bad)
{
  cg_json_open (json, "bad_files", '[');
  for (guint i = 0; i < bad->len; i++) {
    const CgBadStatus *status = &g_array_index (bad, CgBadStatus, i);
    cg_json_open (json, NULL, '{');
    cg_json_string (json, "name", status->name);
    cg_json_string (json, "in_force", cg_status_bad_word (status));
    json_uids (json, status->uids);
    cg_json_close (json, '}');
  }
  cg_json_close (json, ']');
}

static void
json_gateway (GString *json, const CgGatewayStatus *status, const GArray *resolvers)
{
  const CgTunnel *tunnel = status->tunnel;
  const CgGateway *gateway = tunnel->gateway;
  cg_json_open (json, NULL, '{');
  cg_json_string (json, "name", gateway->name);
  cg_json_string (json, "interface", gateway->interface);
  cg_json_number (json, "ifindex", tunnel->ifindex);
  cg_json_number (json, "table", tunnel->table);
  cg_json_number (json, "priority", gateway->priority);
  json_uids (json, gateway->uids);
  cg_json_string (json, "connection", gateway->connection);
  cg_json_open (json, "services", '[');
  for (guint i = 0; i < gateway->found->len; i++)
    json_service (json, gateway->found->pdata[i]);
  cg_json_close (json, ']');
  json_family (json, "ipv4", &status->family[0]);
  json_family (json, "ipv6", &status->family[1]);
  cg_json_number (json, "rp_filter", tunnel->rp_filter);
  cg_json_open (json, "guard", '{');
  cg_json_string (json, "state", cg_status_guard_word (status));
  cg_json_number (json, "dropped", (gint64) status->dropped);
  cg_json_open (json, "reasons", '{');
  cg_json_number (json, "out", (gint64) status->drops.out);
  cg_json_number (json, "in", (gint64) status->drops.in);
  cg_json_number (json, "names", (gint64) status->drops.names);
  cg_json_number (json, "sources", (gint64) status->drops.sources);
  cg_json_number (json, "protocols", (gint64) status->drops.protocols);
  cg_json_close (json, '}');
  cg_json_close (json, '}');
  json_dns (json, status, resolvers);
  json_lines (json, "differences", status->differences);
  cg_json_close (json, '}');
}

char *
cg_status_to_json (const CgStatus *status,
                   const CgFacts *facts,
                   const GPtrArray *warnings,
                   const GPtrArray *errors)
{
  g_autoptr (GString) json = g_string_new (NULL);
  cg_json_open (json, NULL, '{');
  cg_json_open (json, "gateways", '[');
  for (guint i = 0; i < status->gateways->len; i++)
    json_gateway (json, status->gateways->pdata[i], facts->resolvers);
  cg_json_close (json, ']');
  cg_json_open (json, "table", '{');
  cg_json_boolean (json, "stands", facts->table.fingerprint != NULL);
  cg_json_number (json, "dropped", (gint64) status->dropped);
  cg_json_close (json, '}');
  json_lines (json, "differences", status->differences);
  json_bad_files (json, status->bad);
  json_lines (json, "warnings", warnings);
  json_lines (json, "errors", errors);
  cg_json_close (json, '}');
  return g_strdup (json->str);
}
