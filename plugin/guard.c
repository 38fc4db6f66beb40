/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include <arpa/inet.h>

#include "nft.h"

/* Behind all that may still change where a packet goes: route chains and NAT are at -150 and -100
 * (nf_ip_hook_priorities, linux/netfilter_ipv4.h). */
#define PRIORITY_OUTPUT 300
/* Before connection tracking (-200) and raw (-300), which need not see what is dropped. */
#define PRIORITY_PREROUTING (-350)

static void
append_uids (GString *text, const GArray *uids, const GArray *more)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  g_array_append_vals (all, uids->data, uids->len);
  if (more)
    g_array_append_vals (all, more->data, more->len);
  cg_uids_normalise (all);
  g_string_append (text, "set uids { typeof meta skuid; flags interval; ");
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (all, CgUidRange, i));
    g_string_append_printf (text, "%s%s", i ? ", " : "elements = { ", range);
  }
  g_string_append (text, all->len ? " }; }; " : "}; ");
}

/* "{ a, b }" of those prefixes that are of the family; FALSE, and nothing appended, if none is. */
static gboolean
append_prefixes (GString *text, const GArray *prefixes, int family)
{
  guint count = 0;
  for (guint i = 0; prefixes && i < prefixes->len; i++) {
    const CgPrefix *prefix = &g_array_index (prefixes, CgPrefix, i);
    if (prefix->family != family)
      continue;
    g_autofree char *cidr = cg_prefix_to_string (prefix);
    g_string_append_printf (text, "%s%s", count++ ? ", " : "{ ", cidr);
  }
  if (count > 0)
    g_string_append (text, " }");
  return count > 0;
}

static const char *
keyword (int family)
{
  return family == AF_INET6 ? "ip6" : "ip";
}

/* One rule a family: before, the prefixes, behind. */
static void
append_rules (GString *text, const char *field, const GArray *prefixes, const char *verdict)
{
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    g_autoptr (GString) set = g_string_new (NULL);
    if (append_prefixes (set, prefixes, cg_families[i]))
      g_string_append_printf (text, "%s %s %s %s; ", keyword (cg_families[i]), field, set->str,
                              verdict);
  }
}

/* The ways that are left to the confined. */
static void
append_ways (GString *text, const CgGateway *gateway)
{
  g_string_append (text, "chain ways { oifname \"lo\" accept; ");
  if (gateway->interface)
    g_string_append_printf (text, "%soifname \"%s\" accept; ",
                            gateway->ipv6 == CG_IPV6_BLOCK ? "meta nfproto ipv4 " : "",
                            gateway->interface);
  append_rules (text, "daddr", gateway->bypass, "accept");
  g_string_append (text, "counter name dropped drop; }; ");
}

/* Questions for names go to the name servers of the gateway alone, loopback included: whoever
 * listens there asks in its own name, by its own way. */
static void
append_confined (GString *text, const CgGateway *gateway)
{
  static const char port[] = "meta l4proto { tcp, udp } th dport 53";
  g_string_append (text, "chain confined { ");
  if (gateway->dns_mode != CG_DNS_NONE) { /* auto with none known yet: to nobody */
    for (guint i = 0; i < CG_N_FAMILIES; i++) {
      g_autoptr (GString) set = g_string_new (NULL);
      if (append_prefixes (set, gateway->dns, cg_families[i]))
        g_string_append_printf (text, "%s %s daddr %s goto ways; ", port, keyword (cg_families[i]),
                                set->str);
    }
    g_string_append_printf (text, "%s counter name dropped drop; ", port);
  }
  g_string_append (text, "goto ways; }; ");
}

char *
cg_guard_text (const CgTunnel *tunnel, const GArray *more)
{
  const CgGateway *gateway = tunnel->gateway;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *table = cg_nft_table_of (gateway->name);
  const char *interface = gateway->interface ? gateway->interface : "lo";

  g_string_append_printf (text, "table inet %s { ", table);
  g_string_append (text, "counter dropped { }; ");
  append_uids (text, gateway->uids, more);
  append_ways (text, gateway);
  append_confined (text, gateway);

  g_autofree char *leaves =
      g_strdup_printf ("oifname != { \"lo\", \"%s\" } counter name dropped drop", interface);
  g_string_append_printf (text,
                          "chain output { type filter hook output priority %d; policy accept; "
                          "meta skuid @uids goto confined; ",
                          PRIORITY_OUTPUT);
  append_rules (text, "saddr", tunnel->addresses, leaves);
  g_autofree char *comes =
      g_strdup_printf ("iifname != { \"lo\", \"%s\" } counter name dropped drop", interface);
  g_string_append_printf (
      text, "}; chain prerouting { type filter hook prerouting priority %d; policy accept; ",
      PRIORITY_PREROUTING);
  append_rules (text, "daddr", tunnel->addresses, comes);
  g_string_append (text, "}; }");
  return g_strdup (text->str);
}

char *
cg_guard_removal (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  /* to delete a table that is not there is an error, to add one that is there is none */
  return g_strdup_printf ("table inet %s; delete table inet %s", table, table);
}

char *
cg_guard_emptying (const char *gateway)
{
  g_autofree char *table = cg_nft_table_of (gateway);
  return g_strdup_printf ("flush table inet %s; flush set inet %s uids", table, table);
}
