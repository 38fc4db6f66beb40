/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>

#include "prefix.h"
#include "uids.h"

/* What we add carries this routing protocol (linux/rtnetlink.h, RTPROT_*; 198 is assigned to no one
 * there or in iproute2's rt_protos). conf/rt_protos.d names it "custom-gateway". */
#define CG_PROTOCOL 198

/* A policy routing rule, ip-rule(8), linux/fib_rules.h. */
typedef struct {
  guint8 family; /* AF_INET or AF_INET6 */
  guint8 protocol;
  guint8 action; /* FR_ACT_TO_TBL in all of ours */
  gboolean odd;  /* selects by more than the uid, or does more than we would ask for */
  guint32 priority;
  guint32 table;   /* 0 if the action is another */
  CgUidRange uids; /* 0-4294967295 if it does not select by uid */
  GBytes *message; /* of an odd rule of ours: its attributes, to name it by when deleting it */
  CgPrefix source; /* of one of ours that also selects by one source address; else of length 0 */
} CgRule;

/* A route, ip-route(8), linux/rtnetlink.h. */
typedef struct {
  guint8 family;
  guint8 protocol;
  guint8 type;  /* RTN_UNICAST, RTN_PROHIBIT and RTN_THROW in ours */
  gboolean odd; /* has a gateway, several next hops or more that we would not ask for */
  guint32 table;
  guint32 metric;        /* as the kernel shows it: 0 for IPv4 and 1024 for IPv6 unless given */
  guint32 ifindex;       /* 0 unless RTN_UNICAST */
  char ifname[IFNAMSIZ]; /* for people; "" if there is none or it is not known */
  CgPrefix destination;
  GBytes *message;
} CgRoute;

/* The metric of our prohibit routes: behind every other, so that they are found when those are
 * gone.
 */
#define CG_METRIC_LAST G_MAXUINT32

/* Whether it is such a route: for some destination, or for all that the table has no other route
 * to, which is the table's last word. */
gboolean cg_route_closes (const CgRoute *route);
gboolean cg_route_is_last_word (const CgRoute *route);

/* Arrays of the two that release what their elements hold. */
GArray *cg_rules_new (void);
GArray *cg_routes_new (void);

/* An order over all that makes a rule or a route the one it is (for a route, the interface by its
 * index): 0 means that to have one is to have the other. Odd ones equal only odd ones. */
int cg_rule_compare (gconstpointer a, gconstpointer b);
int cg_route_compare (gconstpointer a, gconstpointer b);

/* The arguments that ip(8) takes behind "ip rule add" or "ip route add", family option included in
 * neither. The caller owns the result. */
char *cg_rule_to_string (const CgRule *rule);
char *cg_route_to_string (const CgRoute *route);

/* Whether a shell takes the text for one word as it is, without quotes. */
gboolean cg_is_shell_word (const char *text);
