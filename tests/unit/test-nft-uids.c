/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Whom a guard holds, from the elements of its set. */

#include "nft-uids.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "netlink.h"
#include "world.h"

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static void
put_element (struct nlmsghdr *message, guint32 uid, gboolean is_end)
{
  struct nlattr *element = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  struct nlattr *key = mnl_attr_nest_start (message, NFTA_SET_ELEM_KEY);
  mnl_attr_put_u32 (message, NFTA_DATA_VALUE, htonl (uid));
  mnl_attr_nest_end (message, key);
  if (is_end)
    mnl_attr_put_u32 (message, NFTA_SET_ELEM_FLAGS, htonl (NFT_SET_ELEM_INTERVAL_END));
  mnl_attr_nest_end (message, element);
}

static struct nlmsghdr *
start (Message *space, struct nlattr **elements)
{
  struct nlmsghdr *message = mnl_nlmsg_put_header (space);
  mnl_nlmsg_put_extra_header (message, sizeof (struct nfgenmsg));
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_TABLE, "custom-gateway-wg0");
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_SET, "uids");
  *elements = mnl_attr_nest_start (message, NFTA_SET_ELEM_LIST_ELEMENTS);
  return message;
}

/* "1500 e1501": a start and an end, as the kernel tells them, in this order. */
static const struct UidsCase {
  const char *name;
  const char *elements;
  const char *uids;
} uids_cases[] = {
    {"none", "", ""},
    {"one", "1500 e1501", "1500"},
    {"range", "2000 e2011", "2000-2010"},
    {"two", "1500 e1501 2000 e2011", "1500 2000-2010"},
    {"downwards", "e2011 2000 e1501 1500", "1500 2000-2010"},
    {"any-order", "2000 e1501 e2011 1500", "1500 2000-2010"},
    {"the-end-of-what-is-before", "e0 1500 e1501", "1500"},
    {"that-touch", "1500 e1501 1501 e1502", "1500-1501"},
    {"that-touch-and-share-an-element", "e1501 1501 1500 e1502", "1500-1501"},
    {"that-touch-and-the-second-comes-first", "1501 e1501 1500 e1502", "1500-1501"},
    {"without-an-end", "1500 e1501 4294967000", "1500 4294967000-4294967295"},
};

static void
reads_uids (gconstpointer data)
{
  const struct UidsCase *test = data;
  Message space;
  struct nlattr *elements;
  struct nlmsghdr *message = start (&space, &elements);
  g_auto (GStrv) words = g_strsplit (test->elements, " ", -1);
  for (char **word = words; *word; word++)
    if (**word)
      put_element (message, (guint32) g_ascii_strtoull (*word + (**word == 'e'), NULL, 10),
                   **word == 'e');
  mnl_attr_nest_end (message, elements);

  g_autoptr (GArray) bounds = g_array_new (FALSE, FALSE, sizeof (CgUidBound));
  g_assert_true (cg_nft_parse_bounds (message, bounds));
  g_autoptr (GArray) uids = cg_nft_uids (bounds);
  g_autoptr (GStrvBuilder) said = g_strv_builder_new ();
  for (guint i = 0; i < uids->len; i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (uids, CgUidRange, i));
    g_strv_builder_add (said, range);
  }
  g_auto (GStrv) ranges = g_strv_builder_end (said);
  g_autofree char *text = g_strjoinv (" ", ranges);
  g_assert_cmpstr (text, ==, test->uids);
}

static void
refuses (struct nlmsghdr *message)
{
  g_autoptr (GArray) bounds = g_array_new (FALSE, FALSE, sizeof (CgUidBound));
  /* in memory that ends with it */
  g_autofree struct nlmsghdr *copy = g_memdup2 (message, message->nlmsg_len);
  g_assert_false (cg_nft_parse_bounds (copy, bounds));
}

static void
refuses_what_is_malformed (void)
{
  Message space;
  struct nlattr *elements, *element, *key;
  struct nlmsghdr *message = start (&space, &elements);
  message->nlmsg_len = NLMSG_HDRLEN;
  refuses (message);

  message = start (&space, &elements); /* a key of eight bytes */
  element = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  key = mnl_attr_nest_start (message, NFTA_SET_ELEM_KEY);
  mnl_attr_put_u64 (message, NFTA_DATA_VALUE, 1);
  mnl_attr_nest_end (message, key);
  mnl_attr_nest_end (message, element);
  mnl_attr_nest_end (message, elements);
  refuses (message);

  message = start (&space, &elements); /* no key */
  element = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  mnl_attr_put_u32 (message, NFTA_SET_ELEM_FLAGS, 0);
  mnl_attr_nest_end (message, element);
  mnl_attr_nest_end (message, elements);
  refuses (message);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/nft-uids/reads", uids_cases, reads_uids);
  g_test_add_func ("/nft-uids/refuses-what-is-malformed", refuses_what_is_malformed);
  return g_test_run ();
}
