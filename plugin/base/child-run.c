/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): glibc's name, for memfd_create(2) */
#define _GNU_SOURCE
#include "child-run.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
write_all (int fd, const guint8 *bytes, gsize size)
{
  while (size > 0) {
    ssize_t done = write (fd, bytes, size);
    if (done < 0 && errno != EINTR)
      return FALSE;
    if (done > 0) {
      bytes += done;
      size -= (gsize) done;
    }
  }
  return TRUE;
}

static _Noreturn void
work_and_exit (int fd, CgWork work, gpointer data)
{
  GVariant *report = NULL;
  sigset_t none;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  int status = work (data, &report);
  if (report)
    (void) write_all (fd, g_variant_get_data (report), g_variant_get_size (report));
  _exit (status); /* nothing of what the parent would do at its end is to be done twice */
}

gboolean
cg_child_run_start (CgChildRun *worker, CgWork work, gpointer data, gint64 deadline, GError **error)
{
  int fd = memfd_create ("report", MFD_CLOEXEC);
  pid_t pid = fd >= 0 ? fork () : -1;
  if (pid == 0)
    work_and_exit (fd, work, data);
  if (pid > 0) {
    *worker = (CgChildRun){pid, fd, deadline};
    return TRUE;
  }
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot start a run: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return FALSE;
}

static GVariant *
read_report (int fd, const GVariantType *type)
{
  struct stat found;
  if (fstat (fd, &found) < 0 || found.st_size == 0)
    return NULL;
  gsize size = (gsize) found.st_size;
  guint8 *bytes = g_malloc (size);
  if (pread (fd, bytes, size, 0) != (ssize_t) size) {
    g_free (bytes);
    return NULL;
  }
  g_autoptr (GBytes) all = g_bytes_new_take (bytes, size);
  g_autoptr (GVariant) report = g_variant_ref_sink (g_variant_new_from_bytes (type, all, FALSE));
  return g_variant_is_normal_form (report) ? g_steal_pointer (&report) : NULL;
}

gboolean
cg_child_run_collect (CgChildRun *worker, const GVariantType *type, int *status, GVariant **report)
{
  int how = 0;
  pid_t pid;
  do
    pid = worker->pid ? waitpid (worker->pid, &how, WNOHANG) : 0;
  while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return FALSE;
  *status = pid > 0 && WIFEXITED (how) ? WEXITSTATUS (how) : -1;
  *report = *status < 0 ? NULL : read_report (worker->report, type);
  close (worker->report);
  *worker = (CgChildRun){.report = -1};
  return TRUE;
}

void
cg_child_run_kill (const CgChildRun *worker)
{
  if (worker->pid)
    kill (worker->pid, SIGKILL);
}
