/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The same number for a name on every machine and for ever, which g_str_hash() does not promise. */
guint32 cg_hash_name (const char *name);
