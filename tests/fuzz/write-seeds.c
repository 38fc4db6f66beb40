/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Writes corpus/rtnl anew: messages of ours, and some that say more. Run by hand, from tests/fuzz,
 * when the encoding changes. */

#include "inet-diag.h"
#include "netlink.h"
#include "rtnl.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

typedef struct {
  guint8 bytes[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
} Message;

static void
write_seed (const char *directory, const char *name, const struct nlmsghdr *message)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;
  if (!g_file_set_contents (path, (const char *) message, message->nlmsg_len, &error))
    g_error ("%s", error->message);
}

static void
write_rules (const char *directory)
{
  const CgRule rule = {.family = AF_INET,
                       .protocol = CG_PROTOCOL,
                       .action = FR_ACT_TO_TBL,
                       .priority = 500,
                       .table = 198000001,
                       .uids = {1500, 1501}};
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  cg_rtnl_put_rule (message, &rule, TRUE);
  write_seed (directory, "rule", message);
  mnl_attr_put_u32 (message, FRA_SUPPRESS_PREFIXLEN, 0);
  mnl_attr_put_strz (message, FRA_IIFNAME, "lan0");
  write_seed (directory, "rule-odd", message);
}

static void
write_routes (const char *directory)
{
  CgRoute route = {.family = AF_INET6,
                   .protocol = CG_PROTOCOL,
                   .type = RTN_UNICAST,
                   .table = 198000001,
                   .metric = 1024,
                   .ifindex = 7,
                   .destination = cg_prefix_default (AF_INET6)};
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  cg_rtnl_put_route (message, &route, TRUE);
  write_seed (directory, "route", message);
  mnl_attr_put_u32 (message, RTA_GATEWAY, 1);
  write_seed (directory, "route-odd", message);
  route.type = RTN_THROW;
  route.ifindex = 0;
  g_assert_true (cg_prefix_parse ("192.168.1.0/24", &route.destination));
  route.family = AF_INET;
  message = mnl_nlmsg_put_header (&space);
  cg_rtnl_put_route (message, &route, TRUE);
  write_seed (directory, "route-throw", message);
}

static void
write_others (const char *directory)
{
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  cg_rtnl_get_link (message, "wg0");
  message->nlmsg_type = RTM_NEWLINK;
  ((struct ifinfomsg *) mnl_nlmsg_get_payload (message))->ifi_index = 7;
  write_seed (directory, "link", message);
  struct nlattr *info = mnl_attr_nest_start (message, IFLA_LINKINFO);
  mnl_attr_put_strz (message, IFLA_INFO_KIND, "vxlan");
  struct nlattr *data = mnl_attr_nest_start (message, IFLA_INFO_DATA);
  mnl_attr_put_u16 (message, IFLA_VXLAN_PORT, htons (4789));
  mnl_attr_nest_end (message, data);
  mnl_attr_nest_end (message, info);
  write_seed (directory, "link-vxlan", message);
  message = mnl_nlmsg_put_header (&space);
  cg_rtnl_get_addresses (message, AF_INET6);
  ((struct ifaddrmsg *) mnl_nlmsg_get_payload (message))->ifa_index = 7;
  message->nlmsg_type = RTM_NEWADDR;
  mnl_attr_put_u32 (message, IFA_FLAGS, IFA_F_TENTATIVE);
  write_seed (directory, "address", message);
}

static void
write_socket (const char *directory)
{
  Message space;
  struct nlmsghdr *message = mnl_nlmsg_put_header (&space);
  message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  struct inet_diag_msg *found = mnl_nlmsg_put_extra_header (message, sizeof *found);
  found->idiag_family = AF_INET6;
  found->idiag_state = TCP_FIN_WAIT1;
  found->idiag_uid = 1500;
  found->id.idiag_src[2] = found->id.idiag_dst[2] = htonl (0xffff); /* ::ffff:1.2.3.4 */
  found->id.idiag_src[3] = found->id.idiag_dst[3] = htonl (0x01020304);
  mnl_attr_put_u8 (message, INET_DIAG_SHUTDOWN, 0);
  write_seed (directory, "socket", message);
}

int
main (int argc, char **argv)
{
  const char *directory = argc > 1 ? argv[1] : "corpus/rtnl";
  write_rules (directory);
  write_routes (directory);
  write_others (directory);
  write_socket (directory);
  return 0;
}
