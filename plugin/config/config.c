/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX   ".conf"
#define MAX_FILE (4 << 20) /* bytes; ten thousand scattered users take 60 kB */

static void
bad_file_free (CgBadFile *bad)
{
  g_free (bad->name);
  g_error_free (bad->error);
  g_free (bad);
}

void
cg_config_free (CgConfig *config)
{
  g_ptr_array_unref (config->gateways);
  g_ptr_array_unref (config->bad);
  g_ptr_array_unref (config->warnings);
  g_free (config->directory);
  g_ptr_array_unref (config->faults);
  g_free (config);
}

const CgGateway *
cg_config_find (const CgConfig *config, const char *name)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    if (g_str_equal (gateway->name, name))
      return gateway;
  }
  return NULL;
}

const GError *
cg_config_find_bad (const CgConfig *config, const char *name)
{
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    if (g_str_equal (bad->name, name))
      return bad->error;
  }
  return NULL;
}

static const char *
remedy_of (int problem)
{
  return problem == EACCES && geteuid () != 0 ? "; run this as root" : "";
}

/* Whoever may write here may say whose traffic goes where. */
static gboolean
check_trust (const struct stat *found, const char *path, GError **error)
{
  if (found->st_uid != 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: belongs to uid %u, so it is not trusted; run 'chown root' on it", path,
                 found->st_uid);
    return FALSE;
  }
  if (found->st_mode & (S_IWGRP | S_IWOTH)) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                 "%s: group or others can write it, so it is not trusted; run 'chmod go-w' on it",
                 path);
    return FALSE;
  }
  return TRUE;
}

gboolean
cg_config_check_trust (const char *directory, GError **error)
{
  struct stat found;
  if (stat (directory, &found) == 0)
    return check_trust (&found, directory, error);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: %s%s", directory, g_strerror (errno),
               errno == ENOENT ? "; make it, root's own and mode 0755" : remedy_of (errno));
  return FALSE;
}

static gboolean
read_all (int fd, gsize size, GString *text)
{
  g_string_set_size (text, size);
  gsize done = 0;
  while (done < size) {
    ssize_t got = read (fd, text->str + done, size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return FALSE;
    if (got == 0)
      break; /* it became shorter meanwhile */
    done += (gsize) got;
  }
  g_string_set_size (text, done);
  return TRUE;
}

/* Checks and reads through one descriptor, so that what is read is what was checked. */
GString *
cg_config_read_trusted (const char *path, const char *shown, GError **error)
{
  /* O_NONBLOCK: a FIFO of that name must not hang us */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat found;
  if (fd < 0 || fstat (fd, &found) < 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: %s%s", shown, g_strerror (errno),
                 remedy_of (errno));
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean read = FALSE;
  if (!S_ISREG (found.st_mode))
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: not a regular file", shown);
  else if (found.st_size > MAX_FILE)
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: larger than %d bytes", shown, MAX_FILE);
  else if (check_trust (&found, shown, error)) {
    read = read_all (fd, (gsize) found.st_size, text);
    if (!read)
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: %s", shown, g_strerror (errno));
  }
  close (fd);
  return read ? g_steal_pointer (&text) : NULL;
}

CgGateway *
cg_config_load_file (const char *path, CgUserLookup lookup, GError **error)
{
  g_autofree char *file = g_path_get_basename (path);
  g_autofree char *quoted = cg_quote (file);
  g_autofree char *name =
      g_str_has_suffix (file, SUFFIX) ? g_strndup (file, strlen (file) - strlen (SUFFIX)) : NULL;
  if (!name || !cg_gateway_name_valid (name)) {
    g_set_error (
        error, CG_ERROR, CG_ERROR_CONFIG,
        "%s: a gateway's file is called NAME.conf, with a NAME of 1 to 64 letters, digits, "
        "'_', '.', '@' and '-' that does not begin with '.' or '-'",
        quoted);
    return NULL;
  }
  g_autoptr (GString) text = cg_config_read_trusted (path, file, error);
  if (!text)
    return NULL;
  CgGateway *gateway = cg_gateway_parse (name, text->str, text->len, lookup, error);
  if (gateway)
    gateway->text = g_string_free_to_bytes (g_steal_pointer (&text));
  return gateway;
}

/* By which key a gateway has one of the uids. */
static const char *
key_of_uids (const CgGateway *gateway, CgUidRange uids)
{
  for (guint i = 0; i < gateway->found->len; i++) {
    guint32 uid = ((const CgServiceFact *) gateway->found->pdata[i])->uid;
    if (uid >= uids.first && uid <= uids.last)
      return "Services";
  }
  return "Users";
}

/* A uid can take one way only, and a table can hold one. */
static gboolean
check_conflicts (const CgGateway *gateway, const CgConfig *config, GError **error)
{
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *other = config->gateways->pdata[i];
    CgUidRange shared;
    if (cg_uids_overlap (gateway->uids, other->uids, &shared)) {
      g_autofree char *uids = cg_uid_range_to_string (shared);
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s.conf: [Gateway] %s: gateway '%s' already has uid '%s'; remove it from one "
                   "of the two files",
                   gateway->name, key_of_uids (gateway, shared), other->name, uids);
      return FALSE;
    }
    for (char **service = gateway->services; *service; service++)
      if (g_strv_contains ((const char *const *) other->services, *service)) {
        g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                     "%s.conf: [Gateway] Services: gateway '%s' already has '%s'; remove it from "
                     "one of the two files",
                     gateway->name, other->name, *service);
        return FALSE;
      }
    if (gateway->table && gateway->table == other->table) {
      g_set_error (error, CG_ERROR, CG_ERROR_CONFIG,
                   "%s.conf: [Gateway] Table: gateway '%s' already has table '%u'; choose another, "
                   "or auto",
                   gateway->name, other->name, gateway->table);
      return FALSE;
    }
  }
  return TRUE;
}

