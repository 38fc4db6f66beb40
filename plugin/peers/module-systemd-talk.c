/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd-talk.h"

#include <unistd.h>

#define PRIVATE_SOCKET "/run/systemd/private" /* RUNDIR/private in systemd's own sources */
#define SECONDS        10 /* process 1 is busy for some during a reload, and at boot */
#define NUDGE_MS       2

struct CgTalk {
  GMainContext *context;
  GSource *alarm;
  GSource *nudge;
  GCancellable *cancellable;
  GDBusConnection *connection;
  const char *destination; /* NULL if systemd itself is at the other end */
  guint pending;
  guint nudges;
  GError *error; /* the first one */
};

/* A question on its way. */
typedef struct {
  CgTalk *talk;
  CgCall call;
} Question;

void
cg_talk_free (CgTalk *talk)
{
  g_source_destroy (talk->alarm);
  g_source_unref (talk->alarm);
  g_source_destroy (talk->nudge);
  g_source_unref (talk->nudge);
  g_clear_object (&talk->connection);
  g_object_unref (talk->cancellable);
  g_main_context_pop_thread_default (talk->context);
  g_main_context_unref (talk->context);
  g_clear_error (&talk->error);
  g_free (talk);
}

static gboolean
give_up (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

/* While systemd still writes its part of the authentication it leaves what has come behind ours in
 * its buffer until more comes (its issue 17425; seen with 252: a StopUnit alone was done when we
 * hung up). So more comes. */
static gboolean
send_more (gpointer data)
{
  CgTalk *talk = data;
  guint count = talk->connection ? ++talk->nudges : 0;
  /* less and less often: at the 1st, 2nd, 4th, 8th ... time */
  if (count > 0 && (count & (count - 1)) == 0)
    g_dbus_connection_call (talk->connection, talk->destination, CG_SYSTEMD_MANAGER_PATH,
                            "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, G_DBUS_CALL_FLAGS_NONE,
                            -1, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static void
keep_error (CgTalk *talk, GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_error_free (error);
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "systemd has not answered for %d s",
                         SECONDS);
  }
  g_dbus_error_strip_remote_error (error);
  if (talk->error)
    g_error_free (error);
  else
    talk->error = error;
}

static void
wait_for_all (CgTalk *talk)
{
  while (talk->pending > 0)
    g_main_context_iteration (talk->context, TRUE);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  CgTalk *talk = data;
  GError *error = NULL;
  (void) source;
  talk->connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (error)
    keep_error (talk, error);
  talk->pending--;
}

static gboolean
reach (CgTalk *talk, const char *address, GDBusConnectionFlags more)
{
  g_clear_error (&talk->error);
  talk->pending++;
  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | more,
                                     NULL, talk->cancellable, on_connected, talk);
  wait_for_all (talk);
  return talk->connection != NULL;
}

CgTalk *
cg_talk_new (GError **error)
{
  g_autoptr (CgTalk) talk = g_new0 (CgTalk, 1);
  talk->context = g_main_context_new ();
  g_main_context_push_thread_default (talk->context);
  talk->cancellable = g_cancellable_new ();
  talk->alarm = g_timeout_source_new_seconds (SECONDS);
  g_source_set_callback (talk->alarm, give_up, talk->cancellable, NULL);
  g_source_attach (talk->alarm, talk->context);

  talk->nudge = g_timeout_source_new (NUDGE_MS);
  g_source_set_callback (talk->nudge, send_more, talk, NULL);
  g_source_attach (talk->nudge, talk->context);

  if (access (PRIVATE_SOCKET, W_OK) == 0 &&
      reach (talk, "unix:path=" PRIVATE_SOCKET, G_DBUS_CONNECTION_FLAGS_NONE))
    return g_steal_pointer (&talk);
  g_autofree char *bus = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (!bus)
    return NULL;
  talk->destination = CG_SYSTEMD_BUS_NAME;
  if (reach (talk, bus, G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION))
    return g_steal_pointer (&talk);
  g_propagate_error (error, g_steal_pointer (&talk->error));
  return NULL;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  const CgCall *call = &question->call;
  GError *error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (answer && call->take)
    call->take (call->to, answer);
  if (error && call->forgives && call->forgives (call->to, error))
    g_error_free (error);
  else if (error)
    keep_error (question->talk, error);
  question->talk->pending--;
  g_free (question);
}

void
cg_talk_ask (CgTalk *talk,
             const char *path,
             const char *interface,
             const char *method,
             GVariant *parameters,
             const char *answer,
             CgCall call)
{
  const Question question = {talk, call};
  talk->pending++;
  g_dbus_connection_call (talk->connection, talk->destination, path, interface, method, parameters,
                          answer ? G_VARIANT_TYPE (answer) : NULL, G_DBUS_CALL_FLAGS_NONE,
                          SECONDS * 1000, talk->cancellable, on_answer,
                          g_memdup2 (&question, sizeof question));
}

gboolean
cg_talk_wait (CgTalk *talk, GError **error)
{
  wait_for_all (talk);
  if (!talk->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&talk->error));
  return FALSE;
}
