/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* The room that looks at iptables-legacy(8), whose rules nftables does not show. It changes
 * nothing there: there is no way to change one rule but to read and write all. */

/* Whether a rule of the family in the table raw or mangle checks the reverse path ("-m rpfilter").
 * FALSE where there are no such tables; a look does not make them. Where there are some and we may
 * not look (it takes CAP_NET_RAW and CAP_NET_ADMIN), *unseen becomes TRUE, else it stays. */
gboolean cg_xtables_check (int family, gboolean *unseen);

/* Whether one of the rules, as IPT_SO_GET_ENTRIES or IP6T_SO_GET_ENTRIES tells them, does. Pure. */
gboolean cg_xtables_entries_check (int family, const guint8 *entries, gsize size);
