/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* When a configuration directory that has changed is to be read: inotify(7). */
typedef struct {
  int fd;      /* to be polled */
  gint64 due;  /* when it is to be read; CG_BACKOFF_NEVER (backoff.h): nothing changed */
  gint64 last; /* when it is to be read at the latest */
} CgConfigWatch;

/* An editor takes the old file away before it puts the new one there, and a gateway whose file is
 * gone is released: so a directory must be quiet for so long; or, if it never is, at the latest
 * so long after the first change. Microseconds. */
#define CG_CONFIG_WATCH_SETTLE ((gint64) G_USEC_PER_SEC)
#define CG_CONFIG_WATCH_LATEST (10 * CG_CONFIG_WATCH_SETTLE)

/* fd is -1 if the kernel has none to give: then only a signal makes anybody read. */
CgConfigWatch cg_config_watch_open (void);

/* Watches the directory that has this path now; is to be called before each time it is read, since
 * it may be another one. */
void cg_config_watch_add (const CgConfigWatch *directory, const char *path);

/* Takes what inotify has to say at this time (g_get_monotonic_time) and sets due. Does not wait. */
void cg_config_watch_take (CgConfigWatch *directory, gint64 now);

/* It is about to be read. */
void cg_config_watch_started (CgConfigWatch *directory);
