/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft-rule.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "names.h"

/* The comment among what libnftnl keeps with a rule: NFTNL_UDATA_RULE_COMMENT, libnftnl/udata.h. A
 * byte of type, a byte of length, and the text with its NUL. */
#define USERDATA_COMMENT 0

#define NO_KEY     (-1)
#define NO_VERDICT G_MAXINT

/* Where we are in the list of expressions. */
typedef struct {
  CgNftRule *rule;
  int loaded; /* the NFT_META_* key that the comparison is about, or NO_KEY */
} Reader;

/* The attribute of that type in a nest, if it is a valid one; or NULL. */
static const struct nlattr *
find (const struct nlattr *nest, guint16 type, enum mnl_attr_data_type valid)
{
  const struct nlattr *attribute;
  mnl_attr_for_each_nested (attribute, nest)
  {
    if (mnl_attr_get_type (attribute) == type)
      return mnl_attr_validate (attribute, valid) < 0 ? NULL : attribute;
  }
  return NULL;
}

static guint32
find_number (const struct nlattr *nest, guint16 type)
{
  const struct nlattr *attribute = find (nest, type, MNL_TYPE_U32);
  return attribute ? ntohl (mnl_attr_get_u32 (attribute)) : 0;
}

static void
read_meta (Reader *reader, const struct nlattr *data)
{
  int key = (int) find_number (data, NFTA_META_KEY);
  reader->loaded = key;
  reader->rule->is_odd |= key != NFT_META_NFPROTO && key != NFT_META_IIFNAME;
}

static void
read_comparison (Reader *reader, const struct nlattr *data)
{
  CgNftRule *rule = reader->rule;
  const struct nlattr *nest = find (data, NFTA_CMP_DATA, MNL_TYPE_NESTED);
  const struct nlattr *value = nest ? find (nest, NFTA_DATA_VALUE, MNL_TYPE_BINARY) : NULL;
  gsize size = value ? mnl_attr_get_payload_len (value) : 0;
  gboolean equal = find_number (data, NFTA_CMP_OP) == NFT_CMP_EQ;
  if (equal && reader->loaded == NFT_META_NFPROTO && size == 1)
    rule->nfproto = mnl_attr_get_u8 (value);
  else if (equal && reader->loaded == NFT_META_IIFNAME && size > 0 && size <= IFNAMSIZ &&
           memchr (mnl_attr_get_payload (value), '\0', size))
    g_strlcpy (rule->ifname, mnl_attr_get_payload (value), sizeof rule->ifname);
  else if (reader->loaded != NO_KEY)
    rule->is_odd = TRUE;
  reader->loaded = NO_KEY;
}

static void
read_fib (CgNftRule *rule, const struct nlattr *data)
{
  guint32 result = find_number (data, NFTA_FIB_RESULT);
  rule->is_check |= (find_number (data, NFTA_FIB_FLAGS) & NFTA_FIB_F_SADDR) != 0 &&
                    (result == NFT_FIB_RESULT_OIF || result == NFT_FIB_RESULT_OIFNAME);
}

/* Extensions of iptables: "-m rpfilter", "-m comment" (struct xt_comment_info is a text of 256
 * bytes, linux/netfilter/xt_comment.h). */
static void
read_match (CgNftRule *rule, const struct nlattr *data)
{
  const struct nlattr *name = find (data, NFTA_MATCH_NAME, MNL_TYPE_NUL_STRING);
  const struct nlattr *info = find (data, NFTA_MATCH_INFO, MNL_TYPE_BINARY);
  if (name && g_str_equal (mnl_attr_get_str (name), "rpfilter")) {
    rule->is_check = TRUE;
  } else if (name && info && g_str_equal (mnl_attr_get_str (name), "comment")) {
    gsize size = MIN (mnl_attr_get_payload_len (info), sizeof rule->comment);
    if (memchr (mnl_attr_get_payload (info), '\0', size))
      g_strlcpy (rule->comment, mnl_attr_get_payload (info), sizeof rule->comment);
  } else {
    rule->is_odd = TRUE;
  }
}

