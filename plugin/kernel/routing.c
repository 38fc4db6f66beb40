/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "routing.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define DIFFER(a, b)                                                                               \
  if ((a) != (b))                                                                                  \
  return (a) < (b) ? -1 : 1

static void
rule_clear (gpointer rule)
{
  g_clear_pointer (&((CgRule *) rule)->message, g_bytes_unref);
}

static void
route_clear (gpointer route)
{
  g_clear_pointer (&((CgRoute *) route)->message, g_bytes_unref);
}

GArray *
cg_rules_new (void)
{
  GArray *rules = g_array_new (FALSE, TRUE, sizeof (CgRule));
  g_array_set_clear_func (rules, rule_clear);
  return rules;
}

GArray *
cg_routes_new (void)
{
  GArray *routes = g_array_new (FALSE, TRUE, sizeof (CgRoute));
  g_array_set_clear_func (routes, route_clear);
  return routes;
}

int
cg_rule_compare (gconstpointer a, gconstpointer b)
{
  const CgRule *left = a, *right = b;
  DIFFER (left->family, right->family);
  DIFFER (left->priority, right->priority);
  DIFFER (left->uids.first, right->uids.first);
  DIFFER (left->uids.last, right->uids.last);
  DIFFER (left->table, right->table);
  DIFFER (left->action, right->action);
  DIFFER (left->protocol, right->protocol);
  DIFFER (left->odd, right->odd);
  return memcmp (&left->source, &right->source, sizeof left->source);
}

int
cg_route_compare (gconstpointer a, gconstpointer b)
{
  const CgRoute *left = a, *right = b;
  DIFFER (left->table, right->table);
  DIFFER (left->family, right->family);
  DIFFER (left->type, right->type);
  DIFFER (left->metric, right->metric);
  DIFFER (left->ifindex, right->ifindex);
  DIFFER (left->protocol, right->protocol);
  DIFFER (left->odd, right->odd);
  return memcmp (&left->destination, &right->destination, sizeof left->destination);
}

gboolean
cg_route_closes (const CgRoute *route)
{
  return route->type == RTN_PROHIBIT && route->metric == CG_METRIC_LAST;
}

gboolean
cg_route_is_last_word (const CgRoute *route)
{
  return cg_route_closes (route) && route->destination.length == 0;
}

gboolean
cg_is_shell_word (const char *text)
{
  return *text && strspn (text, "_.-=/" G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) == strlen (text);
}

static const char *
action_name (guint8 action)
{
  switch (action) {
  case FR_ACT_GOTO:
    return "goto";
  case FR_ACT_NOP:
    return "nop";
  case FR_ACT_BLACKHOLE:
    return "blackhole";
  case FR_ACT_UNREACHABLE:
    return "unreachable";
  case FR_ACT_PROHIBIT:
    return "prohibit";
  default:
    return "unknown";
  }
}

char *
cg_rule_to_string (const CgRule *rule)
{
  g_autoptr (GString) text = g_string_new (NULL);
  if (rule->source.length) {
    g_autofree char *source = cg_prefix_to_string (&rule->source);
    g_string_append_printf (text, "from %s ", source);
  }
  g_string_append_printf (text, "priority %u", rule->priority);
  if (rule->uids.first != 0 || rule->uids.last != CG_UID_INVALID)
    g_string_append_printf (text, " uidrange %u-%u", rule->uids.first, rule->uids.last);
  if (rule->action == FR_ACT_TO_TBL)
    g_string_append_printf (text, " lookup %u", rule->table);
  else
    g_string_append_printf (text, " %s", action_name (rule->action));
  g_string_append_printf (text, " protocol %u", rule->protocol);
  return g_strdup (text->str);
}

static const char *
type_name (guint8 type)
{
  static const char *const names[] = {
      [RTN_UNICAST] = "unicast",
      [RTN_LOCAL] = "local",
      [RTN_BROADCAST] = "broadcast",
      [RTN_ANYCAST] = "anycast",
      [RTN_MULTICAST] = "multicast",
      [RTN_BLACKHOLE] = "blackhole",
      [RTN_UNREACHABLE] = "unreachable",
      [RTN_PROHIBIT] = "prohibit",
      [RTN_THROW] = "throw",
      [RTN_NAT] = "nat",
  };
  return type < G_N_ELEMENTS (names) && names[type] ? names[type] : "unknown";
}

char *
cg_route_to_string (const CgRoute *route)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *destination = cg_prefix_to_string (&route->destination);
  if (route->type != RTN_UNICAST)
    g_string_append_printf (text, "%s ", type_name (route->type));
  g_string_append (text, destination);
  if (*route->ifname) {
    /* the lines of --dry-run are meant to be run; the kernel lets a name hold any shell's syntax */
    g_autofree char *quoted = g_shell_quote (route->ifname);
    g_string_append_printf (text, " dev %s",
                            cg_is_shell_word (route->ifname) ? route->ifname : quoted);
  }
  g_string_append_printf (text, " table %u", route->table);
  if (route->metric)
    g_string_append_printf (text, " metric %u", route->metric);
  g_string_append_printf (text, " protocol %u", route->protocol);
  return g_strdup (text->str);
}
