/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* What we have to remember until the next boot: small files in the runtime directory, of a word
 * each. The name is that of a gateway or of a unit, so it holds no '/'. */
typedef enum {
  CG_RECORD_STOPPED, /* of a gateway whose unit was stopped: by whom */
  CG_RECORD_RESUME,  /* of a service that is to run again with its gateway: its state of enabling */
  CG_RECORD_TUNNEL, /* of a gateway: the interface's index when its unit started, or CG_NO_TUNNEL */
  CG_RECORD_STRAYS, /* of a gateway: connections from before are still to be ended, see stray.h */
} CgRecord;

/* The unit was told to stop because of the tunnel. */
#define CG_NO_TUNNEL "0"

/* Who stopped a gateway's unit. */
#define CG_STOPPED_BY_HAND   "by-hand"
#define CG_STOPPED_BY_TUNNEL "tunnel"

/* Remembers the word. FALSE with a CG_ERROR_FAILED. */
gboolean cg_record_set (
    const char *runtime_dir, CgRecord record, const char *name, const char *word, GError **error);

/* Remembers no more than that it is so, and only against our own death: it costs next to nothing.
 * What fails is as if it had not been called. */
void cg_record_mark (const char *runtime_dir, CgRecord record, const char *name);

/* The word (of a mark, ""), which the caller owns, or NULL if there is none. */
char *cg_record_get (const char *runtime_dir, CgRecord record, const char *name);

/* The names of which there is one. The caller owns the result. */
GStrv cg_record_list (const char *runtime_dir, CgRecord record);

/* Forgets it. FALSE with a CG_ERROR_FAILED if it is still there. */
gboolean
cg_record_drop (const char *runtime_dir, CgRecord record, const char *name, GError **error);
