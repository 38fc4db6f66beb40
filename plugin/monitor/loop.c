/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "alone.h"
#include "backoff.h"
#include "child-run.h"
#include "config-watch.h"
#include "monitor-run.h"
#include "netlink-monitor.h"
#include "notify.h"
#include "removed.h"

/* A run waits 20 s for the lock at most; one that takes longer than this hangs. */
#define RUN_LIMIT ((gint64) 30 * G_USEC_PER_SEC)
/* A run that failed, or that could not find out all, is repeated; each time twice as late. */
#define RETRY_FIRST ((gint64) G_USEC_PER_SEC)
#define RETRY_LAST  (300 * RETRY_FIRST)
/* A fight is told of no more often than this. */
#define SAY_AGAIN ((gint64) 60 * G_USEC_PER_SEC)

typedef struct {
  const CgOptions *options;
  int signals; /* signalfd(2) */
  CgNetlinkMonitor *watch;
  CgEventFilter *filter;
  CgConfigWatch directory;

  CgChildRun worker; /* the run that is under way */
  CgMonitorRun run;  /* what it was told */
  int asking;        /* as the run has it */
  gboolean is_cut;   /* the run is being ended for a loss: the next one repairs that first */
  GVariant *config_copy, *answers;
  /* Apart, so that a tunnel is followed at once while somebody fights over a rule, or while a
   * firewall is loaded in many steps. */
  CgBackoff tunnel, loss, check;
  gint64 read;        /* when a run was last told to read the directory */
  gboolean reload;    /* the next run is to be at once and to read the directory */
  gboolean unread;    /* the next one, whenever it is, is to read it: the last could not */
  gint64 retry;       /* when to run without any event, or CG_BACKOFF_NEVER */
  gint64 retry_delay; /* 0: all is well */

  gint64 ping_every, ping; /* for systemd's watchdog, or CG_BACKOFF_NEVER */
  CgCulprit culprit;
  gint64 said;   /* when a fight was last told of */
  int status;    /* of the last run */
  char *failure; /* what it failed of, or NULL */
  gboolean is_ready, is_flooded, is_over;
} Monitor;

static void
monitor_clear (Monitor *monitor)
{
  g_clear_pointer (&monitor->watch, cg_netlink_monitor_free);
  g_clear_pointer (&monitor->filter, cg_event_filter_free);
  g_clear_pointer (&monitor->config_copy, g_variant_unref);
  g_clear_pointer (&monitor->answers, g_variant_unref);
  g_clear_pointer (&monitor->failure, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Monitor, monitor_clear)

static int
open_signals (GError **error)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGCHLD);
  sigprocmask (SIG_BLOCK, &set, NULL);
  int fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot wait for signals: %s",
                 g_strerror (errno));
  return fd;
}

/* Who fights with us must be told of, but not at each blow. */
static void
tell_of_loss (Monitor *monitor, gint64 now)
{
  g_autofree char *who = cg_culprit_to_string (&monitor->culprit);
  if (!cg_backoff_is_fight (&monitor->loss)) {
    g_info ("%s changed rules, routes or a guard of ours", who);
    return;
  }
  if (monitor->said && now - monitor->said < SAY_AGAIN)
    return;
  monitor->said = now;
  g_warning ("%s changes rules, routes or a guard of ours again and again; they are repaired after "
             "a delay now, up to %u s. Stop it, or tell it to leave alone what carries protocol %d",
             who, (guint) (CG_BACKOFF_SLOWEST / G_USEC_PER_SEC), CG_PROTOCOL);
}

static gboolean
is_in_fight (const CgBackoff *pace, gint64 now)
{
  return pace->due <= now && cg_backoff_is_fight (pace);
}

