/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "error.h"
#include "names.h"
#include "prefix.h"
#include "service.h"
#include "uids.h"

/* The reserved tables of linux/rtnetlink.h (RT_TABLE_DEFAULT, _MAIN, _LOCAL). */
#define CG_TABLE_RESERVED_FIRST 253u
#define CG_TABLE_RESERVED_LAST  255u

/* Ahead of l3mdev (1000), Tailscale (5210-5270), wg-quick and NetworkManager (31000-32766). */
#define CG_PRIORITY_DEFAULT 500u
/* 0 is the kernel's rule for table local, 32766 its rule for table main. */
#define CG_PRIORITY_MIN 1u
#define CG_PRIORITY_MAX 32765u

typedef enum { CG_ON_DOWN_STOP, CG_ON_DOWN_BLOCK, CG_ON_DOWN_RELEASE } CgOnDown;
typedef enum { CG_IPV6_AUTO, CG_IPV6_BLOCK, CG_IPV6_ROUTE } CgIPv6;
typedef enum { CG_GUARD_NO, CG_GUARD_YES, CG_GUARD_REQUIRED } CgGuard;
typedef enum { CG_DNS_NONE, CG_DNS_AUTO, CG_DNS_SERVERS } CgDnsMode;
typedef enum { CG_REVERSE_PATH_LOOSE, CG_REVERSE_PATH_KEEP } CgReversePath;

/* One configuration file, parsed: see custom-gateway.conf(5). Strings that were not given are NULL.
 */
typedef struct {
  char *name;           /* of the file, without .conf */
  char *interface;      /* NULL with connection */
  char *connection;     /* id or UUID */
  char *interface_unit; /* a systemd unit */
  GStrv services;       /* units, each ending in .service; never NULL */
  GArray *uids;         /* CgUidRange, normalised */
  GArray *users;        /* CgUidRange: what Users= alone came to, whatever joins uids later */
  CgDnsMode dns_mode;
  GArray *dns;    /* CgPrefix of full length */
  GArray *bypass; /* CgPrefix, sorted, each once */
  CgIPv6 ipv6;
  CgOnDown on_down;
  CgReversePath reverse_path;
  CgGuard guard;
  guint32 table; /* 0 for auto */
  guint32 priority;
  GBytes *text;          /* what it was parsed from, if that was a file; else NULL */
  gboolean from_profile; /* of NetworkManager's, not a file of the administrator's */

  /* What cg_resolve found out about Services=. */
  GPtrArray *found;    /* CgServiceFact, one a service in their order; empty if systemd is silent */
  CgServiceFact *unit; /* custom-gateway@NAME.service; NULL likewise, and without Services= */
  CgServiceFact *tunnel_unit; /* InterfaceUnit=; NULL likewise */
  gboolean stopped; /* it was stopped with its services, and nobody else is to be confined */
  gboolean by_hand; /* it was the administrator who stopped the unit */
} CgGateway;

void cg_gateway_free (CgGateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgGateway, cg_gateway_free)

/* Finds the uid of a user name. TRUE and *uid, or FALSE with error set: no such user, or the user
 * database did not answer. */
typedef gboolean (*CgUserLookup) (const char *name, guint32 *uid, GError **error);

/* The lookup of getpwnam_r(3), through whatever nsswitch.conf(5) names. */
gboolean cg_user_lookup (const char *name, guint32 *uid, GError **error);

/* Parses and validates the length bytes at text, which need no NUL at the end, as the configuration
 * of the gateway name. The same text and the same users give the same result; nothing else is
 * asked. Returns a gateway that the caller owns, or NULL with a CG_ERROR_CONFIG that names file,
 * group, key, offending word and remedy. */
CgGateway *cg_gateway_parse (
    const char *name, const char *text, gsize length, CgUserLookup lookup, GError **error);

/* The same for a text that is not of that file: messages name shown instead. */
CgGateway *cg_gateway_parse_as (const char *name,
                                const char *shown,
                                const char *text,
                                gsize length,
                                CgUserLookup lookup,
                                GError **error);

/* Of Bypass=, the network that covers the address, or NULL. */
const CgPrefix *cg_gateway_find_bypass (const CgGateway *gateway, const CgPrefix *address);

/* Whether the address is one of the gateway's name servers that Bypass= covers and that the tunnel
 * leads to all the same, and nothing else: each but one that the administrator has named both in
 * DNS= and, itself and not by a network around it, in Bypass=. */
gboolean cg_gateway_pins (const CgGateway *gateway, const CgPrefix *server);

/* Whether what the confined send to the address goes by a bypass. */
gboolean cg_gateway_bypasses (const CgGateway *gateway, const CgPrefix *address);
