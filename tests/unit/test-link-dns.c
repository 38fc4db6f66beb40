/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Name servers as NetworkManager and systemd-networkd write them. */

#include <string.h>

#include "link-dns.h"
#include "world.h"

static char *
servers_text (const GArray *servers)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < servers->len; i++) {
    g_autofree char *one = cg_prefix_to_string (&g_array_index (servers, CgPrefix, i));
    g_string_append_printf (text, "%s%s", i ? " " : "", one);
  }
  return g_strdup (text->str);
}

static GArray *
servers_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (CgPrefix));
}

typedef struct {
  const char *name;
  const char *text;
  const char *found;
} Case;

static const Case words[] = {
    {"none", "", ""},
    {"one", "10.64.0.1", "10.64.0.1/32"},
    {"both families", "10.64.0.1 fd00::1", "10.64.0.1/32 fd00::1/128"},
    {"each once", "10.64.0.1 10.64.0.1", "10.64.0.1/32"},
    {"with a name for TLS", "10.64.0.1#dns.example", "10.64.0.1/32"},
    {"of a link", "fe80::1%wg0", "fe80::1/128"},
    {"in brackets", "[fd00::1]", "fd00::1/128"},
    {"a port of its own", "10.64.0.1:5353 [fd00::1]:5353", ""},
    {"a scheme of its own", "tls://10.64.0.1 https://10.64.0.1/dns-query", ""},
    {"a network", "10.64.0.0/24 0.0.0.0/0", ""},
    {"unspecified", "0.0.0.0 ::", ""},
    {"loopback", "127.0.0.1 127.0.0.53 ::1 ::ffff:127.0.0.1", ""},
    {"no address", "dns.example 10.64.0 $(reboot) -h", ""},
};

static void
words_are (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (GArray) servers = servers_new ();
  cg_link_dns_add (servers, one->text);
  g_autofree char *text = servers_text (servers);
  g_assert_cmpstr (text, ==, one->found);
}

static void
there_is_a_limit (void)
{
  g_autoptr (GArray) servers = servers_new ();
  for (guint i = 1; i < 1000; i++) {
    g_autofree char *word = g_strdup_printf ("10.%u.%u.1", i / 250, i % 250);
    cg_link_dns_add (servers, word);
  }
  g_assert_cmpuint (servers->len, ==, CG_LINK_DNS_MAX);
}

static const Case links[] = {
    {"managed",
     "# private\nADMIN_STATE=configured\nOPER_STATE=routable\nDNS=10.64.0.1 fd00::1\nNTP=\n",
     "10.64.0.1/32 fd00::1/128"},
    {"quoted", "ADMIN_STATE=configured\nDNS=\"10.64.0.1 10.64.0.2\"", "10.64.0.1/32 10.64.0.2/32"},
    {"without servers", "ADMIN_STATE=configured\n", ""},
    {"still being set up", "ADMIN_STATE=configuring\nDNS=10.64.0.1\n", "10.64.0.1/32"},
    {"not managed", "ADMIN_STATE=unmanaged\nDNS=10.64.0.1\n", NULL},
    {"no state", "DNS=10.64.0.1\n", NULL},
    {"another key", "ADMIN_STATE=configured\nXDNS=10.64.0.1\nDNSX=10.64.0.1\n", ""},
    {"empty", "", NULL},
};

static void
link_is (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (GArray) servers = servers_new ();
  gboolean managed = cg_link_dns_parse (one->text, strlen (one->text), servers);
  g_autofree char *text = servers_text (servers);
  g_assert_cmpint (managed, ==, one->found != NULL);
  g_assert_cmpstr (text, ==, one->found ? one->found : "");
}

static void
a_link_without_an_end (void)
{
  static const char bytes[] = {'A', 'D', 'M', 'I',  'N', '_', 'S',  'T', 'A', 'T',
                               'E', '=', 'x', '\n', 'D', 'N', 'S',  '=', '1', '0',
                               '.', '0', '.', '0',  '.', '1', '\0', '7'};
  g_autoptr (GArray) servers = servers_new ();
  g_assert_true (cg_link_dns_parse (bytes, sizeof bytes, servers));
  g_autofree char *text = servers_text (servers);
  g_assert_cmpstr (text, ==, "10.0.0.1/32");
}

static void
an_interface_that_there_is_not (void)
{
  g_autoptr (GArray) servers = servers_new ();
  g_assert_false (cg_link_dns_read ("no-such-link", servers));
  g_assert_cmpuint (servers->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_CASES ("/link-dns/words", words, words_are);
  ADD_CASES ("/link-dns/link", links, link_is);
  g_test_add_func ("/link-dns/there is a limit", there_is_a_limit);
  g_test_add_func ("/link-dns/a link without an end", a_link_without_an_end);
  g_test_add_func ("/link-dns/an interface that there is not", an_interface_that_there_is_not);
  return g_test_run ();
}
