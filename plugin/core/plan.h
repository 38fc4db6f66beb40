/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "plan-state.h"

/* A value for net.ipv4.conf.IFACE.rp_filter. */
typedef struct {
  char ifname[IFNAMSIZ];
  guint32 ifindex;
  int value; /* that it should have */
  int now;   /* that it has */
} CgFilter;

/* What a gateway's own resolv.conf should say. */
typedef struct {
  const char *gateway; /* the config's */
  guint32 table;       /* the gateway's routing table */
  gboolean confined;   /* the gateway is not released */
  char *path;
  char *text;
} CgResolvConfPlan;

/* What should stand in the kernel, and beside it. */
typedef struct {
  GArray *rules;  /* CgRule, sorted by cg_rule_compare */
  GArray *routes; /* CgRoute, sorted by cg_route_compare */
  /* CgGuardEntry, normalised: of the guard in BPF; empty if none is to be loaded */
  GArray *entries;
  /* of its table in nftables, as cg_guard_text has it; NULL: there is to be none */
  char *table_text;
  /* the same, and it holds the uids of the rules that stand, too; NULL if it lets go of none */
  char *table_wide;
  GArray *filters; /* CgFilter: interfaces that must not filter strictly */
  GArray *passes;  /* CgPass: likewise, where a firewall filters */
  /* CgRule: from the tunnel's own addresses, while it is up. They are for uid 0, which is never
   * confined: it is the kernel's where it asks for no socket (sock_net_uid, include/net/sock.h). So
   * whatever checks the way back to the sender of an answer finds the tunnel, main's routes or none
   * (__fib_validate_source in net/ipv4/fib_frontend.c), and so does an IPv4 packet whose mark or
   * destination another program has changed, of which the kernel forgets whose it is
   * (ip_route_me_harder in net/ipv4/netfilter.c). */
  GArray *ways_back;
  GArray *resolvconfs; /* CgResolvConfPlan */
} CgPlan;

void cg_plan_free (CgPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgPlan, cg_plan_free)

/* The plan for all gateways but those named in released (NULL: none), of which nothing is to stand.
 * Pure: equal facts give equal plans. */
CgPlan *cg_plan_new (const CgFacts *facts, const char *const *released);

/* The plan in which nothing of ours stands. */
CgPlan *cg_plan_empty (void);
