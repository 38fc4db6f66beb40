/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpf-find.h"
#include "paths.h"

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
  return cg_bpf_call (BPF_MAP_GET_NEXT_KEY, &attributes) == 0;
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
    more = cg_bpf_call (BPF_MAP_LOOKUP_BATCH, &attributes) == 0;
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
    if (cg_bpf_lookup (map, &table, values))
      for (gsize j = 0; j < processors; j++)
        add_drops (&of_table.drops, &values[j]);
    g_array_append_val (drops, of_table);
    before = table;
    more = next_key (map, &before, &table);
  }
}

static gboolean
read_guard (const CgBpfFound *guard, CgGuardFound *found, GError **error)
{
  for (guint i = 0; i < CG_N_MAPS; i++)
    if (!read_map (guard->fds.maps[i], (CgMap) i, found->entries))
      return cg_bpf_fail (error, "reading the guard's maps");
  read_drops (guard->fds.maps[CG_MAP_DROPS], found->drops);
  cg_entries_normalise (found->entries);
  return TRUE;
}

gboolean
cg_bpf_look (CgGuardFound *found, GError **error)
{
  g_auto (CgBpfPlace) place = CG_BPF_NO_PLACE;
  g_autoptr (GArray) guards = cg_bpf_guards_new ();
  g_autoptr (GError) why = NULL;
  if (!cg_bpf_place_find (&place, &why)) {
    found->impossible = g_strdup (why->message);
    return TRUE;
  }
  if (!cg_bpf_find (&place, guards)) {
    if (errno == ENOMEM || errno == EAGAIN)
      return cg_bpf_fail (error, "looking for the guard");
    found->is_hidden = errno == EPERM && geteuid () != 0;
    found->impossible = g_strdup_printf ("bpf(2): %s", g_strerror (errno));
    return TRUE;
  }
  const CgBpfFound *guard = cg_bpf_current (guards);
  found->is_loaded = guard && cg_bpf_is_attached (guard);
  found->has_others = guards->len > (found->is_loaded ? 1 : 0);
  return !guard || read_guard (guard, found, error);
}

/* Loading */

static gboolean
attach (const CgBpfPlace *place, const CgBpfFound *guard, GError **error)
{
  for (guint i = 0; i < CG_N_HOOKS; i++) {
    union bpf_attr attributes = {.target_fd = (guint32) place->cgroup,
                                 .attach_bpf_fd = (guint32) guard->fds.programs[i],
                                 .attach_type = cg_bpf_attach_types[i],
                                 .attach_flags = BPF_F_ALLOW_MULTI};
    if (guard->is_attached[i] || cg_bpf_call (BPF_PROG_ATTACH, &attributes) == 0)
      continue;
    /* E2BIG: as many as there may be */
    cg_bpf_fail (error, "the guard cannot be attached to the root of cgroup v2");
    if (error && (errno == EPERM || errno == E2BIG))
      (*error)->code = CG_ERROR_ABSENT;
    return FALSE;
  }
  return TRUE;
}

static gboolean
load (const CgBpfPlace *place, CgBpfFound *guard, GError **error)
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
  g_auto (CgBpfPlace) place = CG_BPF_NO_PLACE;
  g_autoptr (GArray) guards = cg_bpf_guards_new ();
  if (!cg_bpf_place_find (&place, error))
    return FALSE;
  if (!cg_bpf_find (&place, guards))
    return cg_bpf_fail (error, "bpf(2)");
  CgBpfFound *guard = cg_bpf_current (guards);
  if (!guard) {
    CgBpfFound made;
    cg_bpf_guard_init (&made);
    gboolean done = load (&place, &made, error);
    g_array_append_val (guards, made);
    if (!done)
      return FALSE;
    guard = &g_array_index (guards, CgBpfFound, guards->len - 1);
    cg_bpf_unpin (&place, CG_GUARD_VERSION); /* of one that is not whole */
  }
  cg_bpf_pin_all (&place, guard);
  return attach (&place, guard, error);
}

static gboolean
detach (const CgBpfPlace *place, const CgBpfFound *guard, GError **error)
{
  gboolean done = TRUE;
  for (guint i = CG_N_HOOKS; i-- > 0;) {
    union bpf_attr attributes = {.target_fd = (guint32) place->cgroup,
                                 .attach_bpf_fd = (guint32) guard->fds.programs[i],
                                 .attach_type = cg_bpf_attach_types[i]};
    if (!guard->is_attached[i] || cg_bpf_call (BPF_PROG_DETACH, &attributes) == 0)
      continue;
    if (done)
      cg_bpf_fail (error, "a guard cannot be detached");
    done = FALSE;
  }
  return done;
}

gboolean
cg_bpf_unload (gboolean all, GError **error)
{
  g_auto (CgBpfPlace) place = CG_BPF_NO_PLACE;
  g_autoptr (GArray) guards = cg_bpf_guards_new ();
  if (!cg_bpf_place_find (&place, error))
    return FALSE;
  if (!cg_bpf_find (&place, guards))
    return cg_bpf_fail (error, "bpf(2)");
  const CgBpfFound *kept = all ? NULL : cg_bpf_current (guards);
  for (guint i = 0; i < guards->len; i++) {
    const CgBpfFound *guard = &g_array_index (guards, CgBpfFound, i);
    if (guard == kept)
      continue;
    if (!detach (&place, guard, error))
      return FALSE;
    cg_bpf_unpin (&place, guard->version);
  }
  if (kept) /* the pins may have been those of another one */
    cg_bpf_pin_all (&place, kept);
  return TRUE;
}

/* Writing */

struct CgBpfMaps {
  CgBpfFound guard;
};

void
cg_bpf_maps_close (CgBpfMaps *maps)
{
  cg_bpf_guard_clear (&maps->guard);
  g_free (maps);
}

CgBpfMaps *
cg_bpf_maps_open (GError **error)
{
  g_auto (CgBpfPlace) place = CG_BPF_NO_PLACE;
  g_autoptr (GArray) guards = cg_bpf_guards_new ();
  if (!cg_bpf_place_find (&place, error))
    return NULL;
  CgBpfFound *guard = cg_bpf_find (&place, guards) ? cg_bpf_current (guards) : NULL;
  if (!guard) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "the guard is not loaded");
    return NULL;
  }
  CgBpfMaps *maps = g_new0 (CgBpfMaps, 1);
  maps->guard = *guard;
  cg_bpf_guard_init (guard); /* the descriptors are the maps' now */
  return maps;
}

gboolean
cg_bpf_set (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  union bpf_attr attributes = {.map_fd = (guint32) maps->guard.fds.maps[entry->map],
                               .key = (guint64) (gsize) entry->key.bytes,
                               .value = (guint64) (gsize) entry->value.bytes};
  return cg_bpf_call (BPF_MAP_UPDATE_ELEM, &attributes) == 0 ||
         cg_bpf_fail (error, cg_map_types[entry->map].name);
}

gboolean
cg_bpf_delete (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  union bpf_attr attributes = {.map_fd = (guint32) maps->guard.fds.maps[entry->map],
                               .key = (guint64) (gsize) entry->key.bytes};
  if (cg_bpf_call (BPF_MAP_DELETE_ELEM, &attributes) < 0 && errno != ENOENT)
    return cg_bpf_fail (error, cg_map_types[entry->map].name);
  if (entry->map == CG_MAP_GATEWAYS) { /* another gateway may have the table one day */
    attributes.map_fd = (guint32) maps->guard.fds.maps[CG_MAP_DROPS];
    (void) cg_bpf_call (BPF_MAP_DELETE_ELEM, &attributes);
  }
  return TRUE;
}
