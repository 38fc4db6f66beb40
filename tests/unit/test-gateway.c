/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What good configuration says. What is refused: test-gateway-errors.c. */

#include "world.h"

#include <string.h>

static void
append_prefixes (GString *text, const char *key, const GArray *prefixes)
{
  g_string_append (text, key);
  for (guint i = 0; i < prefixes->len; i++) {
    g_autofree char *prefix = cg_prefix_to_string (&g_array_index (prefixes, CgPrefix, i));
    g_string_append_printf (text, "%s%s", i ? " " : "", prefix);
  }
  g_string_append (text, ";");
}

/* All of it in one line, so that a case can name the part that it is about. */
static char *
describe (const CgGateway *gateway)
{
  static const char *const dns[] = {"none", "auto", "servers"};
  static const char *const ipv6[] = {"auto", "block", "route"};
  static const char *const on_down[] = {"stop", "block", "release"};
  static const char *const filter[] = {"loose", "keep"};
  static const char *const guard[] = {"no", "yes", "required"};
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *services = g_strjoinv (" ", gateway->services);
  g_string_append_printf (
      text, "name=%s;interface=%s;connection=%s;unit=%s;services=%s;uids=", gateway->name,
      gateway->interface, gateway->connection, gateway->interface_unit, services);
  for (guint i = 0; i < gateway->uids->len; i++) {
    g_autofree char *uids = cg_uid_range_to_string (g_array_index (gateway->uids, CgUidRange, i));
    g_string_append_printf (text, "%s%s", i ? " " : "", uids);
  }
  g_string_append_printf (text, ";dns=%s;", dns[gateway->dns_mode]);
  append_prefixes (text, "servers=", gateway->dns);
  append_prefixes (text, "bypass=", gateway->bypass);
  g_string_append_printf (text, "ipv6=%s;down=%s;filter=%s;guard=%s;table=%u;priority=%u;",
                          ipv6[gateway->ipv6], on_down[gateway->on_down],
                          filter[gateway->reverse_path], guard[gateway->guard], gateway->table,
                          gateway->priority);
  return g_strdup (text->str);
}

static char *
parse_and_describe (const char *name, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway =
      cg_gateway_parse (name, text, strlen (text), world_lookup, &error);
  g_assert_no_error (error);
  g_assert_nonnull (gateway);
  return describe (gateway);
}

#define CONFINED "Users=alice\n"

