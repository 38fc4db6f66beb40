/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dropin-dns.h"

#include "paths.h"
#include "resolvconf.h"

/* Where those listen who would ask in the service's stead, as another user and by another way:
 * avahi, whoever is to be had by D-Bus (systemd-resolved, avahi), nscd, systemd-resolved.
 * Directories, not the sockets in them, since a socket may be made, or made anew, while the service
 * runs; and empty file systems, not InaccessiblePaths=, which needs what it hides to be there
 * already, and lets nothing be bound below: /etc/resolv.conf may be a link into the last one. */
static const char *const hidden[] = {"/run/avahi-daemon", "/run/dbus", "/run/nscd",
                                     "/run/systemd/resolve"};

void
cg_dropin_append_dns (GString *text, const CgGateway *gateway)
{
  if (gateway->dns_mode == CG_DNS_NONE)
    return;
  g_autofree char *path = cg_resolvconf_path (CG_RUNTIME_DIR, gateway->name);
  g_string_append_printf (text, "BindReadOnlyPaths=%s:/etc/resolv.conf\n", path);
  for (guint i = 0; i < G_N_ELEMENTS (hidden); i++)
    g_string_append_printf (text, "TemporaryFileSystem=%s:ro\n", hidden[i]);
}
