/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "firewall.h"
#include "netlink.h"

/* The room that looks at firewalls' chains in nftables and puts passes into them, all by netlink
 * (linux/netfilter/nf_tables.h). Tables of iptables-nft(8) are among them: it shows a pass like a
 * rule of its own, with a comment. */

/* Finds the checks and our passes: nothing where there is no nftables. FALSE with a CG_ERROR_FAILED
 * if the kernel does not answer, or we may not look. netlink: see nft.h. */
gboolean cg_nft_firewall_look (CgNetlink *netlink, CgFirewall *firewall, GError **error);

/* Carries out an array of CgPassOp. It looks once more and goes by what it sees then: the kernel
 * refuses the change if anybody changed nftables in between, and it is tried again. So a handle
 * never means another rule than the one that was seen. FALSE with a CG_ERROR_FAILED. */
gboolean cg_nft_firewall_change (const GArray *ops, GError **error);