static void
start_run (Monitor *monitor, gint64 now)
{
  g_autoptr (GError) error = NULL;
  if (monitor->loss.due <= now)
    tell_of_loss (monitor, now);
  monitor->run = (CgMonitorRun){
      .options = monitor->options,
      .config_copy = monitor->config_copy,
      .answers = monitor->answers,
      .is_loss = monitor->loss.due <= now,
      .asking = monitor->asking,
      .reload = monitor->reload || monitor->unread || monitor->directory.due <= now,
      .silent = monitor->retry <= now || is_in_fight (&monitor->loss, now) ||
                is_in_fight (&monitor->tunnel, now) || is_in_fight (&monitor->check, now),
  };
  if (monitor->run.reload) {
    monitor->read = now;
    cg_config_watch_add (&monitor->directory, monitor->options->config_dir);
    cg_config_watch_started (&monitor->directory);
    monitor->run.silent = monitor->run.silent && monitor->unread;
  }
  monitor->run.read = monitor->read;
  monitor->reload = FALSE;
  monitor->unread = monitor->run.reload; /* until it says that it did */
  monitor->retry = CG_BACKOFF_NEVER;
  cg_backoff_started (&monitor->tunnel);
  cg_backoff_started (&monitor->loss);
  cg_backoff_started (&monitor->check);
  monitor->culprit = (CgCulprit){0};
  monitor->is_cut = FALSE;
  (void) eventfd_read (monitor->asking, &(eventfd_t){0}); /* one that was ended may have left it */
  g_info ("looking");
  if (cg_child_run_start (&monitor->worker, cg_monitor_run, &monitor->run, now + RUN_LIMIT, &error))
    return;
  g_warning ("%s", error->message);
  monitor->retry = now + RETRY_FIRST;
}

/* Once, however often it is tried. The failure is the monitor's from now on. */
static void
tell_of_failure (Monitor *monitor, char *failure)
{
  if (failure && g_strcmp0 (monitor->failure, failure) != 0)
    g_warning ("%s", failure);
  g_free (monitor->failure);
  monitor->failure = failure;
}

/* What the run found out: the configuration in force, and what is to be listened to. Of an
 * interface that is new to us we may not have heard what happened behind the run's look. */
static gboolean
take_report (Monitor *monitor, GVariant *report, gint64 now)
{
  gboolean was_read, is_complete;
  g_autofree char *failure = NULL;
  gboolean has_guard, has_bypass;
  g_autoptr (GVariant) interfaces = NULL, tables = NULL;
  g_clear_pointer (&monitor->config_copy, g_variant_unref);
  g_clear_pointer (&monitor->answers, g_variant_unref);
  g_variant_get (report, "(@" CG_CONFIG_COPY "@" CG_RESOLVE_CACHE "@aay@aubbbbms)",
                 &monitor->config_copy, &monitor->answers, &interfaces, &tables, &was_read,
                 &is_complete, &has_guard, &has_bypass, &failure);
  tell_of_failure (monitor, g_steal_pointer (&failure));
  g_autofree const char **names = g_variant_get_bytestring_array (interfaces, NULL);
  gsize n_tables;
  const guint32 *table = g_variant_get_fixed_array (tables, &n_tables, sizeof *table);
  gboolean is_new = cg_event_filter_set_interfaces (monitor->filter, names);
  is_new = cg_event_filter_set_tables (monitor->filter, table, n_tables) || is_new;
  if (is_new) {
    cg_event_filter_refresh (monitor->filter);
    cg_backoff_event (&monitor->tunnel, now);
  }
  cg_event_filter_set_machine (monitor->filter, has_guard, has_bypass);
  monitor->unread = !was_read;
  return is_complete;
}

static void
tell_systemd (Monitor *monitor, int status)
{
  const char *word = status == CG_EXIT_DONE     ? "all is as it should be"
                     : status == CG_EXIT_CONFIG ? "a configuration file is bad"
                                                : "a run failed; it will be repeated";
  if (monitor->is_ready && status == monitor->status)
    return;
  monitor->is_ready = TRUE;
  monitor->status = status;
  g_autofree char *lines = g_strdup_printf ("READY=1\nSTATUS=%s", word);
  cg_notify (lines);
}

