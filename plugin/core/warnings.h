/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* What others have put in our way, and what leaves the confined a way or takes it from them, in
 * words: an array of strings that the caller owns, empty if all is well. */
GPtrArray *cg_warnings (const CgFacts *facts, const char *const *names);
