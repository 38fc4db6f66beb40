/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config.h"

/* What systemd and NetworkManager said at a monitor's last run, for the next one to go by until
 * they have said it anew: asking takes tens of milliseconds, and as long as anybody likes if one of
 * them hangs. Only what it takes to close ways again; what opens one, sets somebody free, or starts
 * or stops a unit is always done by fresh answers.
 *
 * A GVariant of the type CG_RESOLVE_CACHE, which goes from run to run as a copy does: their
 * number, and of each gateway its name, the interface (empty: none), the name servers of DNS=auto,
 * whether it sets its users free while its tunnel is down, and all that it confines. Empty if the
 * configuration leaves nothing to others to say. */
#define CG_RESOLVE_CACHE "(xa(saysba(uu)))"

/* The answers of nobody. Floating. */
GVariant *cg_resolve_cache_none (void);

/* What a config holds behind cg_resolve(). Of a gateway about which systemd was silent now it is
 * what was said before; before may be NULL. Nothing of one that is stopped: nothing of that is to
 * stand. Floating. */
GVariant *cg_resolve_cache_new (const CgConfig *config, GVariant *before);

/* Puts the answers into a config that nobody was asked about. What is not as it must be is no
 * answer, nor is one that gives two gateways one uid. Returns the names, which the config owns and
 * NULL ends, of those gateways that have no answer; these confine nobody then. The config is
 * incomplete from here on. */
GPtrArray *cg_resolve_cache_recall (GVariant *answers, CgConfig *config);

/* Answers count for as long as no other run of ours changes anything: it knew better. Of that there
 * is a mark in the runtime directory, to be used under the lock. */

/* These count, from now on. */
void cg_resolve_cache_vouch (GVariant *answers, const char *runtime_dir);

/* None do. */
void cg_resolve_cache_outdate (const char *runtime_dir);

/* Whether these, and there are any. */
gboolean cg_resolve_cache_count (GVariant *answers, const char *runtime_dir);
