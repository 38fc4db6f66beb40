/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The lock that takes no file. Each story has a runtime directory's name of its own, and a child
 * process for the other user. */

#include "name-lock.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash.h"

#define OTHER_USER 61502

static int
take (const char *directory, CgNameResult expected)
{
  int fd;
  g_assert_cmpint (cg_name_take ("lock", directory, &fd), ==, expected);
  g_assert_true ((fd >= 0) == (expected != CG_NAME_HELD));
  return fd;
}

static void
one_at_a_time (void)
{
  g_assert_false (cg_name_is_held ("lock", "/one"));
  int fd = take ("/one", CG_NAME_TAKEN);
  g_assert_true (cg_name_is_held ("lock", "/one"));
  take ("/one", CG_NAME_HELD);
  close (fd);
  g_assert_false (cg_name_is_held ("lock", "/one"));
  close (take ("/one", CG_NAME_TAKEN));
}

static void
directories_and_purposes_are_apart (void)
{
  int fd = take ("/one", CG_NAME_TAKEN);
  g_assert_false (cg_name_is_held ("monitor", "/one"));
  close (take ("/two", CG_NAME_TAKEN));
  close (fd);
}

/* The kernel closes what a process held, however it ends. */
static void
goes_with_its_holder (void)
{
  pid_t pid = fork ();
  if (pid == 0) {
    int fd;
    _exit (cg_name_take ("lock", "/one", &fd) == CG_NAME_TAKEN ? 0 : 1);
  }
  int status;
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  close (take ("/one", CG_NAME_TAKEN));
}

/* Takes the name as another user would, says so, and sleeps until it is killed. */
static void
usurp (gboolean listens, int ready)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int length = g_snprintf (address.sun_path + 1, sizeof address.sun_path - 1,
                           "custom-gateway/lock/%08x", cg_hash_name ("/one"));
  socklen_t size = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + 1 + (gsize) length);
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  if (setuid (OTHER_USER) < 0 || bind (fd, (const struct sockaddr *) &address, size) < 0 ||
      (listens && listen (fd, 0) < 0) || write (ready, "", 1) != 1)
    _exit (1);
  for (;;)
    pause ();
}

/* It must not hold up the program that confines it. */
static void
another_user_does_not_count (gconstpointer listens)
{
  int ready[2];
  char byte;
  if (geteuid () != 0) {
    g_test_skip ("for root, which another user would hold up");
    return;
  }
  g_assert_cmpint (pipe (ready), ==, 0);
  pid_t pid = fork ();
  if (pid == 0)
    usurp (listens != NULL, ready[1]);
  close (ready[1]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  g_assert_false (cg_name_is_held ("lock", "/one"));
  close (take ("/one", CG_NAME_USURPED));
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  close (take ("/one", CG_NAME_TAKEN));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name-lock/one-at-a-time", one_at_a_time);
  g_test_add_func ("/name-lock/directories-and-purposes", directories_and_purposes_are_apart);
  g_test_add_func ("/name-lock/goes-with-its-holder", goes_with_its_holder);
  g_test_add_data_func ("/name-lock/another-user", NULL, another_user_does_not_count);
  g_test_add_data_func ("/name-lock/another-user-listens", "", another_user_does_not_count);
  return g_test_run ();
}
