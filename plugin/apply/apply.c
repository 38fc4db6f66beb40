/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply.h"

#include <stdio.h>

#include "commit.h"
#include "gather.h"
#include "previous-addresses.h"
#include "records.h"
#include "resolvconf-remount.h"
#include "resolve-cache.h"
#include "stray-run.h"
#include "subuids.h"
#include "warnings.h"

/* A tunnel that goes up or down between our look and our change makes the kernel refuse the change.
 */
#define MAX_TRIES 5

static gboolean
is_named (const char *const *names, const char *name)
{
  return !*names || g_strv_contains (names, name);
}

static gboolean
stands_in_kernel (const CgFacts *facts, const CgTunnel *tunnel)
{
  for (guint i = 0; i < facts->routes->len; i++)
    if (g_array_index (facts->routes, CgRoute, i).table == tunnel->table)
      return TRUE;
  for (guint i = 0; i < facts->rules->len; i++) {
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    if (rule->protocol == CG_PROTOCOL && rule->table == tunnel->table)
      return TRUE;
  }
  for (guint i = 0; i < facts->guard->entries->len; i++) {
    const CgGuardEntry *entry = &g_array_index (facts->guard->entries, CgGuardEntry, i);
    if (entry->map == CG_MAP_GATEWAYS && entry->key.table == tunnel->table)
      return TRUE;
  }
  return FALSE;
}

/* The names of those that stand, of those named (none: of all). */
static GPtrArray *
list_standing (const CgFacts *facts, const char *const *names)
{
  GPtrArray *standing = g_ptr_array_new ();
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    if (is_named (names, tunnel->gateway->name) && stands_in_kernel (facts, tunnel))
      g_ptr_array_add (standing, tunnel->gateway->name);
  }
  g_ptr_array_add (standing, NULL);
  return standing;
}

/* A plan is for all gateways, since they share the guard: but for those that the run is to remove,
 * and those that it is not about and that do not stand. One that was removed before must not make
 * itself felt. */
static CgPlan *
make_plan (const CgFacts *facts, const char *const *names, CgIntent intent, const CgScope *scope)
{
  g_autoptr (GPtrArray) released = g_ptr_array_new ();
  if (intent == CG_RELEASE && !*names)
    return cg_plan_empty ();
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    gboolean is_meant = intent == CG_RELEASE ? g_strv_contains (names, tunnel->gateway->name)
                                             : cg_scope_has (scope, tunnel->table);
    gboolean is_removed = intent == CG_RELEASE && is_meant;
    if (is_removed || (!is_meant && !stands_in_kernel (facts, tunnel)))
      g_ptr_array_add (released, tunnel->gateway->name);
  }
  g_ptr_array_add (released, NULL);
  return cg_plan_new (facts, (const char *const *) released->pdata);
}

/* Those of now. */
static void
print_strays (CgNetlink *netlink, const CgTunnel *tunnel)
{
  g_autoptr (GArray) strays = g_array_new (FALSE, FALSE, sizeof (CgSocket));
  g_autoptr (GError) error = NULL;
  if (!cg_strays_find (netlink, tunnel, strays, &error))
    g_warning ("%s: no look at connections: %s", tunnel->gateway->name, error->message);
  for (guint i = 0; i < strays->len; i++) {
    g_autofree char *line = cg_socket_to_string (&g_array_index (strays, CgSocket, i));
    puts (line);
  }
}

static void
print_ops (CgNetlink *netlink, const GArray *ops)
{
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    g_autofree char *line = cg_op_to_string (op);
    puts (line);
    if (op->step == CG_STEP_END_STRAYS)
      print_strays (netlink, op->tunnel);
  }
}

/* What was kept for an interface that is gone, or that somebody else has set since, is of no use.
 */
static void
forget_stale_filters (const CgFacts *facts, const char *runtime_dir)
{
  for (guint i = 0; i < facts->kept->len; i++) {
    const CgKeptFilter *kept = &g_array_index (facts->kept, CgKeptFilter, i);
    if (!cg_kept_filter_is_ours (kept))
      cg_runtime_forget_filter (runtime_dir, kept->saved.ifname);
  }
}

