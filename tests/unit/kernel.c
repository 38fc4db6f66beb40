/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

Kernel *
kernel_new (void)
{
  Kernel *kernel = g_new0 (Kernel, 1);
  kernel->rules = g_array_new (FALSE, TRUE, sizeof (CgRule));
  kernel->routes = g_array_new (FALSE, TRUE, sizeof (CgRoute));
  kernel->filters = g_array_new (FALSE, TRUE, sizeof (KernelFilter));
  kernel->entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  kernel->resolvconfs = cg_resolvconfs_new ();
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    guint8 family = (guint8) cg_families[i];
    CgRule rule = {.family = family,
                   .protocol = RTPROT_KERNEL,
                   .action = FR_ACT_TO_TBL,
                   .priority = 0,
                   .table = RT_TABLE_LOCAL,
                   .uids = {0, G_MAXUINT32}};
    CgRoute route = {.family = family,
                     .protocol = RTPROT_DHCP,
                     .type = RTN_UNICAST,
                     .table = RT_TABLE_MAIN,
                     .metric = 100,
                     .ifindex = KERNEL_LAN,
                     .ifname = "lan0",
                     .destination = cg_prefix_default (family)};
    g_assert_cmpint (kernel_add_rule (kernel, &rule), ==, 0);
    rule.priority = 32766;
    rule.table = RT_TABLE_MAIN;
    g_assert_cmpint (kernel_add_rule (kernel, &rule), ==, 0);
    g_assert_cmpint (kernel_add_route (kernel, &route), ==, 0);
  }
  return kernel;
}

static void
add_resolvconf (GArray *resolvconfs, const char *path, const char *text)
{
  g_autofree char *directory = g_path_get_dirname (path);
  const CgResolvConf file = {g_path_get_basename (directory), g_strdup (path), g_strdup (text)};
  g_array_append_val (resolvconfs, file);
}

static void
copy_resolvconfs (GArray *to, const GArray *from)
{
  g_array_set_size (to, 0);
  for (guint i = 0; i < from->len; i++) {
    const CgResolvConf *file = &g_array_index (from, CgResolvConf, i);
    add_resolvconf (to, file->path, file->text);
  }
}

Kernel *
kernel_copy (const Kernel *kernel)
{
  Kernel *copy = g_new0 (Kernel, 1);
  copy->rules = g_array_copy (kernel->rules);
  copy->routes = g_array_copy (kernel->routes);
  copy->filters = g_array_copy (kernel->filters);
  copy->is_guarded = kernel->is_guarded;
  copy->entries = g_array_copy (kernel->entries);
  copy->outdated = kernel->outdated ? g_array_copy (kernel->outdated) : NULL;
  copy->table = g_strdup (kernel->table);
  copy->resolvconfs = cg_resolvconfs_new ();
  copy_resolvconfs (copy->resolvconfs, kernel->resolvconfs);
  return copy;
}

void
kernel_free (Kernel *kernel)
{
  g_array_unref (kernel->rules);
  g_array_unref (kernel->routes);
  g_array_unref (kernel->filters);
  g_array_unref (kernel->entries);
  g_clear_pointer (&kernel->outdated, g_array_unref);
  g_free (kernel->table);
  g_array_unref (kernel->resolvconfs);
  g_free (kernel);
}

static int
find (const GArray *array, gconstpointer element, guint size, GCompareFunc compare)
{
  for (guint i = 0; i < array->len; i++)
    if (compare (array->data + (gsize) i * size, element) == 0)
      return (int) i;
  return -1;
}

int
kernel_add_rule (Kernel *kernel, const CgRule *rule)
{
  if (find (kernel->rules, rule, sizeof *rule, cg_rule_compare) >= 0)
    return EEXIST;
  /* behind those of the same priority, fib_nl_newrule in net/core/fib_rules.c */
  guint i = 0;
  while (i < kernel->rules->len &&
         g_array_index (kernel->rules, CgRule, i).priority <= rule->priority)
    i++;
  g_array_insert_vals (kernel->rules, i, rule, 1);
  return 0;
}

int
kernel_del_rule (Kernel *kernel, const CgRule *rule)
{
  int i = find (kernel->rules, rule, sizeof *rule, cg_rule_compare);
  if (i < 0)
    return ENOENT;
  g_array_remove_index (kernel->rules, (guint) i);
  return 0;
}

static gboolean
is_other_family (const CgRoute *a, const CgRoute *b)
{
  return a->family != b->family || a->table != b->table;
}

int
kernel_add_route (Kernel *kernel, const CgRoute *route)
{
  for (guint i = 0; i < kernel->routes->len; i++) {
    const CgRoute *other = &g_array_index (kernel->routes, CgRoute, i);
    /* NLM_F_EXCL: destination and metric are what counts, whatever type and interface */
    if (!is_other_family (other, route) && other->metric == route->metric &&
        memcmp (&other->destination, &route->destination, sizeof route->destination) == 0)
      return EEXIST;
  }
  g_array_append_val (kernel->routes, *route);
  return 0;
}

