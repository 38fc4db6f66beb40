/* SPDX-License-Identifier: GPL-2.0-or-later */

/* cg_commit() with a model in the kernel's place: the messages that it sends are read back and
 * carried out there, and any of them may be refused. The linker puts the __wrap_ functions in the
 * place of those that would touch the machine. */

#include "commit.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "rtnl.h"
#include "runtime.h"
#include "scenario.h"
#include "stray.h"

static const char *const all[] = {NULL};

/* What stands behind the wrapped functions during one commit. */
static struct {
  const Scenario *scenario;
  Kernel *kernel;
  guint done;    /* operations asked for so far */
  guint refused; /* the number of the one that is refused */
  char *leak;    /* the first */
  guint ended;   /* gateways whose strays were ended ... */
  guint loose;   /* ... while something of them was not held */
} machine;

gboolean __wrap_cg_netlink_send (CgNetlink *netlink, const CgNetlinkBatch *batch, GError **error);
gboolean
__wrap_cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error);
void __wrap_cg_runtime_forget_filter (const char *runtime_dir, const char *ifname);
gboolean __wrap_cg_sysctl_write_filter (const char *ifname, int value, GError **error);
void __wrap_cg_strays_note (const GArray *ops, const char *runtime_dir);
void __wrap_cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir);

static void
look_for_leak (void)
{
  if (!machine.leak)
    machine.leak = scenario_find_leak (machine.scenario, machine.kernel);
}

/* As the kernel understands the message. */
static int
carry_out (struct nlmsghdr *message)
{
  guint16 type = message->nlmsg_type;
  gboolean is_rule = type == RTM_NEWRULE || type == RTM_DELRULE;
  g_autoptr (GArray) parsed = is_rule ? cg_rules_new () : cg_routes_new ();
  if (is_rule) {
    message->nlmsg_type = RTM_NEWRULE;
    g_assert_true (cg_rtnl_parse_rule (message, parsed));
    g_assert_cmpuint (parsed->len, ==, 1);
    const CgRule *rule = &g_array_index (parsed, CgRule, 0);
    return type == RTM_NEWRULE ? kernel_add_rule (machine.kernel, rule)
                               : kernel_del_rule (machine.kernel, rule);
  }
  message->nlmsg_type = RTM_NEWROUTE;
  g_assert_true (cg_rtnl_parse_route (message, parsed));
  g_assert_cmpuint (parsed->len, ==, 1);
  const CgRoute *route = &g_array_index (parsed, CgRoute, 0);
  return type == RTM_NEWROUTE ? kernel_add_route (machine.kernel, route)
                              : kernel_del_route (machine.kernel, route);
}

gboolean
__wrap_cg_netlink_send (CgNetlink *netlink, const CgNetlinkBatch *batch, GError **error)
{
  (void) netlink;
  (void) error;
  for (guint i = 0; i < batch->count; i++) {
    guint8 space[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
    struct nlmsghdr *message = mnl_nlmsg_put_header (space);
    batch->encode (message, i, batch->data);
    int status = machine.done++ == machine.refused ? EPERM : carry_out (message);
    if (status != 0)
      batch->refused (i, status, "as the test wants it", batch->data);
    look_for_leak ();
  }
  return TRUE;
}

gboolean
__wrap_cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error)
{
  (void) runtime_dir;
  (void) error;
  kernel_find_filter (machine.kernel, saved->ifname)->saved = *saved;
  return TRUE;
}

void
__wrap_cg_runtime_forget_filter (const char *runtime_dir, const char *ifname)
{
  (void) runtime_dir;
  kernel_find_filter (machine.kernel, ifname)->saved.ifindex = 0;
}

gboolean
__wrap_cg_sysctl_write_filter (const char *ifname, int value, GError **error)
{
  if (machine.done++ != machine.refused)
    return kernel_set_filter (machine.kernel, ifname, value) == 0;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: as the test wants it", ifname);
  return FALSE;
}

void
__wrap_cg_strays_note (const GArray *ops, const char *runtime_dir)
{
  (void) runtime_dir;
  g_assert_cmpuint (machine.done, ==, 0); /* before anything */
  g_assert_nonnull (ops);
}

static gboolean
rule_stands (guint8 family, guint32 table, CgUidRange uids)
{
  for (guint i = 0; i < machine.kernel->rules->len; i++) {
    const CgRule *rule = &g_array_index (machine.kernel->rules, CgRule, i);
    if (rule->family == family && rule->table == table && rule->uids.first == uids.first &&
        rule->uids.last == uids.last)
      return TRUE;
  }
  return FALSE;
}

/* What the kernel may send then must be led by the new rules. */
void
__wrap_cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir)
{
  const GArray *uids = tunnel->gateway->uids;
  (void) netlink;
  (void) runtime_dir;
  machine.ended++;
  for (guint i = 0; i < uids->len; i++)
    for (guint family = 0; family < CG_N_FAMILIES; family++)
      machine.loose += !rule_stands ((guint8) cg_families[family], tunnel->table,
                                     g_array_index (uids, CgUidRange, i));
}

