/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf-find.h"

#include <unistd.h>

/* BPF_CGROUP_MAX_PROGS, linux/bpf-cgroup-defs.h. */
#define MAX_PROGRAMS 64

static gboolean
describe_program (int fd, struct bpf_prog_info *info)
{
  union bpf_attr attributes = {
      .info = {.bpf_fd = (guint32) fd, .info_len = sizeof *info, .info = (guint64) (gsize) info}};
  return cg_bpf_call (BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0;
}

static gboolean
describe_map (int fd, struct bpf_map_info *info)
{
  union bpf_attr attributes = {
      .info = {.bpf_fd = (guint32) fd, .info_len = sizeof *info, .info = (guint64) (gsize) info}};
  return cg_bpf_call (BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0;
}

/* The ids of all programs that are attached there, ours and others'. */
static gboolean
query (const CgBpfPlace *place, guint hook, guint32 ids[MAX_PROGRAMS], guint *count)
{
  union bpf_attr attributes = {.query = {.target_fd = (guint32) place->cgroup,
                                         .attach_type = cg_bpf_attach_types[hook],
                                         .prog_ids = (guint64) (gsize) ids,
                                         .prog_cnt = MAX_PROGRAMS}};
  if (cg_bpf_call (BPF_PROG_QUERY, &attributes) < 0)
    return FALSE;
  *count = MIN (attributes.query.prog_cnt, MAX_PROGRAMS);
  return TRUE;
}

gboolean
cg_bpf_lookup (int map, gconstpointer key, gpointer value)
{
  union bpf_attr attributes = {
      .map_fd = (guint32) map, .key = (guint64) (gsize) key, .value = (guint64) (gsize) value};
  return cg_bpf_call (BPF_MAP_LOOKUP_ELEM, &attributes) == 0;
}

static gboolean
read_self (const CgBpfGuard *fds, struct cg_self *self)
{
  const guint32 first = 0;
  return fds->maps[CG_MAP_SELF] >= 0 && cg_bpf_lookup (fds->maps[CG_MAP_SELF], &first, self);
}

static gboolean
has_maps (const CgBpfFound *guard)
{
  for (guint i = 0; i < CG_N_ALL_MAPS; i++)
    if (guard->fds.maps[i] < 0)
      return FALSE;
  return TRUE;
}

static gboolean
is_complete (const CgBpfFound *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++)
    if (guard->fds.programs[i] < 0)
      return FALSE;
  return has_maps (guard);
}

gboolean
cg_bpf_is_attached (const CgBpfFound *guard)
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
drop_foreign_programs (CgBpfFound *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    struct bpf_prog_info info = {0};
    if (guard->fds.programs[i] >= 0 && (!describe_program (guard->fds.programs[i], &info) ||
                                        !g_str_equal (info.name, cg_bpf_program_names[i])))
      close_fd (&guard->fds.programs[i]);
  }
}

/* Likewise: what is written into a map that no program of the guard looks into holds nothing. */
static void
drop_foreign_maps (CgBpfFound *guard)
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
find_pinned (const CgBpfPlace *place, GArray *guards)
{
  g_autoptr (GDir) directory = g_dir_open (place->pins, 0, NULL);
  for (const char *name; directory && (name = g_dir_read_name (directory));) {
    guint64 version;
    if (!g_ascii_string_to_unsigned (name, 10, 1, G_MAXUINT32, &version, NULL))
      continue;
    CgBpfFound guard;
    cg_bpf_guard_init (&guard);
    guard.version = (guint32) version;
    for (guint i = 0; i < CG_N_HOOKS; i++)
      guard.fds.programs[i] = cg_bpf_open_pin (cg_bpf_pin_of_program (place, guard.version, i));
    for (guint i = 0; i < CG_N_ALL_MAPS; i++)
      guard.fds.maps[i] = cg_bpf_open_pin (cg_bpf_pin_of_map (place, guard.version, i));
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
    int fd = cg_bpf_call (BPF_MAP_GET_FD_BY_ID, &attributes);
    guint which = fd >= 0 && describe_map (fd, &map) ? map_by_name (map.name) : CG_N_ALL_MAPS;
    if (which < CG_N_ALL_MAPS && fds->maps[which] < 0)
      fds->maps[which] = fd;
    else if (fd >= 0)
      close (fd);
  }
}

