/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any bytes as a profile of NetworkManager's, and as networkd's file about a link. Anybody may
 * write the one for himself; the far end of a tunnel has a say in the other. */

#include "driver.h"
#include "gateway.h"
#include "link-dns.h"
#include "profile.h"

#include <string.h>

#define UUID "0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10"

static gboolean
lookup (const char *name, guint32 *uid, GError **error)
{
  (void) error;
  *uid = g_str_hash (name) % 1000 + 1;
  return TRUE;
}

/* The connection is the profile's, whatever the user data say. */
static void
check_gateway (const CgProfile *profile)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = cg_profile_to_config ("'x'", UUID, profile->data, &error);
  g_autoptr (CgGateway) gateway =
      text ? cg_gateway_parse_as ("x", "'x'", text, strlen (text), lookup, &error) : NULL;
  g_assert_true ((gateway == NULL) == (error != NULL));
  if (gateway) {
    g_assert_cmpstr (gateway->connection, ==, UUID);
    g_assert_null (gateway->interface);
    return;
  }
  for (const char *c = error->message; *c; c++)
    g_assert_true (g_ascii_isprint (*c));
}

static void
check_servers (const char *text, size_t size)
{
  g_autoptr (GArray) servers = g_array_new (FALSE, FALSE, sizeof (CgPrefix));
  cg_link_dns_parse (text, size, servers);
  g_assert_cmpuint (servers->len, <=, CG_LINK_DNS_MAX);
  for (guint i = 0; i < servers->len; i++) {
    const CgPrefix *server = &g_array_index (servers, CgPrefix, i);
    g_assert_cmpuint (server->length, ==, cg_family_bytes (server->family) * 8);
    g_assert_true (server->family == AF_INET6 || server->address[0] != 127);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  const char *text = size ? (const char *) data : ""; /* data may be NULL then */
  check_servers (text, size);
  g_autoptr (CgProfile) profile = cg_profile_parse ("x.nmconnection", text, size, &error);
  g_assert_true ((profile == NULL) == (error != NULL));
  if (profile)
    check_gateway (profile);
  return 0;
}