static const struct KeyCase {
  const char *name;
  const char *lines; /* below [Gateway] */
  const char *part;  /* of what describe() says */
} key_cases[] = {
    {"interface/is-the-file-name-if-not-given", CONFINED, ";interface=wg0;"},
    {"interface/given", CONFINED "Interface=tun7\n", ";interface=tun7;"},
    {"interface/15-bytes", CONFINED "Interface=abcdefghijklmno\n", ";interface=abcdefghijklmno;"},
    {"interface/dot-and-at", CONFINED "Interface=eth0.5@x\n", ";interface=eth0.5@x;"},
    {"interface/utf-8", CONFINED "Interface=t\xc3\xbcr\n", ";interface=t\xc3\xbcr;"},
    {"connection/by-id-with-blanks", CONFINED "Connection=Work VPN\n",
     ";interface=(null);connection=Work VPN;"},
    {"connection/by-uuid", CONFINED "Connection=6ba7b810-9dad-11d1-80b4-00c04fd430c8\n",
     ";connection=6ba7b810-9dad-11d1-80b4-00c04fd430c8;"},
    {"connection/quotes-and-hashes-are-its-own", CONFINED "Connection=\"a\" #1\n",
     ";connection=\"a\" #1;"},
    {"connection/utf-8", CONFINED "Connection=B\xc3\xbcro\n", ";connection=B\xc3\xbcro;"},
    {"interface-unit/instance", CONFINED "InterfaceUnit=wg-quick@wg0.service\n",
     ";unit=wg-quick@wg0.service;"},
    {"interface-unit/of-another-type", CONFINED "InterfaceUnit=sys-subsystem-net-wg0.device\n",
     ";unit=sys-subsystem-net-wg0.device;"},
    {"interface-unit/escaped", CONFINED "InterfaceUnit=a\\x2db.service\n",
     ";unit=a\\x2db.service;"},
    {"services/alone-are-enough", "Services=bitcoind.service\n",
     ";services=bitcoind.service;uids=;"},
    {"services/several", "Services=a.service b.service\n", ";services=a.service b.service;"},
    {"services/commas", "Services=a.service,b.service ,  c.service,\n",
     ";services=a.service b.service c.service;"},
    {"services/suffix-is-added", "Services=bitcoind\n", ";services=bitcoind.service;"},
    {"services/instance", "Services=syncthing@alice.service\n",
     ";services=syncthing@alice.service;"},
    {"services/instance-that-begins-with-a-dot", "Services=sync@.home.service\n",
     ";services=sync@.home.service;"},
    {"services/instance-without-suffix", "Services=syncthing@alice\n",
     ";services=syncthing@alice.service;"},
    {"services/dots-in-the-name", "Services=org.example.thing.service\n",
     ";services=org.example.thing.service;"},
    {"users/by-name", "Users=alice\n", ";uids=1500;"},
    {"users/by-uid", "Users=1700\n", ";uids=1700;"},
    {"users/range", "Users=2000-2010\n", ";uids=2000-2010;"},
    {"users/range-of-one", "Users=5-5\n", ";uids=5;"},
    {"users/mixed-and-joined", "Users=carol, 2000-2010 bob\talice 2011\n",
     ";uids=1500-1502 2000-2011;"},
    {"users/name-and-uid-of-the-same", "Users=alice 1500\n", ";uids=1500;"},
    {"users/lowest", "Users=1\n", ";uids=1;"},
    {"users/highest", "Users=4294967294\n", ";uids=4294967294;"},
    {"users/all-but-root", "Users=1-4294967294\n", ";uids=1-4294967294;"},
    {"dns/not-given", CONFINED, ";dns=none;servers=;"},
    {"dns/none", CONFINED "DNS=none\n", ";dns=none;servers=;"},
    {"dns/empty", CONFINED "DNS=\n", ";dns=none;servers=;"},
    {"dns/auto", CONFINED "DNS=auto\n", ";dns=auto;servers=;"},
    {"dns/server", CONFINED "DNS=10.64.0.1\n", ";dns=servers;servers=10.64.0.1/32;"},
    {"dns/servers-in-their-order", CONFINED "DNS=fd00::1, 10.64.0.1\n",
     ";dns=servers;servers=fd00::1/128 10.64.0.1/32;"},
    {"ipv6/not-given", CONFINED, ";ipv6=auto;"},
    {"ipv6/auto", CONFINED "IPv6=auto\n", ";ipv6=auto;"},
    {"ipv6/block", CONFINED "IPv6=block\n", ";ipv6=block;"},
    {"ipv6/route", CONFINED "IPv6=route\n", ";ipv6=route;"},
    {"bypass/not-given", CONFINED, ";bypass=;"},
    {"bypass/empty", CONFINED "Bypass=\n", ";bypass=;"},
    {"bypass/network", CONFINED "Bypass=192.168.1.0/24\n", ";bypass=192.168.1.0/24;"},
    {"bypass/address", CONFINED "Bypass=192.168.1.7\n", ";bypass=192.168.1.7/32;"},
    {"bypass/length-1", CONFINED "Bypass=128.0.0.0/1\n", ";bypass=128.0.0.0/1;"},
    {"bypass/sorted-and-each-once",
     CONFINED "Bypass=fd00::/8 192.168.1.0/24, 10.0.0.0/24 fd00::/8 192.168.1.0/24\n",
     ";bypass=10.0.0.0/24 192.168.1.0/24 fd00::/8;"},
    {"on-down/not-given", CONFINED, ";down=stop;"},
    {"on-down/stop", CONFINED "OnDown=stop\n", ";down=stop;"},
    {"on-down/block", CONFINED "OnDown=block\n", ";down=block;"},
    {"on-down/release", CONFINED "OnDown=release\n", ";down=release;"},
    {"reverse-path-filter/not-given", CONFINED, ";filter=loose;"},
    {"reverse-path-filter/loose", CONFINED "ReversePathFilter=loose\n", ";filter=loose;"},
    {"reverse-path-filter/keep", CONFINED "ReversePathFilter=keep\n", ";filter=keep;"},
    {"guard/not-given", CONFINED, ";guard=yes;"},
    {"guard/yes", CONFINED "Guard=yes\n", ";guard=yes;"},
    {"guard/true", CONFINED "Guard=true\n", ";guard=yes;"},
    {"guard/on", CONFINED "Guard=on\n", ";guard=yes;"},
    {"guard/1", CONFINED "Guard=1\n", ";guard=yes;"},
    {"guard/no", CONFINED "Guard=no\n", ";guard=no;"},
    {"guard/false", CONFINED "Guard=false\n", ";guard=no;"},
    {"guard/off", CONFINED "Guard=off\n", ";guard=no;"},
    {"guard/0", CONFINED "Guard=0\n", ";guard=no;"},
    {"guard/required", CONFINED "Guard=required\n", ";guard=required;"},
    {"table/not-given", CONFINED, ";table=0;"},
    {"table/auto", CONFINED "Table=auto\n", ";table=0;"},
    {"table/lowest", CONFINED "Table=1\n", ";table=1;"},
    {"table/below-the-reserved", CONFINED "Table=252\n", ";table=252;"},
    {"table/above-the-reserved", CONFINED "Table=256\n", ";table=256;"},
    {"table/highest", CONFINED "Table=4294967295\n", ";table=4294967295;"},
    {"priority/not-given", CONFINED, ";priority=500;"},
    {"priority/lowest", CONFINED "Priority=1\n", ";priority=1;"},
    {"priority/highest", CONFINED "Priority=32765\n", ";priority=32765;"},
    {"text/comments-and-blank-lines", "# a\n\n  # b\n" CONFINED "#Users=bob\n", ";uids=1500;"},
    {"text/blanks-around-key-and-value", "  Users  =  alice  \n", ";uids=1500;"},
    {"text/lines-that-end-in-cr-lf", "Users=alice\r\nTable=7\r\n", ";table=7;"},
    {"text/no-newline-at-the-end", "Users=alice\nTable=7", ";table=7;"},
    {"text/group-given-twice", "Users=alice\n[Gateway]\nTable=7\n", ";table=7;"},
};

