/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve-services.h"

#include <unistd.h>

#include "records.h"
#include "systemd.h"

/* There, if systemd is process 1: sd_booted(3). */
#define BOOTED "/run/systemd/system"

char *
cg_gateway_unit_name (const CgGateway *gateway)
{
  /* all that a gateway's name may hold may stand in a unit's name: nothing is escaped */
  return g_strdup_printf ("custom-gateway@%s.service", gateway->name);
}

static void
add_fault (CgConfig *config,
           const CgGateway *gateway,
           const char *problem,
           const char *word,
           const char *remedy)
{
  g_autofree char *quoted = cg_quote (word);
  cg_config_add_fault (config, gateway->name,
                       g_error_new (CG_ERROR, CG_ERROR_CONFIG,
                                    "%s.conf: [Gateway] Services: %s %s; %s", gateway->name,
                                    problem, quoted, remedy));
}

static void
add_uid (CgGateway *gateway, guint32 uid)
{
  const CgUidRange range = {uid, uid};
  g_array_append_val (gateway->uids, range);
}

/* The uid of User=, which systemd too takes by name or by number. */
static gboolean
look_up_user (const char *user, CgUserLookup lookup, guint32 *uid)
{
  guint64 number;
  if (g_ascii_string_to_unsigned (user, 10, 0, CG_UID_INVALID - 1, &number, NULL)) {
    *uid = (guint32) number;
    return TRUE;
  }
  return lookup (user, uid, NULL);
}

/* Whom a unit of fixed User= runs as. FALSE if that cannot be told, or is root: then it is a fault.
 */
static gboolean
find_user (CgConfig *config, const CgGateway *gateway, CgServiceFact *fact, CgUserLookup lookup)
{
  guint32 uid = CG_UID_ROOT;
  if (fact->user && *fact->user && !look_up_user (fact->user, lookup, &uid)) {
    g_autofree char *problem = g_strdup_printf ("no such user as that of %s:", fact->name);
    add_fault (config, gateway, problem, fact->user, "create the user, or set User= of the unit");
    return FALSE;
  }
  if (uid == CG_UID_ROOT) {
    add_fault (config, gateway, "root cannot be confined, and runs", fact->name,
               "give the unit User= or DynamicUser=yes: 'systemctl edit' it");
    return FALSE;
  }
  fact->uid = uid;
  return TRUE;
}

/* Adds whom the service runs as, and whom it is going to run as. FALSE if that is not known. */
static gboolean
place_service (CgConfig *config, CgGateway *gateway, CgServiceFact *fact, CgUserLookup lookup)
{
  /* what runs by now has kept its uid, whatever its unit's file says today */
  gboolean runs = fact->running_uid != CG_UID_INVALID && fact->running_uid != CG_UID_ROOT;
  if (runs) {
    fact->uid = fact->running_uid;
    add_uid (gateway, fact->running_uid);
  }
  if (!cg_service_is_loaded (fact)) {
    gboolean missing = g_strcmp0 (fact->load_state, "not-found") == 0;
    add_fault (config, gateway,
               missing ? "no such unit" : "this unit cannot be loaded:", fact->name,
               missing ? "install it, or remove it from this line"
                       : "see what 'systemctl status' says of it");
    return FALSE;
  }
  if (fact->dynamic) /* systemd makes the user when it starts the unit, and unmakes it after */
    return TRUE;
  if (!find_user (config, gateway, fact, lookup))
    return FALSE;
  if (!gateway->stopped || !cg_service_is_at_rest (fact))
    add_uid (gateway, fact->uid);
  return TRUE;
}

/* Whether the gateway's unit was stopped, and has not been started since. */
static gboolean
was_stopped (CgGateway *gateway, const char *runtime_dir)
{
  g_autofree char *by = cg_record_get (runtime_dir, CG_RECORD_STOPPED, gateway->name);
  gateway->by_hand = g_strcmp0 (by, CG_STOPPED_BY_HAND) == 0;
  const char *state = gateway->unit->active_state;
  return by && gateway->on_down == CG_ON_DOWN_STOP &&
         (g_strcmp0 (state, "inactive") == 0 || g_strcmp0 (state, "failed") == 0 ||
          g_strcmp0 (state, "deactivating") == 0);
}

static void
place_gateway (CgConfig *config, CgGateway *gateway, const char *runtime_dir, CgUserLookup lookup)
{
  if (!gateway->unit)
    return;
  gateway->stopped = was_stopped (gateway, runtime_dir);
  gboolean all_known = TRUE;
  for (guint i = 0; i < gateway->found->len; i++)
    if (!place_service (config, gateway, gateway->found->pdata[i], lookup))
      all_known = FALSE;
  if (!all_known)
    config->incomplete = TRUE;
  cg_uids_normalise (gateway->uids);
  gateway->stopped = gateway->stopped && all_known && gateway->uids->len == 0;
}

void
cg_place_services (CgConfig *config, const char *runtime_dir, CgUserLookup lookup)
{
  /* once more, one by one and by name: what conflicts may have come to light only now */
  GPtrArray *gateways = config->gateways;
  config->gateways = g_ptr_array_new_with_free_func ((GDestroyNotify) cg_gateway_free);
  g_ptr_array_set_free_func (gateways, NULL);
  for (guint i = 0; i < gateways->len; i++) {
    place_gateway (config, gateways->pdata[i], runtime_dir, lookup);
    cg_config_add (config, gateways->pdata[i]);
  }
  g_ptr_array_unref (gateways);
}

/* The units that we ask about, which belong to their gateways. */
static GPtrArray *
list_units (CgConfig *config)
{
  GPtrArray *facts = g_ptr_array_new ();
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    if (!gateway->services[0])
      continue;
    g_autofree char *unit = cg_gateway_unit_name (gateway);
    gateway->unit = cg_service_fact_new (unit);
    g_ptr_array_add (facts, gateway->unit);
    if (gateway->interface_unit) {
      gateway->tunnel_unit = cg_service_fact_new (gateway->interface_unit);
      g_ptr_array_add (facts, gateway->tunnel_unit);
    }
    for (char **service = gateway->services; *service; service++) {
      CgServiceFact *fact = cg_service_fact_new (*service);
      g_ptr_array_add (gateway->found, fact);
      g_ptr_array_add (facts, fact);
    }
  }
  return facts;
}

/* What is half known is not known. */
static void
forget_units (CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    g_clear_pointer (&gateway->unit, cg_service_fact_free);
    g_clear_pointer (&gateway->tunnel_unit, cg_service_fact_free);
    g_ptr_array_set_size (gateway->found, 0);
  }
}

static gboolean
ask_systemd (GPtrArray *facts, GError **error)
{
  if (access (BOOTED, F_OK) < 0) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "systemd is not process 1 here");
    return FALSE;
  }
  typeof (&cg_systemd_look) look = CG_MODULE_FUNCTION ("systemd", cg_systemd_look, error);
  return look && look (facts, error);
}

void
cg_resolve_services (CgConfig *config, const char *runtime_dir)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) facts = list_units (config);
  if (facts->len == 0)
    return;
  if (ask_systemd (facts, &error)) {
    cg_place_services (config, runtime_dir, cg_user_lookup);
    return;
  }
  forget_units (config);
  config->incomplete = TRUE;
  g_warning ("nobody can tell whom Services= confines: %s", error->message);
}
