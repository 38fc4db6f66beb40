/* SPDX-License-Identifier: GPL-2.0-or-later */

/* In which steps the guard becomes what it should be. That no packet leaves in between is shown in
 * test-order.c. */

#include "diff-guard.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "guard.h"
#include "world.h"

static const char *const all[] = {NULL};

static CgPrefix
prefix_of (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

static const char *
step_word (CgStep step)
{
  switch (step) {
  case CG_STEP_GUARD:
    return "close";
  case CG_STEP_UNGUARD:
    return "let go";
  case CG_STEP_OPEN_GUARD:
    return "open";
  default:
    g_error ("step %d is none of the guard's", step);
  }
}

static const char *
work_word (const CgGuardOp *op)
{
  static const char *const words[] = {[CG_GUARD_LOAD] = "load",
                                      [CG_GUARD_SET] = "set",
                                      [CG_GUARD_DELETE] = "delete",
                                      [CG_GUARD_TABLE] = "table",
                                      [CG_GUARD_UNLOAD_OUTDATED] = "unload others",
                                      [CG_GUARD_UNLOAD] = "unload"};
  return words[op->work];
}

/* "close: set table 42: uid 1500", one a line. with_table: what is about nftables, too. */
static char *
ops_of (const GArray *ops, gboolean with_table)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    const gboolean is_entry = op->guard.work == CG_GUARD_SET || op->guard.work == CG_GUARD_DELETE;
    g_autofree char *entry = is_entry ? cg_entry_to_string (&op->guard.entry, TRUE) : g_strdup ("");
    if (op->guard.work != CG_GUARD_TABLE || with_table)
      g_string_append_printf (text, "%s: %s%s%s\n", step_word (op->step), work_word (&op->guard),
                              is_entry ? " " : "", is_entry ? strstr (entry, "# ") + 2 : "");
  }
  return g_strdup (text->str);
}

static gboolean
is_of_the_guard (const CgOp *op)
{
  return op->step == CG_STEP_GUARD || op->step == CG_STEP_UNGUARD || op->step == CG_STEP_OPEN_GUARD;
}

/* Of a whole run, what is about the guard: in the order of the steps, and without what must stay
 * while a file is bad. */
static GArray *
guard_ops (const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  GArray *ops = cg_diff (plan, facts, scope);
  for (guint i = ops->len; i-- > 0;)
    if (!is_of_the_guard (&g_array_index (ops, CgOp, i)))
      g_array_remove_index (ops, i);
  return ops;
}

static char *
run_of (const World *world, const char *const *names)
{
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GArray) ops = guard_ops (plan, world->facts, scope);
  return ops_of (ops, FALSE);
}

static void
assert_run (const World *world, const char *const *names, const char *expected)
{
  g_autofree char *text = run_of (world, names);
  g_assert_cmpstr (text, ==, expected);
}

static CgTunnel *
add_wg0 (World *world, const char *lines, guint32 ifindex)
{
  g_autofree char *text =
      g_strconcat ("Table=42\n", strstr (lines, "IPv6=") ? "" : "IPv6=block\n",
                   strstr (lines, "Guard=") ? "" : "Guard=yes\n",
                   strstr (lines, "Users=") ? "" : "Users=alice\n", lines, NULL);
  return world_add (world, "wg0", text, ifindex, LINK_ALL);
}

static CgTunnel *
add_wg1 (World *world, const char *lines)
{
  g_autofree char *text =
      g_strconcat ("Table=43\nIPv6=block\n", strstr (lines, "Guard=") ? "" : "Guard=yes\n",
                   strstr (lines, "Users=") ? "" : "Users=bob\n", lines, NULL);
  return world_add (world, "wg1", text, 8, LINK_ALL);
}

/* What the one world plans stands for the other: the guard is loaded, and rules, too. */
static void
stand (World *world, const World *before)
{
  g_autoptr (CgPlan) plan = cg_plan_new (before->facts, NULL);
  const CgGuardFound *guard = world->facts->guard;
  world_install (world, plan);
  world->facts->guard->is_loaded = plan->entries->len > 0;
  g_array_set_size (guard->entries, 0);
  if (plan->entries->len > 0)
    g_array_append_vals (guard->entries, plan->entries->data, plan->entries->len);
}

