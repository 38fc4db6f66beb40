/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Adds, in words, who of the gateway's confined may be somebody who is not. Pure. */
void cg_warn_of_subuids (GPtrArray *warnings, const CgFacts *facts, const CgGateway *gateway);
