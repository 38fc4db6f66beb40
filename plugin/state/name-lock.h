/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* A lock of the network namespace that needs no file: the name of an abstract Unix socket
 * (unix(7)), which goes with the process that holds it. There is one for each purpose and runtime
 * directory.
 *
 * Any user may take such a name. So one that is held by another user than root or this process's
 * does not count: it keeps our processes from seeing each other, and holds up none. */
typedef enum {
  CG_NAME_TAKEN,   /* it is ours now */
  CG_NAME_HELD,    /* by another process of ours */
  CG_NAME_USURPED, /* another user has it */
  CG_NAME_FAILED,  /* no socket is to be had: see errno */
} CgNameResult;

/* Tries to take it. What is in *fd holds it until it is closed; it is open with CG_NAME_USURPED,
 * too, though it holds nothing, and is -1 otherwise. Waits a tenth of a second at most. */
CgNameResult cg_name_take (const char *purpose, const char *runtime_dir, int *fd);

/* Whether a process of ours holds it. */
gboolean cg_name_is_held (const char *purpose, const char *runtime_dir);
