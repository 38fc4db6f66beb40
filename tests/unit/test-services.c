/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What follows from what systemd says: whom a gateway confines, what is wrong, and what its unit
 * and its services should do. */

#include "plan.h"
#include "records.h"
#include "resolve-services.h"
#include "unit-activation.h"
#include "world.h"

/* A unit, as systemd would tell of it. */
typedef struct {
  const char *load, *active, *user;
  gboolean dynamic;
  guint32 running_uid;
  gboolean has_processes, bound, has_run;
  const char *file, *job;
} Said;

#define NOBODY CG_UID_INVALID

static void
say (CgServiceFact *fact, const Said *said)
{
  fact->id = g_strdup (fact->name);
  fact->load_state = g_strdup (said->load);
  fact->active_state = g_strdup (said->active);
  fact->user = g_strdup (said->user);
  fact->dynamic = said->dynamic;
  fact->running_uid = said->running_uid;
  fact->has_processes = said->has_processes;
  fact->bound = said->bound;
  fact->has_run = said->has_run;
  fact->file_state = g_strdup (said->file ? said->file : "static");
  fact->job = g_strdup (said->job);
}

static CgGateway *
add (World *world, const char *name, const char *lines, const Said *service, const char *state)
{
  CgGateway *gateway = (CgGateway *) world_add (world, name, lines, 3, LINK_ALL)->gateway;
  const Said unit = {.load = "loaded", .active = state, .running_uid = NOBODY};
  g_autofree char *unit_name = cg_gateway_unit_name (gateway);
  gateway->unit = cg_service_fact_new (unit_name);
  say (gateway->unit, &unit);
  CgServiceFact *fact = cg_service_fact_new (gateway->services[0]);
  say (fact, service);
  g_ptr_array_add (gateway->found, fact);
  return gateway;
}

typedef struct {
  char *directory;
  World *world;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  (void) data;
  fixture->directory = g_dir_make_tmp ("custom-gateway-XXXXXX", NULL);
  fixture->world = world_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  (void) data;
  const char *const argv[] = {"rm", "-rf", fixture->directory, NULL};
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
  world_free (fixture->world);
  g_free (fixture->directory);
}

static char *
uids_text (const CgGateway *gateway)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < gateway->uids->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (gateway->uids, CgUidRange, i));
    g_string_append_printf (text, "%s%s", i ? " " : "", range);
  }
  return g_strdup (text->str);
}

