/* SPDX-License-Identifier: GPL-2.0-or-later */

/* cg_commit() with a model in the kernel's place: the messages that it sends are read back and
 * carried out there, and any of them may be refused. The linker puts the __wrap_ functions in the
 * place of those that would touch the machine. */

#include "commit.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "guard.h"
#include "rtnl.h"
#include "runtime.h"
#include "scenario.h"
#include "stray-run.h"

#define N_SEEDS 16u /* scenarios of which each operation is refused once */

static const char *const all[] = {NULL};

/* What stands behind the wrapped functions during one commit. */
static struct {
  const Scenario *scenario;
  Kernel *kernel;
  gboolean lacks; /* a part of the guard was refused */
  guint done;     /* operations asked for so far */
  guint refused;  /* the number of the one that is refused */
  char *leak;     /* the first */
  guint ended;    /* gateways whose strays were ended ... */
  guint loose;    /* ... while something of them was not held */
  guint noted;    /* how often those to come were noted */

  guint forgotten; /* values of filters, which are back */

  gboolean is_dead;    /* the kernel does not answer at all */
  gboolean keeps_none; /* the runtime directory cannot be written */
  GPtrArray *nft;      /* what nftables was told, a transaction an element; NULL: the model is */
  guint nft_fails;     /* so many transactions, from the first on ... */
  int nft_error;       /* ... fail with this */

  GString *bpf;          /* what BPF was told, a word each; NULL: the model is told */
  const char *bpf_fails; /* such a word: all of these ... */
  int bpf_error;         /* ... fail with this */
} machine;

gboolean __wrap_cg_netlink_send (CgNetlink *netlink, const CgNetlinkBatch *batch, GError **error);
gboolean
__wrap_cg_runtime_save_filter (const char *runtime_dir, const CgSavedFilter *saved, GError **error);
void __wrap_cg_runtime_forget_filter (const char *runtime_dir, const char *ifname);
gboolean __wrap_cg_sysctl_write_filter (const char *ifname, int value, GError **error);
void __wrap_cg_strays_note (const GArray *ops, const char *runtime_dir);
void __wrap_cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir);
gboolean __wrap_cg_nft_run (const char *commands, GError **error);
CgNetlink *__wrap_cg_netlink_open_to_look (int family, GError **error);
gboolean __real_cg_resolvconf_write (const char *path, const char *text, GError **error);
gboolean __wrap_cg_resolvconf_write (const char *path, const char *text, GError **error);
gboolean __wrap_cg_bpf_load (GError **error);
gboolean __wrap_cg_bpf_unload (gboolean everything, GError **error);
CgBpfMaps *__wrap_cg_bpf_maps_open (GError **error);
void __wrap_cg_bpf_maps_close (CgBpfMaps *maps);
gboolean __wrap_cg_bpf_set (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error);
gboolean __wrap_cg_bpf_delete (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error);

static void
look_for_leak (void)
{
  if (!machine.leak)
    machine.leak = scenario_find_leak (machine.scenario, machine.kernel);
}

/* What could not be written of the guard is told, and then the guard may be less than it was to be.
 */
static void
look_for_packet (void)
{
  if (!machine.leak && !machine.lacks)
    machine.leak = scenario_find_unguarded (machine.scenario, machine.kernel);
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
  if (machine.is_dead) {
    machine.done++;
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "no answer");
    return FALSE;
  }
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
  if (machine.keeps_none) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "read-only file system");
    return FALSE;
  }
  kernel_find_filter (machine.kernel, saved->ifname)->saved = *saved;
  return TRUE;
}

void
__wrap_cg_runtime_forget_filter (const char *runtime_dir, const char *ifname)
{
  (void) runtime_dir;
  machine.forgotten++;
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
  machine.noted++;
}

/* In the model, unless it is the one that is refused. */
static gboolean
tell_model (const CgGuardOp *guard, GError **error)
{
  const CgOp op = {.step = CG_STEP_GUARD, .guard = *guard};
  if (machine.done++ == machine.refused) {
    machine.lacks = TRUE;
    g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED, "as the test wants it");
    return FALSE;
  }
  g_assert_cmpint (kernel_do (machine.kernel, &op), ==, 0);
  look_for_packet ();
  return TRUE;
}

