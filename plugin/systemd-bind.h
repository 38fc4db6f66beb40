/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"

/* Of the part "systemd" (module.h): binds the file source, read-only, over destination as that
 * running unit sees it (BindMountUnit in org.freedesktop.systemd1(5), since systemd 248). A unit
 * that does not run is no error. FALSE with a CG_ERROR_FAILED. */
gboolean
cg_systemd_bind (const char *unit, const char *source, const char *destination, GError **error);
