/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firewall.h"

#include <linux/netfilter.h>
#include <string.h>

#include "names.h"

#define COMMENT_PREFIX "custom-gateway "

/* NixOS with iptables-nft(8): its chain has moved from raw to mangle; a check that is passed
 * returns. NixOS with nftables: what is not accepted falls to the policy, drop. firewalld checks
 * IPv6 alone, until 0.9 in raw_PREROUTING. */
const CgFirewallChain cg_firewall_chains[CG_N_FIREWALL_CHAINS] = {
    {.family = NFPROTO_IPV4,
     .table = "raw",
     .name = "nixos-fw-rpfilter",
     .checks = {TRUE, FALSE},
     .returns = TRUE},
    {.family = NFPROTO_IPV6,
     .table = "raw",
     .name = "nixos-fw-rpfilter",
     .checks = {FALSE, TRUE},
     .returns = TRUE},
    {.family = NFPROTO_IPV4,
     .table = "mangle",
     .name = "nixos-fw-rpfilter",
     .checks = {TRUE, FALSE},
     .returns = TRUE},
    {.family = NFPROTO_IPV6,
     .table = "mangle",
     .name = "nixos-fw-rpfilter",
     .checks = {FALSE, TRUE},
     .returns = TRUE},
    {.family = NFPROTO_INET, .table = "nixos-fw", .name = "rpfilter", .checks = {TRUE, TRUE}},
    {.family = NFPROTO_INET,
     .table = "firewalld",
     .name = "filter_PREROUTING",
     .checks = {FALSE, TRUE},
     .drops = TRUE},
    {.family = NFPROTO_INET,
     .table = "firewalld",
     .name = "raw_PREROUTING",
     .checks = {FALSE, TRUE},
     .drops = TRUE},
};

CgFirewall *
cg_firewall_new (void)
{
  CgFirewall *firewall = g_new0 (CgFirewall, 1);
  firewall->passes = g_array_new (FALSE, TRUE, sizeof (CgPass));
  return firewall;
}

void
cg_firewall_free (CgFirewall *firewall)
{
  g_array_unref (firewall->passes);
  g_free (firewall);
}

void
cg_passes_plan (
    const CgFirewall *firewall, const char *gateway, const char *ifname, int family, GArray *passes)
{
  for (guint8 i = 0; i < CG_N_FIREWALL_CHAINS; i++) {
    const CgFirewallCheck *check = &firewall->checks[i];
    const CgFirewallChain *chain = &cg_firewall_chains[i];
    if (!check->check || check->is_owned || !chain->checks[cg_family_index (family)])
      continue;
    CgPass pass = {.chain = i, .family = (guint8) family};
    g_strlcpy (pass.ifname, ifname, sizeof pass.ifname);
    g_strlcpy (pass.gateway, gateway, sizeof pass.gateway);
    g_array_append_val (passes, pass);
  }
}

gboolean
cg_pass_equal (const CgPass *a, const CgPass *b)
{
  return a->chain == b->chain && a->family == b->family && a->is_odd == b->is_odd &&
         g_str_equal (a->ifname, b->ifname) && g_str_equal (a->gateway, b->gateway);
}

gboolean
cg_passes_have (const GArray *passes, const CgPass *pass)
{
  for (guint i = 0; i < passes->len; i++)
    if (cg_pass_equal (&g_array_index (passes, CgPass, i), pass))
      return TRUE;
  return FALSE;
}

static const char *
family_word (guint8 family)
{
  if (family == NFPROTO_INET)
    return "inet";
  return family == NFPROTO_IPV6 ? "ip6" : "ip";
}

/* What a pass says, as nft(8) writes it. */
static char *
pass_to_string (const CgPass *pass)
{
  const CgFirewallChain *chain = &cg_firewall_chains[pass->chain];
  g_autofree char *comment = cg_pass_comment (pass->gateway);
  g_autofree char *protocol =
      g_strdup_printf ("meta nfproto %s ", pass->family == AF_INET6 ? "ipv6" : "ipv4");
  return g_strdup_printf ("%siifname \"%s\" %scounter %s comment \"%s\"",
                          chain->family == NFPROTO_INET ? protocol : "", pass->ifname,
                          chain->drops ? "fib saddr . mark . iif oif missing " : "",
                          chain->returns ? "return" : "accept", comment);
}

char *
cg_pass_op_to_string (const CgPassOp *op)
{
  const CgFirewallChain *chain = &cg_firewall_chains[op->pass.chain];
  g_autofree char *place =
      g_strdup_printf ("rule %s %s %s handle %" G_GUINT64_FORMAT, family_word (chain->family),
                       chain->table, chain->name, op->check ? op->check : op->pass.handle);
  if (!op->check)
    return g_strdup_printf ("nft delete %s", place);
  g_autofree char *text = pass_to_string (&op->pass);
  g_autofree char *commands =
      g_strdup_printf ("%s %s %s", chain->drops ? "insert" : "add", place, text);
  g_autofree char *quoted = g_shell_quote (commands);
  return g_strdup_printf ("nft %s", quoted);
}

gboolean
cg_firewall_has_table (guint8 family, const char *name)
{
  for (guint i = 0; i < CG_N_FIREWALL_CHAINS; i++)
    if (cg_firewall_chains[i].family == family && g_str_equal (cg_firewall_chains[i].table, name))
      return TRUE;
  return FALSE;
}

gboolean
cg_firewall_has_chain (guint8 family, const char *table, const char *name)
{
  for (guint i = 0; i < CG_N_FIREWALL_CHAINS; i++) {
    const CgFirewallChain *chain = &cg_firewall_chains[i];
    if (chain->family == family && g_str_equal (chain->table, table) &&
        g_str_equal (chain->name, name))
      return TRUE;
  }
  return FALSE;
}

char *
cg_pass_comment (const char *gateway)
{
  return g_strconcat (COMMENT_PREFIX, gateway, NULL);
}

gboolean
cg_pass_comment_parse (const char *comment, char *gateway)
{
  if (!g_str_has_prefix (comment, COMMENT_PREFIX) ||
      !cg_gateway_name_valid (comment + strlen (COMMENT_PREFIX)))
    return FALSE;
  return g_strlcpy (gateway, comment + strlen (COMMENT_PREFIX), CG_PASS_NAME_SIZE) <
         CG_PASS_NAME_SIZE;
}
