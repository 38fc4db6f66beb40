/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include "removed.h"
#include "resolve.h"

#include <string.h>

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

/* Of which gateways the interface is the tunnel. Of all, if it is loopback: the kernel hangs IPv6
 * routes that lead nowhere on it, and drops them when it goes down. */
static GPtrArray *
gateways_of (const CgConfig *config, const char *ifname)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (g_str_equal (ifname, "lo") || g_strcmp0 (gateway->interface, ifname) == 0)
      g_ptr_array_add (names, gateway->name);
  }
  return names;
}

/* Whether the interface can be that of a gateway, or of its file. Most events are about others, and
 * must neither wait for anybody nor change anything. */
static gboolean
is_our_business (const CgConfig *config, const char *ifname)
{
  g_autoptr (GPtrArray) names = gateways_of (config, ifname);
  return names->len > 0 || cg_config_find_bad (config, ifname);
}

/* An event only says: look again at the gateways of this interface. */
static int
look_again (const CgOptions *options, const char *ifname)
{
  g_autoptr (GError) error = NULL;
  g_auto (CgLock) lock = CG_NO_LOCK;
  if (!cg_lock_for (options, &lock, &error))
    return cg_fail (error);
  g_autoptr (CgConfig) config = cg_config_load (options->config_dir, TRUE, cg_user_lookup, &error);
  if (!config)
    return cg_fail (error);
  cg_resolve (config, NULL);

  /* The file named like the interface is this interface's, as far as anybody can tell. Others that
   * are bad are for "check" and "reapply" to complain of. */
  const GError *bad = cg_config_find_bad (config, ifname);
  int status = bad ? cg_fail (bad) : CG_EXIT_DONE;
  g_autoptr (GPtrArray) names = gateways_of (config, ifname);
  if (names->len == 0)
    return status;
  g_ptr_array_add (names, NULL);
  cg_removed_clear (options->runtime_dir, config, (const char *const *) names->pdata);
  if (!cg_run (options, config, (const char *const *) names->pdata, CG_APPLY, &lock, &error))
    return cg_fail (error);
  return status;
}

static int
look_if_ours (const CgOptions *options, const char *ifname)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgConfig) config = cg_config_load (options->config_dir, TRUE, cg_user_lookup, &error);
  if (!config)
    return cg_fail (error);
  if (is_our_business (config, ifname))
    return look_again (options, ifname);
  g_autofree char *quoted = cg_quote (ifname);
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
    return look_if_ours (options, arguments[1]);
  }
  if (count == 2 && g_str_equal (arguments[0], "networkd")) {
    const char *ifname = g_getenv ("IFACE");
    if (!g_strv_contains (networkd_states, arguments[1]))
      return ignore (arguments[1]);
    if (!ifname)
      return usage ("networkd STATE, with the interface in the environment variable IFACE");
    return look_if_ours (options, ifname);
  }
  return usage ("nm IFACE ACTION, or: event networkd STATE");
}
