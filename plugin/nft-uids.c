/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft-uids.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "netlink.h"

/* NFTA_SET_ELEM_KEY holds NFTA_DATA_VALUE: the uid in network order, which is how a set with
 * intervals compares. */
static gboolean
parse_key (const struct nlattr *key, guint32 *uid)
{
  const struct nlattr *value;
  mnl_attr_for_each_nested (value, key)
  {
    if (mnl_attr_get_type (value) != NFTA_DATA_VALUE)
      continue;
    if (mnl_attr_get_payload_len (value) != sizeof *uid)
      return FALSE;
    *uid = ntohl (mnl_attr_get_u32 (value));
    return TRUE;
  }
  return FALSE;
}

static gboolean
parse_element (const struct nlattr *element, GArray *bounds)
{
  CgUidBound bound = {.uid = 0};
  gboolean has_key = FALSE;
  const struct nlattr *part;
  mnl_attr_for_each_nested (part, element)
  {
    if (mnl_attr_get_type (part) == NFTA_SET_ELEM_KEY) {
      has_key = parse_key (part, &bound.uid);
    } else if (mnl_attr_get_type (part) == NFTA_SET_ELEM_FLAGS) {
      if (mnl_attr_validate (part, MNL_TYPE_U32) < 0)
        return FALSE;
      bound.is_end = (ntohl (mnl_attr_get_u32 (part)) & NFT_SET_ELEM_INTERVAL_END) != 0;
    }
  }
  if (has_key)
    g_array_append_val (bounds, bound);
  return has_key;
}

gboolean
cg_nft_parse_bounds (const struct nlmsghdr *message, GArray *bounds)
{
  if (!cg_netlink_has_header (message, sizeof (struct nfgenmsg)))
    return FALSE;
  const struct nlattr *attribute, *element;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
      continue;
    mnl_attr_for_each_nested (element, attribute)
    {
      if (!parse_element (element, bounds))
        return FALSE;
    }
  }
  return TRUE;
}

/* An end before a start of the same uid: two ranges may touch. */
static int
by_uid (gconstpointer a, gconstpointer b)
{
  const CgUidBound *left = a, *right = b;
  if (left->uid != right->uid)
    return left->uid < right->uid ? -1 : 1;
  return right->is_end - left->is_end;
}

GArray *
cg_nft_uids (GArray *bounds)
{
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  CgUidRange range = {.first = 0, .last = CG_UID_INVALID};
  gboolean is_open = FALSE;
  g_array_sort (bounds, by_uid);
  for (guint i = 0; i < bounds->len; i++) {
    const CgUidBound *bound = &g_array_index (bounds, CgUidBound, i);
    if (bound->is_end && is_open) {
      range.last = bound->uid - 1;
      g_array_append_val (uids, range);
      range.last = CG_UID_INVALID;
    } else if (!bound->is_end && !is_open) {
      range.first = bound->uid;
    }
    is_open = !bound->is_end; /* nft(8) also marks the end of what lies before all ranges */
  }
  if (is_open)
    g_array_append_val (uids, range);
  cg_uids_normalise (uids);
  return uids;
}
