/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backoff.h"

/* Six runs in a row, each with something to answer right behind it, within some 130 ms: no tunnel
 * takes so many to come up. */
#define FIGHT (64 * CG_BACKOFF_FIRST)

CgBackoff
cg_backoff_new (void)
{
  return (CgBackoff){.last_end = -CG_BACKOFF_NEVER, .due = CG_BACKOFF_NEVER};
}

static gboolean
is_calm (const CgBackoff *pace, gint64 now)
{
  /* written so that the first event of all does not overflow */
  return pace->last_end < now - (4 * pace->delay + CG_BACKOFF_CALM);
}

void
cg_backoff_event (CgBackoff *pace, gint64 now)
{
  if (pace->due != CG_BACKOFF_NEVER)
    return; /* gathered */
  if (is_calm (pace, now))
    pace->delay = 0;
  else
    pace->delay = CLAMP (2 * pace->delay, CG_BACKOFF_FIRST, CG_BACKOFF_SLOWEST);
  pace->due = pace->delay ? MAX (now, pace->last_end + pace->delay) : now;
}

void
cg_backoff_started (CgBackoff *pace)
{
  pace->due = CG_BACKOFF_NEVER;
}

void
cg_backoff_ended (CgBackoff *pace, gint64 now)
{
  pace->last_end = now;
  /* what came during the run is counted from its end */
  if (pace->due != CG_BACKOFF_NEVER)
    pace->due = now + MAX (pace->delay, CG_BACKOFF_FIRST);
}

gboolean
cg_backoff_is_fight (const CgBackoff *pace)
{
  return pace->delay >= FIGHT;
}
