/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "apply.h"
#include "resolve-cache.h"

/* The first half of a monitor's run that answers a loss, before anybody is asked.
 *
 * It goes by the copy and by the last answers, and only closes: it adds last words of tables, then
 * rules, then guards, and takes nothing away. So it cannot let anybody out who is held, whatever
 * has become of the answers since:
 * - A uid that is to be free by now is confined for some milliseconds more.
 * - A rule leads to a table. If a way stands there it stood there before the loss, and is as good
 * as it was; none is put back here, since the interface of a Connection= may be somebody else's by
 *   now. If none does, the table's last word refuses the packet.
 * - A guard that is gone, or that somebody else has changed, is written as it was: it holds more
 * than none. One that stands as we wrote it is left alone, since it may know better. What fails,
 * and everything else, is for the second half.
 *
 * To be called under the lock, and with answers that count (cg_resolve_cache_count()). */
void cg_fast_restore (const CgOptions *options, GVariant *config_copy, GVariant *answers);

/* Leaves of a change's operations those that the first half does. Pure. */
void cg_fast_restore_choose (GArray *ops);
