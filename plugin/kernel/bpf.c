/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf-load.h"
#include "paths.h"

#define BPFFS "/sys/fs/bpf"
#define PINS  BPFFS "/custom-gateway"

/* BPF_CGROUP_MAX_PROGS, linux/bpf-cgroup-defs.h. */
#define MAX_PROGRAMS 64

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h */
#endif

static const guint32 attach_types[CG_N_HOOKS] = {
    [CG_HOOK_EGRESS] = BPF_CGROUP_INET_EGRESS,
    [CG_HOOK_INGRESS] = BPF_CGROUP_INET_INGRESS,
    [CG_HOOK_SOCK_CREATE] = BPF_CGROUP_INET_SOCK_CREATE,
    [CG_HOOK_SETSOCKOPT] = BPF_CGROUP_SETSOCKOPT,
};
static const char *const program_names[CG_N_HOOKS] = CG_PROGRAM_NAMES;

/* Where the guard of this process has its place. */
typedef struct {
  int cgroup; /* the root of cgroup v2 */
  guint64 cookie;
  char *pins; /* the directory of its network namespace */
} Place;

/* A guard that was found. */
typedef struct {
  CgBpfGuard fds;
  guint32 version;
  gboolean is_attached[CG_N_HOOKS];
} Guard;

/* bpf(2). The kernel takes the part of the union that we know. */
static int
call (int command, union bpf_attr *attributes)
{
  return (int) syscall (SYS_bpf, command, attributes, sizeof *attributes);
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

/* Descriptors */

static void
guard_init (Guard *guard)
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

static void
guard_clear (gpointer guard)
{
  close_fds (&((Guard *) guard)->fds);
}

static GArray *
guards_new (void)
{
  GArray *guards = g_array_new (FALSE, FALSE, sizeof (Guard));
  g_array_set_clear_func (guards, guard_clear);
  return guards;
}

/* Place */

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

static void
place_clear (Place *place)
{
  if (place->cgroup >= 0)
    close (place->cgroup);
  g_clear_pointer (&place->pins, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)
#define NO_PLACE                                                                                   \
  {                                                                                                \
    .cgroup = -1                                                                                   \
  }

/* FALSE with a CG_ERROR_ABSENT. */
static gboolean
find_place (Place *place, GError **error)
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

static char *
pin_of_program (const Place *place, guint32 version, guint hook)
{
  return g_strdup_printf ("%s/%u/%s", place->pins, version, program_names[hook]);
}

static char *
pin_of_map (const Place *place, guint32 version, guint map)
{
  const char *name = map == CG_MAP_SELF    ? "cg_self" /* bpffs takes no dots */
                     : map == CG_MAP_DROPS ? CG_MAP_NAME_DROPS
                                           : cg_map_types[map].name;
  return g_strdup_printf ("%s/%u/%s", place->pins, version, name);
}

static int
open_pin (char *path)
{
  g_autofree char *owned = path;
  union bpf_attr attributes = {.pathname = (guint64) (gsize) owned};
  return call (BPF_OBJ_GET, &attributes);
}

static gboolean
pin (int fd, char *path)
{
  g_autofree char *owned = path;
  union bpf_attr attributes = {.pathname = (guint64) (gsize) owned, .bpf_fd = (guint32) fd};
  return call (BPF_OBJ_PIN, &attributes) == 0 || errno == EEXIST;
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

static void
unpin (const Place *place, guint32 version)
{
  g_autofree char *directory = g_strdup_printf ("%s/%u", place->pins, version);
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    g_autofree char *path = pin_of_program (place, version, i);
    g_unlink (path);
  }
  for (guint i = 0; i < CG_N_ALL_MAPS; i++) {
    g_autofree char *path = pin_of_map (place, version, i);
    g_unlink (path);
  }
  g_rmdir (directory);
  g_rmdir (place->pins); /* fails while there is another version */
}

/* Without pins, which only spare later runs a privilege, the guard holds all the same. */
static void
pin_all (const Place *place, const Guard *guard)
{
  g_autofree char *directory = g_strdup_printf ("%s/%u", place->pins, guard->version);
  gboolean done = has_bpffs () && g_mkdir_with_parents (directory, 0700) == 0;
  for (guint i = 0; done && i < CG_N_HOOKS; i++)
    done = pin (guard->fds.programs[i], pin_of_program (place, guard->version, i));
  for (guint i = 0; done && i < CG_N_ALL_MAPS; i++)
    done = pin (guard->fds.maps[i], pin_of_map (place, guard->version, i));
  if (!done)
    g_info ("the guard is not pinned in " PINS ": %s", g_strerror (errno));
}

/* What stands */

static gboolean
describe_program (int fd, struct bpf_prog_info *info)
{
  union bpf_attr attributes = {
      .info = {.bpf_fd = (guint32) fd, .info_len = sizeof *info, .info = (guint64) (gsize) info}};
  return call (BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0;
}

static gboolean
describe_map (int fd, struct bpf_map_info *info)
{
  union bpf_attr attributes = {
      .info = {.bpf_fd = (guint32) fd, .info_len = sizeof *info, .info = (guint64) (gsize) info}};
  return call (BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0;
}

/* The ids of all programs that are attached there, ours and others'. */
static gboolean
query (const Place *place, guint hook, guint32 ids[MAX_PROGRAMS], guint *count)
{
  union bpf_attr attributes = {.query = {.target_fd = (guint32) place->cgroup,
                                         .attach_type = attach_types[hook],
                                         .prog_ids = (guint64) (gsize) ids,
                                         .prog_cnt = MAX_PROGRAMS}};
  if (call (BPF_PROG_QUERY, &attributes) < 0)
    return FALSE;
  *count = MIN (attributes.query.prog_cnt, MAX_PROGRAMS);
  return TRUE;
}

static gboolean
lookup (int map, gconstpointer key, gpointer value)
{
  union bpf_attr attributes = {
      .map_fd = (guint32) map, .key = (guint64) (gsize) key, .value = (guint64) (gsize) value};
  return call (BPF_MAP_LOOKUP_ELEM, &attributes) == 0;
}

static gboolean
read_self (const CgBpfGuard *fds, struct cg_self *self)
{
  const guint32 first = 0;
  return fds->maps[CG_MAP_SELF] >= 0 && lookup (fds->maps[CG_MAP_SELF], &first, self);
}

static gboolean
has_maps (const Guard *guard)
{
  for (guint i = 0; i < CG_N_ALL_MAPS; i++)
    if (guard->fds.maps[i] < 0)
      return FALSE;
  return TRUE;
}

static gboolean
is_complete (const Guard *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++)
    if (guard->fds.programs[i] < 0)
      return FALSE;
  return has_maps (guard);
}

static gboolean
is_attached (const Guard *guard)
{
  gboolean all = TRUE;
  for (guint i = 0; i < CG_N_HOOKS; i++)
    all = all && guard->is_attached[i];
  return all;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static guint32
id_of_map (int fd)
{
  struct bpf_map_info info = {0};
  return fd >= 0 && describe_map (fd, &info) ? info.id : 0;
}

static gboolean
uses_map (int program, guint32 id)
{
  guint32 ids[MAX_PROGRAMS] = {0};
  struct bpf_prog_info info = {.nr_map_ids = G_N_ELEMENTS (ids), .map_ids = (guint64) (gsize) ids};
  if (program < 0 || !describe_program (program, &info))
    return FALSE;
  for (guint i = 0; i < MIN (info.nr_map_ids, G_N_ELEMENTS (ids)); i++)
    if (ids[i] == id)
      return TRUE;
  return FALSE;
}

/* A pin may be another hand's: a program that is not of this hook would take its place. */
static void
drop_foreign_programs (Guard *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    struct bpf_prog_info info = {0};
    if (guard->fds.programs[i] >= 0 && (!describe_program (guard->fds.programs[i], &info) ||
                                        !g_str_equal (info.name, program_names[i])))
      close_fd (&guard->fds.programs[i]);
  }
}

/* Likewise: what is written into a map that no program of the guard looks into holds nothing. */
static void
drop_foreign_maps (Guard *guard)
{
  for (guint i = 0; i < CG_N_ALL_MAPS; i++) {
    const guint32 id = id_of_map (guard->fds.maps[i]);
    gboolean is_used = FALSE;
    for (guint j = 0; id && j < CG_N_HOOKS && !is_used; j++)
      is_used = uses_map (guard->fds.programs[j], id);
    if (!is_used)
      close_fd (&guard->fds.maps[i]);
  }
}

/* The version is the name of a directory of pins; what is not a number is not ours. */
static void
find_pinned (const Place *place, GArray *guards)
{
  g_autoptr (GDir) directory = g_dir_open (place->pins, 0, NULL);
  for (const char *name; directory && (name = g_dir_read_name (directory));) {
    guint64 version;
    if (!g_ascii_string_to_unsigned (name, 10, 1, G_MAXUINT32, &version, NULL))
      continue;
    Guard guard;
    guard_init (&guard);
    guard.version = (guint32) version;
    for (guint i = 0; i < CG_N_HOOKS; i++)
      guard.fds.programs[i] = open_pin (pin_of_program (place, guard.version, i));
    for (guint i = 0; i < CG_N_ALL_MAPS; i++)
      guard.fds.maps[i] = open_pin (pin_of_map (place, guard.version, i));
    drop_foreign_programs (&guard);
    g_array_append_val (guards, guard);
  }
}

/* Which of the guard's maps it is, by its name; CG_N_ALL_MAPS if it is none. */
static guint
map_by_name (const char *name)
{
  for (guint i = 0; i < CG_N_MAPS; i++)
    if (g_str_equal (name, cg_map_types[i].name))
      return i;
  if (g_str_equal (name, CG_MAP_NAME_DROPS))
    return CG_MAP_DROPS;
  return g_str_equal (name, CG_MAP_NAME_SELF) ? CG_MAP_SELF : CG_N_ALL_MAPS;
}

/* Opens the maps that a program uses. */
static void
open_maps_of (int program, CgBpfGuard *fds)
{
  guint32 ids[MAX_PROGRAMS] = {0};
  struct bpf_prog_info info = {.nr_map_ids = G_N_ELEMENTS (ids), .map_ids = (guint64) (gsize) ids};
  if (!describe_program (program, &info))
    return;
  for (guint i = 0; i < MIN (info.nr_map_ids, G_N_ELEMENTS (ids)); i++) {
    union bpf_attr attributes = {.map_id = ids[i]};
    struct bpf_map_info map = {0};
    int fd = call (BPF_MAP_GET_FD_BY_ID, &attributes);
    guint which = fd >= 0 && describe_map (fd, &map) ? map_by_name (map.name) : CG_N_ALL_MAPS;
    if (which < CG_N_ALL_MAPS && fds->maps[which] < 0)
      fds->maps[which] = fd;
    else if (fd >= 0)
      close (fd);
  }
}

/* A map whose pin was lost is found by the programs that use it, which takes CAP_SYS_ADMIN. */
static void
find_maps (Guard *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++)
    if (guard->fds.programs[i] >= 0 && !has_maps (guard))
      open_maps_of (guard->fds.programs[i], &guard->fds);
}

/* Puts a program that is attached to its guard: the one that has the same maps. */
static void
take_program (GArray *guards, const Place *place, guint hook, int program)
{
  Guard found;
  struct cg_self self = {0};
  guard_init (&found);
  open_maps_of (program, &found.fds);
  found.fds.programs[hook] = program;
  found.is_attached[hook] = TRUE;
  if (!read_self (&found.fds, &self) || self.namespace_cookie != place->cookie) {
    guard_clear (&found);
    return;
  }
  found.version = self.version;
  const guint32 id = id_of_map (found.fds.maps[CG_MAP_SELF]);
  for (guint i = 0; i < guards->len; i++) {
    Guard *guard = &g_array_index (guards, Guard, i);
    if (id_of_map (guard->fds.maps[CG_MAP_SELF]) != id || guard->fds.programs[hook] >= 0)
      continue;
    guard->fds.programs[hook] = program;
    guard->is_attached[hook] = TRUE;
    found.fds.programs[hook] = -1;
    guard_clear (&found);
    return;
  }
  g_array_append_val (guards, found);
}

/* Whether one of the guards has the program open, which is attached then. */
static gboolean
note_attached (GArray *guards, guint hook, guint32 id)
{
  for (guint i = 0; i < guards->len; i++) {
    Guard *guard = &g_array_index (guards, Guard, i);
    struct bpf_prog_info info = {0};
    if (guard->fds.programs[hook] < 0 || !describe_program (guard->fds.programs[hook], &info) ||
        info.id != id)
      continue;
    guard->is_attached[hook] = TRUE;
    return TRUE;
  }
  return FALSE;
}

/* One that is attached and not pinned is found by its number, which takes CAP_SYS_ADMIN. */
static void
find_by_id (const Place *place, GArray *guards, guint hook, guint32 id)
{
  union bpf_attr attributes = {.prog_id = id};
  int program = call (BPF_PROG_GET_FD_BY_ID, &attributes);
  struct bpf_prog_info info = {0};
  if (program >= 0 && describe_program (program, &info) &&
      g_str_equal (info.name, program_names[hook]))
    take_program (guards, place, hook, program);
  else if (program >= 0)
    close (program);
}

/* All guards of ours. FALSE with errno set if we may not look. */
static gboolean
find_guards (const Place *place, GArray *guards)
{
  find_pinned (place, guards);
  for (guint i = 0; i < guards->len; i++)
    find_maps (&g_array_index (guards, Guard, i));
  for (guint hook = 0; hook < CG_N_HOOKS; hook++) {
    guint32 ids[MAX_PROGRAMS] = {0};
    guint count;
    if (!query (place, hook, ids, &count))
      return FALSE;
    for (guint i = 0; i < count; i++)
      if (!note_attached (guards, hook, ids[i]))
        find_by_id (place, guards, hook, ids[i]);
  }
  for (guint i = 0; i < guards->len; i++) { /* when all their programs are known */
    drop_foreign_maps (&g_array_index (guards, Guard, i));
    find_maps (&g_array_index (guards, Guard, i));
  }
  return TRUE;
}

/* The one of this version that is whole, or NULL: one that is attached before one that is not, and
 * then one that is pinned, since these come first. */
static Guard *
current_guard (GArray *guards)
{
  Guard *best = NULL;
  for (guint i = 0; i < guards->len; i++) {
    Guard *guard = &g_array_index (guards, Guard, i);
    if (guard->version != CG_GUARD_VERSION || !is_complete (guard))
      continue;
    if (!best || (is_attached (guard) && !is_attached (best)))
      best = guard;
  }
  return best;
}

/* The look */

CgGuardFound *
cg_guard_found_new (void)
{
  CgGuardFound *found = g_new0 (CgGuardFound, 1);
  found->entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  found->drops = g_array_new (FALSE, TRUE, sizeof (CgGuardDrops));
  return found;
}

void
cg_guard_found_free (CgGuardFound *found)
{
  g_free (found->impossible);
  g_array_unref (found->entries);
  g_array_unref (found->drops);
  g_free (found);
}

const CgGuardDrops *
cg_guard_found_drops (const CgGuardFound *found, guint32 table)
{
  for (guint i = 0; i < found->drops->len; i++) {
    const CgGuardDrops *drops = &g_array_index (found->drops, CgGuardDrops, i);
    if (drops->table == table)
      return drops;
  }
  return NULL;
}

/* The key behind another one, or the first. FALSE at the end, with errno ENOENT. */
static gboolean
next_key (int map, gconstpointer before, gpointer next)
{
  union bpf_attr attributes = {
      .map_fd = (guint32) map, .key = (guint64) (gsize) before, .next_key = (guint64) (gsize) next};
  return call (BPF_MAP_GET_NEXT_KEY, &attributes) == 0;
}

/* So many entries a call. */
#define CHUNK 1024

static void
append_entries (
    GArray *entries, CgMap which, const guint8 *keys, const guint8 *values, guint32 count)
{
  const CgMapType *type = &cg_map_types[which];
  for (gsize i = 0; i < count; i++) {
    CgGuardEntry entry = {.map = which};
    memcpy (entry.key.bytes, keys + i * type->key_size, type->key_size);
    memcpy (entry.value.bytes, values + i * type->value_size, type->value_size);
    g_array_append_val (entries, entry);
  }
}

/* By chunks: a call for each of thousands would take milliseconds. The kernel has it for tries
 * since Linux 5.13; where it stopped is a key to it, or a number, and it says ENOENT at the end
 * (generic_map_lookup_batch in kernel/bpf/syscall.c). An entry that goes meanwhile may make it
 * begin anew: runs are serialised by the lock, so none does. The bound is against a hand that does.
 */
static gboolean
read_map (int map, CgMap which, GArray *entries)
{
  CgGuardEntry place; /* its key is more than the number takes */
  g_autofree guint8 *keys = g_malloc (CHUNK * sizeof place.key);
  g_autofree guint8 *values = g_malloc (CHUNK * sizeof place.value);
  gboolean more = TRUE;
  for (guint i = 0; more && i < (1 << 21) / CHUNK; i++) {
    union bpf_attr attributes = {.batch = {.in_batch = i ? (guint64) (gsize) place.key.bytes : 0,
                                           .out_batch = (guint64) (gsize) place.key.bytes,
                                           .keys = (guint64) (gsize) keys,
                                           .values = (guint64) (gsize) values,
                                           .count = CHUNK,
                                           .map_fd = (guint32) map}};
    more = call (BPF_MAP_LOOKUP_BATCH, &attributes) == 0;
    if (!more && errno != ENOENT)
      return FALSE;
    append_entries (entries, which, keys, values, MIN (attributes.batch.count, CHUNK));
  }
  return !more;
}

/* Values of such a map are there for each processor that is possible (bpf_map_lookup_elem in
 * kernel/bpf/syscall.c). */
static gsize
count_processors (void)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/sys/devices/system/cpu/possible", &text, NULL, NULL))
    return 0;
  const char *last = strrchr (text, '-');
  return (gsize) g_ascii_strtoull (last ? last + 1 : text, NULL, 10) + 1;
}

static void
add_drops (struct cg_drops *sum, const struct cg_drops *more)
{
  sum->out += more->out;
  sum->in += more->in;
  sum->names += more->names;
  sum->sources += more->sources;
  sum->protocols += more->protocols;
}

static void
read_drops (int map, GArray *drops)
{
  const gsize processors = count_processors ();
  g_autofree struct cg_drops *values = g_new0 (struct cg_drops, MAX (processors, 1));
  guint32 table = 0, before;
  gboolean more = processors > 0 && next_key (map, NULL, &table);
  for (guint i = 0; more && i < 4096; i++) {
    CgGuardDrops of_table = {.table = table};
    if (lookup (map, &table, values))
      for (gsize j = 0; j < processors; j++)
        add_drops (&of_table.drops, &values[j]);
    g_array_append_val (drops, of_table);
    before = table;
    more = next_key (map, &before, &table);
  }
}

static gboolean
read_guard (const Guard *guard, CgGuardFound *found, GError **error)
{
  for (guint i = 0; i < CG_N_MAPS; i++)
    if (!read_map (guard->fds.maps[i], (CgMap) i, found->entries))
      return fail (error, "reading the guard's maps");
  read_drops (guard->fds.maps[CG_MAP_DROPS], found->drops);
  cg_entries_normalise (found->entries);
  return TRUE;
}

gboolean
cg_bpf_look (CgGuardFound *found, GError **error)
{
  g_auto (Place) place = NO_PLACE;
  g_autoptr (GArray) guards = guards_new ();
  g_autoptr (GError) why = NULL;
  if (!find_place (&place, &why)) {
    found->impossible = g_strdup (why->message);
    return TRUE;
  }
  if (!find_guards (&place, guards)) {
    if (errno == ENOMEM || errno == EAGAIN)
      return fail (error, "looking for the guard");
    found->is_hidden = errno == EPERM && geteuid () != 0;
    found->impossible = g_strdup_printf ("bpf(2): %s", g_strerror (errno));
    return TRUE;
  }
  const Guard *guard = current_guard (guards);
  found->is_loaded = guard && is_attached (guard);
  found->has_others = guards->len > (found->is_loaded ? 1 : 0);
  return !guard || read_guard (guard, found, error);
}

/* Loading */

static gboolean
attach (const Place *place, const Guard *guard, GError **error)
{
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    union bpf_attr attributes = {.target_fd = (guint32) place->cgroup,
                                 .attach_bpf_fd = (guint32) guard->fds.programs[i],
                                 .attach_type = attach_types[i],
                                 .attach_flags = BPF_F_ALLOW_MULTI};
    if (guard->is_attached[i] || call (BPF_PROG_ATTACH, &attributes) == 0)
      continue;
    /* E2BIG: as many as there may be */
    fail (error, "the guard cannot be attached to the root of cgroup v2");
    if (error && (errno == EPERM || errno == E2BIG))
      (*error)->code = CG_ERROR_ABSENT;
    return FALSE;
  }
  return TRUE;
}