/* The text, without what takes away what is in its way. */
static gboolean
tell_model_table (const char *commands, GError **error)
{
  static const char anew[] = CG_GUARD_REMOVAL "; ";
  CgGuardOp op = {.work = CG_GUARD_TABLE};
  if (!g_str_equal (commands, CG_GUARD_REMOVAL))
    op.text = g_str_has_prefix (commands, anew) ? commands + strlen (anew) : commands;
  return tell_model (&op, error);
}

gboolean
__wrap_cg_nft_run (const char *commands, GError **error)
{
  if (!machine.nft)
    return tell_model_table (commands, error);
  g_ptr_array_add (machine.nft, g_strdup (commands));
  if (machine.nft->len > machine.nft_fails)
    return TRUE;
  g_set_error_literal (error, CG_ERROR, machine.nft_error, "as the test wants it");
  return FALSE;
}

/* A scenario's files are in the model; the test's own are in a directory of its own. */
gboolean
__wrap_cg_resolvconf_write (const char *path, const char *text, GError **error)
{
  const CgOp op = {.step = CG_STEP_CONFINE_DNS, .resolvconf = {.path = path, .text = text}};
  if (!g_str_has_prefix (path, machine.scenario->after->facts->runtime_dir))
    return __real_cg_resolvconf_write (path, text, error);
  return kernel_do (machine.kernel, &op) == 0;
}

/* Whether the one of that word does not fail. */
static gboolean
tell_bpf (const char *word, GError **error)
{
  g_string_append_printf (machine.bpf, "%s ", word);
  if (g_strcmp0 (machine.bpf_fails, word) != 0)
    return TRUE;
  g_set_error_literal (error, CG_ERROR, machine.bpf_error, "as the test wants it");
  return FALSE;
}

gboolean
__wrap_cg_bpf_load (GError **error)
{
  return machine.bpf ? tell_bpf ("load", error)
                     : tell_model (&(CgGuardOp){.work = CG_GUARD_LOAD}, error);
}

gboolean
__wrap_cg_bpf_unload (gboolean everything, GError **error)
{
  const CgGuardOp op = {.work = everything ? CG_GUARD_UNLOAD : CG_GUARD_UNLOAD_OUTDATED};
  return machine.bpf ? tell_bpf (everything ? "unload-all" : "unload-others", error)
                     : tell_model (&op, error);
}

/* Not to be looked into. */
CgBpfMaps *
__wrap_cg_bpf_maps_open (GError **error)
{
  return machine.bpf && !tell_bpf ("open", error) ? NULL : (CgBpfMaps *) &machine;
}

void
__wrap_cg_bpf_maps_close (CgBpfMaps *maps)
{
  g_assert_true (maps == (CgBpfMaps *) &machine);
  if (machine.bpf)
    tell_bpf ("close", NULL);
}

gboolean
__wrap_cg_bpf_set (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  g_assert_true (maps == (CgBpfMaps *) &machine);
  return machine.bpf ? tell_bpf ("set", error)
                     : tell_model (&(CgGuardOp){.work = CG_GUARD_SET, .entry = *entry}, error);
}

gboolean
__wrap_cg_bpf_delete (CgBpfMaps *maps, const CgGuardEntry *entry, GError **error)
{
  g_assert_true (maps == (CgBpfMaps *) &machine);
  return machine.bpf ? tell_bpf ("delete", error)
                     : tell_model (&(CgGuardOp){.work = CG_GUARD_DELETE, .entry = *entry}, error);
}

