/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "prefix.h"

/* The addresses that the tunnel of a gateway had last, kept in the runtime directory: a connection
 * that was closed sends on for a while, and its packets belong to no uid any more, so that nothing
 * but their source address tells whose they were. */

/* Appends them to an array of CgPrefix of full length. What cannot be read or understood is as if
 * it were not there. */
void cg_previous_addresses_load (const char *runtime_dir, const char *gateway, GArray *addresses);

/* Keeps them, if they are others than before. A failure is a warning: the tunnel is up then, and
 * they are looked at again with the next run. */
void
cg_previous_addresses_save (const char *runtime_dir, const char *gateway, const GArray *addresses);

void cg_previous_addresses_forget (const char *runtime_dir, const char *gateway);
