/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The room that looks at iptables-legacy(8), whose rules nftables does not show. It changes
 * nothing there: there is no way to change one rule but to read and write all. */

/* Whether a rule of the family in the table raw or mangle checks the reverse path ("-m rpfilter").
 * FALSE where there are no such tables, or we may not look; a look does not make them. */
gboolean cg_xtables_check (int family);

/* Whether one of the rules, as IPT_SO_GET_ENTRIES or IP6T_SO_GET_ENTRIES tells them, does. Pure. */
gboolean cg_xtables_entries_check (int family, const guint8 *entries, gsize size);
