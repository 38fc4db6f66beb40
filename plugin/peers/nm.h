/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "module.h"

/* The part "nm" of module.h: what it takes libnm to ask and to tell NetworkManager, as plain data.
 * None of the functions waits for longer than the seconds that it is given. They fail with a
 * CG_ERROR_FAILED if NetworkManager does not run or refuses, and with a CG_ERROR_SILENT if it does
 * not answer. */

/* A connection that is active, or about to be. */
typedef struct {
  char *id;
  char *uuid;
  char *interface; /* that packets go through: of a VPN its own, not the one below it; NULL if there
                      is none yet */
  char *refused;   /* why its profile may be an unprivileged user's own, in words, or NULL */
  GStrv servers;   /* of names, as NetworkManager writes them; never NULL */
} CgNmConnection;

void cg_nm_connection_free (CgNmConnection *connection);

/* The active connections: an array of CgNmConnection that the caller owns and that releases its
 * elements. */
CG_EXPORTED GPtrArray *cg_nm_look (guint seconds, GError **error);

/* A profile that is stored. */
typedef struct {
  char *id;
  char *uuid;
  char *refused;    /* as above */
  char *interface;  /* connection.interface-name, or NULL */
  GHashTable *data; /* of its user data: key to value, both char * */
} CgNmProfile;

void cg_nm_profile_free (CgNmProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgNmProfile, cg_nm_profile_free)

/* The profile of that UUID, or of that id if there is only one. The caller owns the result. *found
 * tells a profile that does not exist from other failures. */
CG_EXPORTED CgNmProfile *
cg_nm_find (const char *connection, gboolean *found, guint seconds, GError **error);

/* Replaces the user data whose keys begin with prefix by these (key to value), and saves the
 * profile to disk. Everything else in it, its secrets too, stays as it is. */
CG_EXPORTED gboolean
cg_nm_store (const char *uuid, const char *prefix, GHashTable *data, guint seconds, GError **error);
