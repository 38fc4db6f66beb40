/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <net/if.h>

#include "error.h"
#include "prefix.h"

/* Firewalls that check the reverse path by themselves: they drop what comes in by another interface
 * than an answer would leave by. They find the tunnel by a way back (plan.h), unless another
 * interface has the same address: as two tunnels of one provider often do. For these a rule of ours
 * in their chain, a pass, lets answers by. This is the pure part; nft-firewall.h talks to the
 * kernel. */

/* A chain that is known to hold such a check. */
typedef struct {
  guint8 family; /* of its table: NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET */
  const char *table;
  const char *name;
  gboolean checks[CG_N_FAMILIES]; /* the families whose packets are checked */
  gboolean returns;               /* a pass returns to the chain before; otherwise it accepts,
                                     which ends this base chain and no other */
  gboolean drops; /* the check is the rule that drops, so a pass stands before it and takes only
                     what it would drop; otherwise what fails the check falls through to a drop
                     further down, and a pass stands behind the check */
} CgFirewallChain;

#define CG_N_FIREWALL_CHAINS 7
extern const CgFirewallChain cg_firewall_chains[CG_N_FIREWALL_CHAINS];

/* What was found in one of them. */
typedef struct {
  guint64 check;     /* the handle of the first rule with a check; 0: there is none */
  gboolean is_owned; /* its table lets nobody but its owner's process change it (NFT_TABLE_F_OWNER,
                        linux/netfilter/nf_tables.h) */
} CgFirewallCheck;

/* A gateway's name is 64 bytes at most (cg_gateway_name_valid). */
#define CG_PASS_NAME_SIZE 65

/* A rule of ours. */
typedef struct {
  guint8 chain;  /* index into cg_firewall_chains */
  guint8 family; /* AF_INET or AF_INET6: whose packets it lets by */
  char ifname[IFNAMSIZ];
  char gateway[CG_PASS_NAME_SIZE];
  gboolean is_odd; /* it is ours, and not as we write it */
  guint64 handle;  /* as found; 0 in a plan */
} CgPass;

/* All that was found. */
typedef struct {
  CgFirewallCheck checks[CG_N_FIREWALL_CHAINS];
  GArray *passes; /* CgPass */
} CgFirewall;

CgFirewall *cg_firewall_new (void);
void cg_firewall_free (CgFirewall *firewall);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgFirewall, cg_firewall_free)

/* Appends the passes that the family of a gateway needs whose tunnel is up: one in each chain that
 * checks it and that may be changed. Pure. */
void cg_passes_plan (const CgFirewall *firewall,
                     const char *gateway,
                     const char *ifname,
                     int family,
                     GArray *passes);

/* Whether the two are one rule, handles aside. */
gboolean cg_pass_equal (const CgPass *a, const CgPass *b);

/* Whether an array of CgPass has such a one. */
gboolean cg_passes_have (const GArray *passes, const CgPass *pass);

/* A change of one pass. */
typedef struct {
  CgPass pass;
  guint64 check; /* to be added: next to this rule; 0: to be taken away */
} CgPassOp;

/* The line of nft(8) that does the same. The caller owns the result. */
char *cg_pass_op_to_string (const CgPassOp *op);

/* Whether a table of that family (NFPROTO_*) and name may hold such a chain. */
gboolean cg_firewall_has_table (guint8 family, const char *name);

/* Whether that is such a chain: a change of its rules is worth a look. */
gboolean cg_firewall_has_chain (guint8 family, const char *table, const char *name);

/* "custom-gateway NAME", by which a rule is known as ours; and back: FALSE if it is none. The
 * caller owns the first's result; name has CG_PASS_NAME_SIZE bytes. */
char *cg_pass_comment (const char *gateway);
gboolean cg_pass_comment_parse (const char *comment, char *gateway);
