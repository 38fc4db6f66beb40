/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

gboolean
world_lookup (const char *name, guint32 *uid, GError **error)
{
  static const struct {
    const char *name;
    guint32 uid;
  } users[] = {
      {"alice", 1500}, {"bob", 1501}, {"carol", 1502}, {"toor", 0}, {"nouid", G_MAXUINT32}};
  for (gsize i = 0; i < G_N_ELEMENTS (users); i++)
    if (g_str_equal (users[i].name, name)) {
      *uid = users[i].uid;
      return TRUE;
    }
  g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG,
                       g_str_equal (name, "broken") ? "the user database does not answer (EIO) for"
                                                    : "no such user");
  return FALSE;
}

World *
world_new (void)
{
  World *world = g_new0 (World, 1);
  world->config = cg_config_new ();
  world->facts = cg_facts_new (world->config);
  world->facts->has[0] = world->facts->has[1] = TRUE;
  return world;
}

void
world_free (World *world)
{
  cg_facts_free (world->facts);
  cg_config_free (world->config);
  g_free (world);
}

CgTunnel *
world_add (World *world, const char *name, const char *lines, guint32 ifindex, guint flags)
{
  /* most cases are about rules and routes; test-guard.c asks for the guard */
  const char *guard = strstr (lines, "Guard=") ? "" : "\nGuard=no\n";
  g_autofree char *text = g_strconcat ("[Gateway]\n", lines, guard, NULL);
  g_autoptr (GError) error = NULL;
  CgGateway *gateway = cg_gateway_parse (name, text, strlen (text), world_lookup, &error);
  g_assert_no_error (error);
  g_ptr_array_add (world->config->gateways, gateway);
  CgTunnel tunnel = {
      .gateway = gateway,
      .table = cg_facts_table_candidate (gateway, 0),
      .ifindex = ifindex,
      .is_up = (flags & LINK_UP) != 0,
      .usable = {(flags & LINK_IPV4) != 0, (flags & (LINK_IPV6 | LINK_GLOBAL)) != 0},
      .global_ipv6 = (flags & LINK_GLOBAL) != 0,
      .rp_filter = ifindex ? 0 : -1,
  };
  GArray *tunnels = world->facts->tunnels;
  g_array_append_val (tunnels, tunnel);
  return &g_array_index (tunnels, CgTunnel, tunnels->len - 1);
}

GArray *
world_prefixes (const char *text)
{
  GArray *prefixes = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  for (char **word = words; *word; word++) {
    CgPrefix prefix;
    g_assert_true (cg_prefix_parse (*word, &prefix));
    g_array_append_val (prefixes, prefix);
  }
  return prefixes;
}

void
world_add_bad (World *world, const char *name)
{
  CgBadFile *bad = g_new0 (CgBadFile, 1);
  bad->name = g_strdup (name);
  bad->error = g_error_new (CG_ERROR, CG_ERROR_CONFIG, "%s.conf: broken", name);
  g_ptr_array_add (world->config->bad, bad);
}

void
world_add_kept (
    World *world, const char *ifname, guint32 saved_index, int saved, guint32 index, int value)
{
  CgKeptFilter kept = {
      .saved = {.ifindex = saved_index, .value = saved}, .ifindex = index, .value = value};
  g_strlcpy (kept.saved.ifname, ifname, sizeof kept.saved.ifname);
  g_array_append_val (world->facts->kept, kept);
}

void
world_install (World *world, const CgPlan *plan)
{
  /* what a plan holds has no message, so that copies need no care */
  g_array_append_vals (world->facts->rules, plan->rules->data, plan->rules->len);
  g_array_append_vals (world->facts->routes, plan->routes->data, plan->routes->len);
  g_array_append_vals (world->facts->ways_back, plan->ways_back->data, plan->ways_back->len);
}

static void
append_family (GString *text, const char *object, int family)
{
  g_string_append_printf (text, "-%c %s ", family == AF_INET6 ? '6' : '4', object);
}

char *
plan_text (const CgPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < plan->rules->len; i++) {
    const CgRule *rule = &g_array_index (plan->rules, CgRule, i);
    g_autofree char *line = cg_rule_to_string (rule);
    append_family (text, "rule", rule->family);
    g_string_append_printf (text, "%s\n", line);
  }
  for (guint i = 0; i < plan->routes->len; i++) {
    const CgRoute *route = &g_array_index (plan->routes, CgRoute, i);
    g_autofree char *line = cg_route_to_string (route);
    append_family (text, "route", route->family);
    g_string_append_printf (text, "%s\n", line);
  }
  for (guint i = 0; i < plan->filters->len; i++) {
    const CgFilter *filter = &g_array_index (plan->filters, CgFilter, i);
    g_string_append_printf (text, "rp_filter %s (%u) %d, now %d\n", filter->ifname, filter->ifindex,
                            filter->value, filter->now);
  }
  return g_strdup (text->str);
}

char *
ops_text (const GArray *ops)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < ops->len; i++) {
    g_autofree char *line = cg_op_to_string (&g_array_index (ops, CgOp, i));
    g_string_append_printf (text, "%s\n", line);
  }
  return g_strdup (text->str);
}

char *
world_diff_text (const World *world, const char *const *names)
{
  static const char *const all[] = {NULL};
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names ? names : all);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GArray) ops = cg_diff (plan, world->facts, scope);
  return ops_text (ops);
}
