/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft.h"

#include <dlfcn.h>
#include <nftables/libnftables.h>
#include <nss.h>

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
