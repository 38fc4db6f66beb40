/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario.h"

#include "scenario-guard.h"

#include <linux/rtnetlink.h>

#define N_LINKS    4
#define N_GATEWAYS 4
#define FIRST_UID  SCENARIO_FIRST_UID
#define N_UIDS     SCENARIO_N_UIDS
#define NOBODYS    N_GATEWAYS /* the owner of a uid that is free */

static const char *const bypasses[] = {"10.9.0.0/16", "10.9.128.0/17", "192.168.1.0/24",
                                       "fd77::/64"};
/* one that no bypass mentions, and one or more for each bypass */
static const char *const destinations[] = {"203.0.113.7", "10.9.1.1",    "10.9.200.1",
                                           "192.168.1.5", "2001:db8::7", "fd77::1"};

static guint
dice (GRand *rand, guint sides)
{
  return (guint) g_rand_int_range (rand, 0, (gint32) sides);
}

/* generation: an interface that went and came again has another index. */
static void
roll_links (GRand *rand, guint generation, ScenarioLink links[N_LINKS])
{
  for (guint i = 0; i < N_LINKS; i++) {
    guint flags = dice (rand, 3) ? LINK_ALL : dice (rand, LINK_ALL + 1);
    gboolean there = dice (rand, 6) > 0;
    guint32 ifindex = 10 + i + (dice (rand, 3) ? 0 : generation * 10);
    links[i] = (ScenarioLink){.ifindex = there ? ifindex : 0, .flags = there ? flags : 0};
    g_snprintf (links[i].name, IFNAMSIZ, "wg%u", i);
  }
}

static void
roll_owners (GRand *rand, guint owners[N_UIDS])
{
  for (guint i = 0; i < N_UIDS; i++)
    owners[i] = i > 0 && dice (rand, 3) ? owners[i - 1] : dice (rand, N_GATEWAYS + 1);
}

static char *
roll_lines (GRand *rand, guint number, guint table, const guint owners[N_UIDS])
{
  static const char *const on_down[] = {"stop", "block", "block", "release"};
  static const char *const ipv6[] = {"auto", "block", "route"};
  static const guint priorities[] = {500, 500, 500, 400, 600};
  g_autoptr (GString) lines = g_string_new ("Users=");
  for (guint i = 0; i < N_UIDS; i++)
    if (owners[i] == number)
      g_string_append_printf (lines, "%u ", FIRST_UID + i);
  g_string_append_printf (
      lines, "\nInterface=wg%u\nOnDown=%s\nIPv6=%s\nPriority=%u\n",
      dice (rand, 3) ? number : dice (rand, N_LINKS), on_down[dice (rand, G_N_ELEMENTS (on_down))],
      ipv6[dice (rand, G_N_ELEMENTS (ipv6))], priorities[dice (rand, G_N_ELEMENTS (priorities))]);
  if (table)
    g_string_append_printf (lines, "Table=%u\n", table);
  g_string_append (lines, "Bypass=");
  for (guint i = 0; i < G_N_ELEMENTS (bypasses); i++)
    if (dice (rand, 4) == 0)
      g_string_append_printf (lines, "%s ", bypasses[i]);
  g_autofree char *guard = scenario_guard_lines (rand);
  return g_strdup_printf ("%s\nReversePathFilter=%s\n%s", lines->str,
                          dice (rand, 4) ? "loose" : "keep", guard);
}

static gboolean
owns_any (const guint owners[N_UIDS], guint number)
{
  for (guint i = 0; i < N_UIDS; i++)
    if (owners[i] == number)
      return TRUE;
  return FALSE;
}

static World *
roll_world (GRand *rand, const guint owners[N_UIDS], const ScenarioLink links[N_LINKS])
{
  World *world = world_new ();
  guint tables[N_GATEWAYS] = {100, 101, 102, 0};
  for (guint i = N_GATEWAYS; i-- > 1;) {
    guint j = dice (rand, i + 1), table = tables[i];
    tables[i] = tables[j];
    tables[j] = table;
  }
  for (guint i = 0; i < N_GATEWAYS; i++) {
    if (!owns_any (owners, i))
      continue;
    g_autofree char *name = g_strdup_printf ("g%u", i);
    g_autofree char *lines = roll_lines (rand, i, tables[i], owners);
    CgTunnel *tunnel = world_add (world, name, lines, 0, 0);
    const ScenarioLink *link = &links[g_ascii_digit_value (tunnel->gateway->interface[2])];
    tunnel->ifindex = link->ifindex;
    tunnel->is_up = (link->flags & LINK_UP) != 0;
    tunnel->usable[0] = (link->flags & LINK_IPV4) != 0;
    tunnel->usable[1] = (link->flags & (LINK_IPV6 | LINK_GLOBAL)) != 0;
    tunnel->global_ipv6 = (link->flags & LINK_GLOBAL) != 0;
  }
  scenario_address (world, rand, links, N_LINKS);
  scenario_guard (world, rand);
  return world;
}

/* Each interface there is, with the filter that it was born with. */
static void
plug_in (Kernel *kernel, GRand *rand, const ScenarioLink links[N_LINKS])
{
  for (guint i = 0; i < N_LINKS; i++) {
    KernelFilter *filter = kernel_find_filter (kernel, links[i].name);
    if (filter && links[i].ifindex && filter->ifindex != links[i].ifindex) {
      filter->ifindex = links[i].ifindex; /* what we kept of the old one stays */
      filter->value = (int) dice (rand, 3);
    } else if (!filter) {
      KernelFilter born = {.ifindex = links[i].ifindex, .value = (int) dice (rand, 3)};
      g_strlcpy (born.ifname, links[i].name, sizeof born.ifname);
      g_array_append_val (kernel->filters, born);
    }
  }
}

