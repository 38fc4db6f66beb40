/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The generator of systemd.generator(7): at boot and at each daemon-reload it turns the
 * configuration into drop-ins and links of units. It runs before there is anything, so it asks
 * nobody: not D-Bus, not the user database. Whatever happens, it says so and boot goes on. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad-words.h"
#include "config.h"
#include "dropin.h"
#include "hash.h"
#include "last-good.h"
#include "paths.h"
#include "profiles.h"

#define RUN_BY_SYSTEMD "/run/systemd/" /* where it wants its generators to write */

/* A user that need not be looked up, but is the same wherever it is named: above 2^31, where nobody
 * has uids of his own. */
static gboolean
know_everybody (const char *name, guint32 *uid, GError **error)
{
  guint32 hash = cg_hash_name (name);
  (void) error;
  *uid = hash == CG_UID_INVALID ? hash - 1 : hash | 0x80000000u;
  return TRUE;
}

/* There is no journal yet, and systemd throws stderr away: the kernel's log keeps it. */
static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer to_kernel)
{
  const char *message = "";
  (void) level;
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      message = fields[i].value;
  g_autofree char *line = g_strdup_printf ("<4>custom-gateway-generator: %s\n", message);
  int kmsg = to_kernel ? open ("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY) : -1;
  if (kmsg < 0 || write (kmsg, line, strlen (line)) < 0)
    fputs (line + strlen ("<4>"), stderr);
  if (kmsg >= 0)
    close (kmsg);
  return G_LOG_WRITER_HANDLED;
}

static void
write_dropin (const char *directory, const char *unit, const char *file, const char *text)
{
  if (!text)
    return;
  g_autoptr (GError) error = NULL;
  g_autofree char *below = g_strconcat (unit, ".d", NULL);
  g_autofree char *parent = g_build_filename (directory, below, NULL);
  g_autofree char *path = g_build_filename (parent, file, NULL);
  (void) g_mkdir_with_parents (parent, 0755); /* if this fails, so does the next */
  if (!g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error))
    g_warning ("%s", error->message);
}

/* Has wanted, an instance of the template of that name or a unit itself, started with the unit. */
static void
write_want (const char *directory, const char *unit, const char *wanted, const char *file)
{
  g_autofree char *below = g_strconcat (unit, ".wants", NULL);
  g_autofree char *parent = g_build_filename (directory, below, NULL);
  g_autofree char *link = g_build_filename (parent, wanted, NULL);
  g_autofree char *target = g_build_filename (CG_UNIT_DIR, file, NULL);
  (void) g_mkdir_with_parents (parent, 0755);
  if (symlink (target, link) < 0 && errno != EEXIST)
    g_warning ("%s: %s", link, g_strerror (errno));
}

static void
write_gateway (const char *directory, const CgGateway *gateway)
{
  g_autofree char *unit = g_strdup_printf ("custom-gateway@%s.service", gateway->name);
  g_autofree char *settle = g_strdup_printf ("custom-gateway-settle@%s.service", gateway->name);
  g_autofree char *interface_unit = cg_interface_unit_name (gateway);
  g_autofree char *of_service = cg_dropin_for_service (gateway);
  g_autofree char *of_gateway = cg_dropin_for_gateway (gateway);
  g_autofree char *of_settle = cg_dropin_for_settle (gateway);
  for (char **service = gateway->services; *service; service++)
    write_dropin (directory, *service, "50-custom-gateway.conf", of_service);
  write_dropin (directory, unit, "50-interface.conf", of_gateway);
  write_dropin (directory, settle, "50-interface.conf", of_settle);
  /* an interface that has just come has no address yet: that is worth a look only to those whom
   * nobody else tells */
  gboolean follows = gateway->services[0] && gateway->on_down == CG_ON_DOWN_STOP;
  if (interface_unit && (gateway->interface_unit || follows))
    write_want (directory, interface_unit, settle, "custom-gateway-settle@.service");
}

/* The services of a file with an error: they must not start as long as it is not known what they
 * are to be confined to. The caller owns the result. */
static GStrv
find_services (const char *config_dir, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".conf", NULL);
  g_autofree char *path = g_build_filename (config_dir, file, NULL);
  g_autoptr (GString) text = strchr (name, '/') ? NULL : cg_config_read_trusted (path, file, NULL);
  return text ? cg_bad_services (text->str, text->len) : g_new0 (char *, 1);
}

static void
write_asking (const char *directory, GStrv services)
{
  static const char text[] = "[Gateway]\nInterface=any\nOnDown=block\nServices=any\n";
  g_autoptr (CgGateway) any = cg_gateway_parse ("bad", text, strlen (text), know_everybody, NULL);
  g_autofree char *dropin = cg_dropin_for_service (any);
  for (char **service = services; *service; service++)
    write_dropin (directory, *service, "49-custom-gateway-error.conf", dropin);
}

/* Their drop-in asks us before they start, and we say no; as that of the services of the last good
 * file, since what is wrong may be that this one cannot be read. */
static void
write_bad (const char *directory,
           const char *config_dir,
           const char *state_dir,
           const CgBadFile *bad)
{
  g_warning ("%s", bad->error->message);
  g_auto (GStrv) services = find_services (config_dir, bad->name);
  g_autoptr (CgGateway) before = cg_last_good_find (state_dir, bad->name, know_everybody);
  write_asking (directory, services);
  if (before)
    write_asking (directory, before->services);
}

/* Profiles of NetworkManager's are files too, and that need not run; root is before their paths. */
static void
generate (const char *directory, const char *config_dir, const char *root, const char *state_dir)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *attached_dir = g_build_filename (config_dir, CG_ATTACHED_DIR, NULL);
  g_autoptr (CgConfig) config = cg_config_load (config_dir, TRUE, know_everybody, &error);
  if (!config) {
    g_warning ("%s", error->message);
    return;
  }
  guint n_bad = config->bad->len;
  cg_profiles_add (config, root, know_everybody);
  for (guint i = 0; i < config->bad->len; i++)
    write_bad (directory, i < n_bad ? config_dir : attached_dir, state_dir, config->bad->pdata[i]);
  for (guint i = 0; i < config->gateways->len; i++)
    write_gateway (directory, config->gateways->pdata[i]);
  if (config->gateways->len + config->bad->len > 0)
    write_want (directory, "sysinit.target", "custom-gateway.service", "custom-gateway.service");
}

/* systemd gives three directories, of which we need the first; a test gives the configuration's,
 * too, one that stands for the root of what is not ours, and the state directory. */
int
main (int argc, char **argv)
{
  umask (022);
  if (argc != 4 && argc != 7)
    fprintf (stderr, "usage: %s NORMAL-DIR EARLY-DIR LATE-DIR [CONFIG-DIR ROOT STATE-DIR]\n",
             argv[0]);
  else {
    gboolean to_kernel = g_str_has_prefix (argv[1], RUN_BY_SYSTEMD);
    g_log_set_writer_func (write_log, GINT_TO_POINTER (to_kernel), NULL);
    gboolean is_test = argc == 7;
    generate (argv[1], is_test ? argv[4] : CG_CONFIG_DIR, is_test ? argv[5] : "",
              is_test ? argv[6] : CG_STATE_DIR);
  }
  return 0;
}
