/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "resolve.h"

/* Adds the uids of Services= to those of their gateways. */
void cg_resolve_services (CgConfig *config);