/* No process sees nftables here, so nothing of it is remembered. */
CgNetlink *
__wrap_cg_netlink_open_to_look (int family, GError **error)
{
  (void) family;
  (void) error;
  return NULL;
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
  machine.done = machine.noted = 0;
  machine.refused = refused;
  machine.lacks = FALSE;
  g_auto (CgUnguarded) unguarded = {NULL};
  const gboolean done = cg_commit (NULL, ops, "/nowhere", &unguarded, error);
  /* a table of nftables is written anew then, so it is not lacking */
  g_assert_true (machine.lacks || !unguarded.why);
  return done;
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
    g_assert_cmpuint (machine.noted, ==, 1);
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
  for (guint seed = 0; seed < N_SEEDS; seed++) {
    gboolean refused = TRUE;
    for (guint number = 0; refused; number++) {
      g_autoptr (Scenario) scenario = scenario_new (seed);
      commit (scenario, number, NULL);
      refused = machine.done > number;
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
  for (guint seed = 0; seed < N_SEEDS; seed++) {
    gboolean refused = TRUE;
    for (guint number = 0; refused; number++) {
      g_autoptr (Scenario) scenario = scenario_new (seed);
      commit (scenario, number, NULL);
      refused = machine.done > number;
    }
  }
  g_test_message ("%u times", machine.ended);
  g_assert_cmpuint (machine.ended, >, N_SEEDS);
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

/* These operations alone, in that order. */
static gboolean
commit_ops (const CgOp *steps,
            guint n_steps,
            const char *runtime_dir,
            CgUnguarded *unguarded,
            GError **error)
{
  g_autoptr (Scenario) scenario = scenario_new (0);
  g_autoptr (GArray) ops = g_array_new (FALSE, FALSE, sizeof (CgOp));
  g_array_append_vals (ops, steps, n_steps);
  machine.scenario = scenario;
  machine.kernel = scenario->kernel;
  machine.done = 0;
  return cg_commit (NULL, ops, runtime_dir, unguarded, error);
}

#define COMMIT(steps, unguarded, error)                                                            \
  commit_ops (steps, G_N_ELEMENTS (steps), "/nowhere", unguarded, error)

/* What stood before would be lost. Without it answers are dropped, which holds up nothing else. */
static void
a_filter_that_cannot_be_kept_is_not_overwritten (void)
{
  const CgOp steps[] = {
      {.step = CG_STEP_SET_FILTER, .filter = {.ifname = "wg0", .ifindex = 7, .value = 2}},
      {.step = CG_STEP_ADD_RULE, .rule = {.family = AF_INET, .table = 42}},
      {.step = CG_STEP_DEL_RULE, .rule = {.family = AF_INET, .table = 42}}};
  g_autoptr (GError) error = NULL;
  g_auto (CgUnguarded) unguarded = {NULL};
  machine.refused = G_MAXUINT;
  machine.keeps_none = TRUE;
  g_assert_false (COMMIT (steps, &unguarded, &error));
  machine.keeps_none = FALSE;
  g_assert_cmpuint (machine.done, ==, 2); /* the rule came and went */
  g_assert_nonnull (strstr (error->message, "rp_filter=2: read-only file system"));
}

/* Till then it is needed. */
static void
a_filter_is_forgotten_when_it_is_back (void)
{
  const CgOp steps[] = {
      {.step = CG_STEP_RESTORE_FILTER, .filter = {.ifname = "wg0", .ifindex = 7, .value = 1}}};
  for (guint refused = 0; refused < 2; refused++) {
    g_auto (CgUnguarded) unguarded = {NULL};
    machine.forgotten = 0;
    machine.refused = refused ? 0 : G_MAXUINT;
    g_assert_cmpint (COMMIT (steps, &unguarded, NULL), ==, !refused);
    g_assert_cmpuint (machine.forgotten, ==, !refused);
  }
}

/* Of whatever table: who knows who counted on what failed. */
static void
nothing_that_closes_is_taken_away_behind_a_failure (void)
{
  const CgStep takes_away[] = {CG_STEP_DEL_RULE, CG_STEP_LEAVE_WAY, CG_STEP_DEL_PROHIBIT};
  for (guint i = 0; i < G_N_ELEMENTS (takes_away); i++) {
    CgOp steps[] = {
        {.step = CG_STEP_ADD_RULE, .rule = {.family = AF_INET, .priority = 500, .table = 43}},
        {.step = takes_away[i]}};
    g_auto (CgUnguarded) unguarded = {NULL};
    if (takes_away[i] == CG_STEP_DEL_RULE)
      steps[1].rule = (CgRule){.family = AF_INET, .priority = 500, .table = 42};
    else
      steps[1].route = (CgRoute){.family = AF_INET, .table = 42};
    machine.refused = 0;
    g_assert_false (COMMIT (steps, &unguarded, NULL));
    g_assert_cmpuint (machine.done, ==, 1);
  }
}

static void
behind_a_kernel_that_does_not_answer_nothing_is_done (void)
{
  const CgOp steps[] = {
      {.step = CG_STEP_ADD_PROHIBIT, .route = {.family = AF_INET, .table = 42}},
      {.step = CG_STEP_ADD_RULE, .rule = {.family = AF_INET, .priority = 500, .table = 43}},
      {.step = CG_STEP_ADD_WAY, .route = {.family = AF_INET, .table = 44}},
  };
  g_autoptr (GError) error = NULL;
  g_auto (CgUnguarded) unguarded = {NULL};
  machine.is_dead = TRUE;
  g_assert_false (COMMIT (steps, &unguarded, &error));
  machine.is_dead = FALSE;
  g_assert_cmpuint (machine.done, ==, 1);
  g_assert_nonnull (strstr (error->message, "no answer"));
}

static void
nftables_fails (guint times, int with)
{
  g_clear_pointer (&machine.nft, g_ptr_array_unref);
  machine.nft = g_ptr_array_new_with_free_func (g_free);
  machine.nft_fails = times;
  machine.nft_error = with;
  machine.refused = G_MAXUINT;
}

/* "load", "open", "set" or "delete" fails from now on, with this; NULL: none does. Nothing is noted
 * yet of what BPF is told. */
static void
bpf_fails (const char *what, int with)
{
  if (machine.bpf)
    g_string_free (machine.bpf, TRUE);
  machine.bpf = g_string_new (NULL);
  machine.bpf_fails = what;
  machine.bpf_error = with;
  machine.refused = G_MAXUINT;
}

static const char *
transaction (guint number)
{
  g_assert_cmpuint (number, <, machine.nft->len);
  return machine.nft->pdata[number];
}

#define TABLE(step_, text_)                                                                        \
  {                                                                                                \
    .step = step_, .guard = {.work = CG_GUARD_TABLE, .text = text_ }                               \
  }
#define ENTRY(step_, work_, number)                                                                \
  {                                                                                                \
    .step = step_, .guard = {.work = work_, .table = number }                                      \
  }

/* What is in the way of the new text goes with the table. */
static void
a_table_that_fails_is_tried_anew (void)
{
  const CgOp steps[] = {TABLE (CG_STEP_GUARD, "table inet custom-gateway { new }")};
  g_auto (CgUnguarded) unguarded = {NULL};
  nftables_fails (1, CG_ERROR_FAILED);
  g_assert_true (COMMIT (steps, &unguarded, NULL));
  g_assert_null (unguarded.why);
  g_assert_cmpuint (machine.nft->len, ==, 2);
  g_assert_cmpstr (transaction (0), ==, "table inet custom-gateway { new }");
  g_assert_cmpstr (transaction (1), ==,
                   "table inet custom-gateway; delete table inet custom-gateway; "
                   "table inet custom-gateway { new }");
}

/* Whether it may be had at the next try, and whether it must be. */
static const struct Failure {
  const char *name;
  int error;
  gboolean required;
} failures[] = {
    {"passing", CG_ERROR_FAILED, FALSE},
    {"passing-required", CG_ERROR_FAILED, TRUE},
    {"hopeless", CG_ERROR_ABSENT, FALSE},
    {"hopeless-required", CG_ERROR_ABSENT, TRUE},
};

/* Either form of it: the table, and an entry. */
static void
what_is_unguarded_is_told (gconstpointer data)
{
  const struct Failure *failure = data;
  CgOp steps[] = {TABLE (CG_STEP_GUARD, "x"), ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 42)};
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    g_autoptr (GError) error = NULL;
    g_auto (CgUnguarded) unguarded = {NULL};
    steps[i].guard.required = failure->required;
    nftables_fails (G_MAXUINT, failure->error);
    bpf_fails ("set", failure->error);
    g_assert_cmpint (commit_ops (&steps[i], 1, "/nowhere", &unguarded, &error), ==,
                     !failure->required);
    g_assert_cmpint (error != NULL, ==, failure->required);
    g_assert_cmpuint (unguarded.tables->len, ==, 1);
    g_assert_cmpuint (g_array_index (unguarded.tables, guint32, 0), ==, i ? 42 : 0);
    g_assert_cmpstr (unguarded.why, ==, "as the test wants it");
    g_assert_cmpint (unguarded.passing, ==, failure->error == CG_ERROR_FAILED);
    g_assert_null (unguarded.no_bpf);
  }
  bpf_fails (NULL, 0);
}

/* The next run then goes by uid in nftables; the rest of this one does without. */
static void
programs_that_cannot_be_had_are_told (void)
{
  const CgOp steps[] = {{.step = CG_STEP_GUARD, .guard = {.work = CG_GUARD_LOAD}},
                        ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 42)};
  g_auto (CgUnguarded) unguarded = {NULL};
  bpf_fails ("load", CG_ERROR_ABSENT);
  g_assert_true (COMMIT (steps, &unguarded, NULL));
  g_assert_cmpstr (unguarded.no_bpf, ==, "as the test wants it");
  g_assert_cmpstr (machine.bpf->str, ==, "load ");
  bpf_fails (NULL, 0);
}

