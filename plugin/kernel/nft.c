/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* A set with more was not written by us. */
#define MAX_ADDRESSES 4096
/* So many looks in a row that others disturbed are no accident. */
#define MAX_LOOKS 16

/* What one message says of an object in a table of ours. */
typedef struct {
  char *table;
  GBytes *attributes;
} Object;

static void
object_clear (gpointer object)
{
  g_free (((Object *) object)->table);
  g_bytes_unref (((Object *) object)->attributes);
}

static GArray *
objects_new (void)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (Object));
  g_array_set_clear_func (objects, object_clear);
  return objects;
}

void
cg_table_found_clear (CgTableFound *found)
{
  g_clear_pointer (&found->unseen, g_free);
  g_clear_pointer (&found->fingerprint, g_free);
  g_clear_pointer (&found->addresses, g_array_unref);
}

static gboolean
parse_object (const struct nlmsghdr *message, GArray *objects)
{
  const gsize header = NLMSG_HDRLEN + NLMSG_ALIGN (sizeof (struct nfgenmsg));
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) != CG_NFT_TABLE)
      continue;
    if (mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) < 0)
      return FALSE;
    Object object = {
        .table = g_strdup (mnl_attr_get_str (attribute)),
        .attributes = g_bytes_new ((const guint8 *) message + header, message->nlmsg_len - header),
    };
    g_array_append_val (objects, object);
    return TRUE;
  }
  return TRUE;
}

void
cg_nft_put_header (struct nlmsghdr *message, guint16 type, guint16 flags, guint8 family)
{
  message->nlmsg_type = (guint16) (NFNL_SUBSYS_NFTABLES << 8 | type);
  message->nlmsg_flags = flags;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header (message, sizeof *header);
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
}

/* EINVAL and EOPNOTSUPP are how nfnetlink refuses what it does not have, EPERM whom it does not
 * know. */
static gboolean
finish (int number, GError *why, GError **error)
{
  if (number == EINVAL || number == EOPNOTSUPP || number == EPERM)
    why->code = CG_ERROR_ABSENT;
  if (number != 0)
    g_propagate_error (error, why);
  return number == 0;
}

/* Dumps objects of the type: of one table if table is not NULL, of one set if set is not NULL. */
static gboolean
dump (CgNetlink *netlink,
      guint16 type,
      const char *table,
      const char *set,
      CgNetlinkParse parse,
      GArray *out,
      GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  GError *why = NULL;
  cg_nft_put_header (request, type, NLM_F_DUMP, NFPROTO_INET);
  if (table)
    mnl_attr_put_strz (request, CG_NFT_TABLE, table);
  if (set)
    mnl_attr_put_strz (request, NFTA_SET_ELEM_LIST_SET, set);
  int number = cg_netlink_ask (netlink, request, parse, out, &why);
  if (number == ENOENT) { /* a set that somebody has taken away: the fingerprint will show it */
    g_clear_error (&why);
    return TRUE;
  }
  return finish (number, why, error);
}

static gboolean
parse_generation (const struct nlmsghdr *message, GArray *numbers)
{
  const struct nlattr *attribute;
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) != NFTA_GEN_ID)
      continue;
    if (mnl_attr_validate (attribute, MNL_TYPE_U32) < 0)
      return FALSE;
    guint32 number = ntohl (mnl_attr_get_u32 (attribute));
    g_array_append_val (numbers, number);
  }
  return TRUE;
}

gboolean
cg_nft_generation (CgNetlink *netlink, guint32 *generation, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint32));
  GError *why = NULL;
  cg_nft_put_header (request, NFT_MSG_GETGEN, 0, NFPROTO_UNSPEC);
  int number = cg_netlink_ask (netlink, request, parse_generation, numbers, &why);
  if (!finish (number, why, error))
    return FALSE;
  *generation = numbers->len > 0 ? g_array_index (numbers, guint32, 0) : 0;
  return TRUE;
}

/* NFTA_OBJ_DATA of a counter holds NFTA_COUNTER_PACKETS, a 64 bit number in network order. */
static guint64
counter_packets (const Object *object)
{
  gsize size;
  gconstpointer bytes = g_bytes_get_data (object->attributes, &size);
  const struct nlattr *attr, *counter; /* "attr" is libmnl's word: the macro names it */
  mnl_attr_for_each_payload (bytes, size)
  {
    if (mnl_attr_get_type (attr) != NFTA_OBJ_DATA)
      continue;
    mnl_attr_for_each_nested (counter, attr)
    {
      if (mnl_attr_get_type (counter) == NFTA_COUNTER_PACKETS &&
          mnl_attr_validate (counter, MNL_TYPE_U64) >= 0)
        return be64toh (mnl_attr_get_u64 (counter));
    }
  }
  return 0;
}

static guint64
count_packets (const GArray *counters)
{
  guint64 packets = 0;
  for (guint i = 0; i < counters->len; i++)
    packets += counter_packets (&g_array_index (counters, Object, i));
  return packets;
}

/* What the message says of one set: without what later kernels tell of its elements, whose number
 * changes with every packet that adds one (NFTA_SET_TYPE and NFTA_SET_COUNT, behind what this
 * header knows). */
static void
sum_object (GChecksum *checksum, const Object *object, guint16 last)
{
  gsize size;
  gconstpointer bytes = g_bytes_get_data (object->attributes, &size);
  const struct nlattr *attr; /* "attr" is libmnl's word */
  mnl_attr_for_each_payload (bytes, size)
  {
    if (mnl_attr_get_type (attr) <= last)
      g_checksum_update (checksum, (const guchar *) attr, attr->nla_len);
  }
}

