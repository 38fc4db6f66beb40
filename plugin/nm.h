/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* What module-nm.c asks NetworkManager by libnm, as plain data. Its functions are to be had by
 * cg_module_symbol ("nm", ...). Neither waits longer than it is told to; both fail with a
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
typedef GPtrArray *(*CgNmLook) (guint seconds, GError **error);
#define CG_NM_LOOK "cg_nm_look"

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
typedef CgNmProfile *(*CgNmFind) (const char *connection,
                                  gboolean *found,
                                  guint seconds,
                                  GError **error);
#define CG_NM_FIND "cg_nm_find"

/* Replaces the user data whose keys begin with prefix by these (key to value), and saves the
 * profile to disk. Everything else in it, its secrets too, stays as it is. */
typedef gboolean (*CgNmStore) (
    const char *uuid, const char *prefix, GHashTable *data, guint seconds, GError **error);
#define CG_NM_STORE "cg_nm_store"
