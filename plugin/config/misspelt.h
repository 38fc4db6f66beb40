/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The known word (NULL ends them) that a word from outside is a misspelling of: the same but for
 * upper and lower case, or the nearest that a slip or two of the typist leads to. A slip is a
 * letter too many, too few or another one, or two that are swapped. Words of less than five letters
 * have room for one slip, and no digit is one. NULL if there is none, or two are as near. */
const char *cg_misspelt (const char *word, const char *const *known);