static void
finish_run (Monitor *monitor, int status, GVariant *report)
{
  gint64 now = g_get_monotonic_time ();
  cg_backoff_ended (&monitor->tunnel, now);
  cg_backoff_ended (&monitor->loss, now);
  cg_backoff_ended (&monitor->check, now);
  if (status < 0 && monitor->is_cut)
    return; /* the loss calls for the next one */
  if (status < 0)
    g_warning ("a run was ended by a signal, or took longer than %u s",
               (guint) (RUN_LIMIT / G_USEC_PER_SEC));
  gboolean good = status == CG_EXIT_DONE || status == CG_EXIT_CONFIG;
  good = report && take_report (monitor, report, now) && good;
  monitor->retry_delay = good ? 0 : CLAMP (2 * monitor->retry_delay, RETRY_FIRST, RETRY_LAST);
  monitor->retry = good ? CG_BACKOFF_NEVER : now + monitor->retry_delay;
  tell_systemd (monitor, status);
}

static void
take_news (Monitor *monitor, guint32 own)
{
  gint64 now = g_get_monotonic_time ();
  CgNews news = {.culprit = monitor->culprit};
  cg_netlink_monitor_read (monitor->watch, monitor->filter, own, &news);
  monitor->culprit = news.culprit;
  if (news.missed) {
    g_info ("the kernel had more to tell than there was room for");
    cg_event_filter_refresh (monitor->filter);
  }
  if (news.tunnel || news.missed)
    cg_backoff_event (&monitor->tunnel, now);
  if (news.loss || news.missed)
    cg_backoff_event (&monitor->loss, now);
  if (news.check)
    cg_backoff_event (&monitor->check, now);
  monitor->is_flooded = news.more;
}

/* What a run did is all in the sockets when it has ended, and is not to be taken for others' doing.
 */
static void
collect_run (Monitor *monitor)
{
  guint32 own = (guint32) monitor->worker.pid;
  int status;
  g_autoptr (GVariant) report = NULL;
  if (!cg_child_run_collect (&monitor->worker, G_VARIANT_TYPE (CG_MONITOR_REPORT), &status,
                             &report))
    return;
  do
    take_news (monitor, own);
  while (monitor->is_flooded);
  finish_run (monitor, status, report);
}

static void
ask_to_reload (Monitor *monitor)
{
  g_autofree char *lines =
      g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
  cg_notify (lines);
  monitor->is_ready = FALSE;
  monitor->reload = TRUE;
}

static void
take_signals (Monitor *monitor)
{
  struct signalfd_siginfo got;
  while (read (monitor->signals, &got, sizeof got) == sizeof got) {
    if (got.ssi_signo == SIGCHLD)
      collect_run (monitor);
    else if (got.ssi_signo == SIGHUP)
      ask_to_reload (monitor);
    else
      monitor->is_over = TRUE;
  }
}

/* Whether to end the run under way when it asks others: it holds the lock as long as they are
 * silent, something was lost meanwhile, and the next run can put that back before it asks. */
static gboolean
is_to_be_cut (const Monitor *monitor, gint64 now)
{
  return monitor->worker.pid && !monitor->is_cut && !monitor->is_over && monitor->loss.due <= now &&
         cg_resolve_cache_count (monitor->answers, monitor->options->runtime_dir);
}

/* Whatever it was to do, the next one does: each looks at everything. */
static void
cut_run (Monitor *monitor)
{
  g_info ("something was lost while others were asked: once more");
  monitor->is_cut = TRUE;
  cg_child_run_kill (&monitor->worker); /* its end comes as a signal */
}

/* When there is something to be done without any event. */
static gint64
next_time (const Monitor *monitor, gint64 now)
{
  gint64 next =
      MIN (monitor->ping, monitor->worker.pid ? monitor->worker.deadline : monitor->retry);
  if (monitor->worker.pid)
    return monitor->loss.due > now ? MIN (next, monitor->loss.due) : next;
  if (monitor->reload)
    return 0;
  next = MIN (next, MIN (monitor->tunnel.due, MIN (monitor->loss.due, monitor->check.due)));
  return MIN (next, monitor->directory.due);
}

