/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "systemd.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#define PRIVATE_SOCKET "/run/systemd/private" /* RUNDIR/private in systemd's own sources */
#define BUS_NAME       "org.freedesktop.systemd1"
#define MANAGER_PATH   "/org/freedesktop/systemd1"
#define UNIT_PATH      MANAGER_PATH "/unit/"
#define MANAGER        "org.freedesktop.systemd1.Manager"
#define SECONDS        10 /* process 1 is busy for some during a reload, and at boot */
#define NUDGE_MS       2

/* One conversation: everything is asked at once, and what is late is not waited for. */
typedef struct {
  GMainContext *context;
  GSource *alarm;
  GSource *nudge;
  GCancellable *cancellable;
  GDBusConnection *connection;
  const char *destination; /* NULL if systemd itself is at the other end */
  guint pending;
  guint nudges;
  GError *error; /* the first one */
} Talk;

typedef void (*Take) (gpointer to, GVariant *answer);

/* A question on its way. */
typedef struct {
  Talk *talk;
  Take take;
  gpointer to;
  gboolean may_fail;
} Call;

static void
talk_free (Talk *talk)
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
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Talk, talk_free)

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
  Talk *talk = data;
  guint count = talk->connection ? ++talk->nudges : 0;
  /* less and less often: at the 1st, 2nd, 4th, 8th ... time */
  if (count > 0 && (count & (count - 1)) == 0)
    g_dbus_connection_call (talk->connection, talk->destination, MANAGER_PATH,
                            "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, G_DBUS_CALL_FLAGS_NONE,
                            -1, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static void
keep_error (Talk *talk, GError *error)
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
wait_for_all (Talk *talk)
{
  while (talk->pending > 0)
    g_main_context_iteration (talk->context, TRUE);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  Talk *talk = data;
  GError *error = NULL;
  (void) source;
  talk->connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (error)
    keep_error (talk, error);
  talk->pending--;
}

static gboolean
reach (Talk *talk, const char *address, GDBusConnectionFlags more)
{
  g_clear_error (&talk->error);
  talk->pending++;
  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | more,
                                     NULL, talk->cancellable, on_connected, talk);
  wait_for_all (talk);
  return talk->connection != NULL;
}

static Talk *
talk_new (GError **error)
{
  g_autoptr (Talk) talk = g_new0 (Talk, 1);
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
  talk->destination = BUS_NAME;
  if (reach (talk, bus, G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION))
    return g_steal_pointer (&talk);
  g_propagate_error (error, g_steal_pointer (&talk->error));
  return NULL;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  GError *error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (answer && call->take)
    call->take (call->to, answer);
  if (error && call->may_fail)
    g_error_free (error);
  else if (error)
    keep_error (call->talk, error);
  call->talk->pending--;
  g_free (call);
}

/* Sends a question; wait_for_all() waits for the answer. Takes call and parameters over. */
static void
ask (const char *path,
     const char *interface,
     const char *method,
     GVariant *parameters,
     const char *answer,
     Call call)
{
  call.talk->pending++;
  g_dbus_connection_call (call.talk->connection, call.talk->destination, path, interface, method,
                          parameters, answer ? G_VARIANT_TYPE (answer) : NULL,
                          G_DBUS_CALL_FLAGS_NONE, SECONDS * 1000, call.talk->cancellable, on_answer,
                          g_memdup2 (&call, sizeof call));
}

/* Asks for everything at once: a unit that nobody needs is loaded anew for each question. */
static void
ask_properties (const char *path, Call call)
{
  ask (path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", ""), "(a{sv})",
       call);
}

/* The object path of a unit: every byte but ASCII letters and digits, and a digit in front, becomes
 * _ and two hexadecimal digits (org.freedesktop.systemd1(5)). */
static char *
unit_path (const char *name)
{
  g_autoptr (GString) path = g_string_new (UNIT_PATH);
  for (const char *c = name; *c; c++)
    if (g_ascii_isalpha (*c) || (g_ascii_isdigit (*c) && c > name))
      g_string_append_c (path, *c);
    else
      g_string_append_printf (path, "_%02x", (guint8) *c);
  return g_strdup (path->str);
}

static void
take_string (GVariant *properties, const char *key, char **into)
{
  const char *text;
  if (!g_variant_lookup (properties, key, "&s", &text))
    return;
  g_free (*into);
  *into = g_strdup (text);
}