static void
read_verdict (CgNftRule *rule, const struct nlattr *data)
{
  const struct nlattr *nest = find (data, NFTA_IMMEDIATE_DATA, MNL_TYPE_NESTED);
  const struct nlattr *verdict = nest ? find (nest, NFTA_DATA_VERDICT, MNL_TYPE_NESTED) : NULL;
  if (verdict)
    rule->verdict = (int) find_number (verdict, NFTA_VERDICT_CODE);
}

static void
read_expression (Reader *reader, const struct nlattr *expression)
{
  const struct nlattr *name = find (expression, NFTA_EXPR_NAME, MNL_TYPE_NUL_STRING);
  const struct nlattr *data = find (expression, NFTA_EXPR_DATA, MNL_TYPE_NESTED);
  const char *word = name ? mnl_attr_get_str (name) : "";
  if (data && g_str_equal (word, "meta"))
    read_meta (reader, data);
  else if (data && g_str_equal (word, "cmp"))
    read_comparison (reader, data);
  else if (data && g_str_equal (word, "fib"))
    read_fib (reader->rule, data);
  else if (data && g_str_equal (word, "match"))
    read_match (reader->rule, data);
  else if (data && g_str_equal (word, "immediate"))
    read_verdict (reader->rule, data);
  else
    reader->rule->is_odd |= !g_str_equal (word, "counter");
}

static void
read_userdata (CgNftRule *rule, const struct nlattr *attribute)
{
  const guint8 *bytes = mnl_attr_get_payload (attribute);
  gsize left = mnl_attr_get_payload_len (attribute);
  while (left >= 2 && left - 2 >= bytes[1]) {
    gsize size = bytes[1];
    if (bytes[0] == USERDATA_COMMENT && memchr (bytes + 2, '\0', size))
      g_strlcpy (rule->comment, (const char *) bytes + 2, sizeof rule->comment);
    bytes += 2 + size;
    left -= 2 + size;
  }
}

gboolean
cg_nft_rule_parse (const struct nlmsghdr *message, CgNftRule *rule)
{
  *rule = (CgNftRule){.verdict = NO_VERDICT};
  Reader reader = {.rule = rule, .loaded = NO_KEY};
  const struct nlattr *attribute, *expression;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    switch (mnl_attr_get_type (attribute)) {
    case NFTA_RULE_HANDLE:
      if (mnl_attr_validate (attribute, MNL_TYPE_U64) < 0)
        return FALSE;
      rule->handle = be64toh (mnl_attr_get_u64 (attribute));
      break;
    case NFTA_RULE_EXPRESSIONS:
      mnl_attr_for_each_nested (expression, attribute)
      {
        read_expression (&reader, expression);
      }
      break;
    case NFTA_RULE_USERDATA:
      read_userdata (rule, attribute);
      break;
    default:
      break;
    }
  }
  return TRUE;
}

static int
verdict_of (const CgFirewallChain *chain)
{
  return chain->returns ? NFT_RETURN : NF_ACCEPT;
}

gboolean
cg_nft_rule_to_pass (const CgNftRule *rule, guint8 chain, CgPass *pass)
{
  const CgFirewallChain *where = &cg_firewall_chains[chain];
  gboolean inet = where->family == NFPROTO_INET;
  guint8 family = inet ? rule->nfproto : where->family;
  *pass = (CgPass){.chain = chain, .handle = rule->handle};
  if (!cg_pass_comment_parse (rule->comment, pass->gateway))
    return FALSE;
  pass->family = family == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
  g_strlcpy (pass->ifname, rule->ifname, sizeof pass->ifname);
  pass->is_odd = rule->is_odd || rule->verdict != verdict_of (where) ||
                 rule->is_check != where->drops || !cg_interface_name_valid (rule->ifname) ||
                 (inet && family != NFPROTO_IPV4 && family != NFPROTO_IPV6) ||
                 (!inet && rule->nfproto != NFPROTO_UNSPEC);
  return TRUE;
}

/* An expression whose data is being written. */
typedef struct {
  struct nlattr *element;
  struct nlattr *data;
} Expression;

static Expression
begin_expression (struct nlmsghdr *message, const char *name)
{
  Expression expression;
  expression.element = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  mnl_attr_put_strz (message, NFTA_EXPR_NAME, name);
  expression.data = mnl_attr_nest_start (message, NFTA_EXPR_DATA);
  return expression;
}

