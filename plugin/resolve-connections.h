/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "resolve.h"

/* Finds the interfaces of Connection=, and the servers of DNS=auto. */
void cg_resolve_connections (CgConfig *config, const CgHints *hints);