static void
install (Kernel *kernel, World *world, CgPlan **plan)
{
  static const char *const all[] = {NULL};
  kernel_show (kernel, world->facts);
  *plan = cg_plan_new (world->facts, NULL);
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (GArray) ops = cg_diff (*plan, world->facts, scope);
  for (guint i = 0; i < ops->len; i++)
    g_assert_cmpint (kernel_do (kernel, &g_array_index (ops, CgOp, i)), ==, 0);
}

Scenario *
scenario_new (guint32 seed)
{
  GRand *rand = g_rand_new_with_seed (seed);
  Scenario *scenario = g_new0 (Scenario, 1);
  ScenarioLink links[2][N_LINKS];
  guint owners[2][N_UIDS];
  roll_links (rand, 1, links[0]);
  roll_links (rand, 2, links[1]);
  roll_owners (rand, owners[0]);
  roll_owners (rand, owners[1]);
  for (guint i = 0; i < N_UIDS; i++)
    if (dice (rand, 2)) /* most of a configuration stays as it is */
      owners[1][i] = owners[0][i];
  for (guint i = 0; i < N_LINKS; i++)
    if (dice (rand, 2))
      links[1][i] = links[0][i];
  scenario->before = roll_world (rand, owners[0], links[0]);
  scenario->after = roll_world (rand, owners[1], links[1]);
  scenario->before->facts->rp_filter_all = scenario->after->facts->rp_filter_all =
      (int) dice (rand, 3);

  scenario->kernel = kernel_new ();
  plug_in (scenario->kernel, rand, links[0]);
  install (scenario->kernel, scenario->before, &scenario->plan_before);
  plug_in (scenario->kernel, rand, links[1]);
  for (guint i = 0; i < N_LINKS; i++) {
    /* of an interface that only went down we may be told before or after its routes are gone */
    gboolean gone = links[0][i].ifindex != links[1][i].ifindex;
    if (links[0][i].ifindex && (gone || (!(links[1][i].flags & LINK_UP) && dice (rand, 2))))
      kernel_drop_routes_of (scenario->kernel, links[0][i].ifindex);
  }
  if (dice (rand, 8) == 0)
    kernel_outdate_guard (scenario->kernel);
  kernel_show (scenario->kernel, scenario->after->facts);
  scenario->plan_after = cg_plan_new (scenario->after->facts, NULL);
  scenario_roll_packets (scenario, rand);
  g_rand_free (rand);
  return scenario;
}

void
scenario_free (Scenario *scenario)
{
  cg_plan_free (scenario->plan_before);
  cg_plan_free (scenario->plan_after);
  world_free (scenario->before);
  world_free (scenario->after);
  kernel_free (scenario->kernel);
  g_array_unref (scenario->packets);
  g_array_unref (scenario->forbidden);
  g_array_unref (scenario->forbidden_apart);
  g_free (scenario);
}

/* The tunnel of the gateway that confines the uid, or NULL. */
static const CgTunnel *
find_confiner (const World *world, const CgPlan *plan, int family, guint32 uid)
{
  for (guint i = 0; i < plan->rules->len; i++) {
    const CgRule *rule = &g_array_index (plan->rules, CgRule, i);
    if (rule->family != family || uid < rule->uids.first || uid > rule->uids.last)
      continue;
    for (guint j = 0; j < world->facts->tunnels->len; j++) {
      const CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, j);
      if (tunnel->table == rule->table)
        return tunnel;
    }
  }
  return NULL;
}

/* Not to a name server. */
static gboolean
may_bypass (const CgGateway *gateway, const CgPrefix *destination)
{
  for (guint i = 0; i < gateway->bypass->len; i++)
    if (prefix_covers (&g_array_index (gateway->bypass, CgPrefix, i), destination))
      return !cg_prefixes_have (gateway->dns, destination);
  return FALSE;
}

static gboolean
allows (const CgTunnel *tunnel, guint32 way, const CgPrefix *destination)
{
  if (!tunnel)
    return way == KERNEL_LAN;
  if (way == KERNEL_BLOCKED)
    return TRUE;
  if (way == KERNEL_LAN)
    return may_bypass (tunnel->gateway, destination);
  return way == tunnel->ifindex && cg_plan_state (tunnel, destination->family) == CG_STATE_UP;
}

static char *
check_packet (const Scenario *scenario, const Kernel *kernel, guint32 uid, const CgPrefix *to)
{
  const CgTunnel *before = find_confiner (scenario->before, scenario->plan_before, to->family, uid);
  const CgTunnel *after = find_confiner (scenario->after, scenario->plan_after, to->family, uid);
  guint32 way = kernel_way (kernel, uid, to);
  if (allows (before, way, to) || allows (after, way, to))
    return NULL;
  g_autofree char *destination = cg_prefix_to_string (to);
  return g_strdup_printf ("uid %u (%s, then %s) to %s leaves by interface %u", uid,
                          before ? before->gateway->name : "free",
                          after ? after->gateway->name : "free", destination, way);
}

char *
scenario_find_leak (const Scenario *scenario, const Kernel *kernel)
{
  for (guint i = 0; i < G_N_ELEMENTS (destinations); i++) {
    CgPrefix to;
    g_assert_true (cg_prefix_parse (destinations[i], &to));
    /* one more on each side, whom no configuration mentions */
    for (guint32 uid = FIRST_UID - 1; uid <= FIRST_UID + N_UIDS; uid++) {
      char *leak = check_packet (scenario, kernel, uid, &to);
      if (leak)
        return leak;
    }
  }
  return NULL;
}
