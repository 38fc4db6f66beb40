/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Any bytes as a file that no parser takes, of which only units that could be services and uids
 * that may be confined are read; and as what is kept of a last good one. */

#include "bad-words.h"
#include "driver.h"
#include "last-good.h"

#include <string.h>

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
check_services (const char *text, size_t size)
{
  g_auto (GStrv) services = cg_bad_services (text, size);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_assert_cmpuint (g_strv_length (services), <=, CG_BAD_WORDS_MAX);
  for (char **service = services; *service; service++) {
    g_assert_true (g_str_has_suffix (*service, ".service"));
    g_assert_null (strpbrk (*service, "/ \t\r\n"));
    g_assert_false (g_str_has_prefix (*service, "custom-gateway."));
    g_assert_cmpuint (strlen (*service), <=, 255);
    g_assert_true (g_hash_table_add (seen, *service));
  }
}

static void
check_uids (const GArray *uids)
{
  guint64 next = 1; /* no uid 0 */
  for (guint i = 0; i < uids->len; i++) {
    CgUidRange range = g_array_index (uids, CgUidRange, i);
    g_assert_cmpuint (range.first, >=, next);
    g_assert_cmpuint (range.first, <=, range.last);
    g_assert_cmpuint (range.last, <, G_MAXUINT32);
    next = (guint64) range.last + 2; /* neighbours would be one range */
  }
}

static void
check_last_good (const char *bytes, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway = cg_last_good_decode ("wg0", bytes, size, lookup, &error);
  g_assert_true ((gateway == NULL) == (error != NULL));
  if (gateway) {
    g_assert_true (gateway->users->len > 0 || gateway->services[0]);
    check_uids (gateway->uids);
    check_uids (gateway->users);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char header[] = "# uids: 1500 1600-1700\n";
  const char *text = size ? (const char *) data : ""; /* data may be NULL then */
  check_services (text, size);
  g_autoptr (GArray) uids = cg_bad_uids (text, size, lookup);
  check_uids (uids);
  check_last_good (text, size);
  g_autoptr (GString) kept = g_string_new (header);
  g_string_append_len (kept, text, (gssize) size);
  check_last_good (kept->str, kept->len);
  return 0;
}
