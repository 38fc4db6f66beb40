/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve.h"

#include "resolve-connections.h"
#include "resolve-services.h"

void
cg_resolve (CgConfig *config, const char *runtime_dir, const CgHints *hints)
{
  cg_resolve_connections (config, hints);
  cg_resolve_services (config, runtime_dir);
}
