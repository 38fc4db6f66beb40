/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stray-run.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "records.h"
#include "rtnl.h"
#include "state-file.h"

/* What became of those that were to be ended. */
typedef struct {
  const GArray *strays;
  guint left;       /* that the kernel did not end */
  gboolean passing; /* to try again may help */
  char why[128];    /* of the first */
} Ending;

void
cg_strays_note (const GArray *ops, const char *runtime_dir)
{
  for (guint i = 0; i < ops->len; i++) {
    const CgOp *op = &g_array_index (ops, CgOp, i);
    /* if it fails: to leave the way open for want of a note would be worse */
    if (op->step == CG_STEP_END_STRAYS)
      cg_record_mark (runtime_dir, CG_RECORD_STRAYS, op->tunnel->gateway->name);
  }
}

/* What the kernel itself decides about before any rule: table "local". */
static gboolean
find_local_routes (CgNetlink *routing, int family, GArray *here, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GError) why = NULL;
  cg_rtnl_get_routes (request, family, RT_TABLE_LOCAL, 0);
  int number = cg_netlink_ask (routing, request, cg_rtnl_parse_route, here, &why);
  if (number == 0 || number == ENOENT || number == EAFNOSUPPORT || number == EOPNOTSUPP)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

/* Without inet_diag or tcp_diag, which the kernel loads by itself where they are modules, nobody
 * answers for the family. */
static gboolean
find_sockets (CgNetlink *diag, int family, GArray *sockets, GError **error)
{
  CgNetlinkMessage space;
  struct nlmsghdr *request = mnl_nlmsg_put_header (&space);
  g_autoptr (GError) why = NULL;
  cg_inet_diag_get_all (request, family);
  int number = cg_netlink_ask (diag, request, cg_inet_diag_parse, sockets, &why);
  if (number == ENOENT)
    g_set_error_literal (error, CG_ERROR, CG_ERROR_ABSENT, "the kernel has no tcp_diag");
  else if (number != 0)
    g_propagate_error (error, g_steal_pointer (&why));
  return number == 0;
}

/* Whether the kernel counts no TCP socket here, not even one that listens (proc_pid_net(5)): that
 * is cheaper than to walk through its table of connections, and has no module loaded. So it is at
 * boot. */
static gboolean
none_in_use (void)
{
  g_autofree char *four = cg_file_read ("/proc/net/sockstat", CG_STATE_MAX);
  g_autofree char *six = cg_file_read ("/proc/net/sockstat6", CG_STATE_MAX);
  return four && six && strstr (four, "TCP: inuse 0") && strstr (six, "TCP6: inuse 0");
}

static gboolean
find_strays (
    CgNetlink *routing, CgNetlink *diag, const CgTunnel *tunnel, GArray *strays, GError **error)
{
  g_autoptr (GArray) here = cg_routes_new ();
  g_autoptr (GArray) sockets = g_array_new (FALSE, FALSE, sizeof (CgSocket));
  for (guint i = 0; i < CG_N_FAMILIES; i++)
    if (!find_sockets (diag, cg_families[i], sockets, error))
      return FALSE;
  for (guint i = 0; sockets->len > 0 && i < CG_N_FAMILIES; i++)
    if (!find_local_routes (routing, cg_families[i], here, error))
      return FALSE;
  for (guint i = 0; i < sockets->len; i++) {
    const CgSocket *socket = &g_array_index (sockets, CgSocket, i);
    if (cg_socket_is_stray (socket, tunnel, here))
      g_array_append_vals (strays, socket, 1);
  }
  return TRUE;
}

gboolean
cg_strays_find (CgNetlink *netlink, const CgTunnel *tunnel, GArray *strays, GError **error)
{
  if (none_in_use ())
    return TRUE;
  g_autoptr (CgNetlink) diag = cg_netlink_open (NETLINK_SOCK_DIAG, error);
  return diag && find_strays (netlink, diag, tunnel, strays, error);
}

static void
encode (struct nlmsghdr *message, guint index, gpointer data)
{
  const Ending *ending = data;
  cg_inet_diag_put_destroy (message, &g_array_index (ending->strays, CgSocket, index));
}

static void
refused (guint index, int number, const char *text, gpointer data)
{
  Ending *ending = data;
  (void) index;
  (void) text;
  if (number == ENOENT || number == ESTALE)
    return; /* it has ended by itself, and another may have its place */
  if (ending->left++ == 0)
    g_strlcpy (ending->why,
               number == EOPNOTSUPP ? "the kernel cannot end them (CONFIG_INET_DIAG_DESTROY)"
                                    : g_strerror (number),
               sizeof ending->why);
  ending->passing = ending->passing || (number != EOPNOTSUPP && number != EPERM);
}

static void
report (const char *gateway, const Ending *ending)
{
  guint ended = ending->strays->len - ending->left;
  if (ended > 0)
    g_message ("%s: %u connection%s from before ended", gateway, ended, ended == 1 ? "" : "s");
  if (ending->left > 0)
    g_warning ("%s: %u connection%s from before left: %s", gateway, ending->left,
               ending->left == 1 ? "" : "s", ending->why);
}

/* TRUE if there is nothing left to do, or nothing that can be done. */
static gboolean
end_all (CgNetlink *routing, const CgTunnel *tunnel, GError **error)
{
  if (none_in_use ())
    return TRUE;
  g_autoptr (GArray) strays = g_array_new (FALSE, FALSE, sizeof (CgSocket));
  g_autoptr (CgNetlink) diag = cg_netlink_open (NETLINK_SOCK_DIAG, error);
  if (!diag || !find_strays (routing, diag, tunnel, strays, error))
    return FALSE;
  Ending ending = {.strays = strays};
  const CgNetlinkBatch batch = {
      .count = strays->len, .encode = encode, .refused = refused, .data = &ending};
  if (!cg_netlink_send (diag, &batch, error))
    return FALSE;
  report (tunnel->gateway->name, &ending);
  return !ending.passing;
}

void
cg_strays_end (CgNetlink *netlink, const CgTunnel *tunnel, const char *runtime_dir)
{
  const char *gateway = tunnel->gateway->name;
  g_autoptr (GError) error = NULL;
  gboolean done = end_all (netlink, tunnel, &error);
  if (error)
    g_warning ("%s: connections from before are left: %s", gateway, error->message);
  if (done || g_error_matches (error, CG_ERROR, CG_ERROR_ABSENT))
    (void) cg_record_drop (runtime_dir, CG_RECORD_STRAYS, gateway, NULL);
}
