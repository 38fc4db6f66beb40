/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <nss.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"

#define LIBRARY "libnftables.so.1"

/* Loaded by hand and by the run that needs it alone: it costs more time and memory than all the
 * rest of this program. */
typedef struct {
  void *handle;
  typeof (nft_ctx_new) *new;
  typeof (nft_ctx_free) *free;
  typeof (nft_ctx_buffer_error) *buffer_error;
  typeof (nft_ctx_get_error_buffer) *get_error;
  typeof (nft_run_cmd_from_buffer) *run;
} Library;

/* It takes the number of a user for a name first, and looks each one up. Directories in the network
 * (nsswitch.conf(5)) are neither to be asked, and waited for, nor to say that "1500" is somebody
 * else. From here on this process sees the users in /etc/passwd alone; it has looked up all it
 * needs. */
static void
look_up_no_users (void)
{
  (void) __nss_configure_lookup ("passwd", "files");
}

static gboolean
load_library (Library *library, GError **error)
{
  look_up_no_users ();
  library->handle = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library->handle) {
    library->new = dlsym (library->handle, "nft_ctx_new");
    library->free = dlsym (library->handle, "nft_ctx_free");
    library->buffer_error = dlsym (library->handle, "nft_ctx_buffer_error");
    library->get_error = dlsym (library->handle, "nft_ctx_get_error_buffer");
    library->run = dlsym (library->handle, "nft_run_cmd_from_buffer");
  }
  if (library->handle && library->new && library->free && library->buffer_error &&
      library->get_error && library->run)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_ABSENT, "%s; install libnftables",
               library->handle ? LIBRARY " is another library" : dlerror ());
  g_clear_pointer (&library->handle, dlclose);
  return FALSE;
}

/* A descriptor of nfnetlink that is not among others, or -1. Of a process's descriptors no more
 * than a thousand are looked at: the monitor's runs have a dozen. */
static int
find_socket (const GArray *others)
{
  for (int fd = STDERR_FILENO + 1; fd < 1000; fd++) {
    int domain = 0, protocol = 0;
    socklen_t size = sizeof (int);
    if (getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_NETLINK ||
        getsockopt (fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ||
        protocol != NETLINK_NETFILTER)
      continue;
    gboolean is_other = FALSE;
    for (guint i = 0; others && i < others->len; i++)
      is_other = is_other || g_array_index (others, int, i) == fd;
    if (!is_other)
      return fd;
  }
  return -1;
}

static GArray *
list_sockets (void)
{
  GArray *sockets = g_array_new (FALSE, FALSE, sizeof (int));
  for (int fd; (fd = find_socket (sockets)) >= 0;)
    g_array_append_val (sockets, fd);
  return sockets;
}

/* libnftables says nowhere which socket is its own: it is the one that was not there before. */
static int
keep_socket (const GArray *before, GError **error)
{
  int socket = find_socket (before);
  int kept = socket < 0 ? -1 : fcntl (socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (kept < 0)
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "cannot keep the socket of nftables: %s",
                 socket < 0 ? "there is none" : g_strerror (errno));
  return kept;
}

static gboolean
run_in (const Library *library, struct nft_ctx *context, const char *commands, GError **error)
{
  if (context && library->buffer_error (context) == 0 && library->run (context, commands) == 0)
    return TRUE;
  /* its first line says what is wrong, the rest repeats our text */
  g_auto (GStrv) lines = g_strsplit (context ? library->get_error (context) : "", "\n", 2);
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "nftables: %s",
               lines[0] && *lines[0] ? lines[0] : "no memory");
  return FALSE;
}

static gboolean
open_context (Library *library, struct nft_ctx **context, GError **error)
{
  *context = NULL;
  if (!load_library (library, error))
    return FALSE;
  *context = library->new (NFT_CTX_DEFAULT);
  return TRUE;
}

static void
close_context (Library *library, struct nft_ctx *context)
{
  if (context)
    library->free (context);
  dlclose (library->handle);
}

gboolean
cg_nft_run (const char *commands, GError **error)
{
  Library library = {NULL};
  struct nft_ctx *context;
  if (!open_context (&library, &context, error))
    return FALSE;
  gboolean done = run_in (&library, context, commands, error);
  close_context (&library, context);
  return done;
}

static gboolean
run_each (const Library *library, struct nft_ctx *context, const GPtrArray *commands)
{
  gboolean any = FALSE;
  for (guint i = 0; i < commands->len; i++) {
    g_autoptr (GError) why = NULL;
    if (run_in (library, context, commands->pdata[i], &why))
      any = TRUE;
    else
      g_info ("%s", why->message);
  }
  return any;
}

gboolean
cg_nft_run_as_owner (const GPtrArray *commands, int *socket, GError **error)
{
  Library library = {NULL};
  struct nft_ctx *context;
  g_autoptr (GArray) before = list_sockets ();
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (GError) why = NULL;
  for (guint i = 0; i < commands->len; i++)
    g_string_append_printf (all, "%s\n", (const char *) commands->pdata[i]);
  if (!open_context (&library, &context, error))
    return FALSE;
  gboolean done = run_in (&library, context, all->str, &why) ||
                  (commands->len > 1 && run_each (&library, context, commands));
  if (done)
    done = (*socket = keep_socket (before, error)) >= 0;
  else
    g_propagate_error (error, g_steal_pointer (&why));
  close_context (&library, context);
  return done;
}
