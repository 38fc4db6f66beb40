/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "status.h"

/* The status as one JSON object, whose members are told in custom-gateway(8), JSON. warnings and
 * errors are arrays of char *. The caller owns the result. */
char *cg_status_to_json (const CgStatus *status,
                         const CgFacts *facts,
                         const GPtrArray *warnings,
                         const GPtrArray *errors);
