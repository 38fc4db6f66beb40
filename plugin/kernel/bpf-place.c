/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf-place.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"
#define PINS  BPFFS "/custom-gateway"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h */
#endif

const guint32 cg_bpf_attach_types[CG_N_HOOKS] = {
    [CG_HOOK_EGRESS] = BPF_CGROUP_INET_EGRESS,
    [CG_HOOK_INGRESS] = BPF_CGROUP_INET_INGRESS,
    [CG_HOOK_SOCK_CREATE] = BPF_CGROUP_INET_SOCK_CREATE,
    [CG_HOOK_SETSOCKOPT] = BPF_CGROUP_SETSOCKOPT,
};
const char *const cg_bpf_program_names[CG_N_HOOKS] = CG_PROGRAM_NAMES;

int
cg_bpf_call (int command, union bpf_attr *attributes)
{
  return (int) syscall (SYS_bpf, command, attributes, sizeof *attributes);
}

gboolean
cg_bpf_fail (GError **error, const char *what)
{
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

/* Descriptors */

void
cg_bpf_guard_init (CgBpfFound *guard)
{
  memset (guard, 0, sizeof *guard);
  memset (&guard->fds, 0xff, sizeof guard->fds); /* -1 */
}

static void
close_fds (CgBpfGuard *fds)
{
  for (guint i = 0; i < CG_N_HOOKS; i++)
    if (fds->programs[i] >= 0)
      close (fds->programs[i]);
  for (guint i = 0; i < CG_N_ALL_MAPS; i++)
    if (fds->maps[i] >= 0)
      close (fds->maps[i]);
}

void
cg_bpf_guard_clear (gpointer guard)
{
  close_fds (&((CgBpfFound *) guard)->fds);
}

GArray *
cg_bpf_guards_new (void)
{
  GArray *guards = g_array_new (FALSE, FALSE, sizeof (CgBpfFound));
  g_array_set_clear_func (guards, cg_bpf_guard_clear);
  return guards;
}

/* CgBpfPlace */

static gboolean
is_of_type (int fd, unsigned long magic)
{
  struct statfs info;
  return fstatfs (fd, &info) == 0 && (unsigned long) info.f_type == magic;
}

/* A mount of our own that has no place shows the root of this cgroup namespace, whatever is mounted
 * where (fsmount(2)). It takes CAP_SYS_ADMIN, and its end some time: the kernel waits for readers.
 */
static int
mount_cgroups (void)
{
  int root = -1;
  int context = fsopen ("cgroup2", FSOPEN_CLOEXEC);
  if (context >= 0 && fsconfig (context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    root = fsmount (context, FSMOUNT_CLOEXEC, 0);
  if (context >= 0)
    close (context);
  return root;
}

/* Where systemd mounts it; the second is that of its hybrid hierarchy. */
static int
open_cgroups (void)
{
  static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    int fd = open (places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && is_of_type (fd, CGROUP2_SUPER_MAGIC))
      return fd;
    if (fd >= 0)
      close (fd);
  }
  return mount_cgroups ();
}

static gboolean
read_cookie (guint64 *cookie)
{
  socklen_t size = sizeof *cookie;
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean done = fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size) == 0;
  if (fd >= 0)
    close (fd);
  return done;
}

void
cg_bpf_place_clear (CgBpfPlace *place)
{
  if (place->cgroup >= 0)
    close (place->cgroup);
  g_clear_pointer (&place->pins, g_free);
}

/* FALSE with a CG_ERROR_ABSENT. */
gboolean
cg_bpf_place_find (CgBpfPlace *place, GError **error)
{
  const char *why = NULL;
  place->cgroup = open_cgroups ();
  if (place->cgroup < 0)
    why = "no cgroup v2 is mounted here";
  else if (!read_cookie (&place->cookie))
    why = "the kernel does not number network namespaces (Linux 5.14)";
  if (why)
    g_set_error_literal (error, CG_ERROR, CG_ERROR_ABSENT, why);
  else
    place->pins = g_strdup_printf (PINS "/%" G_GUINT64_FORMAT, place->cookie);
  return !why;
}

/* Pins */

char *
cg_bpf_pin_of_program (const CgBpfPlace *place, guint32 version, guint hook)
{
  return g_strdup_printf ("%s/%u/%s", place->pins, version, cg_bpf_program_names[hook]);
}

char *
cg_bpf_pin_of_map (const CgBpfPlace *place, guint32 version, guint map)
{
  const char *name = map == CG_MAP_SELF    ? "cg_self" /* bpffs takes no dots */
                     : map == CG_MAP_DROPS ? CG_MAP_NAME_DROPS
                                           : cg_map_types[map].name;
  return g_strdup_printf ("%s/%u/%s", place->pins, version, name);
}

int
cg_bpf_open_pin (char *path)
{
  g_autofree char *owned = path;
  union bpf_attr attributes = {.pathname = (guint64) (gsize) owned};
  return cg_bpf_call (BPF_OBJ_GET, &attributes);
}

static gboolean
pin (int fd, char *path)
{
  g_autofree char *owned = path;
  union bpf_attr attributes = {.pathname = (guint64) (gsize) owned, .bpf_fd = (guint32) fd};
  return cg_bpf_call (BPF_OBJ_PIN, &attributes) == 0 || errno == EEXIST;
}

/* On a machine whose init does not mount it, we do, as ip(8) does it. */
static gboolean
has_bpffs (void)
{
  int fd = open (BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean is_there = fd >= 0 && is_of_type (fd, BPF_FS_MAGIC);
  if (fd >= 0)
    close (fd);
  return is_there ||
         mount ("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0;
}

void
cg_bpf_unpin (const CgBpfPlace *place, guint32 version)
{
  g_autofree char *directory = g_strdup_printf ("%s/%u", place->pins, version);
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    g_autofree char *path = cg_bpf_pin_of_program (place, version, i);
    g_unlink (path);
  }
  for (guint i = 0; i < CG_N_ALL_MAPS; i++) {
    g_autofree char *path = cg_bpf_pin_of_map (place, version, i);
    g_unlink (path);
  }
  g_rmdir (directory);
  g_rmdir (place->pins); /* fails while there is another version */
}

/* Without pins, which only spare later runs a privilege, the guard holds all the same. */
void
cg_bpf_pin_all (const CgBpfPlace *place, const CgBpfFound *guard)
{
  g_autofree char *directory = g_strdup_printf ("%s/%u", place->pins, guard->version);
  gboolean done = has_bpffs () && g_mkdir_with_parents (directory, 0700) == 0;
  for (guint i = 0; done && i < CG_N_HOOKS; i++)
    done = pin (guard->fds.programs[i], cg_bpf_pin_of_program (place, guard->version, i));
  for (guint i = 0; done && i < CG_N_ALL_MAPS; i++)
    done = pin (guard->fds.maps[i], cg_bpf_pin_of_map (place, guard->version, i));
  if (!done)
    g_info ("the guard is not pinned in " PINS ": %s", g_strerror (errno));
}
