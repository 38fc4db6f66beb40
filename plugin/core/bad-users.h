/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* The users of bad files that no last good file tells of: they are confined to nothing, which
 * blocks them, until the file is mended. bad-words.h finds them in it. */

/* The uids that are held already, normalised: in each family a rule of ours leads them to a table
 * with a last word of ours. What stands stays. The caller owns the result. */
GArray *cg_bad_users_held (const CgFacts *facts);

/* The name of the gateway that blocks them, which the caller owns: file is the file's without
 * ".conf". */
char *cg_bad_users_name (const char *file);

/* The uids of bad files that are held, likewise: by rules of ours to tables that are no gateway's.
 * The caller owns the result. */
GArray *cg_bad_users_standing (const CgFacts *facts);
