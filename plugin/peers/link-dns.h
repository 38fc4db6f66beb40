/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "prefix.h"

/* The name servers that NetworkManager and systemd-networkd have for a link, for DNS=auto. Whoever
 * runs the other end of a tunnel can choose them, so what is no plain address is passed over. */

/* A resolver asks three at most (MAXNS, resolv.h); a longer list is nobody's need. */
#define CG_LINK_DNS_MAX 16

/* Appends the addresses among the words of a text to an array of CgPrefix of full length, each once
 * and CG_LINK_DNS_MAX in all. A word may be [ADDRESS], ADDRESS%INTERFACE and ADDRESS#NAME, of which
 * the address counts. Passed over are the unspecified address and loopback, since who answers there
 * would ask in its own name, by its own way; and what has a port or a scheme of its own. */
void cg_link_dns_add (GArray *servers, const char *text);

/* Does so with the servers in a file of systemd-networkd's about a link, the length bytes at text.
 * FALSE, and nothing appended, if networkd does not manage the link. */
gboolean cg_link_dns_parse (const char *text, gsize length, GArray *servers);

/* Reads the file of that interface, /run/systemd/netif/links/IFINDEX: what
 * sd_network_link_get_dns() of libsystemd reads. FALSE likewise, and if there is no such interface
 * or no such file. */
gboolean cg_link_dns_read (const char *ifname, GArray *servers);
