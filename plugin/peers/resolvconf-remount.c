/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* statx(2); NOLINT(bugprone-reserved-identifier) */
#include "resolvconf-remount.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "resolvconf.h"
#include "state-file.h"
#include "systemd-bind.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* Which file that is, in one word: the number of a file that is no more may be given to the next,
 * so its birth belongs to it. "-" if there is none. The caller owns the result. */
static char *
identify (int flags)
{
  struct statx file;
  if (statx (AT_FDCWD, RESOLV_CONF, flags, STATX_INO | STATX_BTIME, &file) < 0)
    return g_strdup ("-");
  return g_strdup_printf ("%x:%x:%llx:%llx.%x", file.stx_dev_major, file.stx_dev_minor,
                          (unsigned long long) file.stx_ino,
                          (unsigned long long) file.stx_btime.tv_sec, file.stx_btime.tv_nsec);
}

static gboolean
bind_services (const CgGateway *gateway, const char *runtime_dir, GError **error)
{
  g_autofree char *path = cg_resolvconf_path (runtime_dir, gateway->name);
  typeof (&cg_systemd_bind) bind = CG_MODULE_FUNCTION ("systemd", cg_systemd_bind, error);
  return bind && bind ((const char *const *) gateway->services, path, RESOLV_CONF, error);
}

static gboolean
needs_binding (const CgGateway *gateway)
{
  return gateway->dns_mode != CG_DNS_NONE && gateway->services[0];
}

static gboolean
bind_all (const CgConfig *config, const char *runtime_dir)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_autoptr (GError) error = NULL;
    if (!needs_binding (gateway) || bind_services (gateway, runtime_dir, &error))
      continue;
    g_warning ("%s: " RESOLV_CONF " was replaced, and services that run may see the new one: %s",
               gateway->name, error->message);
    return FALSE;
  }
  return TRUE;
}

static gboolean
anybody_needs_binding (const CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++)
    if (needs_binding (config->gateways->pdata[i]))
      return TRUE;
  return FALSE;
}

void
cg_resolvconf_remount (const CgConfig *config, const char *runtime_dir)
{
  if (!anybody_needs_binding (config))
    return;
  g_autofree char *kept = g_build_filename (runtime_dir, "dns", ".replaced", NULL);
  g_autofree char *link = identify (AT_SYMLINK_NOFOLLOW);
  g_autofree char *target = identify (0);
  g_autofree char *now = g_strdup_printf ("%s %s\n", link, target);
  g_autofree char *before = cg_state_read (kept);
  gboolean known = before != NULL;
  if (known && g_str_equal (before, now))
    return;
  /* without a file there is nothing to bind over; at the first look nothing was bound yet */
  if (known && !g_str_equal (link, "-") && !bind_all (config, runtime_dir))
    return;
  (void) cg_state_write (kept, now, -1, NULL);
}
