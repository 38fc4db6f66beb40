/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* The resolv.conf(5) of a gateway's own, which its services see in the place of the system's: see
 * DNS= in custom-gateway.conf(5). It stays where it is until the machine stops, since a service
 * that runs has it bound over /etc/resolv.conf: what changes is what it says, never which file it
 * is. */

/* One as it stands in the runtime directory. */
typedef struct {
  char *gateway;
  char *path;
  char *text;
} CgResolvConf;

/* An array of CgResolvConf that releases what its elements hold. */
GArray *cg_resolvconfs_new (void);

/* Where that of a gateway is. The caller owns the result. */
char *cg_resolvconf_path (const char *runtime_dir, const char *gateway);

/* What it says for the confined: the gateway's servers; while none is known, one that nobody can
 * reach, since a file that names none means 127.0.0.1. Pure. The caller owns the result. */
char *cg_resolvconf_text (const CgGateway *gateway);

/* What it says for the released: servers of the system (CgPrefix of full length, maybe none). Pure.
 * The caller owns the result. */
char *cg_resolvconf_text_released (const GArray *servers);

/* Whether it is such a text, of whatever servers. Pure. */
gboolean cg_resolvconf_is_released (const char *text);

/* Appends the servers that such a text names to an array of CgPrefix, as many as resolv.conf(5)
 * takes. What cannot be understood is passed over. */
void cg_resolvconf_parse (const char *text, GArray *servers);

/* Appends those of such a text that are on one link, as fe80::1%eth0, to an array of char *. */
void cg_resolvconf_parse_zoned (const char *text, GPtrArray *servers);

/* Does both with the text of a file, which may be another program's and anything: of what is no
 * regular file, and behind 64 KiB, nothing is read. */
void cg_resolvconf_read (const char *path, GArray *servers, GPtrArray *zoned);

/* Whether the address belongs to the machine itself: whoever answers there asks others in its own
 * name, by its own way. */
gboolean cg_server_is_local (const CgPrefix *server);

/* Appends all that stand in the runtime directory to an array of CgResolvConf. */
void cg_resolvconf_load (const char *runtime_dir, GArray *found);

/* Makes the file say the text. A reader, and a service that has the file bound, finds a whole text
 * at any moment, the old one or the new one. FALSE with a CG_ERROR_FAILED. */
gboolean cg_resolvconf_write (const char *path, const char *text, GError **error);
