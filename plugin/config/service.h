/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "uids.h"

/* What systemd says of one unit (org.freedesktop.systemd1(5)), and what we make of it. */
typedef struct {
  char *name;          /* as the file has it; may be an alias */
  char *id;            /* systemd's own name of the unit; NULL if systemd said nothing */
  char *load_state;    /* "loaded", "not-found", "masked", "error" ... */
  char *active_state;  /* "active", "inactive", "activating" ... */
  char *file_state;    /* "enabled", "disabled", "static" ...; may be "" */
  char *job;           /* the type of the job that waits or runs, "stop" for one; NULL if none */
  char *user;          /* User=, by name or number; "" if it is root's */
  gboolean dynamic;    /* DynamicUser= */
  guint32 running_uid; /* of its processes; CG_UID_INVALID if it has none */
  guint32 uid;         /* whom it runs as; CG_UID_INVALID if that is nobody now, or not known */
  gboolean has_processes;
  gboolean has_run;      /* since boot, or was about to */
  gboolean needs_reload; /* its files have changed since systemd read them */
  gboolean bound;        /* whatever it runs, our ExecCondition= runs first */
} CgServiceFact;

/* A unit of which nothing is known yet. */
CgServiceFact *cg_service_fact_new (const char *name);
void cg_service_fact_free (CgServiceFact *fact);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgServiceFact, cg_service_fact_free)

/* An array of them that frees its elements. */
GPtrArray *cg_service_facts_new (void);

/* Whether systemd knows the unit and can run it. */
gboolean cg_service_is_loaded (const CgServiceFact *fact);

/* Whether its state is "active", "activating" or another in which it has processes. */
gboolean cg_service_is_running (const CgServiceFact *fact);

/* Whether nothing of it runs, and nothing of it can run before we have confined it. */
gboolean cg_service_is_at_rest (const CgServiceFact *fact);

/* Whether it is about to stop. */
gboolean cg_service_is_stopping (const CgServiceFact *fact);

/* Whether it is enabled, see systemctl(1). */
gboolean cg_service_is_enabled (const CgServiceFact *fact);
