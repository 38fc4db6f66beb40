/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include "loop.h"

int
cg_command_monitor (const CgOptions *options, const char *const *arguments)
{
  if (*arguments) {
    g_warning ("usage: custom-gateway monitor");
    return CG_EXIT_CONFIG;
  }
  return cg_monitor_loop (options);
}
