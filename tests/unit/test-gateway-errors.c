/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What bad configuration is refused with: file, group, key, the word, the remedy. */

#include "world.h"

#include <string.h>

#define CONFINED "[Gateway]\nUsers=alice\n"
#define AT       "wg0.conf: [Gateway] "
#define USERS    "[Gateway]\nUsers="
#define NO_IFNAME                                                                                  \
  "; give 1 to 15 characters, none of them white space or one of / : \" \\ *, and not 'all' or "   \
  "'default'"
#define ROOT_REMEDY                                                                                \
  "; the tunnel's own packets are root's; run what is to be confined as a user of its own"
#define SEE_NMCLI "; give the id or UUID that 'nmcli connection show' lists"
#define TEN       "0123456789"
#define HUNDRED   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define SHOWN     TEN TEN TEN TEN TEN TEN

#define THE_KEYS                                                                                   \
  "the keys are Interface Connection InterfaceUnit Services Users DNS IPv6 Bypass OnDown "         \
  "ReversePathFilter Guard Table Priority"

static const struct ErrorCase {
  const char *name;
  const char *text;
  const char *message;
} error_cases[] = {
    /* the file */
    {"file/empty", "", "wg0.conf: no group [Gateway]; see custom-gateway.conf(5) for an example"},
    {"file/comments-alone", "# nothing\n",
     "wg0.conf: no group [Gateway]; see custom-gateway.conf(5) for an example"},
    {"file/key-before-the-group", "Users=alice\n[Gateway]\n",
     "wg0.conf: line 1: 'Users' stands before [Gateway]; begin the file with that line"},
    {"file/byte-order-mark", "\xef\xbb\xbf" CONFINED,
     "wg0.conf: begins with a byte order mark; save it as UTF-8 without one"},
    {"file/group-not-closed", "[Gateway\nUsers=alice\n",
     "wg0.conf: line 1: '[Gateway' is no group; write [Gateway]"},
    {"file/no-key", CONFINED "=alice\n",
     "wg0.conf: line 3: '=alice' is no KEY=VALUE; a comment starts with #"},
    {"file/unknown-group", CONFINED "[Peer]\n",
     "wg0.conf: unknown group 'Peer'; all keys belong to [Gateway]"},
    {"file/group-in-lower-case", "[gateway]\nUsers=alice\n",
     "wg0.conf: unknown group 'gateway'; all keys belong to [Gateway]"},
    {"file/unknown-key", CONFINED "PrivateKey=x\n", AT "unknown key 'PrivateKey'; " THE_KEYS},
    {"file/key-in-lower-case", CONFINED "table=7\n", AT "unknown key 'table'; write Table="},
    {"file/key-misspelt", CONFINED "Servces=a\n",
     AT "unknown key 'Servces'; did you mean Services=?"},
    {"file/key-with-a-colon", CONFINED "Services:=a\n",
     AT "unknown key 'Services:'; did you mean Services=?"},
    {"file/key-of-another-format", CONFINED "Units=a\n",
     AT "unknown key 'Units'; did you mean Services=?"},
    {"file/key-twice", CONFINED "Users=bob\n",
     AT "key 'Users' is given twice; keep one line, with all the words on it"},
    {"file/key-twice-with-blanks", CONFINED "  Users =bob\n",
     AT "key 'Users' is given twice; keep one line, with all the words on it"},
    {"file/key-twice-in-two-groups", CONFINED "[Gateway]\nUsers=bob\n",
     AT "key 'Users' is given twice; keep one line, with all the words on it"},
    {"file/no-key-value", CONFINED "Table 7\n",
     "wg0.conf: line 3: 'Table 7' is no KEY=VALUE; a comment starts with #"},
    {"file/comment-with-semicolon", "; mine\n" CONFINED,
     "wg0.conf: line 1: '; mine' is no KEY=VALUE; a comment starts with #"},
    {"file/continued-line", USERS "alice \\\n  bob\n",
     "wg0.conf: line 3: 'bob' is no KEY=VALUE; a comment starts with #"},
    {"file/confines-nobody", "[Gateway]\nInterface=wg0\n",
     AT "confines nobody; give Services= or Users="},
    {"file/empty-lists-confine-nobody", USERS "\nServices= ,\n",
     AT "confines nobody; give Services= or Users="},
    /* Interface=, Connection=, InterfaceUnit= */
    {"interface/lo", CONFINED "Interface=lo\n",
     AT "Interface: loopback is not a tunnel: 'lo'; name the tunnel's interface"},
    {"interface/all", CONFINED "Interface=all\n",
     AT "Interface: not an interface name: 'all'" NO_IFNAME},
    {"interface/default", CONFINED "Interface=default\n",
     AT "Interface: not an interface name: 'default'" NO_IFNAME},
    {"interface/empty", CONFINED "Interface=\n",
     AT "Interface: not an interface name: ''" NO_IFNAME},
    {"interface/dot", CONFINED "Interface=.\n",
     AT "Interface: not an interface name: '.'" NO_IFNAME},
    {"interface/dots", CONFINED "Interface=..\n",
     AT "Interface: not an interface name: '..'" NO_IFNAME},
    {"interface/16-bytes", CONFINED "Interface=abcdefghijklmnop\n",
     AT "Interface: not an interface name: 'abcdefghijklmnop'" NO_IFNAME},
    {"interface/slash", CONFINED "Interface=a/b\n",
     AT "Interface: not an interface name: 'a/b'" NO_IFNAME},
    {"interface/colon", CONFINED "Interface=wg0:1\n",
     AT "Interface: not an interface name: 'wg0:1'" NO_IFNAME},
    {"interface/space", CONFINED "Interface=wg0 wg1\n",
     AT "Interface: not an interface name: 'wg0 wg1'" NO_IFNAME},
    {"interface/comment-behind-it", CONFINED "Interface=wg0 # x\n",
     AT "Interface: a comment needs a line of its own: 'wg0 # x'; move it there"},
    {"interface/tab", CONFINED "Interface=a\tb\n",
     AT "Interface: not an interface name: 'a\\tb'" NO_IFNAME},
    {"interface/delete", CONFINED "Interface=a\x7f\n",
     AT "Interface: not an interface name: 'a\\177'" NO_IFNAME},
    {"interface/byte-0xa0", CONFINED "Interface=a\xa0\n",
     AT "Interface: not an interface name: 'a\\240'" NO_IFNAME},
    {"connection/beside-interface", CONFINED "Interface=wg0\nConnection=Work\n",
     AT "Connection: Interface= is given beside it; remove one of them: a connection brings its "
        "interface along"},
    {"connection/empty", CONFINED "Connection=\n", AT "Connection: not a connection: ''" SEE_NMCLI},
    {"connection/not-utf-8", CONFINED "Connection=a\xff\n",
     AT "Connection: not a connection: 'a\\377'" SEE_NMCLI},
    {"connection/control-character", CONFINED "Connection=a\tb\n",
     AT "Connection: control character in 'a\\tb'" SEE_NMCLI},
    {"connection/too-long", CONFINED "Connection=" HUNDRED HUNDRED HUNDRED "\n",
     AT "Connection: not a connection: '" SHOWN "0123...'" SEE_NMCLI},
    {"interface-unit/no-suffix", CONFINED "InterfaceUnit=wg0\n",
     AT "InterfaceUnit: not a unit name: 'wg0'; give a unit such as wg-quick@wg0.service"},
    {"interface-unit/empty", CONFINED "InterfaceUnit=\n",
     AT "InterfaceUnit: not a unit name: ''; give a unit such as wg-quick@wg0.service"},
    {"interface-unit/two", CONFINED "InterfaceUnit=a.service b.service\n",
     AT "InterfaceUnit: not a unit name: 'a.service b.service'; give a unit such as "
        "wg-quick@wg0.service"},
    {"interface-unit/template", CONFINED "InterfaceUnit=wg-quick@.service\n",
     AT "InterfaceUnit: a template without an instance: 'wg-quick@.service'; name the instance, "
        "such as wg-quick@wg0.service"},
    /* Services= */
    {"services/of-another-type", "[Gateway]\nServices=a.socket\n",
     AT "Services: not a service: 'a.socket'; give units such as bitcoind.service"},
    {"services/slash", "[Gateway]\nServices=a/b.service\n",
     AT "Services: not a service: 'a/b.service'; give units such as bitcoind.service"},
    {"services/suffix-alone", "[Gateway]\nServices=.service\n",
     AT "Services: not a service: '.service'; give units such as bitcoind.service"},
    {"services/option", "[Gateway]\nServices=-H.service\n",
     AT "Services: not a service: '-H.service'; give units such as bitcoind.service"},
    {"services/at-first", "[Gateway]\nServices=@a.service\n",
     AT "Services: not a service: '@a.service'; give units such as bitcoind.service"},
    {"services/quote-inside", "[Gateway]\nServices=a.service \"b\"\n",
     AT "Services: not a service: '\"b\"'; give units such as bitcoind.service"},
    {"services/template", "[Gateway]\nServices=a@.service\n",
     AT "Services: a template without an instance: 'a@.service'; name the instance, such as "
        "name@instance.service"},
    {"services/template-without-suffix", "[Gateway]\nServices=a@\n",
     AT "Services: a template without an instance: 'a@'; name the instance, such as "
        "name@instance.service"},
    {"services/256-bytes",
     "[Gateway]\nServices=" HUNDRED HUNDRED TEN TEN TEN TEN "12345678.service\n",
     AT "Services: not a service: '" SHOWN "0123...'; give units such as bitcoind.service"},
    /* Users= */
    {"users/root-by-uid", USERS "0\n", AT "Users: this is root, uid 0: '0'" ROOT_REMEDY},
    {"users/root-in-many-digits", USERS "000\n",
     AT "Users: this is root, uid 0: '000'" ROOT_REMEDY},
    {"users/root-in-a-range", USERS "1500 0-10\n",
     AT "Users: this is root, uid 0: '0-10'" ROOT_REMEDY},
    {"users/root-by-another-name", USERS "toor\n",
     AT "Users: this is root, uid 0: 'toor'" ROOT_REMEDY},
    {"users/4294967295", USERS "4294967295\n",
     AT "Users: 4294967295 is no uid: '4294967295'; the highest uid is 4294967294"},
    {"users/range-to-4294967295", USERS "1-4294967295\n",
     AT "Users: 4294967295 is no uid: '1-4294967295'; the highest uid is 4294967294"},
    {"users/4294967295-by-name", USERS "nouid\n",
     AT "Users: 4294967295 is no uid: 'nouid'; the highest uid is 4294967294"},
    {"users/4294967296", USERS "4294967296\n",
     AT "Users: not a uid or a range of uids: '4294967296'; write 1500 or 2000-2010"},
    {"users/that-wraps-64-bits", USERS "18446744073709552116\n",
     AT "Users: not a uid or a range of uids: '18446744073709552116'; write 1500 or 2000-2010"},
    {"users/backwards", USERS "2010-2000\n",
     AT "Users: range runs backwards: '2010-2000'; put the lower uid first"},
    {"users/open-range", USERS "2000-\n",
     AT "Users: not a uid or a range of uids: '2000-'; write 1500 or 2000-2010"},
    {"users/negative", USERS "-5\n",
     AT "Users: not a uid or a range of uids: '-5'; write 1500 or 2000-2010"},
    {"users/three-ends", USERS "1-2-3\n",
     AT "Users: not a uid or a range of uids: '1-2-3'; write 1500 or 2000-2010"},
    {"users/range-with-blanks", USERS "2000 - 2010\n",
     AT "Users: not a uid or a range of uids: '-'; write 1500 or 2000-2010"},
    {"users/no-such-user", USERS "alice eve\n",
     AT "Users: no such user 'eve'; create the user, or remove it from this line"},
    {"users/hexadecimal", USERS "0x5\n",
     AT "Users: no such user '0x5'; create the user, or remove it from this line"},
    {"users/no-answer", USERS "broken\n",
     AT
     "Users: the user database does not answer (EIO) for 'broken'; create the user, or remove it "
     "from this line"},
    {"users/service", USERS "alice a.service\n",
     AT "Users: a service is no user: 'a.service'; name it in Services="},
    {"users/name-too-long", USERS HUNDRED HUNDRED HUNDRED "x\n",
     AT "Users: user name too long: '" SHOWN "0123...'; 256 bytes are the limit"},
    /* DNS=, Bypass= */
    {"dns/name", CONFINED "DNS=dns.example\n",
     AT
     "DNS: not the address of a server: 'dns.example'; give IPv4 or IPv6 addresses, or 'auto' or "
     "'none' alone"},
    {"dns/network", CONFINED "DNS=10.0.0.0/8\n",
     AT "DNS: not the address of a server: '10.0.0.0/8'; give IPv4 or IPv6 addresses, or 'auto' or "
        "'none' alone"},
    {"dns/zero", CONFINED "DNS=0.0.0.0\n",
     AT "DNS: not the address of a server: '0.0.0.0'; give IPv4 or IPv6 addresses, or 'auto' or "
        "'none' alone"},
    {"dns/auto-not-alone", CONFINED "DNS=10.0.0.1 auto\n",
     AT "DNS: not the address of a server: 'auto'; give IPv4 or IPv6 addresses, or 'auto' or "
        "'none' alone"},
    {"bypass/name", CONFINED "Bypass=lan\n",
     AT "Bypass: not a network: 'lan'; write 192.168.1.0/24 or fd00::/8"},
    {"bypass/no-such-family", CONFINED "Bypass=10.0.0/8\n",
     AT "Bypass: not a network: '10.0.0/8'; write 192.168.1.0/24 or fd00::/8"},
    {"bypass/length-of-the-other-family", CONFINED "Bypass=10.0.0.0/64\n",
     AT "Bypass: not a network: '10.0.0.0/64'; write 192.168.1.0/24 or fd00::/8"},
    {"bypass/every-ipv4-destination", CONFINED "Bypass=0.0.0.0/0\n",
     AT "Bypass: this is every destination: '0.0.0.0/0'; a bypass of prefix length 0 would confine "
        "nothing"},
    {"bypass/every-ipv6-destination", CONFINED "Bypass=10.0.0.0/8 ::/0\n",
     AT "Bypass: this is every destination: '::/0'; a bypass of prefix length 0 would confine "
        "nothing"},
    {"bypass/ipv4-host-bits", CONFINED "Bypass=192.168.1.77/24\n",
     AT "Bypass: bits are set behind the prefix length: '192.168.1.77/24'; did you mean "
        "192.168.1.0/24?"},
    {"bypass/ipv6-host-bits", CONFINED "Bypass=fd00::1/8\n",
     AT "Bypass: bits are set behind the prefix length: 'fd00::1/8'; did you mean fd00::/8?"},
    /* habits from other formats */
    {"habits/quotes", "[Gateway]\nServices=\"a.service\"\n",
     AT "Services: quotes are taken as part of the value: '\"a.service\"'; leave them out"},
    {"habits/single-quotes", CONFINED "Guard='yes'\n",
     AT "Guard: quotes are taken as part of the value: ''yes''; leave them out"},
    {"habits/comment-behind-the-value", USERS "alice # bob\n",
     AT "Users: a comment needs a line of its own: 'alice # bob'; move it there"},
    {"habits/comment-behind-a-tab", CONFINED "Table=7\t#x\n",
     AT "Table: a comment needs a line of its own: '7\\t#x'; move it there"},
    /* choices */
    {"ipv6/no-such-choice", CONFINED "IPv6=yes\n",
     AT "IPv6: no such choice 'yes'; choose auto, block or route"},
    {"ipv6/empty", CONFINED "IPv6=\n", AT "IPv6: no such choice ''; choose auto, block or route"},
    {"ipv6/capital", CONFINED "IPv6=Auto\n",
     AT "IPv6: no such choice 'Auto'; choose auto, block or route"},
    {"on-down/no-such-choice", CONFINED "OnDown=stop block\n",
     AT "OnDown: no such choice 'stop block'; choose stop, block or release"},
    {"reverse-path-filter/no-such-choice", CONFINED "ReversePathFilter=strict\n",
     AT "ReversePathFilter: no such choice 'strict'; choose loose or keep"},
    {"guard/no-such-choice", CONFINED "Guard=maybe\n",
     AT "Guard: no such choice 'maybe'; choose yes, no or required"},
    /* Table=, Priority= */
    {"table/0", CONFINED "Table=0\n",
     AT "Table: this table is reserved: '0'; choose another: 0 and 253-255 are the system's own"},
    {"table/253", CONFINED "Table=253\n",
     AT "Table: this table is reserved: '253'; choose another: 0 and 253-255 are the system's own"},
    {"table/254", CONFINED "Table=254\n",
     AT "Table: this table is reserved: '254'; choose another: 0 and 253-255 are the system's own"},
    {"table/255", CONFINED "Table=255\n",
     AT "Table: this table is reserved: '255'; choose another: 0 and 253-255 are the system's own"},
    {"table/name", CONFINED "Table=main\n",
     AT "Table: not a table: 'main'; give auto, or a number from 1 to 4294967295"},
    {"table/4294967296", CONFINED "Table=4294967296\n",
     AT "Table: not a table: '4294967296'; give auto, or a number from 1 to 4294967295"},
    {"table/empty", CONFINED "Table=\n",
     AT "Table: not a table: ''; give auto, or a number from 1 to 4294967295"},
    {"priority/0", CONFINED "Priority=0\n",
     AT "Priority: not a priority for our rules: '0'; give a number from 1 to 32765; 500 is the "
        "default"},
    {"priority/32766", CONFINED "Priority=32766\n",
     AT
     "Priority: not a priority for our rules: '32766'; give a number from 1 to 32765; 500 is the "
     "default"},
    {"priority/no-number", CONFINED "Priority=high\n",
     AT "Priority: not a priority for our rules: 'high'; give a number from 1 to 32765; 500 is the "
        "default"},
    /* hostile words */
    {"hostile/escape-in-key", CONFINED "\033Table=7\n",
     AT "unknown key '\\033Table'; did you mean Table=?"},
    {"hostile/translated-key", CONFINED "\033[31mTable=7\n",
     "wg0.conf: line 3: '\\033[31mTable' is no KEY=VALUE; a comment starts with #"},
    {"hostile/escape-in-group", CONFINED "[a\"\\b]\n",
     "wg0.conf: unknown group 'a\"\\\\b'; all keys belong to [Gateway]"},
    {"hostile/escape-in-line", CONFINED "\033[2J\n",
     "wg0.conf: line 3: '\\033[2J' is no KEY=VALUE; a comment starts with #"},
    {"hostile/bytes-in-user", USERS "\xff\xfe\n",
     AT "Users: no such user '\\377\\376'; create the user, or remove it from this line"},
    {"hostile/long-word", CONFINED "Guard=" HUNDRED "\n",
     AT "Guard: no such choice '" SHOWN "0123...'; choose yes, no or required"},
};

