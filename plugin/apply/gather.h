/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "facts.h"

/* Looks. Changes nothing. The facts borrow the config. no_bpf: why the guard cannot be had in BPF,
 * if an earlier try showed that; else NULL. NULL with a CG_ERROR_FAILED if the kernel does not
 * answer. */
CgFacts *cg_facts_gather (const CgConfig *config,
                          CgNetlink *netlink,
                          const char *runtime_dir,
                          const char *no_bpf,
                          GError **error);

/* Looks at the rules again, and at nothing else. FALSE with a CG_ERROR_FAILED likewise. What was
 * diffed from the facts before must be done with. */
gboolean cg_facts_look_at_rules (CgFacts *facts, CgNetlink *netlink, GError **error);