static gboolean
load (const Place *place, Guard *guard, GError **error)
{
  g_autoptr (GError) why = NULL;
  typeof (&cg_bpf_load_object) load_object = CG_MODULE_FUNCTION ("bpf", cg_bpf_load_object, &why);
  if (!load_object) {
    g_set_error (error, CG_ERROR, CG_ERROR_ABSENT, "%s; install libbpf", why->message);
    return FALSE;
  }
  guard->version = CG_GUARD_VERSION;
  return load_object (CG_MODULE_DIR "/guard.bpf.o", place->cookie, &guard->fds, error);
}

gboolean
cg_bpf_load (GError **error)
{
  g_auto (Place) place = NO_PLACE;
  g_autoptr (GArray) guards = guards_new ();
  if (!find_place (&place, error))
    return FALSE;
  if (!find_guards (&place, guards))
    return fail (error, "bpf(2)");
  Guard *guard = current_guard (guards);
  if (!guard) {
    Guard made;
    guard_init (&made);
    gboolean done = load (&place, &made, error);
    g_array_append_val (guards, made);
    if (!done)
      return FALSE;
    guard = &g_array_index (guards, Guard, guards->len - 1);
    unpin (&place, CG_GUARD_VERSION); /* of one that is not whole */
  }
  pin_all (&place, guard);
  return attach (&place, guard, error);
}