/* Each: wg0 as it was and as it is to be, and the steps. */
static const struct ChangeCase {
  const char *name;
  const char *before;
  guint32 ifindex_before;
  const char *after;
  guint32 ifindex_after;
  const char *ops;
} change_cases[] = {
    {"nothing", "", 7, "", 7, ""},
    {"tunnel-comes", "", 0, "", 7, "open: set table 42: IPv4 by interface 7, IPv6 by 0\n"},
    {"tunnel-goes", "", 7, "", 0, "close: set table 42: IPv4 by interface 0, IPv6 by 0\n"},
    {"tunnel-is-another", "", 7, "", 9,
     "close: set table 42: IPv4 by interface 0, IPv6 by 0\n"
     "open: set table 42: IPv4 by interface 9, IPv6 by 0\n"},
    {"a-family-more", "", 7, "IPv6=auto\n", 7,
     "open: set table 42: IPv4 by interface 7, IPv6 by 7\n"},
    {"names-are-held", "", 7, "DNS=10.0.0.1\n", 7,
     "close: set table 42: IPv4 by interface 7, IPv6 by 0, own name servers\n"
     "open: set table 42: name server 10.0.0.1/32\n"},
    {"names-are-free", "DNS=10.0.0.1\n", 7, "", 7,
     "close: delete table 42: name server 10.0.0.1/32\n"
     "open: set table 42: IPv4 by interface 7, IPv6 by 0\n"},
    {"server-is-another", "DNS=10.0.0.1\n", 7, "DNS=10.0.0.2\n", 7,
     "close: delete table 42: name server 10.0.0.1/32\n"
     "open: set table 42: name server 10.0.0.2/32\n"},
    {"user-more", "", 7, "Users=alice carol\n", 7, "close: set table 42: uid 1502\n"},
    {"user-less", "Users=alice carol\n", 7, "", 7, "let go: delete table 42: uid 1502\n"},
    /* a wider prefix that goes only when the narrower one stands */
    {"neighbour-less", "Users=alice bob\n", 7, "", 7,
     "close: set table 42: uid 1500\nlet go: delete table 42: uid 1500-1501\n"},
    {"release", "OnDown=release\n", 7, "OnDown=release\n", 0, "let go: unload\n"},
    {"no-guard", "", 7, "Guard=no\n", 7, "let go: unload\n"},
};

static void
changes (gconstpointer data)
{
  const struct ChangeCase *test = data;
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, test->before, test->ifindex_before);
  add_wg0 (world, test->after, test->ifindex_after);
  stand (world, before);
  assert_run (world, all, test->ops);
}

/* A uid is held, and then its tunnel is opened. */
static void
the_first_time_all_is_filled_before_it_opens (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "DNS=10.0.0.1\n", 7);
  assert_run (world, all,
              "close: load\n"
              "close: set table 42: IPv4 by interface 0, IPv6 by 0, own name servers\n"
              "close: set table 42: uid 1500\n"
              "open: set table 42: name server 10.0.0.1/32\n"
              "open: set table 42: IPv4 by interface 7, IPv6 by 0, own name servers\n");
}

/* The programs are there with empty maps: what the run is about or not, no gateway is to be without
 * its guard. */
static void
a_load_fills_everything_whatever_the_scope (void)
{
  static const char *const wg0[] = {"wg0", NULL};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0);
  add_wg1 (world, "");
  assert_run (world, wg0,
              "close: load\n"
              "close: set table 42: IPv4 by interface 0, IPv6 by 0\n"
              "close: set table 43: IPv4 by interface 0, IPv6 by 0\n"
              "close: set table 42: uid 1500\n"
              "close: set table 43: uid 1501\n"
              "open: set table 43: IPv4 by interface 8, IPv6 by 0\n");
}

static void
another_gateway_is_left_alone (void)
{
  static const char *const wg0[] = {"wg0", NULL};
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "", 7);
  add_wg1 (before, "");
  add_wg0 (world, "", 0);
  add_wg1 (world, "Users=bob carol\n");
  stand (world, before);
  assert_run (world, wg0, "close: set table 42: IPv4 by interface 0, IPv6 by 0\n");
}