void
cg_config_warn (CgConfig *config, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (!g_ptr_array_find_with_equal_func (config->warnings, text, g_str_equal, NULL))
    g_ptr_array_add (config->warnings, g_steal_pointer (&text));
}

gboolean
cg_config_is_complete (const CgConfig *config)
{
  return config->bad->len == 0 && !config->incomplete;
}

static CgBadFile *
bad_file_new (const char *name, GError *error)
{
  CgBadFile *bad = g_new0 (CgBadFile, 1);
  bad->name = g_strdup (name);
  bad->error = error;
  return bad;
}

void
cg_config_add_bad (CgConfig *config, const char *name, GError *error)
{
  g_ptr_array_add (config->bad, bad_file_new (name, error));
}

void
cg_config_add_fault (CgConfig *config, const char *name, GError *error)
{
  g_ptr_array_add (config->faults, bad_file_new (name, error));
}

void
cg_config_add (CgConfig *config, CgGateway *gateway)
{
  g_autoptr (GError) error = NULL;
  if (check_conflicts (gateway, config, &error)) {
    g_ptr_array_add (config->gateways, gateway);
    return;
  }
  cg_config_add_bad (config, gateway->name, g_steal_pointer (&error));
  cg_gateway_free (gateway);
}

static void
load_into (CgConfig *config, const char *directory, const char *file, CgUserLookup lookup)
{
  g_autofree char *path = g_build_filename (directory, file, NULL);
  g_autofree char *name = g_strndup (file, strlen (file) - strlen (SUFFIX));
  g_autoptr (GError) error = NULL;
  CgGateway *gateway = cg_config_load_file (path, lookup, &error);
  if (gateway)
    cg_config_add (config, gateway);
  else
    cg_config_add_bad (config, name, g_steal_pointer (&error));
}

static int
is_gateway_file (const struct dirent *entry)
{
  return entry->d_name[0] != '.' && g_str_has_suffix (entry->d_name, SUFFIX);
}

/* By name, so that a conflict always costs the same one, in whatever locale. */
static int
by_file_name (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

CgConfig *
cg_config_new (void)
{
  CgConfig *config = g_new0 (CgConfig, 1);
  config->gateways = g_ptr_array_new_with_free_func ((GDestroyNotify) cg_gateway_free);
  config->bad = g_ptr_array_new_with_free_func ((GDestroyNotify) bad_file_free);
  config->warnings = g_ptr_array_new_with_free_func (g_free);
  config->faults = g_ptr_array_new_with_free_func ((GDestroyNotify) bad_file_free);
  return config;
}

CgConfig *
cg_config_load (const char *directory, gboolean missing_ok, CgUserLookup lookup, GError **error)
{
  g_autoptr (CgConfig) config = cg_config_new ();
  config->directory = g_strdup (directory);

  if (missing_ok && access (directory, F_OK) < 0 && errno == ENOENT)
    return g_steal_pointer (&config);
  if (!cg_config_check_trust (directory, error))
    return NULL;

  struct dirent **entry = NULL;
  int count = scandir (directory, &entry, is_gateway_file, by_file_name);
  if (count < 0) {
    g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: %s%s", directory, g_strerror (errno),
                 remedy_of (errno));
    return NULL;
  }
  for (int i = 0; i < count; i++) {
    load_into (config, directory, entry[i]->d_name, lookup);
    free (entry[i]);
  }
  free (entry);
  return g_steal_pointer (&config);
}
