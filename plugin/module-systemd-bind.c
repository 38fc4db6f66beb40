/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd-bind.h"

#include <gio/gio.h>
#include <string.h>

#define BUS_NAME "org.freedesktop.systemd1"
#define TIMEOUT  5000 /* milliseconds */

/* What systemd says of a unit that has no process to do it for. */
static gboolean
does_not_run (const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  return g_strcmp0 (name, BUS_NAME ".NoSuchUnit") == 0 ||
         g_strcmp0 (name, BUS_NAME ".UnitInactive") == 0 ||
         strstr (error->message, "not running") != NULL;
}

gboolean
cg_systemd_bind (const char *unit, const char *source, const char *destination, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &why);
  if (bus)
    answer = g_dbus_connection_call_sync (
        bus, BUS_NAME, "/org/freedesktop/systemd1", BUS_NAME ".Manager", "BindMountUnit",
        g_variant_new ("(sssbb)", unit, source, destination, TRUE, TRUE), NULL,
        G_DBUS_CALL_FLAGS_NONE, TIMEOUT, NULL, &why);
  if (answer || does_not_run (why))
    return TRUE;
  g_dbus_error_strip_remote_error (why);
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", unit, why->message);
  return FALSE;
}