/* What the machine is like is no gateway's. */
static void
addresses_are_in_every_scope (void)
{
  static const char *const wg0[] = {"wg0", NULL};
  const CgPrefix fresh = prefix_of ("192.168.1.7"), gone = prefix_of ("192.168.1.2");
  const CgRoute local = {.type = RTN_LOCAL, .destination = fresh};
  const CgGuardEntry entry = cg_entry_address (0, &gone, 0), port = cg_entry_port (4789);
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  add_wg1 (world, "");
  stand (world, world);
  g_array_append_val (world->facts->local, local);
  g_array_append_val (world->facts->guard->entries, entry);
  g_array_append_val (world->facts->guard->entries, port);
  cg_entries_normalise (world->facts->guard->entries);
  assert_run (world, wg0,
              "close: delete own address 192.168.1.2/32, interface 0\n"
              "let go: delete UDP port 4789 of a tunnel in the kernel\n"
              "open: set own address 192.168.1.7/32, interface 0\n");
}

/* At no moment is the uid in neither. */
static void
a_uid_moves_from_one_to_the_other (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "Users=alice 1502\n", 7);
  add_wg1 (before, "");
  add_wg0 (world, "", 7);
  add_wg1 (world, "Users=bob 1503\n");
  stand (world, before);
  assert_run (world, all,
              "close: set table 43: uid 1503\n"
              "let go: delete table 42: uid 1502\n");
  g_array_set_size (world->facts->tunnels, 0);
  g_ptr_array_set_size (world->config->gateways, 0);
  add_wg0 (world, "", 7);
  add_wg1 (world, "Users=bob 1502\n");
  assert_run (world, all, "close: set table 43: uid 1502\n");
}

/* In the other order: uids first, or a uid would have a gateway that is not there. */
static void
a_gateway_is_let_go_from_its_uids_on (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "Users=alice carol\nDNS=10.0.0.1\n", 7);
  add_wg1 (before, "");
  add_wg1 (world, "");
  stand (world, before);
  assert_run (world, all,
              "close: delete table 42: name server 10.0.0.1/32\n"
              "let go: delete table 42: uid 1502\n"
              "let go: delete table 42: uid 1500\n"
              "let go: delete table 42: IPv4 by interface 7, IPv6 by 0, own name servers\n");
}

/* A server that is to be asked by the tunnel alone closes the other ways at once. */
static void
a_flag_more_closes (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "DNS=192.168.1.53\n", 7);
  add_wg0 (world, "DNS=192.168.1.53\n", 7);
  ((CgGateway *) world->config->gateways->pdata[0])->dns_mode = CG_DNS_AUTO;
  stand (world, before);
  assert_run (world, all, "close: set table 42: name server 192.168.1.53/32, by the tunnel\n");
  stand (before, world);
  assert_run (before, all, "open: set table 42: name server 192.168.1.53/32\n");
}

/* A name server of the tunnel's that lies in a bypass: what keeps it out of that closes. */
static void
a_server_leaves_a_bypass_at_once_and_comes_back_last (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  const char *lines = "DNS=192.168.1.53\nBypass=192.168.1.0/24\n";
  add_wg0 (before, "DNS=10.0.0.1\nBypass=192.168.1.0/24\n", 7);
  add_wg0 (world, lines, 7);
  for (guint i = 0; i < 2; i++) {
    CgTunnel *tunnel = &g_array_index ((i ? world : before)->facts->tunnels, CgTunnel, 0);
    CgBypass bypass = {g_array_index (tunnel->gateway->bypass, CgPrefix, 0), 2};
    tunnel->bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass));
    g_array_append_val (tunnel->bypasses, bypass);
  }
  stand (world, before);
  assert_run (world, all,
              "close: delete table 42: name server 10.0.0.1/32\n"
              "close: set table 42: bypass 192.168.1.53/32, closed\n"
              "open: set table 42: name server 192.168.1.53/32\n");
  stand (before, world);
  assert_run (before, all,
              "close: delete table 42: name server 192.168.1.53/32\n"
              "open: set table 42: name server 10.0.0.1/32\n"
              "open: delete table 42: bypass 192.168.1.53/32, closed\n");
}

static void
add_bypass (CgTunnel *tunnel, const char *prefix, guint32 ifindex)
{
  const CgBypass bypass = {prefix_of (prefix), ifindex};
  if (!tunnel->bypasses)
    tunnel->bypasses = g_array_new (FALSE, FALSE, sizeof (CgBypass));
  g_array_append_val (tunnel->bypasses, bypass);
}