static void
says (gconstpointer data)
{
  const struct KeyCase *test = data;
  g_autofree char *text = g_strconcat ("[Gateway]\n", test->lines, NULL);
  g_autofree char *description = parse_and_describe ("wg0", text);
  if (!strstr (description, test->part))
    g_test_fail_printf ("'%s' is not in: %s", test->part, description);
}

static void
everything_at_once (void)
{
  g_autofree char *description = parse_and_describe (
      "home", "[Gateway]\nInterface=wg1\nInterfaceUnit=wg-quick@wg1.service\n"
              "Services=a b.service\nUsers=alice 1600\nDNS=10.0.0.1\nIPv6=route\n"
              "Bypass=10.1.0.0/16\nOnDown=block\nReversePathFilter=keep\nGuard=required\n"
              "Table=42\nPriority=77\n");
  g_assert_cmpstr (description, ==,
                   "name=home;interface=wg1;connection=(null);unit=wg-quick@wg1.service;"
                   "services=a.service b.service;uids=1500 1600;dns=servers;servers=10.0.0.1/32;"
                   "bypass=10.1.0.0/16;ipv6=route;down=block;filter=keep;guard=required;table=42;"
                   "priority=77;");
}

/* The parser gets bytes, not a string: behind the length there may be anything. */
static void
bytes_behind_the_length_do_not_count (void)
{
  static const char text[] = "[Gateway]\nUsers=alice\nTable=77";
  g_autoptr (GError) error = NULL;
  g_autofree char *exact = g_memdup2 (text, sizeof text - 2);
  g_autoptr (CgGateway) gateway =
      cg_gateway_parse ("wg0", exact, sizeof text - 2, world_lookup, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (gateway->table, ==, 7);
}

/* "The same text and the same users give the same result": whatever the language of the caller. */
static void
same_in_every_language (gconstpointer language)
{
  static const char text[] = "[Gateway]\nUsers=alice\nUsers[fr]=bob\n";
  g_setenv ("LANGUAGE", language, TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway =
      cg_gateway_parse ("wg0", text, strlen (text), world_lookup, &error);
  if (gateway)
    g_test_fail_printf ("a key that nobody knows was passed over");
  else
    g_assert_true (g_str_has_prefix (error->message, "wg0.conf: line 3: 'Users[fr]'"));
}

static const struct NameCase {
  const char *name;
  const char *given;
  gboolean valid;
} name_cases[] = {
    {"plain", "wg0", TRUE},
    {"all-characters", "Az09_.@-", TRUE},
    {"underscore-first", "_x", TRUE},
    {"64-bytes", "0123456789012345678901234567890123456789012345678901234567890123", TRUE},
    {"65-bytes", "01234567890123456789012345678901234567890123456789012345678901234", FALSE},
    {"empty", "", FALSE},
    {"dot-first", ".x", FALSE},
    {"dash-first", "-x", FALSE},
    {"slash", "a/b", FALSE},
    {"space", "a b", FALSE},
    {"newline", "a\n", FALSE},
    {"percent", "a%", FALSE},
    {"utf-8", "b\xc3\xbc", FALSE},
};

static void
checks_name (gconstpointer data)
{
  const struct NameCase *test = data;
  g_assert_cmpint (cg_gateway_name_valid (test->given), ==, test->valid);
}

static void
lookup_knows_root (void)
{
  guint32 uid = 7;
  g_autoptr (GError) error = NULL;
  g_assert_true (cg_user_lookup ("root", &uid, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (uid, ==, 0);
}

static void
lookup_knows_no_such_user (void)
{
  guint32 uid = 7;
  g_autoptr (GError) error = NULL;
  g_assert_false (cg_user_lookup ("no-such-user-here", &uid, &error));
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, "no such user");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/gateway", key_cases, says);
  ADD_CASES ("/gateway/name", name_cases, checks_name);
  g_test_add_func ("/gateway/everything-at-once", everything_at_once);
  g_test_add_func ("/gateway/bytes-behind-the-length", bytes_behind_the_length_do_not_count);
  g_test_add_data_func ("/gateway/localised-key/in-french", "fr", same_in_every_language);
  g_test_add_data_func ("/gateway/localised-key/in-english", "en", same_in_every_language);
  g_test_add_func ("/gateway/lookup/root", lookup_knows_root);
  g_test_add_func ("/gateway/lookup/no-such-user", lookup_knows_no_such_user);
  return g_test_run ();
}
