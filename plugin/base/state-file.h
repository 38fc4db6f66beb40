/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"

/* Small files that are read and written as a whole. A run reads them while it holds the lock, so
 * whatever lies in the place of one must neither hang the run nor fill its memory. */

/* A file of ours holds less than this; one that is larger is not read. Bytes. */
#define CG_STATE_MAX ((gsize) 4096)

/* The text of a regular file of at most max bytes, which the caller owns. A symbolic link is
 * followed. NULL if it is another kind of file, is larger, or cannot be read. */
char *cg_file_read (const char *path, gsize max);

/* Likewise of a file that we keep: at most CG_STATE_MAX bytes, and no link is followed. The file
 * and its directory must belong to root or to this user, and no other may write them. */
char *cg_state_read (const char *path);

/* Whether there is such a file, whatever it says. */
gboolean cg_state_exists (const char *path);

/* Replaces the file as a whole, and makes its directory. length -1: up to the NUL. A reader and our
 * death see the old text or the new one. FALSE with a CG_ERROR_FAILED. */
gboolean cg_state_write (const char *path, const char *text, gssize length, GError **error);
