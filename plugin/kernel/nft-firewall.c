/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft-firewall.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "nft-rule.h"
#include "nft.h"

/* ERESTART, which the kernel keeps to itself otherwise (linux/errno.h). */
#define STALE_GENERATION 85
/* Somebody who changes nftables during each of so many tries does nothing else. */
#define MAX_TRIES 16

/* A table that has chains with checks. */
typedef struct {
  guint8 family;
  char name[16];
  gboolean is_owned;
} Table;

static gboolean
parse_table (const struct nlmsghdr *message, GArray *tables)
{
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  const struct nfgenmsg *header = mnl_nlmsg_get_payload (message);
  Table table = {.family = header->nfgen_family};
  const char *name = NULL;
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, sizeof *header)
  {
    if (mnl_attr_get_type (attribute) == NFTA_TABLE_NAME &&
        mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) >= 0)
      name = mnl_attr_get_str (attribute);
    if (mnl_attr_get_type (attribute) == NFTA_TABLE_FLAGS &&
        mnl_attr_validate (attribute, MNL_TYPE_U32) >= 0)
      table.is_owned = (ntohl (mnl_attr_get_u32 (attribute)) & NFT_TABLE_F_OWNER) != 0;
  }
  if (name && cg_firewall_has_table (table.family, name)) {
    g_strlcpy (table.name, name, sizeof table.name);
    g_array_append_val (tables, table);
  }
  return TRUE;
}

static gboolean
parse_rule (const struct nlmsghdr *message, GArray *rules)
{
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  CgNftRule rule;
  if (!cg_nft_rule_parse (message, &rule))
    return FALSE;
  g_array_append_val (rules, rule);
  return TRUE;
}

/* An empty result if there is no such chain. */
static gboolean
dump_chain (CgNetlink *netlink, const CgFirewallChain *chain, GArray *rules, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  cg_nft_put_header (request, NFT_MSG_GETRULE, NLM_F_DUMP, chain->family);
  mnl_attr_put_strz (request, NFTA_RULE_TABLE, chain->table);
  mnl_attr_put_strz (request, NFTA_RULE_CHAIN, chain->name);
  int number = cg_netlink_ask (netlink, request, parse_rule, rules, error);
  if (number == ENOENT)
    g_clear_error (error);
  return number == 0 || number == ENOENT;
}

static gboolean
look_at_chain (CgNetlink *netlink, CgFirewall *firewall, guint8 index, GError **error)
{
  g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (CgNftRule));
  CgFirewallCheck *check = &firewall->checks[index];
  if (!dump_chain (netlink, &cg_firewall_chains[index], rules, error))
    return FALSE;
  for (guint i = 0; i < rules->len; i++) {
    const CgNftRule *rule = &g_array_index (rules, CgNftRule, i);
    CgPass pass;
    if (cg_nft_rule_to_pass (rule, index, &pass))
      g_array_append_val (firewall->passes, pass);
    else if (rule->is_check && !check->check)
      check->check = rule->handle;
  }
  return TRUE;
}

gboolean
cg_nft_firewall_look (CgNetlink *netlink, CgFirewall *firewall, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) tables = g_array_new (FALSE, FALSE, sizeof (Table));
  cg_nft_put_header (request, NFT_MSG_GETTABLE, NLM_F_DUMP, NFPROTO_UNSPEC);
  if (cg_netlink_ask (netlink, request, parse_table, tables, error) != 0)
    return FALSE;
  for (guint i = 0; i < tables->len; i++) {
    const Table *table = &g_array_index (tables, Table, i);
    for (guint8 j = 0; j < CG_N_FIREWALL_CHAINS; j++) {
      const CgFirewallChain *chain = &cg_firewall_chains[j];
      if (chain->family != table->family || !g_str_equal (chain->table, table->name))
        continue;
      firewall->checks[j].is_owned = table->is_owned;
      if (!look_at_chain (netlink, firewall, j, error))
        return FALSE;
    }
  }
  return TRUE;
}

static void
append_added (GByteArray *messages, const CgPass *pass, guint64 check)
{
  CgNetlinkMessage space;
  const CgFirewallChain *chain = &cg_firewall_chains[pass->chain];
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  /* before the position, or with NLM_F_APPEND behind it */
  cg_nft_put_header (message, NFT_MSG_NEWRULE, NLM_F_CREATE | (chain->drops ? 0 : NLM_F_APPEND),
                     chain->family);
  mnl_attr_put_strz (message, NFTA_RULE_TABLE, chain->table);
  mnl_attr_put_strz (message, NFTA_RULE_CHAIN, chain->name);
  mnl_attr_put_u64 (message, NFTA_RULE_POSITION, htobe64 (check));
  cg_nft_rule_put_pass (message, pass);
  g_byte_array_append (messages, space.bytes, message->nlmsg_len);
}

static void
append_deleted (GByteArray *messages, const CgPass *pass)
{
  CgNetlinkMessage space;
  const CgFirewallChain *chain = &cg_firewall_chains[pass->chain];
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  cg_nft_put_header (message, NFT_MSG_DELRULE, 0, chain->family);
  mnl_attr_put_strz (message, NFTA_RULE_TABLE, chain->table);
  mnl_attr_put_strz (message, NFTA_RULE_CHAIN, chain->name);
  mnl_attr_put_u64 (message, NFTA_RULE_HANDLE, htobe64 (pass->handle));
  g_byte_array_append (messages, space.bytes, message->nlmsg_len);
}

/* What of the operation is still to be done, going by a new look. */
static void
append_op (GByteArray *messages, const CgPassOp *op, const CgFirewall *now)
{
  const CgFirewallCheck *check = &now->checks[op->pass.chain];
  if (op->check) {
    if (check->check && !check->is_owned && !cg_passes_have (now->passes, &op->pass))
      append_added (messages, &op->pass, check->check);
    return;
  }
  for (guint i = 0; i < now->passes->len; i++) {
    const CgPass *pass = &g_array_index (now->passes, CgPass, i);
    if (pass->handle == op->pass.handle && cg_pass_equal (pass, &op->pass))
      append_deleted (messages, pass);
  }
}

static int
change_once (CgNetlink *netlink, const GArray *ops, GError **error)
{
  g_autoptr (CgFirewall) now = cg_firewall_new ();
  g_autoptr (GByteArray) messages = g_byte_array_new ();
  guint32 generation;
  if (!cg_nft_generation (netlink, &generation, error) ||
      !cg_nft_firewall_look (netlink, now, error))
    return EIO;
  for (guint i = 0; i < ops->len; i++)
    append_op (messages, &g_array_index (ops, CgPassOp, i), now);
  if (messages->len == 0)
    return 0;
  return cg_netlink_transact (netlink, messages, NFNL_SUBSYS_NFTABLES, generation, error);
}

gboolean
cg_nft_firewall_change (const GArray *ops, GError **error)
{
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_NETFILTER, error);
  int number = STALE_GENERATION;
  g_autoptr (GError) why = NULL;
  if (!netlink)
    return FALSE;
  for (guint i = 0; i < MAX_TRIES && number == STALE_GENERATION; i++) {
    g_clear_error (&why);
    number = change_once (netlink, ops, &why);
  }
  if (number == 0)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}
