/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Runs a program and prints "NANOSECONDS MAXRSS_KIB STATUS". Not done in Python: the kernel counts
 * what the parent had in memory when it forked into the child's ru_maxrss (exec_mmap in fs/exec.c),
 * and an interpreter is larger than what is to be measured. */

#define _GNU_SOURCE /* environ */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t
now (void)
{
  struct timespec time;
  clock_gettime (CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C (1000000000) + time.tv_nsec;
}

int
main (int argc, char **argv)
{
  posix_spawn_file_actions_t actions;
  struct rusage usage;
  pid_t child;
  int status;

  if (argc < 2) {
    fprintf (stderr, "usage: bench-timer PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

  int64_t start = now ();
  int number = posix_spawn (&child, argv[1], &actions, NULL, argv + 1, environ);
  if (number != 0) {
    fprintf (stderr, "%s: %s\n", argv[1], strerror (number));
    return 1;
  }
  if (wait4 (child, &status, 0, &usage) < 0) {
    perror ("wait4");
    return 1;
  }
  int64_t end = now ();
  printf ("%lld %ld %d\n", (long long) (end - start), usage.ru_maxrss,
          WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
  return 0;
}