/* What the guard holds, and which connections are the tunnel's, for when the tunnel has them no
 * more: the latest first. */
static void
keep_addresses (const CgFacts *facts, const CgScope *scope, const char *runtime_dir)
{
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    g_autoptr (GArray) all = g_array_copy (tunnel->held);
    g_array_append_vals (all, tunnel->former->data, tunnel->former->len);
    if (all->len > 0 && cg_scope_has (scope, tunnel->table))
      cg_previous_addresses_save (runtime_dir, tunnel->gateway->name, all);
  }
}

/* A gateway that was removed holds no address any more. */
static void
forget_addresses (const char *const *names, const char *runtime_dir)
{
  for (; *names; names++)
    cg_previous_addresses_forget (runtime_dir, *names);
}

/* Who stopped a gateway that is no more must not matter to the next one of its name. */
static void
forget_gone_gateways (const CgConfig *config, const char *runtime_dir)
{
  static const CgRecord records[] = {CG_RECORD_STOPPED, CG_RECORD_TUNNEL};
  for (guint i = 0; i < G_N_ELEMENTS (records); i++) {
    g_auto (GStrv) names = cg_record_list (runtime_dir, records[i]);
    for (char **name = names; *name; name++)
      if (!cg_config_find (config, *name))
        (void) cg_record_drop (runtime_dir, records[i], *name, NULL);
  }
}

static void
report_states (const CgFacts *facts, const char *const *names, CgIntent intent)
{
  if (intent == CG_RELEASE && !*names) {
    g_message ("all released");
    return;
  }
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    const CgGateway *gateway = tunnel->gateway;
    if (!is_named (names, gateway->name))
      continue;
    if (intent == CG_RELEASE)
      g_message ("%s: released", gateway->name);
    else
      g_message ("%s: IPv4 %s, IPv6 %s (%s, table %u)", gateway->name,
                 cg_state_name (cg_plan_state (tunnel, AF_INET)),
                 cg_state_name (cg_plan_state (tunnel, AF_INET6)),
                 gateway->interface ? gateway->interface : "no interface", tunnel->table);
  }
}

static void
report_warnings (CgFacts *facts, const char *const *names)
{
  cg_subuids_load (facts->subuids);
  g_autoptr (GPtrArray) warnings = cg_warnings (facts, names);
  for (guint i = 0; i < warnings->len; i++)
    g_warning ("%s", (const char *) warnings->pdata[i]);
}

static gboolean
has_step (const GArray *ops, CgStep step)
{
  for (guint i = 0; i < ops->len; i++)
    if (g_array_index (ops, CgOp, i).step == step)
      return TRUE;
  return FALSE;
}

/* One of the rules that were to go may have been hidden from our look (see diff_sorted in diff.c):
 * whether it takes another one to see it. */
static gboolean
rules_are_left (
    CgNetlink *netlink, const GArray *ops, const CgPlan *plan, CgFacts *facts, const CgScope *scope)
{
  if (!has_step (ops, CG_STEP_DEL_RULE))
    return FALSE;
  return has_step (ops, CG_STEP_DEL_PASS) || /* which may be rules, too */
         !cg_facts_look_at_rules (facts, netlink, NULL) || cg_diff_has_rules (plan, facts, scope);
}

/* Gateways whose guard is required and could not be written at the last try are closed: the diff
 * then takes their ways away. TRUE if there are any. */
static gboolean
close_unguarded (CgFacts *facts, const CgUnguarded *unguarded)
{
  gboolean any = FALSE;
  for (guint i = 0; i < facts->tunnels->len; i++) {
    CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    for (guint j = 0; unguarded->tables && j < unguarded->tables->len; j++)
      if ((g_array_index (unguarded->tables, guint32, j) == tunnel->table ||
           !g_array_index (unguarded->tables, guint32, j)) && /* what all gateways share */
          tunnel->gateway->guard == CG_GUARD_REQUIRED)
        any = tunnel->unguarded = TRUE;
  }
  return any;
}

