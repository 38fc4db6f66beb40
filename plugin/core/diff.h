/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "plan.h"
#include "scope.h"

/* The steps of a change, in the order in which they are done. Each is complete before the next
 * begins. Whatever is cut off behind any operation, a confined uid is at worst blocked: what closes
 * a way goes first, then rules move over (the new ones stand before the old ones go), then what
 * opens a way. */
typedef enum {
  CG_STEP_ADD_PROHIBIT,   /* closes: the table's last word, before any rule looks at it; and what a
                             bypass covers and only the tunnel is to lead to */
  CG_STEP_DEL_WAY,        /* closes: ways that are no longer wanted, through a table that stays */
  CG_STEP_CONFINE_DNS,    /* closes: before, questions went to the system's servers */
  CG_STEP_ADD_RULE,       /* closes */
  CG_STEP_GUARD,          /* closes what rules cannot, for those that the rules now stand for */
  CG_STEP_END_STRAYS,     /* ends connections from before, see stray.h: what the kernel still sends
                             for them is held by what now stands, and no tunnel is open yet */
  CG_STEP_DEL_RULE,       /* releases, if no new rule took its place */
  CG_STEP_UNGUARD,        /* lets go of those that the guard is to hold no more */
  CG_STEP_LEAVE_WAY,      /* ways through a table that no rule looks at any more: before, a route of
                             somebody else behind ours would have taken over */
  CG_STEP_RELEASE_DNS,    /* of whom no rule confines any more */
  CG_STEP_RESTORE_FILTER, /* of interfaces that no table leads through any more */
  CG_STEP_DEL_PASS,       /* likewise, through the firewall */
  CG_STEP_SET_FILTER,     /* lets answers in, before there are questions */
  CG_STEP_ADD_PASS,       /* likewise, through the firewall */
  CG_STEP_OPEN_GUARD,   /* opens the guard for what the routes are to lead: the tunnel, bypasses */
  CG_STEP_ADD_WAY,      /* opens the tunnel, then the bypasses */
  CG_STEP_DEL_PROHIBIT, /* of tables that no rule looks at any more, and of what a bypass may lead
                           to again */
  CG_N_STEPS
} CgStep;

/* A change of the guard. */
typedef struct {
  enum {
    CG_GUARD_LOAD,            /* its programs, with empty maps, beside those of another version */
    CG_GUARD_SET,             /* the entry */
    CG_GUARD_DELETE,          /* the entry */
    CG_GUARD_TABLE,           /* the table in nftables is to be this text; NULL: none */
    CG_GUARD_UNLOAD_OUTDATED, /* programs of other versions */
    CG_GUARD_UNLOAD,          /* all of its programs */
  } work;
  CgGuardEntry entry;
  const char *text;
  guint32 table;     /* the gateway's routing table, 0 if it is about the whole machine */
  gboolean required; /* Guard=required */
  gboolean stands;   /* CG_GUARD_TABLE: the table is there as we wrote it, for other facts */
} CgGuardOp;

/* What a gateway's resolv.conf is to say. */
typedef struct {
  const char *path;
  const char *text;
  guint32 table;      /* the gateway's routing table, 0 if it has none */
  gboolean is_update; /* it was released, and is nobody's any more: only the system's servers are
                         others by now */
} CgResolvConfOp;

/* One change of the kernel, or of a file of ours. */
typedef struct {
  CgStep step;
  union {
    CgRule rule; /* what pointers lead to is borrowed from plan and facts */
    CgRoute route;
    CgFilter filter;
    CgGuardOp guard;
    CgPassOp pass;
    CgResolvConfOp resolvconf;
    const CgTunnel *tunnel; /* borrowed from the facts: its gateway's strays */
  };
} CgOp;

/* The operations, in their order, that make what the facts found within the scope what the plan
 * says. Pure. What is not ours is in no operation. The array of CgOp borrows from plan and facts.
 */
GArray *cg_diff (const CgPlan *plan, const CgFacts *facts, const CgScope *scope);

/* Whether there would be a rule among them. Pure. */
gboolean cg_diff_has_rules (const CgPlan *plan, const CgFacts *facts, const CgScope *scope);

/* The line of ip(8), nft(8), sysctl(8) or sh(1) that does the same. The caller owns the result. */
char *cg_op_to_string (const CgOp *op);
