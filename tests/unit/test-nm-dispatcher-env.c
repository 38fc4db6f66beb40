/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What NetworkManager's hook is told by its environment. */

#include "nm-dispatcher-env.h"

typedef struct {
  const char *name;
  const char *action;
  const char *ifname;
  const char *environment[8];
  const char *interface;
  const char *servers;
  gboolean is_now;
} Case;

static const Case cases[] = {
    {"a device that goes up", "pre-up", "wg0", {"DEVICE_IP_IFACE=wg0"}, "wg0", NULL, TRUE},
    {"a device that is up",
     "up",
     "wg0",
     {"IP4_NAMESERVERS=10.64.0.1 10.64.0.2"},
     "wg0",
     "10.64.0.1 10.64.0.2",
     FALSE},
    {"a vpn has its own values",
     "vpn-pre-up",
     "tun1",
     {"DEVICE_IP_IFACE=eth0", "IP4_NAMESERVERS=192.0.2.1", "VPN_IP_IFACE=tun1",
      "VPN_IP4_NAMESERVERS=10.65.0.1"},
     "tun1",
     "10.65.0.1",
     TRUE},
    {"a vpn without an interface is not the device below it",
     "vpn-up",
     "eth0",
     {"DEVICE_IP_IFACE=eth0", "IP4_NAMESERVERS=192.0.2.1"},
     NULL,
     NULL,
     FALSE},
    {"a vpn that goes down", "vpn-pre-down", "tun1", {"VPN_IP_IFACE=tun1"}, "tun1", NULL, TRUE},
    {"a change of the servers", "dns-change", "", {NULL}, NULL, NULL, FALSE},
    {"a hostile interface", "vpn-up", "x", {"VPN_IP_IFACE=../../etc"}, NULL, NULL, FALSE},
    {"loopback", "vpn-up", "x", {"VPN_IP_IFACE=lo"}, NULL, NULL, FALSE},
    {"an interface that is too long", "up", "0123456789abcdef", {NULL}, NULL, NULL, FALSE},
    {"no text", "up", "wg0", {"IP4_NAMESERVERS=\377\376"}, "wg0", NULL, FALSE},
    {"nothing", "up", "wg0", {"IP4_NAMESERVERS="}, "wg0", NULL, FALSE},
};

static void
hints_are (gconstpointer data)
{
  const Case *one = data;
  CgHints hints = cg_nm_dispatcher_env ((char **) one->environment, one->ifname, one->action);
  g_assert_cmpstr (hints.interface, ==, one->interface);
  g_assert_cmpstr (hints.servers[0], ==, one->servers);
  g_assert_cmpint (hints.is_now, ==, one->is_now);
  g_assert_null (hints.connection_id);
  g_assert_null (hints.profile);
}

static void
the_connection (void)
{
  const char *environment[] = {"CONNECTION_ID=Work VPN", "CONNECTION_UUID=u-u",
                               "CONNECTION_FILENAME=/x", "IP6_NAMESERVERS=fd00::1", NULL};
  CgHints hints = cg_nm_dispatcher_env ((char **) environment, "wg0", "up");
  g_assert_cmpstr (hints.connection_id, ==, "Work VPN");
  g_assert_cmpstr (hints.connection_uuid, ==, "u-u");
  g_assert_cmpstr (hints.profile, ==, "/x");
  g_assert_cmpstr (hints.servers[1], ==, "fd00::1");
}

static void
what_is_endless_is_nothing (void)
{
  g_autofree char *servers = g_strnfill (100000, '1');
  g_autofree char *variable = g_strconcat ("IP4_NAMESERVERS=", servers, NULL);
  char *environment[] = {variable, NULL};
  g_assert_null (cg_nm_dispatcher_env (environment, "wg0", "up").servers[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/nm-dispatcher-env/", cases[i].name, NULL);
    g_test_add_data_func (path, &cases[i], hints_are);
  }
  g_test_add_func ("/nm-dispatcher-env/the connection", the_connection);
  g_test_add_func ("/nm-dispatcher-env/what is endless is nothing", what_is_endless_is_nothing);
  return g_test_run ();
}
