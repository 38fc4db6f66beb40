/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pace.h"

/* Six runs in a row, each with something to answer right behind it, within some 130 ms: no tunnel
 * takes so many to come up. */
#define FIGHT (64 * CG_PACE_FIRST)

CgPace
cg_pace_new (void)
{
  return (CgPace){.last_end = -CG_PACE_NEVER, .due = CG_PACE_NEVER};
}

static gboolean
is_calm (const CgPace *pace, gint64 now)
{
  /* written so that the first event of all does not overflow */
  return pace->last_end < now - (4 * pace->delay + CG_PACE_CALM);
}

void
cg_pace_event (CgPace *pace, gint64 now)
{
  if (pace->due != CG_PACE_NEVER)
    return; /* gathered */
  if (is_calm (pace, now))
    pace->delay = 0;
  else
    pace->delay = CLAMP (2 * pace->delay, CG_PACE_FIRST, CG_PACE_SLOWEST);
  pace->due = pace->delay ? MAX (now, pace->last_end + pace->delay) : now;
}

void
cg_pace_started (CgPace *pace)
{
  pace->due = CG_PACE_NEVER;
}

void
cg_pace_ended (CgPace *pace, gint64 now)
{
  pace->last_end = now;
  /* what came during the run is counted from its end */
  if (pace->due != CG_PACE_NEVER)
    pace->due = now + MAX (pace->delay, CG_PACE_FIRST);
}

gboolean
cg_pace_is_fight (const CgPace *pace)
{
  return pace->delay >= FIGHT;
}