static void
assert_refused (const char *name, const char *text, gsize length, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway = cg_gateway_parse (name, text, length, world_lookup, &error);
  g_assert_null (gateway);
  g_assert_error (error, CG_ERROR, CG_ERROR_CONFIG);
  g_assert_cmpstr (error ? error->message : NULL, ==, message);
}

static void
refuses (gconstpointer data)
{
  const struct ErrorCase *test = data;
  assert_refused ("wg0", test->text, strlen (test->text), test->message);
}

static void
refuses_nul (void)
{
  static const char text[] = CONFINED "Table=7\0\n";
  assert_refused ("wg0", text, sizeof text - 1,
                  "wg0.conf: a NUL byte at offset 29; this is not a text file");
}

static void
refuses_name_that_is_no_interface (void)
{
  static const char text[] = CONFINED;
  assert_refused ("my-gateway-to-the-world", text, sizeof text - 1,
                  "my-gateway-to-the-world.conf: [Gateway] Interface: is not given, and the file's "
                  "name is no interface's; give Interface= or Connection=");
}

static void
takes_no_error_pointer (void)
{
  static const char text[] = "[Gateway]\n";
  g_assert_null (cg_gateway_parse ("wg0", text, sizeof text - 1, world_lookup, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  ADD_CASES ("/gateway-errors", error_cases, refuses);
  g_test_add_func ("/gateway-errors/file/nul-byte", refuses_nul);
  g_test_add_func ("/gateway-errors/interface/file-name-is-none",
                   refuses_name_that_is_no_interface);
  g_test_add_func ("/gateway-errors/nobody-asks-why", takes_no_error_pointer);
  return g_test_run ();
}
