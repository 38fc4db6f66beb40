/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nm-dispatcher-env.h"

#include <string.h>

#include "gateway.h"

#define MAX_VALUE 4096 /* bytes; a list of servers is shorter */

static const char *
value_of (char **environment, const char *name)
{
  const char *value = g_environ_getenv (environment, name);
  return value && *value && strlen (value) <= MAX_VALUE && g_utf8_validate (value, -1, NULL) ? value
                                                                                             : NULL;
}

CgHints
cg_nm_dispatcher_env (char **environment, const char *ifname, const char *action)
{
  gboolean vpn = g_str_has_prefix (action, "vpn-");
  const char *interface = vpn ? value_of (environment, "VPN_IP_IFACE") : ifname;
  return (CgHints){
      .interface = interface && cg_interface_name_valid (interface) ? interface : NULL,
      .connection_id = value_of (environment, "CONNECTION_ID"),
      .connection_uuid = value_of (environment, "CONNECTION_UUID"),
      .profile = value_of (environment, "CONNECTION_FILENAME"),
      .servers = {value_of (environment, vpn ? "VPN_IP4_NAMESERVERS" : "IP4_NAMESERVERS"),
                  value_of (environment, vpn ? "VPN_IP6_NAMESERVERS" : "IP6_NAMESERVERS")},
      .is_now = g_str_has_prefix (action, "pre-") || g_str_has_prefix (action, "vpn-pre-"),
  };
}
