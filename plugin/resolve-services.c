/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve-services.h"

void
cg_resolve_services (CgConfig *config)
{
  (void) config;
}