/* One look and what follows from it. *again if another look is due: because the kernel refused
 * something, which it may explain, or to see that nothing is left. *unguarded is what the try
 * before left, and then what this one leaves. */
static gboolean
apply_once (const CgOptions *options,
            const CgConfig *config,
            const char *const *names,
            CgIntent intent,
            CgUnguarded *unguarded,
            gboolean *again,
            GError **error)
{
  g_autofree char *no_bpf = g_steal_pointer (&unguarded->no_bpf);
  *again = FALSE;
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_ROUTE, error);
  if (!netlink)
    return FALSE;
  g_autoptr (CgFacts) facts =
      cg_facts_gather (config, netlink, options->runtime_dir, no_bpf, error);
  if (!facts)
    return FALSE;
  g_autoptr (GPtrArray) standing = list_standing (facts, names);
  if (intent == CG_REFRESH) {
    if (standing->len == 1)
      return TRUE;
    names = (const char *const *) standing->pdata;
  }
  gboolean closed = close_unguarded (facts, unguarded);
  g_autoptr (CgScope) scope =
      intent == CG_RELEASE && !*names ? cg_scope_everything () : cg_scope_new (facts, names);
  g_autoptr (CgPlan) plan = make_plan (facts, names, intent, scope);
  g_autoptr (GArray) ops = cg_diff (plan, facts, scope);
  cg_strays_add_ops (ops, plan, facts, scope);
  if (options->dry_run) {
    print_ops (netlink, ops);
    report_warnings (facts, names);
    return TRUE;
  }
  forget_stale_filters (facts, options->runtime_dir);
  if (intent != CG_RELEASE)
    keep_addresses (facts, scope, options->runtime_dir);
  else
    forget_addresses (names, options->runtime_dir);
  if (intent == CG_APPLY && scope->all)
    forget_gone_gateways (config, options->runtime_dir);
  cg_unguarded_clear (unguarded);
  unguarded->no_bpf = g_strdup (no_bpf);
  if (ops->len > 0 && !options->keeps_answers)
    cg_resolve_cache_outdate (options->runtime_dir);
  gboolean done = cg_commit (netlink, ops, options->runtime_dir, unguarded, error);
  if (!done && !g_error_matches (*error, CG_ERROR, CG_ERROR_ABSENT)) {
    *again = TRUE;
    return FALSE;
  }
  if (ops->len > 0) {
    report_states (facts, names, intent);
    report_warnings (facts, names);
  } else {
    g_info ("nothing to do");
  }
  /* what was closed for want of a guard opens with the next look */
  *again = unguarded->passing || closed || (unguarded->no_bpf && !no_bpf) ||
           rules_are_left (netlink, ops, plan, facts, scope);
  return done;
}

gboolean
cg_apply (const CgOptions *options,
          const CgConfig *config,
          const char *const *names,
          CgIntent intent,
          GError **error)
{
  gboolean again = TRUE, done = FALSE;
  g_auto (CgUnguarded) unguarded = {NULL};
  g_autoptr (GError) why = NULL; /* apply_once() looks into it, too */
  /* one more behind a success: what it left closed is to open */
  for (guint i = 0; again && i < MAX_TRIES + (done ? 1 : 0); i++) {
    if (why)
      g_info ("looking again: %s", why->message);
    g_clear_error (&why);
    if (unguarded.passing && i + 2 < MAX_TRIES) /* the last two go by uid then */
      g_clear_pointer (&unguarded.no_bpf, g_free);
    done = apply_once (options, config, names, intent, &unguarded, &again, &why);
  }
  if (done && unguarded.why)
    g_warning ("the guard is not as it should be: %s", unguarded.why);
  if (!done)
    g_propagate_error (error, g_steal_pointer (&why));
  else if (intent == CG_APPLY && !options->dry_run)
    cg_resolvconf_remount (config, options->runtime_dir);
  return done;
}
