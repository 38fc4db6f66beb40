/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "error.h"

/* A profile of NetworkManager's as a file, nm-settings-keyfile(5), as far as it concerns us; and
 * how a gateway's configuration is written in a profile's user data. No I/O. */

/* Our keys in the user data begin so: custom-gateway.on-down is OnDown=. */
#define CG_PROFILE_PREFIX "custom-gateway."

typedef struct {
  char *id;            /* as NetworkManager shows it */
  char *uuid;          /* NULL if the file has none */
  char *interface;     /* connection.interface-name, or NULL */
  gboolean is_private; /* connection.permissions names users */
  GHashTable *data;    /* of its user data what is ours: key to value, both char * */
} CgProfile;

void cg_profile_free (CgProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgProfile, cg_profile_free)

/* Parses the length bytes at text; file is the file's name. NULL with a CG_ERROR_CONFIG if it is no
 * keyfile. */
CgProfile *cg_profile_parse (const char *file, const char *text, gsize length, GError **error);

/* "OnDown" to "custom-gateway.on-down". The caller owns the result. */
char *cg_profile_data_key (const char *key);

/* The way back; NULL if the key is not ours. The caller owns the result. */
char *cg_profile_config_key (const char *data_key);

/* The text of the gateway's file that the user data stand for: Connection= with that connection,
 * then our keys in the order of their names. Whether they are valid is for cg_gateway_parse_as() to
 * say. shown is for the message. NULL with a CG_ERROR_CONFIG if a value has more than one line, or
 * if a key says what the profile itself says. */
char *
cg_profile_to_config (const char *shown, const char *connection, GHashTable *data, GError **error);
