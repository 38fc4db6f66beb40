/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* The configuration that is in force while a monitor runs: of each gateway the text of the last
 * good file, and, if the file that stands there now is bad, why. A GVariant of the type
 * CG_CONFIG_COPY, so that a run can hand it to the next through a file of bytes. */
#define CG_CONFIG_COPY                                                                             \
  "a(saymsa(uu))" /* name, text (empty: there never was a good one), why it is bad now, the uids   \
                     that its Users= came to                                                       \
                   */

/* The configuration that the copy holds. A gateway whose file is bad now is in it as it was, and
 * is among the bad ones too, so that no user is set free that no good file knows. A user that the
 * user database does not tell any more has the uid that he had. What is attached
 * to profiles is not in the copy: cg_profiles_add() still finds it below the directory, and if
 * that is not to be trusted the config is incomplete. */
CgConfig *cg_config_copy_load (GVariant *config_copy, const char *directory, CgUserLookup lookup);

/* The configuration that the directory holds, with the copy's gateways for those whose file is
 * bad, or those kept in the state directory (last-good.h; NULL: none). NULL with error set as
 * cg_config_load does it. */
CgConfig *cg_config_copy_reload (GVariant *config_copy,
                                 const char *directory,
                                 const char *state_dir,
                                 CgUserLookup lookup,
                                 GError **error);

/* The copy that holds this configuration, before anything was resolved in it: a floating
 * reference. */
GVariant *cg_config_copy_new (const CgConfig *config);
