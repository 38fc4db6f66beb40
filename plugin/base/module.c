/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "module.h"

#include <dlfcn.h>

#include "error.h"
#include "paths.h"

gpointer
cg_module_symbol (const char *part, const char *name, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.so", CG_MODULE_DIR, part);
  /* never unloaded: GObject's types cannot be */
  void *handle = dlopen (path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  gpointer symbol = handle ? dlsym (handle, name) : NULL;
  if (!symbol)
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, dlerror ());
  return symbol;
}
