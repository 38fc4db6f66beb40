/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "diff.h"
#include "status-bad.h"

/* What should be and what is, side by side. Pure: made from the facts, and from the operations that
 * a run over all gateways would carry out. */

typedef struct {
  CgState should;
  CgState is;          /* meaningless if is_partial */
  gboolean is_partial; /* something of it is there, something is missing */
} CgFamilyStatus;

/* What holds the packets of a gateway beside its rules. */
typedef enum {
  CG_GUARD_FORM_NONE,
  CG_GUARD_FORM_UNKNOWN, /* we may not look */
  CG_GUARD_FORM_IDLE,    /* no uid is confined: its table holds the tunnel's addresses */
  CG_GUARD_FORM_BPF,
  CG_GUARD_FORM_NFTABLES, /* by uid, where BPF cannot be had */
} CgGuardForm;

typedef struct {
  const CgTunnel *tunnel;
  CgFamilyStatus family[CG_N_FAMILIES];
  CgGuardForm guard;
  struct cg_drops drops;  /* packets that it has dropped for this gateway, by reason */
  guint64 dropped;        /* all of these */
  GPtrArray *differences; /* char *: the lines that a reapply would run for it */
} CgGatewayStatus;

typedef struct {
  GPtrArray *gateways;    /* CgGatewayStatus */
  GPtrArray *differences; /* char *: likewise, for what is ours but no gateway's */
  guint64 dropped;        /* packets that the guard's table in nftables has dropped */
  GArray *bad;            /* CgBadStatus */
} CgStatus;

void cg_status_free (CgStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgStatus, cg_status_free)

/* The status of the gateways named, or of all (and of what is no gateway's) if none is. Borrows
 * from the facts. */
CgStatus *cg_status_new (const CgFacts *facts, const char *const *names);

/* "off", "unknown", "idle", "bpf" or "nftables". */
const char *cg_status_guard_word (const CgGatewayStatus *status);

/* "blocked", or "partial". */
const char *cg_status_word (const CgFamilyStatus *status);

/* Whether the gateway's services ask the servers of DNS=, not those of the system. */
gboolean cg_status_has_own_dns (const CgGatewayStatus *status);

/* Whether a reapply would change anything. */
gboolean cg_status_differs (const CgStatus *status);
