/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolvconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <resolv.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "state-file.h"

#define DIRECTORY "dns" /* in the runtime directory; in it one directory a gateway */

/* Limited broadcast, RFC 919: connect(2) refuses it to a socket without SO_BROADCAST, so a question
 * fails at once. What is sent there all the same takes the confined uid's way, or none. An address
 * of 127.0.0.0/8 would not do, since who listens on 0.0.0.0 answers there. */
#define NOWHERE "255.255.255.255"

/* Each file has this size, filled up with newlines. So whatever it says is written by one call that
 * leaves nothing of the old text; the longest text is some 300 bytes. */
#define FILE_SIZE 512

/* Of what others write; the C library itself takes three servers and lines of some hundred bytes.
 */
#define MAX_READ 65536

static void
resolvconf_clear (gpointer data)
{
  CgResolvConf *file = data;
  g_free (file->gateway);
  g_free (file->path);
  g_free (file->text);
}

GArray *
cg_resolvconfs_new (void)
{
  GArray *files = g_array_new (FALSE, FALSE, sizeof (CgResolvConf));
  g_array_set_clear_func (files, resolvconf_clear);
  return files;
}

char *
cg_resolvconf_path (const char *runtime_dir, const char *gateway)
{
  return g_build_filename (runtime_dir, DIRECTORY, gateway, "resolv.conf", NULL);
}

/* The comments with which the texts begin. */
#define COMMENT  "# custom-gateway(8): "
#define RELEASED "released, so these are the system's servers"

/* The system's search list is the LAN's, and nobody's business in the tunnel; without this line it
 * would be the domain of the host's name. */
static GString *
start_text (const char *comment)
{
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, COMMENT "%s\nsearch .\n", comment);
  return text;
}

static void
append_servers (GString *text, const GArray *servers, const char *otherwise)
{
  for (guint i = 0; i < MIN (servers->len, MAXNS); i++) {
    g_autofree char *server = cg_prefix_to_address (&g_array_index (servers, CgPrefix, i));
    g_string_append_printf (text, "nameserver %s\n", server);
  }
  if (servers->len == 0)
    g_string_append_printf (text, "nameserver %s\n", otherwise);
}

char *
cg_resolvconf_text (const CgGateway *gateway)
{
  GString *text = start_text (gateway->dns->len > 0 ? "servers in the tunnel"
                                                    : "no server is known, so this leads nowhere");
  append_servers (text, gateway->dns, NOWHERE);
  return g_string_free (text, FALSE);
}

char *
cg_resolvconf_text_released (const GArray *servers)
{
  GString *text = start_text (RELEASED);
  append_servers (text, servers, "127.0.0.1"); /* as resolv.conf(5) has it */
  return g_string_free (text, FALSE);
}

gboolean
cg_resolvconf_is_released (const char *text)
{
  return g_str_has_prefix (text, COMMENT RELEASED "\n");
}

void
cg_resolvconf_parse (const char *text, GArray *servers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line && servers->len < MAXNS; line++) {
    g_auto (GStrv) words = g_strsplit_set (g_strdelimit (*line, "\t", ' '), " ", 2);
    CgPrefix server;
    if (g_strcmp0 (words[0], "nameserver") != 0 || !words[1])
      continue;
    words[1][strcspn (g_strchug (words[1]), " ")] = '\0';
    if (!strchr (words[1], '/') && cg_prefix_parse (words[1], &server))
      g_array_append_val (servers, server);
  }
}

void
cg_resolvconf_parse_zoned (const char *text, GPtrArray *servers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line && servers->len < MAXNS; line++) {
    g_auto (GStrv) words = g_strsplit_set (*line, " \t", -1);
    CgPrefix server;
    char **word = words + 1;
    if (g_strcmp0 (words[0], "nameserver") != 0)
      continue;
    while (*word && !**word)
      word++;
    const char *zone = *word ? strchr (*word, '%') : NULL;
    g_autofree char *address = zone ? g_strndup (*word, (gsize) (zone - *word)) : NULL;
    if (zone && !strchr (address, '/') && cg_prefix_parse (address, &server) &&
        cg_interface_name_valid (zone + 1))
      g_ptr_array_add (servers, g_strdup_printf ("%s%s", address, zone));
  }
}

void
cg_resolvconf_read (const char *path, GArray *servers, GPtrArray *zoned)
{
  struct stat status;
  g_autofree char *text = g_malloc0 (MAX_READ + 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return;
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && read (fd, text, MAX_READ) > 0) {
    cg_resolvconf_parse_zoned (text, zoned);
    cg_resolvconf_parse (text, servers);
  }
  close (fd);
}

gboolean
cg_server_is_local (const CgPrefix *server)
{
  /* the kernel takes the unspecified one for loopback */
  return cg_prefix_is_loopback (server) || cg_prefix_is_unspecified (server);
}

void
cg_resolvconf_load (const char *runtime_dir, GArray *found)
{
  g_autofree char *directory = g_build_filename (runtime_dir, DIRECTORY, NULL);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = cg_resolvconf_path (runtime_dir, name);
    g_autofree char *text = cg_gateway_name_valid (name) ? cg_state_read (path) : NULL;
    if (!text)
      continue;
    const CgResolvConf file = {g_strdup (name), g_steal_pointer (&path),
                               g_strconcat (g_strchomp (text), "\n", NULL)};
    g_array_append_val (found, file);
  }
}

/* The kernel's own time of the last change has steps of some milliseconds, and it is by time and
 * size that programs see that there is something to read again. */
static gboolean
set_time (int fd)
{
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
  clock_gettime (CLOCK_REALTIME, &times[1]);
  return futimens (fd, times) == 0;
}

static gboolean
overwrite (int fd, const char *content)
{
  struct stat status;
  if (fstat (fd, &status) < 0)
    return FALSE;
  if (!S_ISREG (status.st_mode)) {
    errno = EINVAL;
    return FALSE;
  }
  return pwrite (fd, content, FILE_SIZE, 0) == FILE_SIZE && ftruncate (fd, FILE_SIZE) == 0 &&
         set_time (fd);
}

gboolean
cg_resolvconf_write (const char *path, const char *text, GError **error)
{
  g_autoptr (GString) content = g_string_new (text);
  g_assert (content->len <= FILE_SIZE);
  while (content->len < FILE_SIZE)
    g_string_append_c (content, '\n');
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT)
    return cg_state_write (path, content->str, FILE_SIZE, error);
  gboolean written = fd >= 0 && overwrite (fd, content->str);
  if (!written)
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return written;
}