/* For poll(2), whose milliseconds are as fine as the first delay: rounded up, or it would wake up
 * before the time. */
static int
milliseconds_until (gint64 time)
{
  if (time == CG_BACKOFF_NEVER)
    return -1;
  gint64 wait = MAX (time - g_get_monotonic_time (), 0);
  return (int) MIN ((wait + 999) / 1000, G_MAXINT);
}

static void
wait_for_something (Monitor *monitor)
{
  gint64 now = g_get_monotonic_time ();
  struct pollfd fds[] = {
      {.fd = monitor->signals, .events = POLLIN},
      {.fd = monitor->directory.fd, .events = POLLIN},
      {.fd = cg_netlink_monitor_fd (monitor->watch, CG_NETLINK_MONITOR_ROUTE), .events = POLLIN},
      {.fd = cg_netlink_monitor_fd (monitor->watch, CG_NETLINK_MONITOR_NFT), .events = POLLIN},
      {.fd = is_to_be_cut (monitor, now) ? monitor->asking : -1, .events = POLLIN},
  };
  if (poll (fds, G_N_ELEMENTS (fds),
            monitor->is_flooded ? 0 : milliseconds_until (next_time (monitor, now))) < 0)
    return;
  /* what the kernel told before a run ended is read before its end is seen */
  if (monitor->is_flooded || fds[2].revents || fds[3].revents)
    take_news (monitor, (guint32) monitor->worker.pid);
  if (fds[0].revents)
    take_signals (monitor);
  if (fds[4].revents && monitor->worker.pid)
    cut_run (monitor);
  if (fds[1].revents)
    cg_config_watch_take (&monitor->directory, g_get_monotonic_time ());
}

static void
do_what_is_due (Monitor *monitor)
{
  gint64 now = g_get_monotonic_time ();
  if (now >= monitor->ping) {
    cg_notify ("WATCHDOG=1");
    monitor->ping = now + monitor->ping_every;
  }
  if (monitor->worker.pid) {
    if (now >= monitor->worker.deadline) {
      cg_child_run_kill (&monitor->worker);
      monitor->worker.deadline = CG_BACKOFF_NEVER; /* its end comes as a signal */
    }
  } else if (!monitor->is_over && now >= next_time (monitor, now)) {
    start_run (monitor, now);
  }
}

static gboolean
open_all (Monitor *monitor, GError **error)
{
  if (!cg_alone (monitor->options->runtime_dir, error))
    return FALSE;
  monitor->signals = open_signals (error); /* without it the end of a run is not seen */
  if (monitor->signals < 0)
    return FALSE;
  monitor->directory = cg_config_watch_open ();
  monitor->asking = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK); /* without it nothing is cut */
  monitor->filter = cg_event_filter_new ();
  monitor->watch = cg_netlink_monitor_open (error);
  cg_event_filter_refresh (monitor->filter);
  return monitor->watch != NULL;
}

int
cg_monitor_loop (const CgOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_auto (Monitor) monitor = {
      .options = options,
      .config_copy = g_variant_ref_sink (g_variant_new (CG_CONFIG_COPY, NULL)),
      .answers = g_variant_ref_sink (cg_resolve_cache_none ()),
      .tunnel = cg_backoff_new (),
      .loss = cg_backoff_new (),
      .check = cg_backoff_new (),
      .reload = TRUE,
      .retry = CG_BACKOFF_NEVER,
      .ping = CG_BACKOFF_NEVER,
      .ping_every = cg_notify_watchdog () / 2,
  };
  if (!open_all (&monitor, &error))
    return cg_fail (error);
  if (monitor.ping_every)
    monitor.ping = 0;
  while (!monitor.is_over || monitor.worker.pid) { /* the run under way may come to its end */
    do_what_is_due (&monitor);
    wait_for_something (&monitor);
  }
  cg_notify ("STOPPING=1");
  return CG_EXIT_DONE;
}
