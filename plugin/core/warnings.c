/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "warnings.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "warnings-dns.h"
#include "warnings-subuids.h"

/* So many lines tell what others do with one gateway's routes, and so many what they do with its
 * rules; more would hide it. */
#define MAX_TOLD 8

static void
warn_of_foreign_routes (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel)
{
  const CgGateway *gateway = tunnel->gateway;
  guint told = 0;
  for (guint n = 0; cg_facts_table_candidate (gateway, n) != tunnel->table; n++)
    for (guint i = 0; i < facts->foreign->len; i++) {
      const CgRoute *route = &g_array_index (facts->foreign, CgRoute, i);
      if (route->table != cg_facts_table_candidate (gateway, n) || told >= MAX_TOLD)
        continue;
      told++;
      g_autofree char *text = cg_route_to_string (route);
      g_ptr_array_add (
          warnings, g_strdup_printf ("%s: table %u holds a route that is not ours, so table %u is "
                                     "used: %s %s",
                                     gateway->name, route->table, tunnel->table,
                                     cg_family_name (route->family), text));
    }
}

/* Whether a rule of somebody else can decide over a packet of the gateway's before ours do. Rules
 * of one priority stand in the order in which they were added, which is that of the facts. */
static gboolean
stands_before_ours (const CgFacts *facts, guint index, const CgTunnel *tunnel)
{
  const CgRule *rule = &g_array_index (facts->rules, CgRule, index);
  /* table local comes first for everyone; other actions lead nowhere */
  if (rule->protocol == CG_PROTOCOL || rule->table == RT_TABLE_LOCAL ||
      (rule->action != FR_ACT_TO_TBL && rule->action != FR_ACT_GOTO) ||
      rule->priority > tunnel->gateway->priority ||
      !cg_uids_touch (tunnel->gateway->uids, rule->uids))
    return FALSE;
  for (guint i = 0; i < index && rule->priority == tunnel->gateway->priority; i++) {
    const CgRule *earlier = &g_array_index (facts->rules, CgRule, i);
    if (earlier->protocol == CG_PROTOCOL && earlier->family == rule->family &&
        earlier->table == tunnel->table)
      return FALSE;
  }
  return TRUE;
}

static void
warn_of_foreign_rules (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel)
{
  guint told = 0;
  for (guint i = 0; i < facts->rules->len && told < MAX_TOLD; i++) {
    if (!stands_before_ours (facts, i, tunnel))
      continue;
    told++;
    const CgRule *rule = &g_array_index (facts->rules, CgRule, i);
    g_autofree char *text = cg_rule_to_string (rule);
    g_ptr_array_add (warnings,
                     g_strdup_printf ("%s: a rule that is not ours stands before ours and "
                                      "can lead traffic past the tunnel: %s %s",
                                      tunnel->gateway->name, cg_family_name (rule->family), text));
  }
}

/* By uid nftables cannot tell what a tunnel in the kernel wraps into UDP from what its program
 * sends. */
static void
warn_of_kind (GPtrArray *warnings, const CgTunnel *tunnel)
{
  static const char *const kinds[] = {"bareudp", "gtp", "ovpn-dco", "ovpn-dco-v2", NULL};
  if (g_strv_contains (kinds, tunnel->kind))
    g_ptr_array_add (
        warnings,
        g_strdup_printf ("%s: without BPF the guard drops what the kernel wraps up for %s, "
                         "of the kind %s: this tunnel needs Guard=no here",
                         tunnel->gateway->name, tunnel->gateway->interface, tunnel->kind));
}

static void
warn_of_guard (GPtrArray *warnings, const CgFacts *facts, const CgTunnel *tunnel)
{
  const char *name = tunnel->gateway->name;
  if (tunnel->gateway->guard == CG_GUARD_NO)
    return;
  if (facts->table.unseen)
    g_ptr_array_add (warnings,
                     g_strdup_printf ("%s: the guard's table in nftables can be neither seen "
                                      "nor written: %s",
                                      name, facts->table.unseen));
  if (!cg_facts_guard_by_uid (facts))
    return;
  if (tunnel->unguarded)
    g_ptr_array_add (warnings, g_strdup_printf ("%s: the guard cannot be had in BPF (%s), and "
                                                "Guard=required keeps the gateway closed",
                                                name, facts->guard->impossible));
  else
    g_ptr_array_add (
        warnings,
        g_strdup_printf (
            "%s: the guard cannot be had in BPF (%s), so it goes by uid in nftables: what "
            "the kernel sends for closed sockets, and 'nft flush ruleset', get past it",
            name, facts->guard->impossible));
  warn_of_kind (warnings, tunnel);
}

/* Whether a warning of the config's is about one of the gateways named; none named: about whatever.
 */
static gboolean
is_about (const char *warning, const char *const *names)
{
  const char *colon = strstr (warning, ": ");
  g_autofree char *name = colon ? g_strndup (warning, (gsize) (colon - warning)) : NULL;
  return !*names || (name && g_strv_contains (names, name));
}

static void
warn_of_services (GPtrArray *warnings, const CgGateway *gateway)
{
  for (guint i = 0; i < gateway->found->len; i++) {
    const CgServiceFact *fact = gateway->found->pdata[i];
    if (cg_service_is_loaded (fact) && !fact->bound)
      g_ptr_array_add (
          warnings,
          g_strdup_printf (
              "%s: %s%s is not bound to its gateway: run 'systemctl daemon-reload'; if "
              "that does not help, another ExecCondition= of it runs before ours",
              gateway->name, fact->name, cg_service_is_running (fact) ? " runs, and" : ""));
    else if (fact->needs_reload)
      g_ptr_array_add (warnings, g_strdup_printf ("%s: the files of %s have changed since systemd "
                                                  "read them: run 'systemctl daemon-reload'",
                                                  gateway->name, fact->name));
  }
}

GPtrArray *
cg_warnings (const CgFacts *facts, const char *const *names)
{
  GPtrArray *warnings = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < facts->tunnels->len; i++) {
    const CgTunnel *tunnel = &g_array_index (facts->tunnels, CgTunnel, i);
    const CgGateway *gateway = tunnel->gateway;
    if (*names && !g_strv_contains (names, gateway->name))
      continue;
    warn_of_services (warnings, gateway);
    cg_warn_of_subuids (warnings, facts, gateway);
    cg_warn_of_dns (warnings, facts, tunnel);
    warn_of_guard (warnings, facts, tunnel);
    warn_of_foreign_routes (warnings, facts, tunnel);
    warn_of_foreign_rules (warnings, facts, tunnel);
  }
  for (guint i = 0; i < facts->config->warnings->len; i++)
    if (is_about (facts->config->warnings->pdata[i], names))
      g_ptr_array_add (warnings, g_strdup (facts->config->warnings->pdata[i]));
  return warnings;
}
