/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve-connections.h"

void
cg_resolve_connections (CgConfig *config, const CgHints *hints)
{
  (void) config;
  (void) hints;
}