static const struct PlaceCase {
  const char *name;
  Said said;
  const char *unit;    /* the state of the gateway's unit */
  gboolean stopped;    /* with a record that it was stopped */
  const char *uids;    /* that the gateway then confines */
  const char *fault;   /* a pattern, or NULL */
  gboolean is_stopped; /* nothing of it is to stand */
} place_cases[] = {
    {"static-user-runs",
     {"loaded", "active", "alice", FALSE, 1500, TRUE, TRUE},
     "active",
     FALSE,
     "1500",
     NULL,
     FALSE},
    {"static-user-before-any-start",
     {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, TRUE},
     "inactive",
     FALSE,
     "1500",
     NULL,
     FALSE},
    {"user-by-number",
     {"loaded", "inactive", "1234", FALSE, NOBODY, FALSE, TRUE},
     "inactive",
     FALSE,
     "1234",
     NULL,
     FALSE},
    {"user-changed-in-the-file",
     {"loaded", "active", "bob", FALSE, 1600, TRUE, TRUE},
     "active",
     FALSE,
     "1501 1600",
     NULL,
     FALSE},
    {"dynamic-user-runs",
     {"loaded", "activating", "x", TRUE, 61234, TRUE, TRUE},
     "active",
     FALSE,
     "61234",
     NULL,
     FALSE},
    {"dynamic-user-does-not-run",
     {"loaded", "inactive", "x", TRUE, NOBODY, FALSE, TRUE},
     "active",
     FALSE,
     "",
     NULL,
     FALSE},
    {"stopped-and-at-rest",
     {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, TRUE},
     "deactivating",
     TRUE,
     "",
     NULL,
     TRUE},
    {"stopped-and-failed",
     {"loaded", "failed", "alice", FALSE, NOBODY, FALSE, TRUE},
     "inactive",
     TRUE,
     "",
     NULL,
     TRUE},
    {"stopped-as-its-unit-failed",
     {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, TRUE},
     "failed",
     TRUE,
     "",
     NULL,
     TRUE},
    {"stopped-but-still-stopping",
     {"loaded", "deactivating", "alice", FALSE, 1500, TRUE, TRUE},
     "deactivating",
     TRUE,
     "1500",
     NULL,
     FALSE},
    {"stopped-but-a-process-is-left",
     {"loaded", "inactive", "alice", FALSE, NOBODY, TRUE, TRUE},
     "inactive",
     TRUE,
     "1500",
     NULL,
     FALSE},
    {"stopped-but-not-bound",
     {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, FALSE},
     "inactive",
     TRUE,
     "1500",
     NULL,
     FALSE},
    {"stopped-but-about-to-start",
     {"loaded", "activating", "alice", FALSE, NOBODY, FALSE, TRUE},
     "inactive",
     TRUE,
     "1500",
     NULL,
     FALSE},
    {"started-again",
     {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, TRUE},
     "activating",
     TRUE,
     "1500",
     NULL,
     FALSE},
    {"root",
     {"loaded", "active", "", FALSE, NOBODY, TRUE, TRUE},
     "active",
     FALSE,
     "",
     "wg0.conf: [Gateway] Services: root cannot be confined, and runs 'a.service'; give *",
     FALSE},
    {"root-by-name",
     {"loaded", "active", "toor", FALSE, 0, TRUE, TRUE},
     "active",
     FALSE,
     "",
     "* root cannot be confined*",
     FALSE},
    {"user-who-is-gone",
     {"loaded", "active", "dave", FALSE, 1700, TRUE, TRUE},
     "active",
     FALSE,
     "1700",
     "*no such user as that of a.service: 'dave'; *",
     FALSE},
    {"no-such-unit",
     {"not-found", "inactive", "", FALSE, NOBODY, FALSE, FALSE},
     "inactive",
     TRUE,
     "",
     "*Services: no such unit 'a.service'; *",
     FALSE},
    {"masked",
     {"masked", "inactive", "", FALSE, NOBODY, FALSE, FALSE},
     "inactive",
     FALSE,
     "",
     "*cannot be loaded: 'a.service'; *",
     FALSE},
};

static void
places (gconstpointer data)
{
  const struct PlaceCase *test = data;
  Fixture fixture;
  set_up (&fixture, NULL);
  if (test->stopped)
    g_assert_true (
        cg_record_set (fixture.directory, CG_RECORD_STOPPED, "wg0", CG_STOPPED_BY_TUNNEL, NULL));
  const CgGateway *gateway = add (fixture.world, "wg0", "Services=a\n", &test->said, test->unit);
  CgConfig *config = fixture.world->config;
  cg_place_services (config, fixture.directory, world_lookup);
  g_autofree char *uids = uids_text (gateway);
  g_assert_cmpstr (uids, ==, test->uids);
  g_assert_cmpint (gateway->stopped, ==, test->is_stopped);
  g_assert_cmpuint (config->faults->len, ==, test->fault ? 1 : 0);
  g_assert_cmpint (config->incomplete, ==, test->fault != NULL);
  if (test->fault) {
    const CgBadFile *fault = config->faults->pdata[0];
    g_assert_true (g_pattern_match_simple (test->fault, fault->error->message));
  }
  tear_down (&fixture, NULL);
}

static const Said alices = {"loaded", "inactive", "alice", FALSE, NOBODY, FALSE, TRUE};

