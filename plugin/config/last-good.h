/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* The last good text of each gateway's file, kept across boots in a state directory that only root
 * can read: NAME.conf, of a line of ours, which is a comment and tells the uids that Users= came
 * to, and of the text as it was. What is read is checked as any file of the administrator's. A
 * state_dir may be NULL: then nothing is kept, and nothing found. To be changed under the lock. */

/* The configuration that the directory holds, with the last good gateways for those whose file is
 * bad, which are among the bad ones too. As cg_config_load otherwise. */
CgConfig *cg_last_good_load (const char *directory,
                             const char *state_dir,
                             gboolean missing_ok,
                             CgUserLookup lookup,
                             GError **error);

/* The last good gateway of that name, which the caller owns, or NULL. */
CgGateway *cg_last_good_find (const char *state_dir, const char *name, CgUserLookup lookup);

/* A text that was good once. If it is no longer that is because the user database does not know a
 * user any more, or does not answer: then the uids are those that they were, CgUidRange in users.
 * NULL with a CG_ERROR_CONFIG if it is not that. */
CgGateway *cg_last_good_parse (const char *name,
                               const char *text,
                               gsize length,
                               const GArray *users,
                               CgUserLookup lookup,
                               GError **error);

/* The gateway that the bytes of such a file make, or NULL with a CG_ERROR_CONFIG. Any bytes will
 * do.
 */
CgGateway *cg_last_good_decode (
    const char *name, const char *bytes, gsize size, CgUserLookup lookup, GError **error);

/* Keeps the texts of the gateways named, or of all if none is, which have just been put in force;
 * but of none whose file is bad, or is a profile's. Writes only what has changed, durably. What
 * cannot be kept is told of. */
void cg_last_good_save (const char *state_dir, const CgConfig *config, const char *const *names);

/* Forgets those of which the config has no file, neither a good nor a bad one. */
void cg_last_good_forget_gone (const char *state_dir, const CgConfig *config);

/* Forgets those named, or all if none is. */
void cg_last_good_drop (const char *state_dir, const char *const *names);