static gboolean
detach (const Place *place, const Guard *guard, GError **error)
{
  gboolean done = TRUE;
  for (guint i = CG_N_HOOKS; i-- > 0;) {
    union bpf_attr attributes = {.target_fd = (guint32) place->cgroup,
                                 .attach_bpf_fd = (guint32) guard->fds.programs[i],
                                 .attach_type = attach_types[i]};
    if (!guard->is_attached[i] || call (BPF_PROG_DETACH, &attributes) == 0)
      continue;
    if (done)
      fail (error, "a guard cannot be detached");
    done = FALSE;
  }
  return done;
}

gboolean
cg_bpf_unload (gboolean all, GError **error)
{
  g_auto (Place) place = NO_PLACE;
  g_autoptr (GArray) guards = guards_new ();
  if (!find_place (&place, error))
    return FALSE;
  if (!find_guards (&place, guards))
    return fail (error, "bpf(2)");
  const Guard *kept = all ? NULL : current_guard (guards);
  for (guint i = 0; i < guards->len; i++) {
    const Guard *guard = &g_array_index (guards, Guard, i);
    if (guard == kept)
      continue;
    if (!detach (&place, guard, error))
      return FALSE;
    unpin (&place, guard->version);
  }
  if (kept) /* the pins may have been those of another one */
    pin_all (&place, kept);
  return TRUE;
}

