/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* Writes JSON (RFC 8259) into a string, member by member; commas come by themselves. Opening and
 * closing is the caller's, and must match. key is NULL for an element of an array. Ours, not a
 * library's: this is all that status needs, and the hook's binary links GLib and libmnl alone. */
void cg_json_open (GString *json, const char *key, char bracket);
void cg_json_close (GString *json, char bracket);
/* text is UTF-8; bytes that are not become U+FFFD. NULL becomes null. */
void cg_json_string (GString *json, const char *key, const char *text);
void cg_json_boolean (GString *json, const char *key, gboolean value);
void cg_json_number (GString *json, const char *key, gint64 number);