int
kernel_del_route (Kernel *kernel, const CgRoute *route)
{
  int i = find (kernel->routes, route, sizeof *route, cg_route_compare);
  if (i < 0)
    return ESRCH;
  g_array_remove_index (kernel->routes, (guint) i);
  return 0;
}

KernelFilter *
kernel_find_filter (const Kernel *kernel, const char *ifname)
{
  for (guint i = 0; i < kernel->filters->len; i++) {
    KernelFilter *filter = &g_array_index (kernel->filters, KernelFilter, i);
    if (g_str_equal (filter->ifname, ifname))
      return filter;
  }
  return NULL;
}

int
kernel_set_filter (Kernel *kernel, const char *ifname, int value)
{
  KernelFilter *filter = kernel_find_filter (kernel, ifname);
  if (!filter)
    return ENOENT;
  filter->value = value;
  return 0;
}

static int
do_filter (Kernel *kernel, const CgOp *op)
{
  KernelFilter *filter = kernel_find_filter (kernel, op->filter.ifname);
  if (!filter)
    return ENOENT;
  if (op->step == CG_STEP_SET_FILTER) {
    filter->saved = (CgSavedFilter){.ifindex = op->filter.ifindex, .value = op->filter.now};
    g_strlcpy (filter->saved.ifname, op->filter.ifname, sizeof filter->saved.ifname);
  } else {
    filter->saved.ifindex = 0;
  }
  return kernel_set_filter (kernel, op->filter.ifname, op->filter.value);
}

static int
set_entry (Kernel *kernel, const CgGuardEntry *entry)
{
  if (!kernel->is_guarded)
    return ENOENT;
  guint i = 0;
  while (i < kernel->entries->len &&
         cg_entry_compare (&g_array_index (kernel->entries, CgGuardEntry, i), entry) < 0)
    i++;
  if (i < kernel->entries->len &&
      cg_entry_compare (&g_array_index (kernel->entries, CgGuardEntry, i), entry) == 0)
    g_array_index (kernel->entries, CgGuardEntry, i) = *entry;
  else
    g_array_insert_vals (kernel->entries, i, entry, 1);
  return 0;
}

/* The kernel does not mind if it is not there; here it is an error to try. */
static int
delete_entry (Kernel *kernel, const CgGuardEntry *entry)
{
  int i = find (kernel->entries, entry, sizeof *entry, cg_entry_compare);
  if (i < 0)
    return ENOENT;
  g_array_remove_index (kernel->entries, (guint) i);
  return 0;
}

static int
load_guard (Kernel *kernel)
{
  if (kernel->is_guarded)
    return EEXIST;
  kernel->is_guarded = TRUE;
  g_array_set_size (kernel->entries, 0);
  return 0;
}

static void
unload_guard (Kernel *kernel)
{
  kernel->is_guarded = FALSE;
  g_array_set_size (kernel->entries, 0);
}

void
kernel_outdate_guard (Kernel *kernel)
{
  g_clear_pointer (&kernel->outdated, g_array_unref);
  if (kernel->is_guarded)
    kernel->outdated = g_array_copy (kernel->entries);
  unload_guard (kernel);
}

void
kernel_lose_guard (Kernel *kernel)
{
  unload_guard (kernel);
  g_clear_pointer (&kernel->outdated, g_array_unref);
  g_clear_pointer (&kernel->table, g_free);
}

static int
do_guard (Kernel *kernel, const CgGuardOp *op)
{
  switch (op->work) {
  case CG_GUARD_LOAD:
    return load_guard (kernel);
  case CG_GUARD_SET:
    return set_entry (kernel, &op->entry);
  case CG_GUARD_DELETE:
    return delete_entry (kernel, &op->entry);
  case CG_GUARD_TABLE:
    g_free (kernel->table);
    kernel->table = g_strdup (op->text);
    return 0;
  case CG_GUARD_UNLOAD:
    unload_guard (kernel);
    break;
  case CG_GUARD_UNLOAD_OUTDATED:
    break;
  }
  g_clear_pointer (&kernel->outdated, g_array_unref);
  return 0;
}

static int
do_resolvconf (Kernel *kernel, const CgResolvConfOp *op)
{
  for (guint i = 0; i < kernel->resolvconfs->len; i++) {
    CgResolvConf *file = &g_array_index (kernel->resolvconfs, CgResolvConf, i);
    if (!g_str_equal (file->path, op->path))
      continue;
    g_free (file->text);
    file->text = g_strdup (op->text);
    return 0;
  }
  add_resolvconf (kernel->resolvconfs, op->path, op->text);
  return 0;
}

