/* SPDX-License-Identifier: GPL-2.0-or-later */

/* NetworkManager's profiles as files, and the configuration in their user data. */

#include <string.h>

#include "profile.h"

#define UUID "0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10"

static CgProfile *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  CgProfile *profile = cg_profile_parse ("Work VPN.nmconnection", text, strlen (text), &error);
  g_assert_no_error (error);
  return profile;
}

static void
what_is_read (void)
{
  g_autoptr (CgProfile) profile =
      parse ("[connection]\nid=Work\nuuid=" UUID "\ninterface-name=wg0\npermissions=\n"
             "[wireguard-peer.S0VxpvtYnMQj0oGDO4acrvLC2mgLJINruNAd07Pq7mY=]\nallowed-ips=::/0;\n"
             "[user]\nother.program=1\ncustom-gateway.users=alice\n");
  g_assert_cmpstr (profile->id, ==, "Work");
  g_assert_cmpstr (profile->uuid, ==, UUID);
  g_assert_cmpstr (profile->interface, ==, "wg0");
  g_assert_false (profile->is_private);
  g_assert_cmpuint (g_hash_table_size (profile->data), ==, 1);
  g_assert_cmpstr (g_hash_table_lookup (profile->data, "custom-gateway.users"), ==, "alice");
}

static void
what_is_missing (void)
{
  g_autoptr (CgProfile) profile = parse ("[connection]\npermissions=user:bob:;\n");
  g_assert_cmpstr (profile->id, ==, "Work VPN");
  g_assert_null (profile->uuid);
  g_assert_null (profile->interface);
  g_assert_true (profile->is_private);
  g_assert_cmpuint (g_hash_table_size (profile->data), ==, 0);
}

static void
what_is_no_profile (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (cg_profile_parse ("x", "custom-gateway.users=alice", 26, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
}

static const struct {
  const char *key;
  const char *data_key;
} keys[] = {
    {"Users", "custom-gateway.users"},
    {"Services", "custom-gateway.services"},
    {"DNS", "custom-gateway.dns"},
    {"IPv6", "custom-gateway.ipv6"},
    {"OnDown", "custom-gateway.on-down"},
    {"ReversePathFilter", "custom-gateway.reverse-path-filter"},
    {"InterfaceUnit", "custom-gateway.interface-unit"},
};

static void
keys_go_there_and_back (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *data_key = cg_profile_data_key (keys[i].key);
    g_autofree char *key = cg_profile_config_key (keys[i].data_key);
    g_assert_cmpstr (data_key, ==, keys[i].data_key);
    g_assert_cmpstr (key, ==, keys[i].key);
  }
  g_assert_null (cg_profile_config_key ("other.program"));
}

static void
there_is_one_way_to_write_a_key (void)
{
  static const char *const others[] = {"Users",  "USERS",  "ondown", "on--down", "-users",
                                       "users-", "onDown", "i-pv6",  "d-n-s",    "IPv6"};
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *data_key = g_strconcat (CG_PROFILE_PREFIX, others[i], NULL);
    g_autofree char *key = cg_profile_config_key (data_key);
    for (gsize j = 0; j < G_N_ELEMENTS (keys); j++)
      if (g_strcmp0 (key, keys[j].key) == 0)
        g_error ("%s is taken for %s", others[i], key);
  }
}

/* What becomes of "KEY=VALUE" in user data: the file, or the error. */
static char *
config_of (const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) data = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert (data, g_strdup ("other.program"), g_strdup ("1"));
  g_hash_table_insert (data, g_strdup ("custom-gateway.users"), g_strdup ("alice"));
  g_hash_table_insert (data, g_strdup (key), g_strdup (value));
  char *text = cg_profile_to_config ("'Work'", UUID, data, &error);
  return text ? text : g_strdup (error->message);
}

static void
config_is_text (void)
{
  g_autofree char *text = config_of ("custom-gateway.dns", "auto");
  g_assert_cmpstr (text, ==, "[Gateway]\nConnection=" UUID "\nDNS=auto\nUsers=alice\n");
}

static void
a_value_is_one_line (void)
{
  g_autofree char *text = config_of ("custom-gateway.dns", "auto\nUsers=bob");
  g_assert_cmpstr (
      text, ==,
      "'Work': [user] 'custom-gateway.dns': control character in 'auto\\nUsers=bob'; write "
      "one line");
}

static void
a_key_is_a_word (void)
{
  static const char *const others[] = {"custom-gateway.#users",  "custom-gateway.[x]",
                                       "custom-gateway.users=x", "custom-gateway.",
                                       "custom-gateway.Users",   "custom-gateway.us\ners"};
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *text = config_of (others[i], "alice");
    g_assert_true (g_str_has_prefix (text, "'Work': [user] unknown key 'custom-gateway."));
  }
}

static void
the_interface_is_the_profiles (void)
{
  g_autofree char *interface = config_of ("custom-gateway.interface", "eth0");
  g_autofree char *connection = config_of ("custom-gateway.connection", "other");
  g_assert_true (strstr (interface, "the profile itself says") != NULL);
  g_assert_true (strstr (connection, "the profile itself says") != NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile/what is read", what_is_read);
  g_test_add_func ("/profile/what is missing", what_is_missing);
  g_test_add_func ("/profile/what is no profile", what_is_no_profile);
  g_test_add_func ("/profile/keys go there and back", keys_go_there_and_back);
  g_test_add_func ("/profile/there is one way to write a key", there_is_one_way_to_write_a_key);
  g_test_add_func ("/profile/config is text", config_is_text);
  g_test_add_func ("/profile/a value is one line", a_value_is_one_line);
  g_test_add_func ("/profile/a key is a word", a_key_is_a_word);
  g_test_add_func ("/profile/the interface is the profile's", the_interface_is_the_profiles);
  return g_test_run ();
}
