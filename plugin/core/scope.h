/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* For which tables a run may change anything, and whom it may set free. */
typedef struct {
  gboolean all;   /* all that is ours, whether a gateway needs it or not */
  GArray *tables; /* guint32: otherwise, these */
  GArray *known;  /* CgUidRange, normalised: only these uids may be set free; NULL: any */
} CgScope;

void cg_scope_free (CgScope *scope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgScope, cg_scope_free)

/* The scope of a run over the gateways named (none named: over all). Pure.
 *
 * If none is named and no file is bad, it is all that is ours. Otherwise it is the tables of the
 * gateways, and with a table every other that it has to do with: one whose rules catch a uid of its
 * gateway's, since they would stand in the way, and one of a gateway that a uid of its rules
 * belongs to now, since the uid would be free between the two runs. What a guard holds counts as
 * what the rules of its gateway catch.
 *
 * As long as the config has a bad file, a uid that stands in no good file may stand in the bad one.
 * So then nobody is set free but those whom a good file knows. */
CgScope *cg_scope_new (const CgFacts *facts, const char *const *names);

/* All that is ours, and anybody. */
CgScope *cg_scope_everything (void);

gboolean cg_scope_has (const CgScope *scope, guint32 table);

/* Likewise for what carries a gateway's name. That of one which is no more is so if all is. */
gboolean cg_scope_has_gateway (const CgScope *scope, const CgFacts *facts, const char *name);
