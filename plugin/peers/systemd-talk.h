/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/* One conversation with systemd by D-Bus, inside the part "systemd" (module.h): with systemd
 * itself, without a bus, if that is allowed (root may), so that it works from the first unit of a
 * boot on; otherwise by the system bus. Everything is asked at once, and what has not been answered
 * ten seconds after the beginning is not waited for. */
typedef struct CgTalk CgTalk;

/* org.freedesktop.systemd1(5). */
#define CG_SYSTEMD_BUS_NAME     "org.freedesktop.systemd1"
#define CG_SYSTEMD_MANAGER_PATH "/org/freedesktop/systemd1"
#define CG_SYSTEMD_MANAGER      CG_SYSTEMD_BUS_NAME ".Manager"

/* NULL with an error of GIO's if nobody is to be reached. */
CgTalk *cg_talk_new (GError **error);
void cg_talk_free (CgTalk *talk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgTalk, cg_talk_free)

/* What becomes of a question, in cg_talk_wait(). Either function may be NULL. */
typedef struct {
  void (*take) (gpointer to, GVariant *answer);
  /* Whether the error is none to us; g_dbus_error_get_remote_error() still tells its name. */
  gboolean (*forgives) (gpointer to, const GError *error);
  gpointer to;
} CgCall;

/* Sends a question of these parameters, of which a floating reference is taken over. answer is the
 * type that the answer must have; NULL for any. */
void cg_talk_ask (CgTalk *talk,
                  const char *path,
                  const char *interface,
                  const char *method,
                  GVariant *parameters,
                  const char *answer,
                  CgCall call);

/* Waits for all the answers. FALSE with the first error that nobody forgave, one of GIO's. */
gboolean cg_talk_wait (CgTalk *talk, GError **error);
