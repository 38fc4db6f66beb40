/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include <string.h>

#include "last-good.h"
#include "nm-dispatcher-env.h"
#include "profiles.h"
#include "removed.h"
#include "resolve-connections.h"

/* NetworkManager-dispatcher(8): the actions after which a tunnel may be another one. The rest
 * (hostname, connectivity-change, those of later versions) are none of our business. */
static const char *const nm_actions[] = {
    "pre-up",   "up",           "vpn-pre-up",   "vpn-up",     "pre-down", "down", "vpn-pre-down",
    "vpn-down", "dhcp4-change", "dhcp6-change", "dns-change", "reapply",  NULL,
};

/* The administrative and operational states of networkctl(1), each of which is a state directory of
 * networkd-dispatcher(8). */
static const char *const networkd_states[] = {
    "missing",     "off",         "no-carrier", "dormant",   "degraded-carrier",
    "carrier",     "degraded",    "enslaved",   "routable",  "pending",
    "initialized", "configuring", "configured", "unmanaged", "failed",
    "linger",      NULL,
};

/* The action that names no interface: the servers of any may have changed. */
#define DNS_CHANGE "dns-change"

/* What an event is about. */
typedef struct {
  const char *ifname;
  const char *action;
  CgHints hints;
} Event;

static gboolean
concerns (const Event *event, const CgGateway *gateway)
{
  /* loopback: the kernel hangs IPv6 routes that lead nowhere on it, and drops them when it goes
   * down */
  return g_str_equal (event->ifname, "lo") || g_strcmp0 (gateway->interface, event->ifname) == 0 ||
         cg_gateway_has_connection (gateway, event->hints.connection_id,
                                    event->hints.connection_uuid) ||
         (gateway->dns_mode == CG_DNS_AUTO && g_str_equal (event->action, DNS_CHANGE));
}

/* A guard knows addresses and routes of the whole machine. Before an interface is up it has none.
 */
static gboolean
concerns_guard (const Event *event, const CgGateway *gateway)
{
  return gateway->guard != CG_GUARD_NO && !g_str_has_prefix (event->action, "pre-") &&
         !concerns (event, gateway);
}

/* Refreshes the guards that the event concerns by the way. */
static gboolean
refresh (const CgOptions *options, const CgConfig *config, const Event *event, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (concerns_guard (event, gateway))
      g_ptr_array_add (names, gateway->name);
  }
  if (names->len == 0)
    return TRUE;
  g_ptr_array_add (names, NULL);
  return cg_apply (options, config, (const char *const *) names->pdata, CG_REFRESH, error);
}

static GPtrArray *
gateways_of (const CgConfig *config, const Event *event)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (concerns (event, gateway))
      g_ptr_array_add (names, gateway->name);
  }
  return names;
}

/* Whether the event can be about a gateway, or about its file. Most are about others, and must
 * neither wait for anybody nor change anything. */
static gboolean
is_our_business (const CgConfig *config, const Event *event)
{
  g_autoptr (GPtrArray) names = gateways_of (config, event);
  gboolean has_guard = FALSE;
  for (guint i = 0; i < config->gateways->len; i++)
    has_guard = has_guard || concerns_guard (event, config->gateways->pdata[i]);
  return names->len > 0 || has_guard || cg_config_find_bad (config, event->ifname);
}

/* An event only says: look again at the gateways that it is about. */
static int
look_again (const CgOptions *options, const Event *event)
{
  g_autoptr (GError) error = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  int status = CG_EXIT_DONE;
  if (!cg_lock_for (options, &lock, &status, &error))
    return cg_fail (error);
  g_autoptr (CgConfig) config =
      cg_last_good_load (options->config_dir, options->state_dir, TRUE, cg_user_lookup, &error);
  if (!config)
    return cg_fail (error);
  cg_resolve (config, options->runtime_dir, &event->hints);

  /* The file named like the interface is this interface's, as far as anybody can tell. Others that
   * are bad are for "check" and "reapply" to complain of. */
  const GError *bad = cg_config_find_bad (config, event->ifname);
  if (bad)
    status = cg_fail (bad);
  g_autoptr (GPtrArray) names = gateways_of (config, event);
  if (!refresh (options, config, event, &error))
    return cg_fail (error);
  if (names->len == 0)
    return status;
  g_ptr_array_add (names, NULL);
  const char *const *ours = (const char *const *) names->pdata;
  cg_report_faults (config, ours, &status);
  cg_removed_clear (options->runtime_dir, config, ours);
  cg_applied_note (options->runtime_dir);
  if (!cg_run (options, config, ours, CG_APPLY, &lock, &error))
    return cg_fail (error);
  return status;
}

static int
look_if_ours (const CgOptions *options, const Event *event)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config =
      cg_last_good_load (options->config_dir, options->state_dir, TRUE, cg_user_lookup, &error);
  if (!config)
    return cg_fail (error);
  cg_profiles_add (config, "", cg_user_lookup);
  if (is_our_business (config, event))
    return look_again (options, event);
  g_autofree char *quoted = cg_quote (event->ifname);
  g_info ("%s is not the interface of any gateway", quoted);
  return CG_EXIT_DONE;
}

static int
usage (const char *text)
{
  g_warning ("usage: custom-gateway event %s", text);
  return CG_EXIT_CONFIG;
}

static int
ignore (const char *what)
{
  g_autofree char *quoted = cg_quote (what);
  g_info ("event %s says nothing about tunnels", quoted);
  return CG_EXIT_DONE;
}

int
cg_command_event (const CgOptions *options, const char *const *arguments)
{
  guint count = 0;
  while (arguments[count])
    count++;
  if (count == 3 && g_str_equal (arguments[0], "nm")) {
    if (!g_strv_contains (nm_actions, arguments[2]))
      return ignore (arguments[2]);
    g_auto (GStrv) environment = g_get_environ ();
    const Event event = {.ifname = arguments[1],
                         .action = arguments[2],
                         .hints = cg_nm_dispatcher_env (environment, arguments[1], arguments[2])};
    return look_if_ours (options, &event);
  }
  if (count == 2 && g_str_equal (arguments[0], "networkd")) {
    const char *ifname = g_getenv ("IFACE");
    if (!g_strv_contains (networkd_states, arguments[1]))
      return ignore (arguments[1]);
    if (!ifname)
      return usage ("networkd STATE, with the interface in the environment variable IFACE");
    const Event event = {.ifname = ifname, .action = arguments[1]};
    return look_if_ours (options, &event);
  }
  if (count > 0 && g_str_equal (arguments[0], "service"))
    return cg_event_service (options, arguments + 1);
  if (count > 0 && g_str_equal (arguments[0], "gateway"))
    return cg_event_gateway (options, arguments + 1);
  return usage ("nm IFACE ACTION, networkd STATE, service start|stop UNIT, or: gateway start|stop "
                "GATEWAY");
}
