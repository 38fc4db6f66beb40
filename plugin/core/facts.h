/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bpf.h"
#include "config.h"
#include "firewall.h"
#include "netlink.h"
#include "nft.h"
#include "resolvconf.h"
#include "routing.h"
#include "rtnl.h"
#include "runtime.h"
#include "wireguard.h"

/* What the plan is made from: a snapshot of everything that it depends on, as plain data. */

/* A part of a bypass, and the interface by which its ordinary route leads. */
typedef struct {
  CgPrefix prefix;
  guint32 ifindex; /* or CG_BYPASS_ANY */
} CgBypass;

/* Another interface that has an address of a tunnel. */
typedef struct {
  CgPrefix address;
  char ifname[IFNAMSIZ];
} CgHome;

/* A gateway's tunnel, as it is now. */
typedef struct {
  const CgGateway *gateway;
  guint32 table;                  /* the gateway's own, see cg_facts_table_candidate */
  guint32 ifindex;                /* 0 if there is no such interface */
  char kind[16];                  /* of the interface, as CgLink has it */
  gboolean is_up;                 /* IFF_UP */
  gboolean usable[CG_N_FAMILIES]; /* has an address of the family that traffic can leave with; for
                                     IPv6 also one of link scope */
  gboolean global_ipv6;           /* one of them of global scope (ULA too) */
  GArray *addresses;              /* CgPrefix: what its packets may come from, usable or deprecated,
                                     but no IPv6 address of link scope; NULL if none */
  GArray *held;          /* CgPrefix: these, and for a family in which it has none those that
                            it had last: connections from then still send. NULL if none */
  GArray *former;        /* CgPrefix: those that it had before and holds no more; NULL if none */
  GArray *homes;         /* CgHome: interfaces that may carry one of these, too; NULL if none */
  GArray *bypasses;      /* CgBypass: parts of Bypass=, if it has a guard; NULL if none */
  GArray *shared;        /* CgPrefix: those that an interface carries, too, which is the tunnel of
                            no gateway. NULL if none */
  int rp_filter;         /* net.ipv4.conf.IFACE.rp_filter, or -1 */
  CgWireguard wireguard; /* of the kernel, if it is one that is up and guarded by uid */
  gboolean has_strays;   /* a run was to end connections and did not come as far, see stray.h */
  gboolean
      unguarded; /* its guard is required and could just now not be written: it must be closed */
} CgTunnel;

/* net.ipv4.conf.IFACE.rp_filter (ip-sysctl.rst): 1 drops what would not be answered by the same
 * interface, 2 only what could not be answered at all. */
#define CG_FILTER_STRICT 1
#define CG_FILTER_LOOSE  2

/* An interface whose value we kept, and how it is now. */
typedef struct {
  CgSavedFilter saved;
  guint32 ifindex; /* 0 if it is gone */
  int value;       /* -1 if it is gone */
} CgKeptFilter;

typedef struct {
  const CgConfig *config;
  GArray *tunnels;             /* CgTunnel, one for each gateway of the config, in its order */
  gboolean has[CG_N_FAMILIES]; /* the kernel knows the family */
  GArray *rules;               /* CgRule: every rule there is but */
  GArray *ways_back;           /* CgRule: of ours, those by source address: see plan.h */
  GArray *routes;              /* CgRoute: ours, in whatever table */
  GArray *foreign;             /* CgRoute: others', in tables that gateways would use */
  GArray *links;               /* CgLink: all interfaces, if a gateway has a guard */
  GArray *addresses;           /* CgAddress: of all interfaces */
  GArray *local;               /* CgRoute of type local: what addresses are the machine's */
  GArray *tunnel_ports;        /* guint16: UDP ports of tunnels in the kernel */
  CgGuardFound *guard;         /* in BPF */
  CgTableFound table;          /* in nftables */
  GArray *former;              /* CgPrefix: addresses in that table that no tunnel holds now */
  GArray *former_homes;        /* CgHome: the interfaces that have these now */
  CgSavedTable saved_table;    /* as we wrote it */
  CgNetlink *nft;              /* by which that was looked at, open until all is done: see nft.h */
  CgFirewall *firewall;        /* reverse path checks of firewalls, and our passes in them */
  GArray *kept;                /* CgKeptFilter */
  int rp_filter_all;           /* net.ipv4.conf.all.rp_filter */
  const char *runtime_dir;     /* borrowed */
  GArray *resolvconfs;         /* CgResolvConf */
  GArray *resolvers;           /* CgPrefix: the servers that the system's resolv.conf names */
  GPtrArray *zoned;            /* char *: likewise, those that are on one link */
  GArray *upstream;            /* CgPrefix: those that systemd-resolved asks */
  GArray *subuids;             /* CgSubuids; filled by who is to warn, see subuids.h */
  char *released_resolvconf;   /* as cg_resolvconf_text_released has it of them */
} CgFacts;

void cg_facts_free (CgFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CgFacts, cg_facts_free)

/* Facts in which nothing was found yet. */
CgFacts *cg_facts_new (const CgConfig *config);

/* Whether the guard has to go by the uid in nftables, because BPF cannot be had. */
gboolean cg_facts_guard_by_uid (const CgFacts *facts);

/* Whether a gateway has a guard at all. */
gboolean cg_facts_has_guard (const CgFacts *facts);

/* The table numbers that a gateway takes, in this order, until one holds nobody else's routes and
 * belongs to no earlier gateway: first Table=, if it is given, then numbers derived from the name
 * (198000000-198999999). n counts from 0. */
guint32 cg_facts_table_candidate (const CgGateway *gateway, guint n);

/* Whether the number is one of those derived from names, whatever the name. */
gboolean cg_facts_table_is_derived (guint32 table);

/* The uids of all gateways, normalised. The caller owns the result. */
GArray *cg_facts_known_uids (const CgFacts *facts);

/* The gateway that has the table, or NULL. */
const CgGateway *cg_facts_gateway_of_table (const CgFacts *facts, guint32 table);

/* Whether the interface is one of IPsec: what enters it leaves as ESP or AH, ip-link(8). */
gboolean cg_tunnel_is_ipsec (const CgTunnel *tunnel);

/* The tunnel of the gateway of that name, or NULL. */
const CgTunnel *cg_facts_find_tunnel (const CgFacts *facts, const char *gateway);

/* Whether the value that stands there is the one that we wrote: the interface is still the same and
 * nobody has written another one since. */
gboolean cg_kept_filter_is_ours (const CgKeptFilter *kept);