static void
sum_objects (GChecksum *checksum, const GArray *objects, const char *table, guint16 last)
{
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = &g_array_index (objects, Object, i);
    if (g_str_equal (object->table, table))
      sum_object (checksum, object, last);
  }
}

static gboolean
has_object (const GArray *objects, const char *table)
{
  for (guint i = 0; i < objects->len; i++)
    if (g_str_equal (g_array_index (objects, Object, i).table, table))
      return TRUE;
  return FALSE;
}

/* The elements of all sets that the objects are about. */
static gboolean
dump_elements (
    CgNetlink *netlink, const char *table, const GArray *sets, GArray *elements, GError **error)
{
  for (guint i = 0; i < sets->len; i++) {
    const Object *set = &g_array_index (sets, Object, i);
    gsize size;
    gconstpointer bytes = g_bytes_get_data (set->attributes, &size);
    const struct nlattr *attr; /* "attr" is libmnl's word: the macro names it */
    mnl_attr_for_each_payload (bytes, size)
    {
      if (mnl_attr_get_type (attr) == NFTA_SET_NAME &&
          mnl_attr_validate (attr, MNL_TYPE_NUL_STRING) >= 0 &&
          !dump (netlink, NFT_MSG_GETSETELEM, table, mnl_attr_get_str (attr), parse_object,
                 elements, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* The part of that type in a nest, or NULL. */
static const struct nlattr *
find_part (const struct nlattr *nest, guint16 type)
{
  const struct nlattr *part;
  mnl_attr_for_each_nested (part, nest)
  {
    if (mnl_attr_get_type (part) == type)
      return part;
  }
  return NULL;
}

/* An element of a set of addresses: its key is the address. */
static void
append_address (GArray *addresses, const struct nlattr *element)
{
  const struct nlattr *key = find_part (element, NFTA_SET_ELEM_KEY);
  const struct nlattr *value = key ? find_part (key, NFTA_DATA_VALUE) : NULL;
  const guint16 size = value ? mnl_attr_get_payload_len (value) : 0;
  if ((size != 4 && size != 16) || addresses->len >= MAX_ADDRESSES)
    return;
  CgPrefix address = {.family = size == 4 ? AF_INET : AF_INET6, .length = (guint8) (8 * size)};
  memcpy (address.address, mnl_attr_get_payload (value), size);
  g_array_append_val (addresses, address);
}

/* An NFT_MSG_NEWSETELEM, for cg_netlink_ask. */
static gboolean
parse_addresses (const struct nlmsghdr *message, GArray *addresses)
{
  const struct nlattr *attribute, *element;
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
      continue;
    mnl_attr_for_each_nested (element, attribute)
    {
      append_address (addresses, element);
    }
  }
  return TRUE;
}

static gboolean
look_at_table (CgNetlink *netlink,
               const char *table,
               const GArray *tables,
               CgTableFound *found,
               GError **error)
{
  g_autoptr (GArray) chains = objects_new ();
  g_autoptr (GArray) rules = objects_new ();
  g_autoptr (GArray) sets = objects_new ();
  g_autoptr (GArray) elements = objects_new ();
  g_autoptr (GArray) counters = objects_new ();
  found->addresses = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  if (!dump (netlink, NFT_MSG_GETCHAIN, NULL, NULL, parse_object, chains, error) ||
      !dump (netlink, NFT_MSG_GETRULE, table, NULL, parse_object, rules, error) ||
      !dump (netlink, NFT_MSG_GETSET, table, NULL, parse_object, sets, error) ||
      !dump_elements (netlink, table, sets, elements, error) ||
      !dump (netlink, NFT_MSG_GETSETELEM, table, "addresses4", parse_addresses, found->addresses,
             error) ||
      !dump (netlink, NFT_MSG_GETSETELEM, table, "addresses6", parse_addresses, found->addresses,
             error) ||
      !dump (netlink, NFT_MSG_GETOBJ, table, NULL, parse_object, counters, error))
    return FALSE;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  sum_objects (checksum, tables, table, NFTA_TABLE_MAX);
  sum_objects (checksum, chains, table, NFTA_CHAIN_MAX);
  sum_objects (checksum, rules, table, NFTA_RULE_MAX);
  sum_objects (checksum, sets, table, NFTA_SET_EXPRESSIONS);
  sum_objects (checksum, elements, table, NFTA_SET_ELEM_LIST_MAX);
  found->fingerprint = g_strdup (g_checksum_get_string (checksum));
  found->dropped = count_packets (counters);
  return TRUE;
}

static gboolean
look_once (CgNetlink *netlink, const char *table, CgTableFound *found, GError **error)
{
  g_autoptr (GArray) tables = objects_new ();
  if (!dump (netlink, NFT_MSG_GETTABLE, NULL, NULL, parse_object, tables, error))
    return FALSE;
  return !has_object (tables, table) || look_at_table (netlink, table, tables, found, error);
}

gboolean
cg_nft_look (
    CgNetlink *netlink, const char *table, CgTableFound *found, guint32 *generation, GError **error)
{
  guint32 first, last;
  if (!cg_nft_generation (netlink, &first, error))
    return FALSE;
  for (guint i = 0; i < MAX_LOOKS; i++) {
    if (!look_once (netlink, table, found, error) || !cg_nft_generation (netlink, &last, error))
      return FALSE;
    if (first == last) {
      if (generation)
        *generation = last;
      return TRUE;
    }
    cg_table_found_clear (found);
    first = last;
  }
  g_set_error_literal (error, CG_ERROR, CG_ERROR_FAILED,
                       "nftables changes faster than it can be read");
  return FALSE;
}
