/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the generator writes into units, and the names of units that it makes. */

#include "dropin.h"

#include <string.h>

#include "world.h"

static const struct NameCase {
  const char *name;
  const char *ifname;
  const char *unit;
} name_cases[] = {
    {"plain", "wg0", "sys-subsystem-net-devices-wg0.device"},
    {"dash", "wg-home", "sys-subsystem-net-devices-wg\\x2dhome.device"},
    {"kept", "a.b_c", "sys-subsystem-net-devices-a.b_c.device"},
    {"percent-and-space-like", "a%b@c", "sys-subsystem-net-devices-a\\x25b\\x40c.device"},
    {"not-ascii", "\xc3\xa9", "sys-subsystem-net-devices-\\xc3\\xa9.device"},
};

static void
names_a_device (gconstpointer data)
{
  const struct NameCase *test = data;
  g_autofree char *unit = cg_device_unit_name (test->ifname);
  g_assert_cmpstr (unit, ==, test->unit);
}

typedef char *(*DropIn) (const CgGateway *gateway);

static const struct TextCase {
  const char *name;
  DropIn make;
  const char *lines;
  const char *pattern; /* NULL: no drop-in */
} text_cases[] = {
    {"service/stop-binds", cg_dropin_for_service, "Services=a\n",
     "*\n[Unit]\n*Requires=custom-gateway@wg0.service\nBindsTo=custom-gateway@wg0.service\n"
     "After=custom-gateway@wg0.service\n*"},
    {"service/stop-remembers", cg_dropin_for_service, "Services=a\n",
     "*\n[Service]\nExecCondition=+/*/custom-gateway event service start %n\n"
     "ExecStopPost=-+/*/custom-gateway event service stop %n\n"},
    {"service/block-is-after-the-boot-unit", cg_dropin_for_service, "Services=a\nOnDown=block\n",
     "*\nWants=custom-gateway.service\nAfter=custom-gateway.service\nOnSuccess=*\n[Service]\n"
     "ExecCondition=+/*/custom-gateway event service start %n\n"},
    {"service/names", cg_dropin_for_service, "Services=a\nDNS=10.0.0.1\n",
     "*\nWants=custom-gateway-resolvconf.path\n*\n[Service]\n*\n"
     "BindReadOnlyPaths=*/dns/wg0/resolv.conf:/etc/resolv.conf\n"
     "TemporaryFileSystem=/run/avahi-daemon:ro\nTemporaryFileSystem=/run/dbus:ro\n"
     "TemporaryFileSystem=/run/nscd:ro\nTemporaryFileSystem=/run/systemd/resolve:ro\n"},
    {"gateway/device-is-not-waited-for", cg_dropin_for_gateway, "Services=a\n",
     "*\n[Unit]\nStopPropagatedFrom=sys-subsystem-net-devices-wg0.device\n"},
    {"gateway/interface-unit", cg_dropin_for_gateway, "Services=a\nInterfaceUnit=w@0.service\n",
     "*\n[Unit]\nRequires=w@0.service\nBindsTo=w@0.service\nAfter=w@0.service\n"},
    {"gateway/connection", cg_dropin_for_gateway, "Services=a\nConnection=Work\n", NULL},
    {"settle/device", cg_dropin_for_settle, "Services=a\n", NULL},
    {"settle/interface-unit", cg_dropin_for_settle, "Services=a\nInterfaceUnit=w@0.service\n",
     "*\n[Unit]\nAfter=w@0.service\n"},
};

static void
writes (gconstpointer data)
{
  const struct TextCase *test = data;
  g_autoptr (World) world = world_new ();
  const CgTunnel *tunnel = world_add (world, "wg0", test->lines, 0, 0);
  g_autofree char *text = test->make (tunnel->gateway);
  g_assert_cmpint (text != NULL, ==, test->pattern != NULL);
  if (!text)
    return;
  if (!g_pattern_match_simple (test->pattern, text))
    g_error ("%s\ndoes not match\n%s", text, test->pattern);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/dropin/device", name_cases, names_a_device);
  ADD_CASES ("/dropin", text_cases, writes);
  return g_test_run ();
}