/* Maps are opened once, when they are needed, and closed before the programs go. */
static void
maps_are_open_while_they_are_written (void)
{
  const CgOp steps[] = {{.step = CG_STEP_GUARD, .guard = {.work = CG_GUARD_LOAD}},
                        ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 42),
                        ENTRY (CG_STEP_UNGUARD, CG_GUARD_DELETE, 43),
                        {.step = CG_STEP_UNGUARD, .guard = {.work = CG_GUARD_UNLOAD_OUTDATED}},
                        ENTRY (CG_STEP_OPEN_GUARD, CG_GUARD_SET, 42)};
  const CgOp removal[] = {{.step = CG_STEP_UNGUARD, .guard = {.work = CG_GUARD_UNLOAD}}};
  g_auto (CgUnguarded) unguarded = {NULL};
  bpf_fails (NULL, 0);
  g_assert_true (COMMIT (steps, &unguarded, NULL));
  g_assert_cmpstr (machine.bpf->str, ==,
                   "load open set delete close unload-others open set close ");
  bpf_fails (NULL, 0);
  g_assert_true (COMMIT (removal, &unguarded, NULL));
  g_assert_cmpstr (machine.bpf->str, ==, "unload-all ");
}

/* What it is to let go another entry was to hold, or another rule to confine. */
static void
no_guard_lets_go_behind_a_failure (void)
{
  const CgOp refused[] = {
      {.step = CG_STEP_ADD_RULE, .rule = {.family = AF_INET, .priority = 500, .table = 43}},
      ENTRY (CG_STEP_UNGUARD, CG_GUARD_DELETE, 42),
      TABLE (CG_STEP_UNGUARD, "x")};
  const CgOp unwritten[] = {ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 43),
                            ENTRY (CG_STEP_UNGUARD, CG_GUARD_DELETE, 42),
                            {.step = CG_STEP_UNGUARD, .guard = {.work = CG_GUARD_UNLOAD_OUTDATED}}};
  g_auto (CgUnguarded) guarded = {NULL}, unguarded = {NULL};
  nftables_fails (0, 0);
  bpf_fails (NULL, 0);
  machine.refused = 0;
  g_assert_false (COMMIT (refused, &guarded, NULL));
  g_assert_cmpuint (machine.nft->len, ==, 0);
  g_assert_cmpstr (machine.bpf->str, ==, "");
  machine.refused = G_MAXUINT;
  bpf_fails ("set", CG_ERROR_FAILED);
  COMMIT (unwritten, &unguarded, NULL);
  g_assert_cmpstr (machine.bpf->str, ==, "open set close ");
  bpf_fails (NULL, 0);
}

