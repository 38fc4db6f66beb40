/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "backoff.h"

/* IN_CREATE for symbolic links, which nobody writes to; IN_ATTRIB for a chown or chmod that makes a
 * file trusted. */
#define CHANGES                                                                                    \
  (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |              \
   IN_DELETE_SELF | IN_MOVE_SELF)

CgConfigWatch
cg_config_watch_open (void)
{
  return (CgConfigWatch){.fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK), .due = CG_BACKOFF_NEVER};
}

void
cg_config_watch_add (const CgConfigWatch *directory, const char *path)
{
  /* of the same directory there is only one watch, however often it is asked for */
  if (directory->fd >= 0)
    (void) inotify_add_watch (directory->fd, path, CHANGES | IN_ONLYDIR);
}

/* Whether it may have changed a gateway's file, or the directory itself (which has no name). */
static gboolean
is_relevant (const struct inotify_event *event)
{
  if (event->mask & IN_IGNORED)
    return FALSE;
  return event->len == 0 || (*event->name != '.' && g_str_has_suffix (event->name, ".conf"));
}

void
cg_config_watch_take (CgConfigWatch *directory, gint64 now)
{
  guint8 space[4096] __attribute__ ((aligned (8)));
  gboolean changed = FALSE;
  ssize_t got;
  while (directory->fd >= 0 && (got = read (directory->fd, space, sizeof space)) > 0)
    for (const guint8 *next = space; next < space + got;) {
      const struct inotify_event *event = (const struct inotify_event *) next;
      changed = changed || is_relevant (event);
      next += sizeof *event + event->len;
    }
  if (!changed)
    return;
  if (directory->due == CG_BACKOFF_NEVER)
    directory->last = now + CG_CONFIG_WATCH_LATEST;
  directory->due = MIN (now + CG_CONFIG_WATCH_SETTLE, directory->last);
}

void
cg_config_watch_started (CgConfigWatch *directory)
{
  directory->due = CG_BACKOFF_NEVER;
}
