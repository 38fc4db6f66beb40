/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "warnings-dns.h"

/* The first of the system's servers of which that holds, in words that the caller owns; or NULL. */
static char *
find_resolver (const CgFacts *facts,
               gboolean (*holds) (const CgPrefix *, gconstpointer),
               gconstpointer data)
{
  for (guint i = 0; i < facts->resolvers->len; i++) {
    const CgPrefix *server = &g_array_index (facts->resolvers, CgPrefix, i);
    if (holds (server, data))
      return cg_prefix_to_address (server);
  }
  return NULL;
}

static gboolean
is_local (const CgPrefix *server, gconstpointer data)
{
  (void) data;
  return cg_server_is_local (server);
}

static gboolean
is_not_of (const CgPrefix *server, gconstpointer gateway)
{
  return !cg_prefixes_have (((const CgGateway *) gateway)->dns, server);
}

void
cg_warn_of_dns (GPtrArray *warnings, const CgFacts *facts, const CgGateway *gateway)
{
  g_autofree char *local = find_resolver (facts, is_local, NULL);
  g_autofree char *other = find_resolver (facts, is_not_of, gateway);
  const char *name = gateway->name;
  if (gateway->dns_mode == CG_DNS_NONE) {
    if (local)
      g_ptr_array_add (
          warnings, g_strdup_printf (
                        "%s: names are asked for past the tunnel: /etc/resolv.conf names %s, and "
                        "who listens there asks as another user; give DNS=",
                        name, local));
    return;
  }
  if (gateway->guard == CG_GUARD_NO && local)
    g_ptr_array_add (
        warnings,
        g_strdup_printf ("%s: with Guard=no a program that asks %s itself gets its answer "
                         "past the tunnel",
                         name, local));
  if (gateway->guard != CG_GUARD_NO && !gateway->services[0] && other)
    g_ptr_array_add (
        warnings,
        g_strdup_printf ("%s: the programs of Users= read /etc/resolv.conf, which names %s; the "
                         "guard drops their questions, and only Services= see the servers of DNS=",
                         name, other));
}