/* Returns what cg_commit() returns. */
static gboolean
commit (const Scenario *scenario, guint refused, GError **error)
{
  g_autoptr (CgScope) scope = cg_scope_new (scenario->after->facts, all);
  kernel_show (scenario->kernel, scenario->after->facts);
  g_autoptr (CgPlan) plan = cg_plan_new (scenario->after->facts, NULL);
  g_autoptr (GArray) ops = cg_diff (plan, scenario->after->facts, scope);
  cg_strays_add_ops (ops, plan, scenario->after->facts, scope);
  g_clear_pointer (&machine.leak, g_free);
  machine.scenario = scenario;
  machine.kernel = scenario->kernel;
  machine.done = 0;
  machine.refused = refused;
  g_auto (CgUnguarded) unguarded = {NULL};
  return cg_commit (NULL, ops, "/nowhere", &unguarded, error);
}

static void
what_is_sent_is_what_was_planned (void)
{
  for (guint seed = 0; seed < 200; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    g_autoptr (GError) error = NULL;
    g_assert_true (commit (scenario, G_MAXUINT, &error));
    g_assert_no_error (error);
    g_assert_cmpstr (machine.leak, ==, NULL);
    kernel_show (scenario->kernel, scenario->after->facts);
    g_autofree char *rest = world_diff_text (scenario->after, NULL);
    g_assert_cmpstr (rest, ==, "");
  }
}

static void
a_refusal_is_told (void)
{
  g_autoptr (Scenario) scenario = scenario_new (0);
  g_autoptr (GError) error = NULL;
  g_assert_false (commit (scenario, 0, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_FAILED);
  g_assert_true (g_pattern_match_simple (
      "ip -? * protocol 198: Operation not permitted (as the test wants it)", error->message));
}

/* Each operation of many changes is refused once. */
static void
nobody_leaks_behind_a_refusal (void)
{
  guint leaks = 0, tried = 0;
  g_autofree char *first = NULL;
  for (guint seed = 0; seed < 40; seed++) {
    gboolean refused = TRUE;
    for (guint number = 0; refused; number++) {
      g_autoptr (Scenario) scenario = scenario_new (seed);
      refused = !commit (scenario, number, NULL);
      tried += refused;
      leaks += machine.leak != NULL;
      if (machine.leak && !first)
        first = g_strdup_printf ("scenario %u, refusal %u: %s", seed, number, machine.leak);
    }
  }
  g_test_message ("%u refusals", tried);
  if (leaks)
    g_test_fail_printf ("%u of %u refusals let a packet out; the first: %s", leaks, tried, first);
}

static void
the_next_run_mends_a_refusal (void)
{
  for (guint seed = 0; seed < 200; seed++) {
    g_autoptr (Scenario) scenario = scenario_new (seed);
    commit (scenario, seed % 31, NULL);
    g_assert_true (commit (scenario, G_MAXUINT, NULL));
    kernel_show (scenario->kernel, scenario->after->facts);
    g_autofree char *rest = world_diff_text (scenario->after, NULL);
    g_assert_cmpstr (rest, ==, "");
  }
}

static void
strays_are_ended_where_they_are_held (void)
{
  machine.ended = machine.loose = 0;
  for (guint seed = 0; seed < 40; seed++) {
    gboolean refused = TRUE;
    for (guint number = 0; refused; number++) {
      g_autoptr (Scenario) scenario = scenario_new (seed);
      refused = !commit (scenario, number, NULL);
    }
  }
  g_test_message ("%u times", machine.ended);
  g_assert_cmpuint (machine.ended, >, 40);
  g_assert_cmpuint (machine.loose, ==, 0);
}

/* Behind a refusal a rule may still confine him whose servers would become the system's. */
static void
no_servers_are_released_behind_a_refusal (void)
{
  g_autofree char *directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "resolv.conf", NULL);
  const CgOp steps[] = {
      {.step = CG_STEP_CONFINE_DNS, .resolvconf = {.path = path, .text = "nameserver 10.0.0.1\n"}},
      {.step = CG_STEP_ADD_RULE,
       .rule = {.family = AF_INET, .protocol = CG_PROTOCOL, .priority = 500, .table = 42}},
      {.step = CG_STEP_RELEASE_DNS, .resolvconf = {.path = path, .text = "nameserver 127.0.0.1\n"}},
  };
  for (guint refused = 0; refused < 2; refused++) {
    g_autoptr (Scenario) scenario = scenario_new (0);
    g_autoptr (GArray) ops = g_array_new (FALSE, FALSE, sizeof (CgOp));
    g_autofree char *text = NULL;
    g_array_append_vals (ops, steps, G_N_ELEMENTS (steps));
    machine.scenario = scenario;
    machine.kernel = scenario->kernel;
    machine.done = 0;
    machine.refused = refused ? 0 : G_MAXUINT;
    g_auto (CgUnguarded) unguarded = {NULL};
    g_assert_cmpint (cg_commit (NULL, ops, "/nowhere", &unguarded, NULL), ==, !refused);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_true (g_str_has_prefix (text, refused ? "nameserver 10." : "nameserver 127."));
  }
  g_unlink (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/commit/sends-what-was-planned", what_is_sent_is_what_was_planned);
  g_test_add_func ("/commit/a-refusal-is-told", a_refusal_is_told);
  g_test_add_func ("/commit/nobody-leaks-behind-a-refusal", nobody_leaks_behind_a_refusal);
  g_test_add_func ("/commit/the-next-run-mends-a-refusal", the_next_run_mends_a_refusal);
  g_test_add_func ("/commit/no-servers-are-released-behind-a-refusal",
                   no_servers_are_released_behind_a_refusal);
  g_test_add_func ("/commit/strays-are-ended-where-they-are-held",
                   strays_are_ended_where_they_are_held);
  int status = g_test_run ();
  g_free (machine.leak);
  return status;
}