/* A form of the guard lets go although the other one could not be written: each holds by itself. */
static void
one_form_does_not_hold_up_the_other (void)
{
  const CgOp steps[] = {ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 43),
                        ENTRY (CG_STEP_UNGUARD, CG_GUARD_DELETE, 42), TABLE (CG_STEP_UNGUARD, "x")};
  g_auto (CgUnguarded) unguarded = {NULL};
  nftables_fails (0, 0);
  bpf_fails ("set", CG_ERROR_FAILED);
  COMMIT (steps, &unguarded, NULL);
  g_assert_cmpstr (machine.bpf->str, ==, "open set close ");
  g_assert_cmpuint (machine.nft->len, ==, 1);
  bpf_fails (NULL, 0);
}

/* What closes goes on, for the tables in which nothing failed. */
static void
a_guard_is_written_behind_a_failure_of_another_table (void)
{
  const CgOp steps[] = {
      {.step = CG_STEP_ADD_RULE, .rule = {.family = AF_INET, .priority = 500, .table = 43}},
      ENTRY (CG_STEP_GUARD, CG_GUARD_SET, 42),
      ENTRY (CG_STEP_OPEN_GUARD, CG_GUARD_SET, 43),
      {.step = CG_STEP_ADD_WAY, .route = {.family = AF_INET, .table = 42}},
      {.step = CG_STEP_ADD_WAY, .route = {.family = AF_INET, .table = 43}}};
  g_auto (CgUnguarded) unguarded = {NULL};
  bpf_fails (NULL, 0);
  machine.refused = 0;
  g_assert_false (COMMIT (steps, &unguarded, NULL));
  g_assert_cmpstr (machine.bpf->str, ==, "open set close ");
  g_assert_cmpuint (machine.done, ==, 2);
}