static void
refuses_a_second_gateway_of_one_user (Fixture *fixture, gconstpointer data)
{
  (void) data;
  CgConfig *config = fixture->world->config;
  add (fixture->world, "a", "Services=a\n", &alices, "active");
  add (fixture->world, "b", "Services=b\n", &alices, "active");
  cg_place_services (config, fixture->directory, world_lookup);
  g_assert_cmpuint (config->gateways->len, ==, 1);
  const GError *error = cg_config_find_bad (config, "b");
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (
      error->message, "b.conf: [Gateway] Services: gateway 'a' already has uid '1500'; "));
}

static void
keeps_users_when_its_services_are_stopped (Fixture *fixture, gconstpointer data)
{
  (void) data;
  g_assert_true (
      cg_record_set (fixture->directory, CG_RECORD_STOPPED, "wg0", CG_STOPPED_BY_HAND, NULL));
  const CgGateway *gateway =
      add (fixture->world, "wg0", "Services=a\nUsers=bob\n", &alices, "inactive");
  cg_place_services (fixture->world->config, fixture->directory, world_lookup);
  g_autofree char *uids = uids_text (gateway);
  g_assert_cmpstr (uids, ==, "1501");
  g_assert_false (gateway->stopped);
}

/* Only with OnDown=stop are its services stopped before it: else they run on, and stay confined.
 * The file may have said so till now. */
static void
holds_services_that_are_not_stopped_with_it (Fixture *fixture, gconstpointer data)
{
  (void) data;
  g_assert_true (
      cg_record_set (fixture->directory, CG_RECORD_STOPPED, "wg0", CG_STOPPED_BY_HAND, NULL));
  const CgGateway *gateway =
      add (fixture->world, "wg0", "Services=a\nOnDown=block\n", &alices, "inactive");
  cg_place_services (fixture->world->config, fixture->directory, world_lookup);
  g_autofree char *uids = uids_text (gateway);
  g_assert_cmpstr (uids, ==, "1500");
  g_assert_false (gateway->stopped);
}

static void
plans_nothing_for_a_stopped_gateway (Fixture *fixture, gconstpointer data)
{
  (void) data;
  add (fixture->world, "wg0", "Services=a\n", &alices, "inactive");
  ((CgGateway *) fixture->world->config->gateways->pdata[0])->stopped = TRUE;
  g_autoptr (CgPlan) plan = cg_plan_new (fixture->world->facts, NULL);
  g_autofree char *text = plan_text (plan);
  g_assert_cmpstr (text, ==, "");
}

static const struct FollowCase {
  const char *name;
  const char *lines;
  const char *state;
  const char *job;
  gboolean is_up, by_hand;
  CgUnitActivation follow;
  const char *tunnel_unit, *tunnel_job; /* the state of InterfaceUnit=, and its job */
} follow_cases[] = {
    {"up-and-inactive", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_START},
    {"up-and-failed", "", "failed", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_START},
    {"up-and-active", "", "active", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"up-and-stopped-by-hand", "", "inactive", NULL, TRUE, TRUE, CG_UNIT_ACTIVATION_NOTHING},
    {"up-while-it-starts", "", "activating", "start", TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"up-while-it-is-to-stop", "", "active", "stop", TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"down-and-active", "", "active", NULL, FALSE, FALSE, CG_UNIT_ACTIVATION_STOP},
    {"down-and-active-with-a-job", "", "active", "stop", FALSE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"down-and-inactive", "", "inactive", NULL, FALSE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"block-up", "OnDown=block\n", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"block-down", "OnDown=block\n", "active", NULL, FALSE, FALSE, CG_UNIT_ACTIVATION_NOTHING},
    {"its-unit-is-active", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_START, "active"},
    {"its-unit-starts", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_START, "activating",
     "start"},
    {"its-unit-is-to-stop", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING, "active",
     "stop"},
    {"its-unit-stops", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING,
     "deactivating"},
    {"its-unit-is-inactive", "", "inactive", NULL, TRUE, FALSE, CG_UNIT_ACTIVATION_NOTHING,
     "inactive"},
};

