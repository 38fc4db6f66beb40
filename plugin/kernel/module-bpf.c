/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf-load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const programs[CG_N_HOOKS] = CG_PROGRAM_NAMES;

typedef struct bpf_object BpfObject;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BpfObject, bpf_object__close)

/* libbpf tells at length why the kernel does not take a program. */
G_GNUC_PRINTF (2, 0)
static int
print (enum libbpf_print_level level, const char *format, va_list arguments)
{
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  if (level != LIBBPF_DEBUG)
    g_debug ("%s", g_strchomp (text));
  return 0;
}

/* -errno of libbpf. */
static gboolean
fail (GError **error, const char *what, int number)
{
  gboolean is_passing =
      number == -ENOMEM || number == -EAGAIN || number == -EMFILE || number == -ENFILE;
  g_set_error (error, CG_ERROR, is_passing ? CG_ERROR_FAILED : CG_ERROR_ABSENT, "%s: %s", what,
               g_strerror (-number));
  return FALSE;
}

/* The kernel may know the namespace of a packet, or only that of a socket that is made. */
static gboolean
tell_self (BpfObject *object, guint64 cookie)
{
  gsize size = 0;
  struct bpf_map *map = bpf_object__find_map_by_name (object, CG_MAP_NAME_SELF);
  const struct cg_self *built = map ? bpf_map__initial_value (map, &size) : NULL;
  if (!built || size != sizeof *built || built->version != CG_GUARD_VERSION)
    return FALSE;
  struct cg_self self = *built;
  self.namespace_cookie = cookie;
  self.asks_packet =
      libbpf_probe_bpf_helper (BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_get_netns_cookie, NULL) == 1;
  return bpf_map__set_initial_value (map, &self, sizeof self) == 0;
}

static int
keep (int fd)
{
  return fd < 0 ? -1 : fcntl (fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static gboolean
keep_all (BpfObject *object, CgBpfGuard *guard)
{
  gboolean all = TRUE;
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    struct bpf_program *program = bpf_object__find_program_by_name (object, programs[i]);
    guard->programs[i] = program ? keep (bpf_program__fd (program)) : -1;
    all = all && guard->programs[i] >= 0;
  }
  for (guint i = 0; i < CG_N_ALL_MAPS; i++) {
    const char *name = i == CG_MAP_SELF    ? CG_MAP_NAME_SELF
                       : i == CG_MAP_DROPS ? CG_MAP_NAME_DROPS
                                           : cg_map_types[i].name;
    guard->maps[i] = keep (bpf_object__find_map_fd_by_name (object, name));
    all = all && guard->maps[i] >= 0;
  }
  return all;
}

gboolean
cg_bpf_load_object (const char *path, guint64 cookie, CgBpfGuard *guard, GError **error)
{
  libbpf_set_print (print);
  g_autoptr (BpfObject) object = bpf_object__open_file (path, NULL);
  if (!object)
    return fail (error, path, -errno);
  if (!tell_self (object, cookie))
    return fail (error, path, -EINVAL);
  int number = bpf_object__load (object);
  if (number < 0)
    return fail (error, "the kernel does not take the guard's programs", number);
  return keep_all (object, guard) || fail (error, "the guard's programs", -EMFILE);
}
