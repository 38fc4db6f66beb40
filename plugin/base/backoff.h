/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* When the next run may be. The first event after a calm time is answered at once. One that comes
 * right behind a run waits: so a burst is gathered, and a tool that takes away again and again what
 * was repaired finds us slower each time, up to CG_BACKOFF_SLOWEST. Pure: the clock is the
 * caller's, in microseconds, and never goes back. */
typedef struct {
  gint64 delay;    /* from the end of the last run to the next */
  gint64 last_end; /* of a run */
  gint64 due;      /* of the next run; CG_BACKOFF_NEVER: nothing calls for one */
} CgBackoff;

#define CG_BACKOFF_NEVER G_MAXINT64
/* The delay behind a first run: about what it takes to flush a hundred rules. */
#define CG_BACKOFF_FIRST ((gint64) 1000)
/* The longest delay: a run of 5 ms takes half a per cent of a processor then. */
#define CG_BACKOFF_SLOWEST ((gint64) G_USEC_PER_SEC)
/* When so long, and four delays, have gone by behind a run, it is calm again. */
#define CG_BACKOFF_CALM ((gint64) G_USEC_PER_SEC / 10)

/* A pace at rest. */
CgBackoff cg_backoff_new (void);

/* Something calls for a run. */
void cg_backoff_event (CgBackoff *pace, gint64 now);

/* A run begins: all events so far are answered by it. */
void cg_backoff_started (CgBackoff *pace);

/* It has ended. */
void cg_backoff_ended (CgBackoff *pace, gint64 now);

/* Whether events follow runs so steadily that somebody must be fighting us. */
gboolean cg_backoff_is_fight (const CgBackoff *pace);
