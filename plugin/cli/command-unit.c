/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include <string.h>

#include "records.h"
#include "resolve.h"
#include "unit-activation.h"

/* A unit that we cannot confine must not start. */
static int
refuse (const GError *error)
{
  cg_fail (error);
  return CG_EXIT_REFUSE;
}

static int
usage (const char *of)
{
  g_warning ("usage: custom-gateway event %s start|stop NAME", of);
  return CG_EXIT_REFUSE;
}

/* The configuration as it is now, with all that systemd says. */
static CgConfig *
load (const CgOptions *options, GError **error)
{
  CgConfig *config = cg_config_load (options->config_dir, FALSE, cg_user_lookup, error);
  if (config)
    cg_resolve (config, options->runtime_dir, NULL);
  return config;
}

static const CgGateway *
gateway_of_service (const CgConfig *config, const char *unit, const CgServiceFact **fact)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    for (guint j = 0; j < gateway->found->len; j++) {
      *fact = gateway->found->pdata[j];
      if (g_strcmp0 ((*fact)->id, unit) == 0)
        return gateway;
    }
  }
  return NULL;
}

/* Why it is not known to which gateway a unit belongs: the first bad file may name it. */
static const char *
why_unknown (const CgConfig *config)
{
  const CgBadFile *bad = config->bad->len > 0 ? config->bad->pdata[0] : NULL;
  return bad ? bad->error->message : "it is not known to which gateway it belongs";
}

static gboolean
cannot_confine (const char *unit, const char *why, GError **error)
{
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s may not start: %s; see 'custom-gateway check'",
               unit, why);
  return FALSE;
}

/* Confines whom the service is about to run as. What its name tells is where to look; whether it is
 * confined is said by what systemd, the files and the kernel say now. */
static gboolean
confine (const CgOptions *options, const char *unit, GError **error)
{
  g_autoptr (GError) unkept = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  if (!cg_lock_for (options, &lock, NULL, error))
    return FALSE;
  g_autoptr (CgConfig) config = load (options, error);
  if (!config)
    return FALSE;
  const CgServiceFact *fact;
  const CgGateway *gateway = gateway_of_service (config, unit, &fact);
  if (!gateway && !cg_config_is_complete (config))
    return cannot_confine (unit, why_unknown (config), error);
  if (!gateway) {
    g_message ("%s is no gateway's any more; 'systemctl daemon-reload' takes its drop-in away",
               unit);
    return TRUE;
  }
  if (fact->uid == CG_UID_INVALID)
    return cannot_confine (unit, "it is not known whom it runs as", error);
  const char *const names[] = {gateway->name, NULL};
  if (!cg_apply (options, config, names, CG_APPLY, error))
    return FALSE;
  if (!cg_record_drop (options->runtime_dir, CG_RECORD_RESUME, unit, &unkept))
    g_warning ("%s", unkept->message);
  return TRUE;
}

/* Whether the service is to run again with its gateway: its gateway takes it down, or it has failed
 * and nobody wanted it to stop. */
static gboolean
is_to_resume (const CgGateway *gateway, const CgServiceFact *fact)
{
  const char *result = g_getenv ("SERVICE_RESULT"); /* systemd.exec(5) */
  if (cg_service_is_stopping (gateway->unit))
    return TRUE;
  return g_strcmp0 (fact->job, "stop") != 0 && result && !g_str_equal (result, "success") &&
         !g_str_equal (result, "exec-condition"); /* which is a start that was not wanted */
}

static gboolean
remember (const CgOptions *options, const char *unit, GError **error)
{
  g_autoptr (CgConfig) config = load (options, error);
  if (!config)
    return FALSE;
  const CgServiceFact *fact;
  const CgGateway *gateway = gateway_of_service (config, unit, &fact);
  if (gateway && is_to_resume (gateway, fact))
    return cg_record_set (options->runtime_dir, CG_RECORD_RESUME, unit, fact->file_state, error);
  return cg_record_drop (options->runtime_dir, CG_RECORD_RESUME, unit, error);
}

int
cg_event_service (const CgOptions *options, const char *const *arguments)
{
  g_autoptr (GError) error = NULL;
  if (g_strv_length ((char **) arguments) != 2 || strchr (arguments[1], '/'))
    return usage ("service");
  if (g_str_equal (arguments[0], "start"))
    return confine (options, arguments[1], &error) ? CG_EXIT_DONE : refuse (error);
  if (g_str_equal (arguments[0], "stop"))
    return remember (options, arguments[1], &error) ? CG_EXIT_DONE : cg_fail (error);
  return usage ("service");
}

