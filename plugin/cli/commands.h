/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "run.h"

/* The commands of custom-gateway(8). Each takes what stood behind its name on the command line
 * (NULL at the end), says on stderr what went wrong, and returns the exit status. */
int cg_command_reapply (const CgOptions *options, const char *const *names);
int cg_command_remove (const CgOptions *options, const char *const *names);
int cg_command_status (const CgOptions *options, const char *const *names);
int cg_command_check (const CgOptions *options, const char *const *files);
int cg_command_event (const CgOptions *options, const char *const *arguments);
int cg_command_monitor (const CgOptions *options, const char *const *arguments);
int cg_command_attach (const CgOptions *options, const char *const *words);
int cg_command_detach (const CgOptions *options, const char *const *words);

/* The events of units, behind "event": what the drop-ins of services and the units of gateways run
 * (custom-gateway(8)). arguments are the words behind "service" or "gateway". The status is one of
 * ExecCondition= in systemd.service(5): CG_EXIT_SKIP for a unit that is not to start now, and
 * CG_EXIT_REFUSE for one that must not. */
int cg_event_service (const CgOptions *options, const char *const *arguments);
int cg_event_gateway (const CgOptions *options, const char *const *arguments);

enum { CG_EXIT_SKIP = 1, CG_EXIT_REFUSE = 255 };
