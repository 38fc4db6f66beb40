/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The one error domain; its first two codes are exit statuses of custom-gateway(8), and whatever
 * else gets so far is a failure. */
#define CG_ERROR (cg_error_quark ())

typedef enum {
  CG_ERROR_FAILED = 1, /* the system or the kernel refused */
  CG_ERROR_CONFIG = 2, /* bad usage or bad configuration: nothing was changed */
  CG_ERROR_ABSENT = 3, /* the kernel does not have it, or not for us: to try again is no use */
  CG_ERROR_SILENT = 4, /* who was asked did not answer in time: to ask again may help */
} CgError;

GQuark cg_error_quark (void);

/* A word from outside as it may be shown in a message: in single quotes, with what is not printable
 * ASCII escaped, cut off after 64 bytes. Takes any NUL-terminated bytes; the caller owns the
 * result. */
char *cg_quote (const char *word);

/* A text for a terminal: what is not printable, as what would move the cursor or turn the direction
 * of writing, becomes \x and two hexadecimal digits a byte, and so does what is not UTF-8. Takes
 * any NUL-terminated bytes; the caller owns the result, which is UTF-8. */
char *cg_printable (const char *text);