/* The good gateway of that name, with all that systemd says. */
static const CgGateway *
find_gateway (const CgConfig *config, const char *name, GError **error)
{
  const GError *bad = cg_config_find_bad (config, name);
  const CgGateway *gateway = cg_config_find (config, name);
  if (!gateway && bad)
    g_propagate_error (error, g_error_copy (bad));
  else if (!gateway)
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "no gateway '%s'", name);
  return gateway;
}

/* Before the unit starts: the tunnel must be up. From here on its services are confined, whether
 * they run or not; then they are started. */
static int
start_gateway (const CgOptions *options, const char *name)
{
  g_autoptr (GError) error = NULL, unkept = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  const char *const names[] = {name, NULL};
  if (!cg_lock_for (options, &lock, NULL, &error))
    return refuse (error);
  g_autoptr (CgConfig) config = load (options, &error);
  const CgGateway *gateway = config ? find_gateway (config, name, &error) : NULL;
  if (!gateway)
    return refuse (error);
  guint32 ifindex = cg_unit_activation_tunnel (options, config, gateway, &error);
  if (error)
    return refuse (error);
  if (gateway->on_down == CG_ON_DOWN_STOP && !ifindex) {
    g_message ("%s: the tunnel is down", name);
    return CG_EXIT_SKIP;
  }
  g_autofree char *number = g_strdup_printf ("%u", ifindex);
  /* what is remembered decides what is started again, and confines no user */
  if (!cg_record_drop (options->runtime_dir, CG_RECORD_STOPPED, name, &unkept) ||
      !cg_record_set (options->runtime_dir, CG_RECORD_TUNNEL, name, number, &unkept))
    g_warning ("%s", unkept->message);
  if (!cg_apply (options, config, names, CG_APPLY, &error))
    return refuse (error);
  cg_lock_release (lock);
  lock = CG_NO_LOCK;
  g_autoptr (GPtrArray) services = cg_unit_activation_services (gateway, options->runtime_dir);
  if (gateway->on_down == CG_ON_DOWN_STOP)
    cg_unit_activation_queue (TRUE, services);
  return CG_EXIT_DONE;
}

/* Who stops the unit: the tunnel, if it is down, or was in between, or the unit that sets it up is
 * stopping too. */
static const char *
who_stops (const CgOptions *options, const CgConfig *config, const CgGateway *gateway)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *then = cg_record_get (options->runtime_dir, CG_RECORD_TUNNEL, gateway->name);
  g_autofree char *now =
      g_strdup_printf ("%u", cg_unit_activation_tunnel (options, config, gateway, &error));
  if (g_str_equal (now, CG_NO_TUNNEL) || g_strcmp0 (then, now) != 0)
    return CG_STOPPED_BY_TUNNEL;
  gboolean with_tunnel = gateway->tunnel_unit && cg_service_is_stopping (gateway->tunnel_unit);
  return with_tunnel ? CG_STOPPED_BY_TUNNEL : CG_STOPPED_BY_HAND;
}

/* When the unit stops its services have stopped before it. What does not rest stays confined. */
static gboolean
stop_gateway (const CgOptions *options, const char *name, GError **error)
{
  g_auto (CgLock) lock = CG_NO_LOCK;
  const char *const names[] = {name, NULL};
  if (!cg_lock_for (options, &lock, NULL, error))
    return FALSE;
  g_autoptr (CgConfig) before = load (options, error);
  const CgGateway *gateway = before ? find_gateway (before, name, error) : NULL;
  if (!gateway)
    return FALSE;
  if (gateway->on_down != CG_ON_DOWN_STOP)
    return cg_apply (options, before, names, CG_APPLY, error);
  if (!cg_record_set (options->runtime_dir, CG_RECORD_STOPPED, name,
                      who_stops (options, before, gateway), error))
    return FALSE;
  g_autoptr (CgConfig) config = load (options, error);
  return config && cg_apply (options, config, names, CG_APPLY, error);
}

int
cg_event_gateway (const CgOptions *options, const char *const *arguments)
{
  g_autoptr (GError) error = NULL;
  if (g_strv_length ((char **) arguments) != 2 || !cg_gateway_name_valid (arguments[1]))
    return usage ("gateway");
  if (g_str_equal (arguments[0], "start"))
    return start_gateway (options, arguments[1]);
  if (g_str_equal (arguments[0], "stop"))
    return stop_gateway (options, arguments[1], &error) ? CG_EXIT_DONE : cg_fail (error);
  return usage ("gateway");
}
