/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "warnings-subuids.h"

#include "subuids.h"

#define MAX_TOLD 4 /* of one gateway; there may be a line for each user */

void
cg_warn_of_subuids (GPtrArray *warnings, const CgFacts *facts, const CgGateway *gateway)
{
  g_autoptr (GArray) known = cg_facts_known_uids (facts);
  guint told = 0;
  for (guint i = 0; i < facts->subuids->len && told < MAX_TOLD; i++) {
    const CgSubuids *subuids = &g_array_index (facts->subuids, CgSubuids, i);
    const CgUidRange owner = {subuids->owner, subuids->owner};
    if (!cg_uids_contain (gateway->uids, owner) || cg_uids_contain (known, subuids->uids))
      continue;
    told++;
    g_autofree char *uids = cg_uid_range_to_string (subuids->uids);
    g_ptr_array_add (
        warnings, g_strdup_printf (
                      "%s: uid %u can be the uids %s too, by newuidmap(1), and they "
                      "are not confined; add them to Users=, or remove them from " CG_SUBUID_FILE,
                      gateway->name, subuids->owner, uids));
  }
}
