/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "error.h"

/* The kernel's reverse path filters, sysctl(8); the names are those of interfaces, or "all". */

/* Reads net.ipv4.conf.NAME.rp_filter; -1 if there is no such interface or no such sysctl. */
int cg_sysctl_read_filter (const char *ifname);

/* Writes it. FALSE with a CG_ERROR_FAILED. */
gboolean cg_sysctl_write_filter (const char *ifname, int value, GError **error);
