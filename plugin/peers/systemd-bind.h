/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "module.h"

/* Of the part "systemd", as systemd.h: binds the file source, read-only, over destination as those
 * of the units (NULL at the end) see it that run (BindMountUnit in org.freedesktop.systemd1(5),
 * since systemd 248). What systemd says against one of them is a warning. FALSE with an error of
 * GIO's if systemd does not answer. */
CG_EXPORTED gboolean cg_systemd_bind (const char *const *units,
                                      const char *source,
                                      const char *destination,
                                      GError **error);
