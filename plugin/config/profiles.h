/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* Gateways that NetworkManager's profiles make, without a file of the administrator's. Read from
 * the profiles' files, not from NetworkManager: so they are known before it runs, and an event
 * about somebody else's interface asks nobody. Who is trusted is in custom-gateway.conf(5),
 * PROFILES. */

/* Where "attach" keeps what root has agreed to, below the configuration directory: files like all
 * others, each with Connection=UUID. */
#define CG_ATTACHED_DIR "profiles"

/* Adds to a config that cg_config_load() made the gateways that were attached, and those of
 * profiles that only root can have written. A file about the same connection or interface wins.
 * What is refused, and why, goes to the config's warnings. root is put before the paths of
 * NetworkManager's directories: "" but for tests. To do it twice is to do it once. */
void cg_profiles_add (CgConfig *config, const char *root, CgUserLookup lookup);

/* The name of a gateway for that profile: its id, if a gateway can be called so and none is yet;
 * otherwise its UUID. Borrowed. */
const char *cg_profiles_name (const CgConfig *config, const char *id, const char *uuid);

/* Whether the file of a profile is one of the system's: on disk, root's alone, and no single user's
 * to change. root as above. */
gboolean cg_profiles_is_system (const char *root, const char *path);
