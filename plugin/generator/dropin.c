/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dropin.h"

#include <string.h>

#include "dropin-dns.h"
#include "paths.h"

#define UNESCAPED ":_." G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS

char *
cg_device_unit_name (const char *ifname)
{
  g_autoptr (GString) name = g_string_new ("sys-subsystem-net-devices-");
  for (const char *c = ifname; *c; c++)
    if (strchr (UNESCAPED, *c))
      g_string_append_c (name, *c);
    else
      g_string_append_printf (name, "\\x%02x", (guint8) *c);
  g_string_append (name, ".device");
  return g_strdup (name->str);
}

char *
cg_interface_unit_name (const CgGateway *gateway)
{
  if (gateway->interface_unit)
    return g_strdup (gateway->interface_unit);
  return gateway->interface ? cg_device_unit_name (gateway->interface) : NULL;
}

static GString *
begin (const CgGateway *gateway)
{
  GString *text = g_string_new (NULL);
  g_string_printf (text,
                   "# Made for the gateway %s at boot and at each daemon-reload: see "
                   "custom-gateway(8).\n[Unit]\n",
                   gateway->name);
  return text;
}

char *
cg_dropin_for_service (const CgGateway *gateway)
{
  g_autoptr (GString) text = begin (gateway);
  g_string_append (text, "Wants=custom-gateway.service\nAfter=custom-gateway.service\n");
  if (gateway->on_down == CG_ON_DOWN_STOP)
    for (const char *const *key = (const char *const[]){"Requires", "BindsTo", "After", NULL}; *key;
         key++)
      g_string_append_printf (text, "%s=custom-gateway@%s.service\n", *key, gateway->name);
  if (gateway->dns_mode != CG_DNS_NONE)
    g_string_append (text, "Wants=custom-gateway-resolvconf.path\n");
  /* When it has ended the uid of a DynamicUser= is somebody else's. %n is foo.service and %N is
   * foo: two instances, since systemd warns of a unit that it is to start for more than one reason.
   */
  g_string_append (text, "OnSuccess=custom-gateway-after@%n.service\n"
                         "OnFailure=custom-gateway-after@%N.service\n");
  /* +: as root, even if the service is not; %n: the service's own name */
  g_string_append (text, "[Service]\nExecCondition=+" CG_PROGRAM " event service start %n\n");
  if (gateway->on_down == CG_ON_DOWN_STOP)
    g_string_append (text, "ExecStopPost=-+" CG_PROGRAM " event service stop %n\n");
  cg_dropin_append_dns (text, gateway);
  return g_strdup (text->str);
}

char *
cg_dropin_for_gateway (const CgGateway *gateway)
{
  g_autofree char *unit = cg_interface_unit_name (gateway);
  g_autoptr (GString) text = begin (gateway);
  if (!unit)
    return NULL;
  /* A device is neither required nor waited for: a job that waits for one would hold up the boot.
   */
  if (gateway->interface_unit)
    g_string_append_printf (text, "Requires=%s\nBindsTo=%s\nAfter=%s\n", unit, unit, unit);
  else
    g_string_append_printf (text, "StopPropagatedFrom=%s\n", unit);
  return g_strdup (text->str);
}

char *
cg_dropin_for_settle (const CgGateway *gateway)
{
  if (!gateway->interface_unit)
    return NULL;
  g_autoptr (GString) text = begin (gateway);
  g_string_append_printf (text, "After=%s\n", gateway->interface_unit);
  return g_strdup (text->str);
}
