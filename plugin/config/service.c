/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "service.h"

CgServiceFact *
cg_service_fact_new (const char *name)
{
  CgServiceFact *fact = g_new0 (CgServiceFact, 1);
  fact->name = g_strdup (name);
  fact->running_uid = CG_UID_INVALID;
  fact->uid = CG_UID_INVALID;
  return fact;
}

void
cg_service_fact_free (CgServiceFact *fact)
{
  g_free (fact->name);
  g_free (fact->id);
  g_free (fact->load_state);
  g_free (fact->active_state);
  g_free (fact->file_state);
  g_free (fact->job);
  g_free (fact->user);
  g_free (fact);
}

GPtrArray *
cg_service_facts_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) cg_service_fact_free);
}

gboolean
cg_service_is_loaded (const CgServiceFact *fact)
{
  return g_strcmp0 (fact->load_state, "loaded") == 0;
}

static gboolean
has_ended (const CgServiceFact *fact)
{
  return g_strcmp0 (fact->active_state, "inactive") == 0 ||
         g_strcmp0 (fact->active_state, "failed") == 0;
}

gboolean
cg_service_is_running (const CgServiceFact *fact)
{
  return fact->active_state && !has_ended (fact);
}

gboolean
cg_service_is_at_rest (const CgServiceFact *fact)
{
  return has_ended (fact) && !fact->has_processes && fact->bound;
}

gboolean
cg_service_is_stopping (const CgServiceFact *fact)
{
  return g_strcmp0 (fact->job, "stop") == 0 || g_strcmp0 (fact->job, "restart") == 0 ||
         g_strcmp0 (fact->active_state, "deactivating") == 0;
}

gboolean
cg_service_is_enabled (const CgServiceFact *fact)
{
  return g_strcmp0 (fact->file_state, "enabled") == 0 ||
         g_strcmp0 (fact->file_state, "enabled-runtime") == 0;
}
