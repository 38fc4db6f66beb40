/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* Adds to the config, behind cg_resolve(), a gateway without an interface for each bad file (or,
 * with names, for those named) that has no gateway in it: with the uids that the file names, but
 * those of held and those of other gateways. No gateway if that leaves none. Says which it blocks.
 * It has the file's name or, if no gateway can be called so, one made from it. */
void cg_bad_users_confine (CgConfig *config,
                           const char *const *names,
                           const GArray *held,
                           CgUserLookup lookup);