/* Whether the first of all that the unit runs is our question whether it may start. */
static gboolean
asks_us_first (GVariant *properties)
{
  g_autoptr (GVariant) commands =
      g_variant_lookup_value (properties, "ExecCondition", G_VARIANT_TYPE ("a(sasbttttuii)"));
  if (!commands || g_variant_n_children (commands) == 0)
    return FALSE;
  g_autofree const char **words = NULL;
  g_autoptr (GVariant) first = g_variant_get_child_value (commands, 0);
  g_variant_get_child (first, 1, "^a&s", &words);
  return g_strv_length ((char **) words) == 5 && g_str_has_suffix (words[0], "/custom-gateway") &&
         g_str_equal (words[1], "event") && g_str_equal (words[2], "service") &&
         g_str_equal (words[3], "start");
}

static void
take_unit (gpointer to, GVariant *answer)
{
  CgServiceFact *fact = to;
  g_autoptr (GVariant) properties = g_variant_get_child_value (answer, 0);
  g_autofree char *cgroup = NULL;
  guint64 left_inactive = 0;
  take_string (properties, "Id", &fact->id);
  take_string (properties, "LoadState", &fact->load_state);
  take_string (properties, "ActiveState", &fact->active_state);
  take_string (properties, "UnitFileState", &fact->file_state);
  (void) g_variant_lookup (properties, "NeedDaemonReload", "b", &fact->needs_reload);
  (void) g_variant_lookup (properties, "InactiveExitTimestampMonotonic", "t", &left_inactive);
  fact->has_run = left_inactive != 0;
  take_string (properties, "User", &fact->user);
  take_string (properties, "ControlGroup", &cgroup);
  (void) g_variant_lookup (properties, "DynamicUser", "b", &fact->dynamic);
  (void) g_variant_lookup (properties, "UID", "u", &fact->running_uid);
  /* systemd lets go of a unit's control group when the last process has left it */
  fact->has_processes = cgroup && *cgroup;
  fact->bound = asks_us_first (properties);
}

/* Of all the jobs that there are, those of our units: (id, unit, type, state, job, unit's path). */
static void
take_jobs (gpointer to, GVariant *answer)
{
  const GPtrArray *facts = to;
  g_autoptr (GVariantIter) jobs = NULL;
  const char *unit, *type;
  g_variant_get (answer, "(a(usssoo))", &jobs);
  while (g_variant_iter_next (jobs, "(u&s&s&s&o&o)", NULL, &unit, &type, NULL, NULL, NULL))
    for (guint i = 0; i < facts->len; i++) {
      CgServiceFact *fact = facts->pdata[i];
      if (g_strcmp0 (fact->id, unit) != 0)
        continue;
      g_free (fact->job);
      fact->job = g_strdup (type);
    }
}

gboolean
cg_systemd_look (GPtrArray *facts, GError **error)
{
  g_autoptr (Talk) talk = talk_new (error);
  if (!talk)
    return FALSE;
  for (guint i = 0; i < facts->len; i++) {
    CgServiceFact *fact = facts->pdata[i];
    g_autofree char *path = unit_path (fact->name);
    ask_properties (path, (Call){talk, take_unit, fact, FALSE});
  }
  /* systemd answers in the order in which it was asked: the units' own names are known by then */
  ask (MANAGER_PATH, MANAGER, "ListJobs", NULL, "(a(usssoo))",
       (Call){talk, take_jobs, facts, FALSE});
  wait_for_all (talk);
  if (!talk->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&talk->error));
  return FALSE;
}

gboolean
cg_systemd_queue (gboolean start, const char *const *units, GError **error)
{
  g_autoptr (Talk) talk = talk_new (error);
  if (!talk)
    return FALSE;
  for (; *units; units++) {
    if (start)
      ask (MANAGER_PATH, MANAGER, "ResetFailedUnit", g_variant_new ("(s)", *units), NULL,
           (Call){talk, NULL, NULL, TRUE});
    ask (MANAGER_PATH, MANAGER, start ? "StartUnit" : "StopUnit",
         g_variant_new ("(ss)", *units, "replace"), "(o)", (Call){talk, NULL, NULL, FALSE});
  }
  wait_for_all (talk);
  if (!talk->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&talk->error));
  return FALSE;
}