int
kernel_do (Kernel *kernel, const CgOp *op)
{
  switch (op->step) {
  case CG_STEP_GUARD:
  case CG_STEP_UNGUARD:
  case CG_STEP_OPEN_GUARD:
    return do_guard (kernel, &op->guard);
  case CG_STEP_CONFINE_DNS:
  case CG_STEP_RELEASE_DNS:
    return do_resolvconf (kernel, &op->resolvconf);
  case CG_STEP_ADD_RULE:
    return kernel_add_rule (kernel, &op->rule);
  case CG_STEP_DEL_RULE:
    return kernel_del_rule (kernel, &op->rule);
  case CG_STEP_ADD_PROHIBIT:
  case CG_STEP_ADD_WAY:
    return kernel_add_route (kernel, &op->route);
  case CG_STEP_DEL_PROHIBIT:
  case CG_STEP_DEL_WAY:
  case CG_STEP_LEAVE_WAY:
    return kernel_del_route (kernel, &op->route);
  default:
    return do_filter (kernel, op);
  }
}

void
kernel_drop_routes_of (Kernel *kernel, guint32 ifindex)
{
  for (guint i = kernel->routes->len; i-- > 0;)
    if (g_array_index (kernel->routes, CgRoute, i).ifindex == ifindex)
      g_array_remove_index (kernel->routes, i);
}

gboolean
prefix_covers (const CgPrefix *prefix, const CgPrefix *address)
{
  CgPrefix network = *address;
  network.length = prefix->length;
  network = cg_prefix_masked (&network);
  return memcmp (&network, prefix, sizeof network) == 0;
}

/* The longest prefix, and of those the lowest metric. */
static const CgRoute *
look_up (const Kernel *kernel, guint32 table, const CgPrefix *host)
{
  const CgRoute *best = NULL;
  for (guint i = 0; i < kernel->routes->len; i++) {
    const CgRoute *route = &g_array_index (kernel->routes, CgRoute, i);
    if (route->table != table || route->family != host->family || route->odd ||
        !prefix_covers (&route->destination, host))
      continue;
    if (!best || route->destination.length > best->destination.length ||
        (route->destination.length == best->destination.length && route->metric < best->metric))
      best = route;
  }
  return best;
}

guint32
kernel_way (const Kernel *kernel, guint32 uid, const CgPrefix *destination)
{
  for (guint i = 0; i < kernel->rules->len; i++) {
    const CgRule *rule = &g_array_index (kernel->rules, CgRule, i);
    if (rule->family != destination->family || rule->odd || rule->source.length ||
        uid < rule->uids.first || uid > rule->uids.last)
      continue;
    const CgRoute *route = look_up (kernel, rule->table, destination);
    if (!route || route->type == RTN_THROW)
      continue; /* the next rule */
    return route->type == RTN_UNICAST ? route->ifindex : KERNEL_BLOCKED;
  }
  return KERNEL_BLOCKED;
}

static void
show_filters (const Kernel *kernel, CgFacts *facts)
{
  g_array_set_size (facts->kept, 0);
  for (guint i = 0; i < kernel->filters->len; i++) {
    const KernelFilter *filter = &g_array_index (kernel->filters, KernelFilter, i);
    CgKeptFilter kept = {
        .saved = filter->saved, .ifindex = filter->ifindex, .value = filter->value};
    if (filter->saved.ifindex)
      g_array_append_val (facts->kept, kept);
  }
  for (guint i = 0; i < facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    const KernelFilter *filter = kernel_find_filter (kernel, tunnel->gateway->interface);
    tunnel->rp_filter = filter && tunnel->ifindex ? filter->value : -1;
  }
}

static void
show_guard (const Kernel *kernel, CgFacts *facts)
{
  facts->guard->is_loaded = kernel->is_guarded;
  facts->guard->has_others = kernel->outdated != NULL;
  g_array_set_size (facts->guard->entries, 0);
  if (kernel->entries->len > 0)
    g_array_append_vals (facts->guard->entries, kernel->entries->data, kernel->entries->len);
  cg_table_found_clear (&facts->table);
  cg_saved_table_clear (&facts->saved_table);
  if (!kernel->table)
    return;
  facts->table.fingerprint = g_strdup ("as it was written");
  facts->saved_table.fingerprint = g_strdup (facts->table.fingerprint);
  facts->saved_table.text = g_compute_checksum_for_string (G_CHECKSUM_SHA256, kernel->table, -1);
}

void
kernel_show (const Kernel *kernel, CgFacts *facts)
{
  g_array_set_size (facts->rules, 0);
  g_array_set_size (facts->ways_back, 0);
  g_array_set_size (facts->routes, 0);
  for (guint i = 0; i < kernel->rules->len; i++) {
    const CgRule *rule = &g_array_index (kernel->rules, CgRule, i);
    g_array_append_val (rule->source.length ? facts->ways_back : facts->rules, *rule);
  }
  for (guint i = 0; i < kernel->routes->len; i++) {
    const CgRoute *route = &g_array_index (kernel->routes, CgRoute, i);
    if (route->protocol == CG_PROTOCOL)
      g_array_append_val (facts->routes, *route);
  }
  show_filters (kernel, facts);
  show_guard (kernel, facts);
  copy_resolvconfs (facts->resolvconfs, kernel->resolvconfs);
}
