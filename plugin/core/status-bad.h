/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* What holds for a gateway whose file is bad. */
typedef enum {
  CG_BAD_NOTHING,   /* nothing of it stands */
  CG_BAD_STANDING,  /* rules stand of whose uids no good file tells: they may be its */
  CG_BAD_BLOCKED,   /* the users that it names are blocked: see bad-users.h */
  CG_BAD_LAST_GOOD, /* its last good file is in force */
} CgBadState;

typedef struct {
  const char *name; /* the config's */
  CgBadState state;
  GArray *uids; /* CgUidRange: the gateway's; or if it is STANDING, all of which no file tells */
} CgBadStatus;

/* An array of CgBadStatus: of the bad files of these names, or of all if none is named, each once.
 * Borrows from the facts. */
GArray *cg_status_bad_new (const CgFacts *facts, const char *const *names);

/* "nothing", "standing", "blocked" or "last-good". */
const char *cg_status_bad_word (const CgBadStatus *status);

/* A line for people. The caller owns the result. */
char *cg_status_bad_text (const CgBadStatus *status);
