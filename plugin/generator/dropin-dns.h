/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* Appends what the [Service] section of a gateway's service needs for DNS=, systemd.exec(5), line
 * by line; nothing if DNS= is not set. The service does not start unless the gateway's resolv.conf
 * is there, which cg_apply sees to. */
void cg_dropin_append_dns (GString *text, const CgGateway *gateway);
