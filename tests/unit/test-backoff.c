/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backoff.h"

/* A run takes so long in these stories, in microseconds. */
#define RUN 2000

typedef struct {
  CgBackoff pace;
  gint64 now;
  guint runs;
  gint64 end; /* of the run that is under way, or CG_BACKOFF_NEVER */
} World;

static World
world_new (void)
{
  return (World){.pace = cg_backoff_new (), .now = 1, .end = CG_BACKOFF_NEVER};
}

/* Lets the time go by, and runs be when they are due. */
static void
wait_for (World *world, gint64 time)
{
  gint64 until = world->now + time;
  for (;;) {
    gint64 next = world->end != CG_BACKOFF_NEVER ? world->end : world->pace.due;
    if (next > until)
      break;
    world->now = MAX (world->now, next);
    if (world->end != CG_BACKOFF_NEVER) {
      world->end = CG_BACKOFF_NEVER;
      cg_backoff_ended (&world->pace, world->now);
    } else {
      world->end = world->now + RUN;
      world->runs++;
      cg_backoff_started (&world->pace);
    }
  }
  world->now = until;
}

/* Somebody does something every period microseconds. */
static void
disturb (World *world, gint64 period, guint times)
{
  for (guint i = 0; i < times; i++) {
    cg_backoff_event (&world->pace, world->now);
    wait_for (world, period);
  }
}

static void
at_rest_there_is_nothing_to_wait_for (void)
{
  World world = world_new ();
  g_assert_cmpint (world.pace.due, ==, CG_BACKOFF_NEVER);
  wait_for (&world, 1000 * G_USEC_PER_SEC);
  g_assert_cmpuint (world.runs, ==, 0);
}

static void
the_first_event_is_answered_at_once (void)
{
  World world = world_new ();
  cg_backoff_event (&world.pace, world.now);
  g_assert_cmpint (world.pace.due, ==, world.now);
  wait_for (&world, G_USEC_PER_SEC);
  g_assert_cmpuint (world.runs, ==, 1);
  g_assert_cmpint (world.pace.due, ==, CG_BACKOFF_NEVER);
}

static void
so_is_each_that_comes_in_calm_times (void)
{
  World world = world_new ();
  for (guint i = 0; i < 10; i++) {
    cg_backoff_event (&world.pace, world.now);
    g_assert_cmpint (world.pace.due, ==, world.now);
    wait_for (&world, G_USEC_PER_SEC);
  }
  g_assert_cmpuint (world.runs, ==, 10);
}

static void
a_burst_is_gathered (void)
{
  World world = world_new ();
  disturb (&world, 10, 1000); /* 10 ms, in which five runs would have room */
  wait_for (&world, G_USEC_PER_SEC);
  g_assert_cmpuint (world.runs, >=, 2); /* one at once, and one for what came behind it */
  g_assert_cmpuint (world.runs, <=, 4);
}

static void
an_event_during_a_run_is_not_lost (void)
{
  World world = world_new ();
  cg_backoff_event (&world.pace, world.now);
  wait_for (&world, RUN / 2);
  cg_backoff_event (&world.pace, world.now);
  wait_for (&world, RUN / 2 + CG_BACKOFF_FIRST / 2);
  g_assert_cmpuint (world.runs, ==, 1);
  wait_for (&world, G_USEC_PER_SEC);
  g_assert_cmpuint (world.runs, ==, 2);
}

static void
who_goes_on_is_answered_ever_more_slowly (void)
{
  World world = world_new ();
  disturb (&world, 1000, 200);
  g_assert_true (cg_backoff_is_fight (&world.pace));
  world.runs = 0;
  disturb (&world, 1000, 60 * 1000);
  g_assert_cmpuint (world.runs, <=, 66); /* a minute: a few at first, then one a second */
  g_assert_cmpuint (world.runs, >=, 58); /* and no less: it does not give up */
}

/* It strikes only when it sees that we have repaired. */
static void
so_is_who_waits_for_us (void)
{
  World world = world_new ();
  gint64 start = world.now;
  for (guint i = 0; i < 40; i++) {
    guint before = world.runs;
    cg_backoff_event (&world.pace, world.now);
    while (world.runs == before)
      wait_for (&world, 500);
    wait_for (&world, RUN + 500);
  }
  g_assert_cmpint (world.now - start, >, 25 * CG_BACKOFF_SLOWEST);
}

static void
after_a_calm_time_all_is_forgotten (void)
{
  World world = world_new ();
  disturb (&world, 1000, 5000);
  g_assert_true (cg_backoff_is_fight (&world.pace));
  wait_for (&world, 5 * CG_BACKOFF_SLOWEST);
  cg_backoff_event (&world.pace, world.now);
  g_assert_cmpint (world.pace.due, ==, world.now);
  g_assert_false (cg_backoff_is_fight (&world.pace));
}

static void
a_tunnel_that_comes_up_is_no_fight (void)
{
  World world = world_new ();
  disturb (&world, 8000, 8); /* wg-quick(8): link, addresses, mtu, up */
  g_assert_false (cg_backoff_is_fight (&world.pace));
  wait_for (&world, G_USEC_PER_SEC);
  g_assert_cmpint (world.pace.due, ==, CG_BACKOFF_NEVER);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/rest", at_rest_there_is_nothing_to_wait_for);
  g_test_add_func ("/backoff/first", the_first_event_is_answered_at_once);
  g_test_add_func ("/backoff/calm", so_is_each_that_comes_in_calm_times);
  g_test_add_func ("/backoff/burst", a_burst_is_gathered);
  g_test_add_func ("/backoff/during-a-run", an_event_during_a_run_is_not_lost);
  g_test_add_func ("/backoff/fight", who_goes_on_is_answered_ever_more_slowly);
  g_test_add_func ("/backoff/fight-by-answers", so_is_who_waits_for_us);
  g_test_add_func ("/backoff/peace", after_a_calm_time_all_is_forgotten);
  g_test_add_func ("/backoff/tunnel", a_tunnel_that_comes_up_is_no_fight);
  return g_test_run ();
}