/* Narrower ones first, so that no packet to them goes by the wider one's interface. */
static void
a_bypass_opens_behind_what_is_narrower (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "", 7);
  CgTunnel *tunnel = add_wg0 (world, "", 7);
  add_bypass (tunnel, "10.0.0.0/8", 2);
  add_bypass (tunnel, "10.9.0.0/16", 3);
  stand (world, before);
  assert_run (world, all,
              "open: set table 42: bypass 10.9.0.0/16, interface 3\n"
              "open: set table 42: bypass 10.0.0.0/8, interface 2\n");
  stand (before, world);
  assert_run (before, all,
              "close: delete table 42: bypass 10.0.0.0/8, interface 2\n"
              "close: set table 42: bypass 10.9.0.0/16, closed\n"
              "open: delete table 42: bypass 10.9.0.0/16, interface 3\n");
}

static void
a_bypass_that_leads_elsewhere_is_closed_first (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_bypass (add_wg0 (before, "", 7), "10.0.0.0/8", 2);
  add_bypass (add_wg0 (world, "", 7), "10.0.0.0/8", 3);
  stand (world, before);
  assert_run (world, all,
              "close: set table 42: bypass 10.0.0.0/8, closed\n"
              "open: set table 42: bypass 10.0.0.0/8, interface 3\n");
}

/* bob may stand in the bad file. */
static void
uids_of_a_bad_file_stay (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "", 7);
  add_wg1 (before, "");
  add_wg0 (world, "", 7);
  stand (world, before);
  world_add_bad (world, "wg1");
  assert_run (world, all, "");
}

/* No gateway is left, and no uid to hold: but a file is bad. */
static void
a_guard_is_not_unloaded_while_a_file_is_bad (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "", 7);
  stand (world, before);
  world_add_bad (world, "wg0");
  assert_run (world, all, "");
}

/* alice stands in a good file, which asks for no guard. */
static void
a_uid_of_a_good_file_goes_while_another_is_bad (void)
{
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "Users=alice carol\n", 7);
  world_add (world, "wg0", "Users=alice\nTable=42\nIPv6=block\n", 7, LINK_ALL);
  stand (world, before);
  world_add_bad (world, "wg1");
  g_autofree char *text = run_of (world, all);
  g_assert_nonnull (strstr (text, "let go: delete table 42: uid 1500\n"));
  g_assert_null (strstr (text, "1502"));
  g_assert_null (strstr (text, "unload"));
}

static void
it_is_unloaded_by_a_run_that_is_about_all_that_it_holds (void)
{
  static const char *const wg0[] = {"wg0", NULL};
  g_autoptr (World) before = world_new ();
  g_autoptr (World) world = world_new ();
  add_wg0 (before, "", 7);
  add_wg0 (world, "Guard=no\n", 7);
  stand (world, before);
  assert_run (world, wg0, "let go: unload\n");
  assert_run (world, all, "let go: unload\n");
  add_wg1 (before, "");
  add_wg1 (world, "Guard=no\n");
  g_array_set_size (world->facts->rules, 0);
  g_array_set_size (world->facts->routes, 0);
  stand (world, before);
  assert_run (world, wg0,
              "let go: delete table 42: uid 1500\n"
              "let go: delete table 42: IPv4 by interface 7, IPv6 by 0\n");
}

/* The next version fills its own beside it, and takes it away when it holds all. */
static void
one_of_another_version_goes_last (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 0);
  world->facts->guard->has_others = TRUE;
  assert_run (world, all,
              "close: load\n"
              "close: set table 42: IPv4 by interface 0, IPv6 by 0\n"
              "close: set table 42: uid 1500\n"
              "let go: unload others\n");
}

static void
one_of_another_version_goes_also_if_none_is_needed (void)
{
  g_autoptr (World) world = world_new ();
  world->facts->guard->has_others = TRUE;
  assert_run (world, all, "let go: unload\n");
}

static void
nothing_is_done_where_bpf_cannot_be_had (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  assert_run (world, all, "");
}

