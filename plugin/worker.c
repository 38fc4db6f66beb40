/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): glibc's name, for memfd_create(2) */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

/* What a message is made of that carries one descriptor, unix(7) and cmsg(3). */
typedef struct {
  char byte; /* a message without any would not be seen to come */
  struct iovec part;
  struct msghdr message;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control; /* the header has no size of its own, so it is the last */
} Parcel;

static void
parcel_init (Parcel *parcel)
{
  *parcel = (Parcel){.byte = 0};
  parcel->part = (struct iovec){&parcel->byte, 1};
  parcel->message = (struct msghdr){.msg_iov = &parcel->part,
                                    .msg_iovlen = 1,
                                    .msg_control = parcel->control.space,
                                    .msg_controllen = sizeof parcel->control.space};
}

/* It stays open while it is on its way, also when we are gone. */
static void
give (int channel, int fd)
{
  Parcel parcel;
  parcel_init (&parcel);
  parcel.control.header = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN (sizeof fd)};
  memcpy (CMSG_DATA (&parcel.control.header), &fd, sizeof fd);
  (void) sendmsg (channel, &parcel.message, 0);
}

/* What was given, or -1. */
static int
take (int channel)
{
  int fd = -1;
  Parcel parcel;
  parcel_init (&parcel);
  if (recvmsg (channel, &parcel.message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
    return -1;
  const struct cmsghdr *header = CMSG_FIRSTHDR (&parcel.message);
  if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN (sizeof fd))
    memcpy (&fd, CMSG_DATA (header), sizeof fd);
  return fd;
}

static _Noreturn void
work_and_exit (int fd, int channel, CgWork work, gpointer data)
{
  GVariant *report = NULL;
  int given = -1;
  sigset_t none;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  int status = work (data, &report, &given);
  if (given >= 0)
    give (channel, given);
  if (report)
    (void) write_all (fd, g_variant_get_data (report), g_variant_get_size (report));
  _exit (status); /* nothing of what the parent would do at its end is to be done twice */
}

gboolean
cg_worker_start (CgWorker *worker, CgWork work, gpointer data, gint64 deadline, GError **error)
{
  int channel[2] = {-1, -1};
  int fd = memfd_create ("report", MFD_CLOEXEC);
  gboolean ready = fd >= 0 && socketpair (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel) == 0;
  pid_t pid = ready ? fork () : -1;
  if (pid == 0)
    work_and_exit (fd, channel[1], work, data);
  int number = errno;
  if (channel[1] >= 0)
    close (channel[1]);
  if (pid > 0) {
    *worker = (CgWorker){pid, fd, channel[0], deadline};
    return TRUE;
  }
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot start a run: %s", g_strerror (number));
  if (channel[0] >= 0)
    close (channel[0]);
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
cg_worker_collect (
    CgWorker *worker, const GVariantType *type, int *status, GVariant **report, int *given)
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
  *given = take (worker->channel);
  close (worker->report);
  close (worker->channel);
  *worker = (CgWorker){.report = -1, .channel = -1};
  return TRUE;
}

void
cg_worker_kill (const CgWorker *worker)
{
  if (worker->pid)
    kill (worker->pid, SIGKILL);
}
