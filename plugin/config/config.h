/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* A file that is not in force, and why. */
typedef struct {
  char *name; /* of the gateway that it would be */
  GError *error;
} CgBadFile;

/* All files of a configuration directory. */
typedef struct {
  GPtrArray *gateways;   /* CgGateway, by name */
  GPtrArray *bad;        /* CgBadFile */
  GPtrArray *faults;     /* CgBadFile: what is wrong with gateways that are in force all the same */
  gboolean incomplete;   /* some gateway could not be told all that it confines */
  gboolean unanswered;   /* a program that had to be asked was silent: to ask again may help */
  char *directory;       /* that it was loaded from, or NULL */
  gboolean has_profiles; /* cg_profiles_add() was here */
  GPtrArray *warnings; /* char *: what else is worth a word; "NAME: ..." if it is about a gateway */
} CgConfig;

void cg_config_free (CgConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgConfig, cg_config_free)

/* A configuration without gateways. */
CgConfig *cg_config_new (void);

/* Loads each NAME.conf of the directory. A file that is broken, that its owner or mode makes
 * untrustworthy, or that takes a uid or a table which an earlier gateway (by name) already has,
 * goes to bad and costs that gateway alone. Returns NULL with error set only if the directory
 * itself cannot be read (CG_ERROR_CONFIG; with missing_ok a directory that does not exist is an
 * empty one) or is not root's alone. */
CgConfig *
cg_config_load (const char *directory, gboolean missing_ok, CgUserLookup lookup, GError **error);

/* One file, for itself, as "check FILE" wants it: name, trust and text. */
CgGateway *cg_config_load_file (const char *path, CgUserLookup lookup, GError **error);

/* The gateway of that name, or NULL. The config keeps it. */
const CgGateway *cg_config_find (const CgConfig *config, const char *name);

/* Whether everybody is known who is to be confined. If not, nobody may be set free who stands in no
 * good file. */
gboolean cg_config_is_complete (const CgConfig *config);

/* Adds a gateway, which the config owns from now on, or puts it to the bad ones if an earlier one
 * already has one of its uids, services or its table. */
void cg_config_add (CgConfig *config, CgGateway *gateway);

/* Puts a gateway's name to the bad ones; the config owns the error from now on. */
void cg_config_add_bad (CgConfig *config, const char *name, GError *error);

/* Adds a warning, once. */
void cg_config_warn (CgConfig *config, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Whether a directory is root's alone to change. FALSE with a CG_ERROR_CONFIG. */
gboolean cg_config_check_trust (const char *directory, GError **error);

/* The text of a file that is root's alone. shown is for the message. NULL with a CG_ERROR_CONFIG if
 * it cannot be read or is not to be trusted. The caller owns the result. */
GString *cg_config_read_trusted (const char *path, const char *shown, GError **error);

/* Notes a fault of a gateway that stays in force; the config owns the error from now on. */
void cg_config_add_fault (CgConfig *config, const char *name, GError *error);

/* Why the file of that name is not in force, or NULL if there is no such bad file. */
const GError *cg_config_find_bad (const CgConfig *config, const char *name);