/* Each knows whose it is, and whether it must be. */
static void
an_operation_knows_its_gateway (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "Guard=required\n", 0);
  add_wg1 (world, "");
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, all);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GArray) ops = guard_ops (plan, world->facts, scope);
  guint entries = 0;
  for (guint i = 0; i < ops->len; i++) {
    const CgGuardOp *op = &g_array_index (ops, CgOp, i).guard;
    if (op->work != CG_GUARD_SET)
      continue;
    entries++;
    g_assert_cmpuint (op->table, ==, cg_entry_table (&op->entry));
    g_assert_cmpint (op->required, ==, op->table == 42);
  }
  g_assert_cmpuint (entries, >=, 4);
}

/* In nftables */

static const char *
text_of_the_table (const World *world, char **text)
{
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_free (*text);
  *text = g_strdup (plan->table_text);
  return *text;
}

/* As the kernel shows it after we wrote this; now: as it shows it now. */
static void
write_table (World *world, const char *text, const char *now)
{
  world->facts->table.fingerprint = g_strdup (now);
  world->facts->saved_table.text = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  world->facts->saved_table.fingerprint = g_strdup ("as we wrote it");
}

/* The operations about the table: its step, what it is to be, and whether it stands as written. */
static char *
table_ops (const World *world, const char *const *names)
{
  g_autoptr (CgScope) scope = cg_scope_new (world->facts, names);
  g_autoptr (CgPlan) plan = cg_plan_new (world->facts, NULL);
  g_autoptr (GArray) ops = guard_ops (plan, world->facts, scope);
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    if (op->guard.work == CG_GUARD_TABLE)
      g_string_append_printf (text, "%s: %s%s\n", step_word (op->step),
                              !op->guard.text                      ? "none"
                              : op->guard.text == plan->table_wide ? "wide"
                                                                   : "text",
                              op->guard.stands ? ", ours" : "");
  }
  return g_strdup (text->str);
}

#define ASSERT_TABLE(world, expected)                                                              \
  do {                                                                                             \
    g_autofree char *found_ = table_ops (world, all);                                              \
    g_assert_cmpstr (found_, ==, expected);                                                        \
  } while (0)

static void
the_table_is_written_once (void)
{
  g_autofree char *text = NULL;
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  ASSERT_TABLE (world, "close: text\n");
  write_table (world, text_of_the_table (world, &text), "as we wrote it");
  ASSERT_TABLE (world, "");
}

static void
the_table_is_written_again_if_another_program_changed_it (void)
{
  g_autofree char *text = NULL;
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  write_table (world, text_of_the_table (world, &text), "changed");
  ASSERT_TABLE (world, "close: text\n");
}

static void
the_table_is_written_again_if_it_says_something_else (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  write_table (world, "another", "as we wrote it");
  ASSERT_TABLE (world, "close: text, ours\n");
}

/* It is one table: another gateway of it is written, too. */
static void
the_table_has_no_scope (void)
{
  static const char *const wg1[] = {"wg1", NULL};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  add_wg1 (world, "");
  g_autofree char *ops = table_ops (world, wg1);
  g_assert_cmpstr (ops, ==, "close: text\n");
}

static void
the_table_goes_with_the_last_gateway (void)
{
  g_autoptr (World) world = world_new ();
  write_table (world, "whatever", "changed");
  ASSERT_TABLE (world, "let go: none\n");
  world_add_bad (world, "wg0");
  ASSERT_TABLE (world, "");
}

static void
a_table_that_cannot_be_seen_is_left_alone (void)
{
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  world->facts->table.unseen = g_strdup ("no nftables here");
  ASSERT_TABLE (world, "");
}

/* By uid: it holds bob until the rules for bob are gone. */
static void
by_uid_the_wide_text_comes_first (void)
{
  const CgRule bob = {.family = AF_INET,
                      .protocol = CG_PROTOCOL,
                      .action = FR_ACT_TO_TBL,
                      .priority = 500,
                      .table = 42,
                      .uids = {1501, 1501}};
  g_autoptr (World) world = world_new ();
  add_wg0 (world, "", 7);
  world->facts->guard->impossible = g_strdup ("no BPF here");
  g_array_append_val (world->facts->rules, bob);
  ASSERT_TABLE (world, "close: wide\nlet go: text\n");
}

