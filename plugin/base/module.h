/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* Parts of the program that need a large library (GIO, libnm), each in a shared object of its own:
 * only a run with a gateway that asks for one loads it, and a machine without the library lacks
 * that part alone. */

/* Loads the part ("nm", "systemd") and returns its function of that name, which stays valid for as
 * long as the program runs. NULL with a CG_ERROR_FAILED if the part or its library is not
 * installed. */
gpointer cg_module_symbol (const char *part, const char *name, GError **error);

/* The same, for a function that a header declares, with the type that it has there. */
#define CG_MODULE_FUNCTION(part, function, error)                                                  \
  ((typeof (&(function))) cg_module_symbol (part, #function, error))

/* Stands before the declaration of such a function: a part shows nothing else. */
#define CG_EXPORTED __attribute__ ((visibility ("default")))