static void
follows (gconstpointer data)
{
  const struct FollowCase *test = data;
  g_autoptr (World) world = world_new ();
  g_autofree char *lines = g_strconcat ("Services=a\n", test->lines, NULL);
  CgGateway *gateway = add (world, "wg0", lines, &alices, test->state);
  gateway->unit->job = g_strdup (test->job);
  gateway->by_hand = test->by_hand;
  if (test->tunnel_unit) {
    gateway->tunnel_unit = cg_service_fact_new ("tunnel.service");
    gateway->tunnel_unit->active_state = g_strdup (test->tunnel_unit);
    gateway->tunnel_unit->job = g_strdup (test->tunnel_job);
  }
  CgTunnel *tunnel = &g_array_index (world->facts->tunnels, CgTunnel, 0);
  tunnel->is_up = test->is_up;
  g_assert_cmpint (cg_unit_activation_decide (tunnel), ==, test->follow);
}

static const struct ResumeCase {
  const char *name;
  const char *record; /* of how it was enabled when its gateway took it down; NULL for none */
  const char *file, *active;
  gboolean has_run, starts;
} resume_cases[] = {
    {"enabled-and-never-ran", NULL, "enabled", "inactive", FALSE, TRUE},
    {"enabled-and-stopped-by-hand", NULL, "enabled", "inactive", TRUE, FALSE},
    {"disabled-and-never-ran", NULL, "disabled", "inactive", FALSE, FALSE},
    {"ran-and-enabled", "enabled", "enabled", "inactive", TRUE, TRUE},
    {"ran-and-failed", "enabled", "enabled", "failed", TRUE, TRUE},
    {"ran-and-disabled-since", "enabled", "disabled", "inactive", TRUE, FALSE},
    {"ran-without-being-enabled", "static", "static", "inactive", TRUE, TRUE},
    {"runs", "enabled", "enabled", "active", TRUE, FALSE},
};

static void
resumes (gconstpointer data)
{
  const struct ResumeCase *test = data;
  Fixture fixture;
  set_up (&fixture, NULL);
  const Said said = {"loaded", test->active, "alice",       FALSE,     NOBODY,
                     FALSE,    TRUE,         test->has_run, test->file};
  const CgGateway *gateway = add (fixture.world, "wg0", "Services=a\n", &said, "activating");
  if (test->record)
    g_assert_true (
        cg_record_set (fixture.directory, CG_RECORD_RESUME, "a.service", test->record, NULL));
  g_autoptr (GPtrArray) names = cg_unit_activation_services (gateway, fixture.directory);
  g_assert_cmpuint (names->len, ==, test->starts);
  tear_down (&fixture, NULL);
}

static void
records_are_kept_and_dropped (Fixture *fixture, gconstpointer data)
{
  (void) data;
  g_assert_null (cg_record_get (fixture->directory, CG_RECORD_RESUME, "a.service"));
  g_assert_true (cg_record_drop (fixture->directory, CG_RECORD_RESUME, "a.service", NULL));
  g_assert_true (cg_record_set (fixture->directory, CG_RECORD_RESUME, "a.service", "word", NULL));
  g_autofree char *word = cg_record_get (fixture->directory, CG_RECORD_RESUME, "a.service");
  g_assert_cmpstr (word, ==, "word");
  g_assert_null (cg_record_get (fixture->directory, CG_RECORD_STOPPED, "a.service"));
  g_assert_true (cg_record_drop (fixture->directory, CG_RECORD_RESUME, "a.service", NULL));
  g_assert_null (cg_record_get (fixture->directory, CG_RECORD_RESUME, "a.service"));
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/services/places", place_cases, places);
  ADD_CASES ("/services/follows", follow_cases, follows);
  ADD_CASES ("/services/resumes", resume_cases, resumes);
  ADD ("/services/one-user-in-two-gateways", refuses_a_second_gateway_of_one_user);
  ADD ("/services/not-stopped-with-it", holds_services_that_are_not_stopped_with_it);
  ADD ("/services/users-stay", keeps_users_when_its_services_are_stopped);
  ADD ("/services/stopped-stands-for-nothing", plans_nothing_for_a_stopped_gateway);
  ADD ("/services/records", records_are_kept_and_dropped);
  return g_test_run ();
}
