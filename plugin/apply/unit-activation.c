/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit-activation.h"

#include "gather.h"
#include "plan.h"
#include "records.h"
#include "systemd.h"

/* Whether the tunnel is there to stay, as far as the unit that sets it up is concerned: to start
 * our unit, which requires that one, would start it again. */
static gboolean
stays (const CgGateway *gateway)
{
  const CgServiceFact *unit = gateway->tunnel_unit;
  return !unit || (cg_service_is_running (unit) && !cg_service_is_stopping (unit));
}

CgUnitActivation
cg_unit_activation_decide (const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  const CgServiceFact *unit = gateway->unit;
  if (!unit || gateway->on_down != CG_ON_DOWN_STOP || !cg_service_is_loaded (unit) || unit->job)
    return CG_UNIT_ACTIVATION_NOTHING;
  gboolean is_up = cg_plan_is_up (tunnel);
  if (g_strcmp0 (unit->active_state, "active") == 0)
    return is_up ? CG_UNIT_ACTIVATION_NOTHING : CG_UNIT_ACTIVATION_STOP;
  if (cg_service_is_running (unit)) /* it is on its way */
    return CG_UNIT_ACTIVATION_NOTHING;
  gboolean start = is_up && stays (gateway) && !gateway->by_hand;
  return start ? CG_UNIT_ACTIVATION_START : CG_UNIT_ACTIVATION_NOTHING;
}

void
cg_unit_activation_queue (gboolean start, const GPtrArray *units)
{
  if (units->len == 0)
    return;
  g_autoptr (GError) error = NULL;
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  for (guint i = 0; i < units->len; i++) {
    g_message ("%s %s", start ? "starting" : "stopping", (const char *) units->pdata[i]);
    g_strv_builder_add (names, units->pdata[i]);
  }
  g_auto (GStrv) list = g_strv_builder_end (names);
  typeof (&cg_systemd_queue) queue = CG_MODULE_FUNCTION ("systemd", cg_systemd_queue, &error);
  if (!queue || !queue (start, (const char *const *) list, &error))
    g_warning ("systemd would not %s a unit: %s", start ? "start" : "stop", error->message);
}

static CgFacts *
look (const CgOptions *options, const CgConfig *config, GError **error)
{
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, error);
  return netlink ? cg_facts_gather (config, netlink, options->runtime_dir, NULL, error) : NULL;
}

/* Whether one of the gateways has a unit that follows, so that there is a reason to look. */
static gboolean
have_units (const CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (gateway->unit && gateway->on_down == CG_ON_DOWN_STOP)
      return TRUE;
  }
  return FALSE;
}

void
cg_unit_activation_run (const CgOptions *options, const CgConfig *config, const char *const *names)
{
  if (!have_units (config))
    return;
  g_autoptr (GError) error = NULL;
  g_autoptr (CgFacts) facts = look (options, config, &error);
  if (!facts) {
    g_warning ("%s", error->message);
    return;
  }
  g_autoptr (GPtrArray) starting = g_ptr_array_new (), stopping = g_ptr_array_new ();
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (*names && !g_strv_contains (names, tunnel->gateway->name))
      continue;
    CgUnitActivation what = cg_unit_activation_decide (tunnel);
    if (what == CG_UNIT_ACTIVATION_START && cg_config_find_bad (config, tunnel->gateway->name))
      continue; /* which is refused until the file is mended */
    /* the tunnel may be back when the unit has stopped: it was not the administrator all the same
     */
    if (what == CG_UNIT_ACTIVATION_STOP &&
        !cg_record_set (options->runtime_dir, CG_RECORD_TUNNEL, tunnel->gateway->name, CG_NO_TUNNEL,
                        &error)) {
      g_warning ("%s", error->message);
      g_clear_error (&error);
    }
    if (what != CG_UNIT_ACTIVATION_NOTHING)
      g_ptr_array_add (what == CG_UNIT_ACTIVATION_START ? starting : stopping,
                       tunnel->gateway->unit->name);
  }
  cg_unit_activation_queue (FALSE, stopping);
  cg_unit_activation_queue (TRUE, starting);
}

guint32
cg_unit_activation_tunnel (const CgOptions *options,
                           const CgConfig *config,
                           const CgGateway *gateway,
                           GError **error)
{
  g_autoptr (CgFacts) facts = look (options, config, error);
  for (guint i = 0; facts && i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (tunnel->gateway == gateway && cg_plan_is_up (tunnel))
      return tunnel->ifindex;
  }
  return 0;
}

static gboolean
is_to_start (const CgServiceFact *fact, const char *runtime_dir)
{
  if (!cg_service_is_loaded (fact) || cg_service_is_running (fact) || fact->job)
    return FALSE;
  gboolean enabled = cg_service_is_enabled (fact);
  g_autofree char *then = cg_record_get (runtime_dir, CG_RECORD_RESUME, fact->id);
  if (!then)
    return enabled && !fact->has_run;
  return enabled || !g_str_has_prefix (then, "enabled"); /* it has been disabled since */
}

GPtrArray *
cg_unit_activation_services (const CgGateway *gateway, const char *runtime_dir)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < gateway->found->len; i++) {
    const CgServiceFact *fact = gateway->found->pdata[i];
    if (is_to_start (fact, runtime_dir))
      g_ptr_array_add (names, fact->id);
  }
  return names;
}
