/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <linux/netlink.h>

#include "firewall.h"

/* One rule of nftables as messages have it (NFTA_RULE_*, linux/netfilter/nf_tables.h). Pure: knows
 * what a check and a pass look like, and talks to nobody. */

/* What we want to know of a rule. */
typedef struct {
  guint64 handle;
  gboolean is_check;     /* asks by which interface an answer to the source address would leave */
  gboolean is_odd;       /* has parts that no pass has */
  guint8 nfproto;        /* "meta nfproto", or NFPROTO_UNSPEC */
  char ifname[IFNAMSIZ]; /* "iifname", or "" */
  int verdict;           /* NF_ACCEPT, NFT_RETURN ..., or G_MAXINT: none */
  char comment[256];     /* nft(8)'s, or that of iptables' "-m comment"; else "" */
} CgNftRule;

/* Reads an NFT_MSG_NEWRULE. FALSE if it is malformed. */
gboolean cg_nft_rule_parse (const struct nlmsghdr *message, CgNftRule *rule);

/* Whether it is a pass in that chain (index into cg_firewall_chains), and which. */
gboolean cg_nft_rule_to_pass (const CgNftRule *rule, guint8 chain, CgPass *pass);

/* Adds the attributes that make a rule this pass: expressions and comment. */
void cg_nft_rule_put_pass (struct nlmsghdr *message, const CgPass *pass);
