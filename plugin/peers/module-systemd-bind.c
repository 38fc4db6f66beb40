/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd-bind.h"

#include "systemd-talk.h"

/* One unit, and over what something is bound. */
typedef struct {
  const char *unit;
  const char *destination;
} Binding;

static gboolean
runs_not (const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  return g_strcmp0 (name, CG_SYSTEMD_BUS_NAME ".NoSuchUnit") == 0 ||
         g_strcmp0 (name, CG_SYSTEMD_BUS_NAME ".UnitInactive") == 0;
}

/* What systemd says against one unit is said, and does not keep the others from it. */
static gboolean
tell_of_refusal (gpointer to, const GError *error)
{
  const Binding *binding = to;
  if (runs_not (error))
    return TRUE;
  if (!g_dbus_error_is_remote_error (error))
    return FALSE;
  g_autoptr (GError) why = g_error_copy (error);
  g_dbus_error_strip_remote_error (why);
  g_warning ("%s: restart it, it may see the new %s: %s", binding->unit, binding->destination,
             why->message);
  return TRUE;
}

gboolean
cg_systemd_bind (const char *const *units,
                 const char *source,
                 const char *destination,
                 GError **error)
{
  g_autoptr (CgTalk) talk = cg_talk_new (error);
  g_autofree Binding *bindings = g_new (Binding, g_strv_length ((char **) units));
  for (guint i = 0; talk && units[i]; i++) {
    bindings[i] = (Binding){units[i], destination};
    cg_talk_ask (talk, CG_SYSTEMD_MANAGER_PATH, CG_SYSTEMD_MANAGER, "BindMountUnit",
                 g_variant_new ("(sssbb)", units[i], source, destination, TRUE, TRUE), NULL,
                 (CgCall){.forgives = tell_of_refusal, .to = &bindings[i]});
  }
  return talk && cg_talk_wait (talk, error);
}
