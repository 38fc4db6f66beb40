/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "status.h"

/* Prints the status to stdout for people to read: a table of gateways and one of services, what
 * differs, and the warnings (char *). In colour on a terminal, unless NO_COLOR is set or TERM is
 * "dumb". */
void cg_status_print (const CgStatus *status, const GPtrArray *warnings);
