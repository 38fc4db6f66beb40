/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "resolve.h"

/* What the environment of NetworkManager's hook says, NetworkManager-dispatcher(8); environment is
 * one as of environ(7), and the hints borrow from it. What is not valid is as if it were not there.
 * Of a VPN only the VPN's own values count: those of the device below it stand beside them. Pure.
 */
CgHints cg_nm_dispatcher_env (char **environment, const char *ifname, const char *action);
