/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Adds, in words, which of the gateway's uids a user that is not confined may have, too. Pure. */
void cg_warn_of_subuids (GPtrArray *warnings, const CgFacts *facts, const CgGateway *gateway);
