/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"

/* Makes this process the one monitor on that runtime directory, for as long as it lives: two would
 * repair each other's work. FALSE with a CG_ERROR_FAILED if there is another one. */
gboolean cg_alone (const char *runtime_dir, GError **error);