/* A map whose pin was lost is found by the programs that use it, which takes CAP_SYS_ADMIN. */
static void
find_maps (CgBpfFound *guard)
{
  for (guint i = 0; i < CG_N_HOOKS; i++)
    if (guard->fds.programs[i] >= 0 && !has_maps (guard))
      open_maps_of (guard->fds.programs[i], &guard->fds);
}

/* Puts a program that is attached to its guard: the one that has the same maps. */
static void
take_program (GArray *guards, const CgBpfPlace *place, guint hook, int program)
{
  CgBpfFound found;
  struct cg_self self = {0};
  cg_bpf_guard_init (&found);
  open_maps_of (program, &found.fds);
  found.fds.programs[hook] = program;
  found.is_attached[hook] = TRUE;
  if (!read_self (&found.fds, &self) || self.namespace_cookie != place->cookie) {
    cg_bpf_guard_clear (&found);
    return;
  }
  found.version = self.version;
  const guint32 id = id_of_map (found.fds.maps[CG_MAP_SELF]);
  for (guint i = 0; i < guards->len; i++) {
    CgBpfFound *guard = &g_array_index (guards, CgBpfFound, i);
    if (id_of_map (guard->fds.maps[CG_MAP_SELF]) != id || guard->fds.programs[hook] >= 0)
      continue;
    guard->fds.programs[hook] = program;
    guard->is_attached[hook] = TRUE;
    found.fds.programs[hook] = -1;
    cg_bpf_guard_clear (&found);
    return;
  }
  g_array_append_val (guards, found);
}

/* Whether one of the guards has the program open, which is attached then. */
static gboolean
note_attached (GArray *guards, guint hook, guint32 id)
{
  for (guint i = 0; i < guards->len; i++) {
    CgBpfFound *guard = &g_array_index (guards, CgBpfFound, i);
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
find_by_id (const CgBpfPlace *place, GArray *guards, guint hook, guint32 id)
{
  union bpf_attr attributes = {.prog_id = id};
  int program = cg_bpf_call (BPF_PROG_GET_FD_BY_ID, &attributes);
  struct bpf_prog_info info = {0};
  if (program >= 0 && describe_program (program, &info) &&
      g_str_equal (info.name, cg_bpf_program_names[hook]))
    take_program (guards, place, hook, program);
  else if (program >= 0)
    close (program);
}

/* All guards of ours. FALSE with errno set if we may not look. */
gboolean
cg_bpf_find (const CgBpfPlace *place, GArray *guards)
{
  find_pinned (place, guards);
  for (guint i = 0; i < guards->len; i++)
    find_maps (&g_array_index (guards, CgBpfFound, i));
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
    drop_foreign_maps (&g_array_index (guards, CgBpfFound, i));
    find_maps (&g_array_index (guards, CgBpfFound, i));
  }
  return TRUE;
}

/* The one of this version that is whole, or NULL: one that is attached before one that is not, and
 * then one that is pinned, since these come first. */
CgBpfFound *
cg_bpf_current (GArray *guards)
{
  CgBpfFound *best = NULL;
  for (guint i = 0; i < guards->len; i++) {
    CgBpfFound *guard = &g_array_index (guards, CgBpfFound, i);
    if (guard->version != CG_GUARD_VERSION || !is_complete (guard))
      continue;
    if (!best || (cg_bpf_is_attached (guard) && !cg_bpf_is_attached (best)))
      best = guard;
  }
  return best;
}
