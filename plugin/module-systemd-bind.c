/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd-bind.h"

#include <gio/gio.h>

#define BUS_NAME "org.freedesktop.systemd1"
#define TIMEOUT  5000 /* milliseconds */

static gboolean
runs_not (const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  return g_strcmp0 (name, BUS_NAME ".NoSuchUnit") == 0 ||
         g_strcmp0 (name, BUS_NAME ".UnitInactive") == 0;
}

static gboolean
bind_unit (GDBusConnection *bus,
           const char *unit,
           const char *source,
           const char *destination,
           GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_sync (
      bus, BUS_NAME, "/org/freedesktop/systemd1", BUS_NAME ".Manager", "BindMountUnit",
      g_variant_new ("(sssbb)", unit, source, destination, TRUE, TRUE), NULL,
      G_DBUS_CALL_FLAGS_NONE, TIMEOUT, NULL, &why);
  if (answer || runs_not (why))
    return TRUE;
  if (!g_dbus_error_is_remote_error (why)) {
    g_propagate_error (error, g_steal_pointer (&why));
    return FALSE;
  }
  g_dbus_error_strip_remote_error (why);
  g_warning ("%s: restart it, it may see the new %s: %s", unit, destination, why->message);
  return TRUE;
}

gboolean
cg_systemd_bind (const char *const *units,
                 const char *source,
                 const char *destination,
                 GError **error)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  gboolean answers = bus != NULL;
  for (; *units && answers; units++)
    answers = bind_unit (bus, *units, source, destination, error);
  return answers;
}