static void
end_expression (struct nlmsghdr *message, Expression expression)
{
  mnl_attr_nest_end (message, expression.data);
  mnl_attr_nest_end (message, expression.element);
}

static void
put_comparison (struct nlmsghdr *message, const void *bytes, gsize size)
{
  Expression expression = begin_expression (message, "cmp");
  mnl_attr_put_u32 (message, NFTA_CMP_SREG, htonl (NFT_REG_1));
  mnl_attr_put_u32 (message, NFTA_CMP_OP, htonl (NFT_CMP_EQ));
  struct nlattr *data = mnl_attr_nest_start (message, NFTA_CMP_DATA);
  mnl_attr_put (message, NFTA_DATA_VALUE, size, bytes);
  mnl_attr_nest_end (message, data);
  end_expression (message, expression);
}

static void
put_meta (struct nlmsghdr *message, guint32 key, const void *bytes, gsize size)
{
  Expression expression = begin_expression (message, "meta");
  mnl_attr_put_u32 (message, NFTA_META_DREG, htonl (NFT_REG_1));
  mnl_attr_put_u32 (message, NFTA_META_KEY, htonl (key));
  end_expression (message, expression);
  put_comparison (message, bytes, size);
}

/* "fib saddr . mark . iif oif missing" */
static void
put_missing_way_back (struct nlmsghdr *message)
{
  static const guint32 absent = 0; /* all of the register, as nft(8) compares it */
  Expression expression = begin_expression (message, "fib");
  mnl_attr_put_u32 (message, NFTA_FIB_DREG, htonl (NFT_REG_1));
  mnl_attr_put_u32 (message, NFTA_FIB_RESULT, htonl (NFT_FIB_RESULT_OIF));
  mnl_attr_put_u32 (
      message, NFTA_FIB_FLAGS,
      htonl (NFTA_FIB_F_SADDR | NFTA_FIB_F_MARK | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT));
  end_expression (message, expression);
  put_comparison (message, &absent, sizeof absent);
}

static void
put_verdict (struct nlmsghdr *message, int verdict)
{
  Expression expression = begin_expression (message, "immediate");
  mnl_attr_put_u32 (message, NFTA_IMMEDIATE_DREG, htonl (NFT_REG_VERDICT));
  struct nlattr *data = mnl_attr_nest_start (message, NFTA_IMMEDIATE_DATA);
  struct nlattr *code = mnl_attr_nest_start (message, NFTA_DATA_VERDICT);
  mnl_attr_put_u32 (message, NFTA_VERDICT_CODE, htonl ((guint32) verdict));
  mnl_attr_nest_end (message, code);
  mnl_attr_nest_end (message, data);
  end_expression (message, expression);
}

static void
put_comment (struct nlmsghdr *message, const char *gateway)
{
  g_autofree char *comment = cg_pass_comment (gateway);
  guint8 userdata[2 + 256] = {USERDATA_COMMENT, (guint8) (strlen (comment) + 1)};
  memcpy (userdata + 2, comment, userdata[1]);
  mnl_attr_put (message, NFTA_RULE_USERDATA, 2 + userdata[1], userdata);
}

void
cg_nft_rule_put_pass (struct nlmsghdr *message, const CgPass *pass)
{
  const CgFirewallChain *chain = &cg_firewall_chains[pass->chain];
  guint8 nfproto = pass->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
  struct nlattr *list = mnl_attr_nest_start (message, NFTA_RULE_EXPRESSIONS);
  if (chain->family == NFPROTO_INET)
    put_meta (message, NFT_META_NFPROTO, &nfproto, sizeof nfproto);
  char ifname[IFNAMSIZ] = ""; /* all of it is compared, as nft(8) does */
  g_strlcpy (ifname, pass->ifname, sizeof ifname);
  put_meta (message, NFT_META_IIFNAME, ifname, sizeof ifname);
  if (chain->drops)
    put_missing_way_back (message);
  end_expression (message, begin_expression (message, "counter"));
  put_verdict (message, verdict_of (chain));
  mnl_attr_nest_end (message, list);
  put_comment (message, pass->gateway);
}
