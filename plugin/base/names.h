/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* Whether the kernel would take the name for an interface that a gateway can use (dev_valid_name in
 * net/core/dev.c): 1-15 bytes without '/', ':', white space and control characters; and without
 * '"', '\\' and '*', which nft(8) takes for more than themselves; and not one of
 * ".", "..", "lo", or the "all" and "default" of sysctl. */
gboolean cg_interface_name_valid (const char *name);

/* Whether a file NAME.conf may be called so: 1-64 of A-Z a-z 0-9 _ . @ - and no '.' or '-' first.
 * The name becomes a part of file names and unit names. */
gboolean cg_gateway_name_valid (const char *name);