/* Writing */

struct CgBpfMaps {
  Guard guard;
};

void
cg_bpf_maps_close (CgBpfMaps *maps)
{
  guard_clear (&maps->guard);
  g_free (maps);
}

CgBpfMaps *
cg_bpf_maps_open (GError **error)
{
  g_auto (Place) place = NO_PLACE;
  g_autoptr (GArray) guards = guards_new ();
  if (!find_place (&place, error))
    return NULL;
  Guard *guard = find_guards (&place, guards) ? current_guard (guards) : NULL;
  if (!guard) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "the guard is not loaded");
    return NULL;
  }
  CgBpfMaps *maps = g_new0 (CgBpfMaps, 1);
  maps->guard = *guard;
  guard_init (guard); /* the descriptors are the maps' now */
  return maps;
}

gboolean
cg_bpf_set (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  union bpf_attr attributes = {.map_fd = (guint32) maps->guard.fds.maps[entry->map],
                               .key = (guint64) (gsize) entry->key.bytes,
                               .value = (guint64) (gsize) entry->value.bytes};
  return call (BPF_MAP_UPDATE_ELEM, &attributes) == 0 ||
         fail (error, cg_map_types[entry->map].name);
}

gboolean
cg_bpf_delete (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  union bpf_attr attributes = {.map_fd = (guint32) maps->guard.fds.maps[entry->map],
                               .key = (guint64) (gsize) entry->key.bytes};
  if (call (BPF_MAP_DELETE_ELEM, &attributes) < 0 && errno != ENOENT)
    return fail (error, cg_map_types[entry->map].name);
  if (entry->map == CG_MAP_GATEWAYS) { /* another gateway may have the table one day */
    attributes.map_fd = (guint32) maps->guard.fds.maps[CG_MAP_DROPS];
    (void) call (BPF_MAP_DELETE_ELEM, &attributes);
  }
  return TRUE;
}