static void
operations_are_told_as_commands (void)
{
  const struct {
    CgGuardOp op;
    const char *pattern;
  } cases[] = {
      {{.work = CG_GUARD_LOAD}, "# the guard: bpftool *"},
      {{.work = CG_GUARD_SET, .entry = cg_entry_port (4789)},
       "bpftool map update pinned /sys/fs/bpf/custom-gateway/*/cg_ports key hex * value hex *"},
      {{.work = CG_GUARD_DELETE, .entry = cg_entry_port (4789)},
       "bpftool map delete pinned /sys/fs/bpf/custom-gateway/*/cg_ports key hex * # UDP port *"},
      {{.work = CG_GUARD_UNLOAD}, "# the guard: bpftool cgroup detach *"},
      {{.work = CG_GUARD_UNLOAD_OUTDATED}, "# guards of other versions: *"},
      {{.work = CG_GUARD_TABLE, .text = "table x"}, "nft 'table x'"},
      {{.work = CG_GUARD_TABLE}, "nft 'table inet custom-gateway; delete table *'"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const CgOp op = {.step = CG_STEP_GUARD, .guard = cases[i].op};
    g_autofree char *line = cg_op_to_string (&op);
    if (!g_pattern_match_simple (cases[i].pattern, line))
      g_test_fail_printf ("'%s' is not '%s'", line, cases[i].pattern);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/diff-guard/change", change_cases, changes);
  g_test_add_func ("/diff-guard/first-time", the_first_time_all_is_filled_before_it_opens);
  g_test_add_func ("/diff-guard/load-fills-everything", a_load_fills_everything_whatever_the_scope);
  g_test_add_func ("/diff-guard/another-gateway", another_gateway_is_left_alone);
  g_test_add_func ("/diff-guard/addresses", addresses_are_in_every_scope);
  g_test_add_func ("/diff-guard/uid-moves", a_uid_moves_from_one_to_the_other);
  g_test_add_func ("/diff-guard/gateway-goes", a_gateway_is_let_go_from_its_uids_on);
  g_test_add_func ("/diff-guard/flag-more", a_flag_more_closes);
  g_test_add_func ("/diff-guard/bypass/server",
                   a_server_leaves_a_bypass_at_once_and_comes_back_last);
  g_test_add_func ("/diff-guard/bypass/narrower", a_bypass_opens_behind_what_is_narrower);
  g_test_add_func ("/diff-guard/bypass/elsewhere", a_bypass_that_leads_elsewhere_is_closed_first);
  g_test_add_func ("/diff-guard/bad-file/uids", uids_of_a_bad_file_stay);
  g_test_add_func ("/diff-guard/bad-file/unload", a_guard_is_not_unloaded_while_a_file_is_bad);
  g_test_add_func ("/diff-guard/bad-file/known", a_uid_of_a_good_file_goes_while_another_is_bad);
  g_test_add_func ("/diff-guard/unload", it_is_unloaded_by_a_run_that_is_about_all_that_it_holds);
  g_test_add_func ("/diff-guard/other-version/goes-last", one_of_another_version_goes_last);
  g_test_add_func ("/diff-guard/other-version/not-needed",
                   one_of_another_version_goes_also_if_none_is_needed);
  g_test_add_func ("/diff-guard/no-bpf", nothing_is_done_where_bpf_cannot_be_had);
  g_test_add_func ("/diff-guard/knows-its-gateway", an_operation_knows_its_gateway);
  g_test_add_func ("/diff-guard/table/once", the_table_is_written_once);
  g_test_add_func ("/diff-guard/table/changed-by-others",
                   the_table_is_written_again_if_another_program_changed_it);
  g_test_add_func ("/diff-guard/table/says-something-else",
                   the_table_is_written_again_if_it_says_something_else);
  g_test_add_func ("/diff-guard/table/scope", the_table_has_no_scope);
  g_test_add_func ("/diff-guard/table/goes", the_table_goes_with_the_last_gateway);
  g_test_add_func ("/diff-guard/table/unseen", a_table_that_cannot_be_seen_is_left_alone);
  g_test_add_func ("/diff-guard/table/wide", by_uid_the_wide_text_comes_first);
  g_test_add_func ("/diff-guard/told", operations_are_told_as_commands);
  return g_test_run ();
}
