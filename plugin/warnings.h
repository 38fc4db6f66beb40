/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Adds what of a gateway's configuration has no effect in this version, in words. */
void cg_warn_of_keys (GPtrArray *warnings, const CgGateway *gateway);

/* What others have put in our way, and what of the configuration has no effect, in words: an array
 * of strings that the caller owns, empty if all is well. */
GPtrArray *cg_warnings (const CgFacts *facts, const char *const *names);