/* What the next table of that name is to know nothing of. */
static void
a_table_that_goes_leaves_no_memory (void)
{
  const CgOp steps[] = {TABLE (CG_STEP_UNGUARD, NULL)};
  g_autofree char *directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  char sum[] = "sum", fingerprint[] = "fingerprint";
  g_auto (CgUnguarded) unguarded = {NULL};
  cg_runtime_save_table (directory, &(CgSavedTable){sum, fingerprint});
  nftables_fails (0, 0);
  g_assert_true (commit_ops (steps, 1, directory, &unguarded, NULL));
  g_assert_cmpstr (transaction (0), ==, CG_GUARD_REMOVAL);
  g_assert_cmpint (g_rmdir (directory), ==, 0); /* it is empty */
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
  g_test_add_func ("/commit/a-filter-that-cannot-be-kept-is-not-overwritten",
                   a_filter_that_cannot_be_kept_is_not_overwritten);
  g_test_add_func ("/commit/a-filter-is-forgotten-when-it-is-back",
                   a_filter_is_forgotten_when_it_is_back);
  g_test_add_func ("/commit/nothing-that-closes-is-taken-away-behind-a-failure",
                   nothing_that_closes_is_taken_away_behind_a_failure);
  g_test_add_func ("/commit/behind-a-kernel-that-does-not-answer",
                   behind_a_kernel_that_does_not_answer_nothing_is_done);
  g_test_add_func ("/commit/a-table-that-fails-is-tried-anew", a_table_that_fails_is_tried_anew);
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autofree char *path = g_strconcat ("/commit/no-guard/", failures[i].name, NULL);
    g_test_add_data_func (path, &failures[i], what_is_unguarded_is_told);
  }
  g_test_add_func ("/commit/programs-that-cannot-be-had", programs_that_cannot_be_had_are_told);
  g_test_add_func ("/commit/maps-are-open-while-they-are-written",
                   maps_are_open_while_they_are_written);
  g_test_add_func ("/commit/no-guard-lets-go-behind-a-failure", no_guard_lets_go_behind_a_failure);
  g_test_add_func ("/commit/one-form-does-not-hold-up-the-other",
                   one_form_does_not_hold_up_the_other);
  g_test_add_func ("/commit/a-guard-is-written-behind-a-failure-of-another-table",
                   a_guard_is_written_behind_a_failure_of_another_table);
  g_test_add_func ("/commit/a-table-that-goes-leaves-no-memory",
                   a_table_that_goes_leaves_no_memory);
  int status = g_test_run ();
  g_free (machine.leak);
  g_clear_pointer (&machine.nft, g_ptr_array_unref);
  if (machine.bpf)
    g_string_free (machine.bpf, TRUE);
  return status;
}
