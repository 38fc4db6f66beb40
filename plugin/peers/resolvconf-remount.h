/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* When something is renamed over a file, as programs write /etc/resolv.conf, Linux takes away what
 * is mounted on that file, in all mount namespaces: a service that runs then sees the new file. The
 * guard drops what it asks of the servers there; this gives it its own file back. */

/* Has systemd bind the resolv.conf of their gateway once more for all services, if /etc/resolv.conf
 * is another file than at the last call. What does not succeed is said, and tried again by the next
 * call. */
void cg_resolvconf_remount (const CgConfig *config, const char *runtime_dir);
