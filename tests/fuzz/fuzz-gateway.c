/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any bytes as a configuration file: a gateway that keeps what gateway.h promises, or an error that
 * fits a journal. */

#include "driver.h"
#include "gateway.h"

#include <string.h>

#define MAX_MESSAGE 512

static gboolean
lookup (const char *name, guint32 *uid, GError **error)
{
  /* every second name is a user, some of them with a uid that must not be let through */
  guint hash = g_str_hash (name);
  if (hash & 1) {
    g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG, "no such user");
    return FALSE;
  }
  *uid = hash % 7 == 0 ? 0 : hash % 7 == 1 ? G_MAXUINT32 : hash;
  return TRUE;
}

static void
check_uids (const CgGateway *gateway)
{
  guint64 next = 1; /* no uid 0 */
  for (guint i = 0; i < gateway->uids->len; i++) {
    CgUidRange range = g_array_index (gateway->uids, CgUidRange, i);
    g_assert_cmpuint (range.first, >=, next);
    g_assert_cmpuint (range.first, <=, range.last);
    g_assert_cmpuint (range.last, <, G_MAXUINT32);
    next = (guint64) range.last + 2; /* neighbours would be one range */
  }
}

static void
check_prefixes (const CgGateway *gateway)
{
  for (guint i = 0; i < gateway->bypass->len; i++) {
    const CgPrefix *prefix = &g_array_index (gateway->bypass, CgPrefix, i);
    g_assert_cmpuint (prefix->length, >, 0);
    g_assert_cmpuint (prefix->length, <=, cg_family_bytes (prefix->family) * 8);
    g_assert_false (cg_prefix_has_host_bits (prefix));
    g_assert_true (i == 0 || memcmp (prefix - 1, prefix, sizeof *prefix) < 0);
  }
  for (guint i = 0; i < gateway->dns->len; i++) {
    const CgPrefix *server = &g_array_index (gateway->dns, CgPrefix, i);
    g_assert_cmpuint (server->length, ==, cg_family_bytes (server->family) * 8);
  }
  g_assert_cmpint (gateway->dns_mode == CG_DNS_SERVERS, ==, gateway->dns->len > 0);
}

static void
check_names (const CgGateway *gateway)
{
  g_assert_true ((gateway->interface == NULL) != (gateway->connection == NULL));
  g_assert_true (!gateway->interface || cg_interface_name_valid (gateway->interface));
  g_assert_true (!gateway->connection || g_utf8_validate (gateway->connection, -1, NULL));
  for (char **service = gateway->services; *service; service++) {
    g_assert_true (g_str_has_suffix (*service, ".service"));
    g_assert_null (strpbrk (*service, "/ \t\n"));
  }
  g_assert_null (gateway->interface_unit ? strpbrk (gateway->interface_unit, "/ \t\n") : NULL);
}

static void
check_numbers (const CgGateway *gateway)
{
  g_assert_cmpuint (gateway->priority, >=, CG_PRIORITY_MIN);
  g_assert_cmpuint (gateway->priority, <=, CG_PRIORITY_MAX);
  g_assert_false (gateway->table >= CG_TABLE_RESERVED_FIRST &&
                  gateway->table <= CG_TABLE_RESERVED_LAST);
  g_assert_cmpint (gateway->ipv6, <=, CG_IPV6_ROUTE);
  g_assert_cmpint (gateway->on_down, <=, CG_ON_DOWN_RELEASE);
  g_assert_cmpint (gateway->guard, <=, CG_GUARD_REQUIRED);
  g_assert_cmpint (gateway->reverse_path, <=, CG_REVERSE_PATH_KEEP);
}

/* One line of printable ASCII: nothing of the file may forge or flood a journal. */
static void
check_message (const GError *error)
{
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpuint (strlen (error->message), <=, MAX_MESSAGE);
  for (const char *c = error->message; *c; c++)
    g_assert_true (g_ascii_isprint (*c));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  const char *text = size ? (const char *) data : ""; /* data may be NULL then */
  g_autoptr (CgGateway) gateway = cg_gateway_parse ("wg0", text, size, lookup, &error);
  g_assert_true ((gateway == NULL) == (error != NULL));
  if (error) {
    check_message (error);
    return 0;
  }
  g_assert_true (gateway->uids->len > 0 || gateway->services[0]);
  check_uids (gateway);
  check_prefixes (gateway);
  check_names (gateway);
  check_numbers (gateway);
  return 0;
}
