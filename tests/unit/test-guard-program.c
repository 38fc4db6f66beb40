/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The guard's programs, one packet at a time: guard.bpf.c compiled for this machine. What it
 * decides is compared with the model, which was written from guard-maps.h alone. That the kernel
 * loads and calls it is shown in tests/netns. */

#include "guard-program.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#include "kernel.h"
#include "world.h"

#define TABLE    42u
#define UID      1500u
#define LOOPBACK 1u
#define LAN      2u
#define TUNNEL   7u

static CgPrefix
prefix_of (const char *text)
{
  CgPrefix prefix;
  g_assert_true (cg_prefix_parse (text, &prefix));
  return prefix;
}

/* An IP header of a model's packet and the ports behind it, and what a program sees of it. */
typedef struct {
  guint8 bytes[128];
  ProgramPacket seen;
} Raw;

static void
put_ports (Raw *raw, gsize at, guint16 port)
{
  const guint16 ports[] = {htons (40000), htons (port)};
  memcpy (raw->bytes + at, ports, sizeof ports);
  raw->seen.size = at + 8;
}

static void
write_packet (Raw *raw, const KernelPacket *packet)
{
  const gboolean is_six = packet->destination.family == AF_INET6;
  memset (raw, 0, sizeof *raw);
  raw->seen = (ProgramPacket){.bytes = raw->bytes,
                              .ethertype = is_six ? ETH_P_IPV6 : ETH_P_IP,
                              .uid = packet->uid,
                              .ifindex = packet->ifindex,
                              .mark = 0xabcd};
  if (is_six) {
    raw->bytes[0] = 0x60;
    raw->bytes[6] = packet->protocol;
    memcpy (raw->bytes + 8, packet->source.address, 16);
    memcpy (raw->bytes + 24, packet->destination.address, 16);
  } else {
    raw->bytes[0] = 0x45;
    raw->bytes[9] = packet->protocol;
    memcpy (raw->bytes + 12, packet->source.address, 4);
    memcpy (raw->bytes + 16, packet->destination.address, 4);
  }
  put_ports (raw, is_six ? 40 : 20, packet->port);
}

static gboolean
lets_out (const GArray *entries, Raw *raw, struct cg_drops *drops)
{
  return program_egress (entries, &raw->seen, drops);
}

/* The model and the program */

static const char *const hosts[CG_N_FAMILIES][5] = {
    {"10.0.0.1", "10.0.0.2", "10.9.1.1", "10.9.200.1", "127.0.0.1"},
    {"fd77::1", "fd77::2", "fd88::1", "fe80::1", "::1"}};
static const char *const networks[CG_N_FAMILIES][5] = {
    {"10.0.0.0/8", "10.9.0.0/16", "10.9.128.0/17", "10.9.200.1", "0.0.0.0/0"},
    {"fd77::/16", "fd77::/64", "fd77::1", "fd88::/16", "::/0"}};

static guint
dice (GRand *rand, guint sides)
{
  return (guint) g_rand_int_range (rand, 0, (gint32) sides);
}

static CgPrefix
roll_network (GRand *rand)
{
  return prefix_of (networks[dice (rand, 2)][dice (rand, 5)]);
}

static CgGuardEntry
roll_entry (GRand *rand)
{
  const guint32 table = TABLE + dice (rand, 2);
  const CgPrefix network = roll_network (rand),
                 host = prefix_of (hosts[dice (rand, 2)][dice (rand, 5)]);
  const struct cg_way way = {{TUNNEL * dice (rand, 2), TUNNEL + dice (rand, 2)}, dice (rand, 2)};
  switch ((CgMap) dice (rand, CG_MAP_UIDS)) {
  case CG_MAP_ADDRESSES:
    return cg_entry_address (dice (rand, 2) ? 0 : TUNNEL + dice (rand, 2), &network,
                             dice (rand, 2));
  case CG_MAP_PORTS:
    return cg_entry_port (dice (rand, 2) ? 4789 : 53);
  case CG_MAP_SERVERS:
    return cg_entry_server (table, &host, dice (rand, 2));
  case CG_MAP_BYPASSES:
    return cg_entry_bypass (table, &network, dice (rand, 4));
  default:
    return cg_entry_gateway (table, way);
  }
}

static GArray *
roll_entries (GRand *rand)
{
  GArray *entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  for (guint i = 10 + dice (rand, 30); i > 0; i--) {
    const CgGuardEntry entry = roll_entry (rand);
    g_array_append_val (entries, entry);
  }
  cg_entries_append_uids (entries, (CgUidRange){UID, UID + 2}, TABLE);
  cg_entries_append_uids (entries, (CgUidRange){UID + 3, UID + 3}, TABLE + 1);
  cg_entries_normalise (entries);
  return entries;
}

static KernelPacket
roll_packet (GRand *rand)
{
  static const guint16 ports[] = {53, 53, 443, 4789};
  static const guint8 protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP};
  static const guint32 interfaces[] = {LOOPBACK, LAN, 3, TUNNEL, TUNNEL, TUNNEL + 1};
  const guint family = dice (rand, 2);
  return (KernelPacket){.uid = UID + dice (rand, 5),
                        .ifindex = interfaces[dice (rand, G_N_ELEMENTS (interfaces))],
                        .source = prefix_of (hosts[family][dice (rand, 5)]),
                        .destination = prefix_of (hosts[family][dice (rand, 5)]),
                        .protocol = protocols[dice (rand, G_N_ELEMENTS (protocols))],
                        .port = ports[dice (rand, G_N_ELEMENTS (ports))]};
}

static void
assert_same (const GArray *entries, const KernelPacket *packet, guint seed)
{
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, packet);
  const gboolean passes = lets_out (entries, &raw, &drops);
  const guint64 counted = drops.out + drops.in + drops.names + drops.sources + drops.protocols;
  if (passes != kernel_maps_pass (entries, packet))
    g_error ("seed %u: uid %u by interface %u, port %u: the program %s", seed, packet->uid,
             packet->ifindex, packet->port, passes ? "lets it out" : "drops it");
  g_assert_cmpuint (counted, ==, passes ? 0 : 1);
}

static void
the_program_and_the_model_agree (void)
{
  guint passed = 0;
  for (guint seed = 0; seed < 500; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (GArray) entries = roll_entries (rand);
    for (guint i = 0; i < 400; i++) {
      const KernelPacket packet = roll_packet (rand);
      assert_same (entries, &packet, seed);
      passed += packet.uid <= UID + 3 && kernel_maps_pass (entries, &packet);
    }
  }
  g_test_message ("%u of the confined's packets passed", passed);
  g_assert_cmpuint (passed, >, 10000);
}

/* One gateway, with all that a gateway may have. */
static GArray *
entries_of_one (void)
{
  GArray *entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  const CgPrefix loopback = prefix_of ("127.0.0.0/8"), lan = prefix_of ("192.168.1.2"),
                 own = prefix_of ("10.0.0.2"), bypass = prefix_of ("192.168.1.0/24"),
                 server = prefix_of ("10.0.0.1"), six = prefix_of ("fd77::2"),
                 loopback_six = prefix_of ("::1"), lan_six = prefix_of ("2001:db8::2"),
                 bypass_six = prefix_of ("2001:db8::/64");
  const CgGuardEntry given[] = {
      cg_entry_address (0, &loopback, 0),
      cg_entry_address (0, &loopback_six, 0),
      cg_entry_address (0, &lan, 0),
      cg_entry_address (0, &lan_six, 0),
      cg_entry_address (0, &own, CG_ADDRESS_OF_TUNNEL),
      cg_entry_address (TUNNEL, &own, CG_ADDRESS_OF_TUNNEL),
      cg_entry_address (TUNNEL, &six, CG_ADDRESS_OF_TUNNEL),
      cg_entry_port (4789),
      cg_entry_server (TABLE, &server, 0),
      cg_entry_bypass (TABLE, &bypass, LAN),
      cg_entry_bypass (TABLE, &bypass_six, LAN),
      cg_entry_gateway (TABLE, (struct cg_way){{TUNNEL, TUNNEL}, CG_WAY_NAMES}),
  };
  g_array_append_vals (entries, given, G_N_ELEMENTS (given));
  cg_entries_append_uids (entries, (CgUidRange){UID, UID}, TABLE);
  cg_entries_normalise (entries);
  return entries;
}

static KernelPacket
packet_of (
    guint32 ifindex, const char *source, const char *destination, guint8 protocol, guint16 port)
{
  return (KernelPacket){.uid = UID,
                        .ifindex = ifindex,
                        .source = prefix_of (source),
                        .destination = prefix_of (destination),
                        .protocol = protocol,
                        .port = port};
}

/* A packet, and why it is dropped; NULL: it passes. */
static const struct OutCase {
  const char *name;
  guint32 ifindex;
  const char *source, *destination;
  guint8 protocol;
  guint16 port;
  const char *reason;
} out_cases[] = {
    {"tunnel", TUNNEL, "10.0.0.2", "203.0.113.1", IPPROTO_TCP, 443, NULL},
    {"tunnel-6", TUNNEL, "fd77::2", "2001:db8:9::1", IPPROTO_TCP, 443, NULL},
    {"tunnel-from-the-lans-address", TUNNEL, "192.168.1.2", "203.0.113.1", IPPROTO_TCP, 443,
     "sources"},
    {"lan", LAN, "192.168.1.2", "203.0.113.1", IPPROTO_TCP, 443, "out"},
    {"lan-6", LAN, "2001:db8::2", "2001:db8:9::1", IPPROTO_UDP, 443, "out"},
    {"lan-without-ports", LAN, "192.168.1.2", "203.0.113.1", IPPROTO_ICMP, 0, "out"},
    {"bypass", LAN, "192.168.1.2", "192.168.1.9", IPPROTO_TCP, 443, NULL},
    {"bypass-6", LAN, "2001:db8::2", "2001:db8::9", IPPROTO_TCP, 443, NULL},
    {"bypass-by-another-interface", 3, "192.168.1.2", "192.168.1.9", IPPROTO_TCP, 443, "out"},
    {"bypass-from-the-tunnels-address", LAN, "10.0.0.2", "192.168.1.9", IPPROTO_TCP, 443,
     "sources"},
    {"bypass-from-no-address", LAN, "198.51.100.1", "192.168.1.9", IPPROTO_UDP, 443, "sources"},
    {"loopback", LOOPBACK, "127.0.0.1", "127.0.0.1", IPPROTO_TCP, 443, NULL},
    {"loopback-from-no-address", LOOPBACK, "198.51.100.1", "127.0.0.1", IPPROTO_UDP, 443,
     "sources"},
    {"loopback-to-a-tunnels-port", LOOPBACK, "127.0.0.1", "127.0.0.1", IPPROTO_UDP, 4789, "out"},
    {"loopback-to-that-port-of-tcp", LOOPBACK, "127.0.0.1", "127.0.0.1", IPPROTO_TCP, 4789, NULL},
    {"question", TUNNEL, "10.0.0.2", "10.0.0.1", IPPROTO_UDP, 53, NULL},
    {"question-to-another", TUNNEL, "10.0.0.2", "10.0.0.9", IPPROTO_UDP, 53, "names"},
    {"question-by-tcp", TUNNEL, "10.0.0.2", "10.0.0.9", IPPROTO_TCP, 53, "names"},
    {"question-by-loopback", LOOPBACK, "127.0.0.1", "127.0.0.53", IPPROTO_UDP, 53, "names"},
    {"question-by-udplite", TUNNEL, "10.0.0.2", "10.0.0.9", IPPROTO_UDPLITE, 53, "names"},
};

static guint64
count_of (const struct cg_drops *drops, const char *reason)
{
  return g_str_equal (reason, "out")       ? drops->out
         : g_str_equal (reason, "in")      ? drops->in
         : g_str_equal (reason, "names")   ? drops->names
         : g_str_equal (reason, "sources") ? drops->sources
                                           : drops->protocols;
}

static void
goes_out (gconstpointer data)
{
  const struct OutCase *test = data;
  g_autoptr (GArray) entries = entries_of_one ();
  const KernelPacket packet =
      packet_of (test->ifindex, test->source, test->destination, test->protocol, test->port);
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, &packet);
  g_assert_cmpint (lets_out (entries, &raw, &drops), ==, test->reason == NULL);
  if (test->reason)
    g_assert_cmpuint (count_of (&drops, test->reason), ==, 1);
  raw.seen.uid = UID + 1; /* not confined */
  g_assert_true (lets_out (entries, &raw, &drops));
}

/* Else a rule for a mark would lead what the tunnel wraps it into. */
static void
the_tunnel_takes_the_mark_away (void)
{
  g_autoptr (GArray) entries = entries_of_one ();
  struct cg_drops drops;
  Raw raw;
  const KernelPacket in = packet_of (TUNNEL, "10.0.0.2", "203.0.113.1", IPPROTO_TCP, 443);
  const KernelPacket by = packet_of (LAN, "192.168.1.2", "192.168.1.9", IPPROTO_TCP, 443);
  write_packet (&raw, &in);
  g_assert_true (lets_out (entries, &raw, &drops));
  g_assert_cmphex (raw.seen.mark, ==, 0);
  write_packet (&raw, &by);
  g_assert_true (lets_out (entries, &raw, &drops));
  g_assert_cmphex (raw.seen.mark, ==, 0xabcd);
}

/* Of IPv4: a header with options may route the packet. */
static void
options_lead_elsewhere (void)
{
  static const struct {
    guint32 ifindex;
    const char *source, *destination;
    gboolean passes;
  } cases[] = {{LAN, "192.168.1.2", "192.168.1.9", FALSE},
               {LOOPBACK, "127.0.0.1", "127.0.0.1", FALSE},
               {TUNNEL, "10.0.0.2", "203.0.113.1", TRUE}};
  g_autoptr (GArray) entries = entries_of_one ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const KernelPacket packet =
        packet_of (cases[i].ifindex, cases[i].source, cases[i].destination, IPPROTO_TCP, 443);
    struct cg_drops drops;
    Raw raw;
    write_packet (&raw, &packet);
    raw.bytes[0] = 0x46;
    put_ports (&raw, 24, 443);
    g_assert_cmpint (lets_out (entries, &raw, &drops), ==, cases[i].passes);
  }
}

/* The port is where the header ends. */
static void
a_question_is_one_behind_options (void)
{
  const KernelPacket packet = packet_of (TUNNEL, "10.0.0.2", "10.0.0.9", IPPROTO_UDP, 443);
  g_autoptr (GArray) entries = entries_of_one ();
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, &packet);
  raw.bytes[0] = 0x46;
  put_ports (&raw, 24, 53);
  g_assert_false (lets_out (entries, &raw, &drops));
  g_assert_cmpuint (drops.names, ==, 1);
}

/* Headers of IPv6 in front of the one with the ports: their numbers, up to a zero. */
static const struct HeaderCase {
  const char *name;
  guint8 headers[6];
  guint32 ifindex;
  const char *reason; /* for a question to another server */
  gboolean passes;    /* of one that is no question */
} header_cases[] = {
    {"options-of-the-destination", {60}, TUNNEL, "names", TRUE},
    {"several", {60, 60, 60}, TUNNEL, "names", TRUE},
    {"too-many", {60, 60, 60, 60, 60}, TUNNEL, "out", FALSE},
    {"routing-by-the-tunnel", {43}, TUNNEL, "names", TRUE},
    {"routing-to-a-bypass", {43}, LAN, "names", FALSE},
    {"routing-behind-options", {60, 43, 60}, LAN, "names", FALSE},
    {"options-to-a-bypass", {60}, LAN, "names", TRUE},
};

static void
write_headers (Raw *raw, const guint8 *headers, guint16 port)
{
  gsize at = 40;
  raw->bytes[6] = headers[0] ? headers[0] : IPPROTO_UDP;
  memset (raw->bytes + at, 0, sizeof raw->bytes - at); /* each has eight bytes */
  for (; *headers; headers++, at += 8)
    raw->bytes[at] = headers[1] ? headers[1] : IPPROTO_UDP;
  put_ports (raw, at, port);
}

static void
headers_are_passed_over (gconstpointer data)
{
  const struct HeaderCase *test = data;
  const gboolean by_tunnel = test->ifindex == TUNNEL;
  const KernelPacket packet =
      packet_of (test->ifindex, by_tunnel ? "fd77::2" : "2001:db8::2",
                 by_tunnel ? "2001:db8:9::1" : "2001:db8::9", IPPROTO_UDP, 0);
  g_autoptr (GArray) entries = entries_of_one ();
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, &packet);
  write_headers (&raw, test->headers, 53);
  g_assert_false (lets_out (entries, &raw, &drops));
  g_assert_cmpuint (count_of (&drops, test->reason), ==, 1);
  write_headers (&raw, test->headers, 443);
  g_assert_cmpint (lets_out (entries, &raw, &drops), ==, test->passes);
}

/* Cut anywhere, in memory that ends there; of the ports of one no more is needed. */
static void
what_is_cut_off_is_dropped (void)
{
  const KernelPacket packets[] = {packet_of (TUNNEL, "10.0.0.2", "203.0.113.1", IPPROTO_UDP, 443),
                                  packet_of (TUNNEL, "fd77::2", "2001:db8:9::1", IPPROTO_UDP, 443)};
  g_autoptr (GArray) entries = entries_of_one ();
  for (guint i = 0; i < G_N_ELEMENTS (packets); i++) {
    Raw raw;
    write_packet (&raw, &packets[i]);
    for (gsize size = 0; size < raw.seen.size; size++) {
      g_autofree guint8 *exact = g_memdup2 (raw.bytes, MAX (size, 1));
      ProgramPacket cut = raw.seen;
      struct cg_drops drops;
      cut.bytes = exact;
      cut.size = size;
      g_assert_cmpint (program_egress (entries, &cut, &drops), ==, size >= (i ? 44u : 24u));
      (void) program_ingress (entries, &cut, &drops);
    }
  }
}

static void
what_is_no_ip_is_dropped (void)
{
  const KernelPacket packet = packet_of (TUNNEL, "10.0.0.2", "203.0.113.1", IPPROTO_UDP, 443);
  g_autoptr (GArray) entries = entries_of_one ();
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, &packet);
  raw.seen.ethertype = ETH_P_ARP;
  g_assert_false (lets_out (entries, &raw, &drops));
}

/* Any bytes: what of a confined uid passes has a source that is its own. */
static void
bytes_by_chance_leave_by_a_way_of_theirs (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (198);
  g_autoptr (GArray) entries = entries_of_one ();
  for (guint i = 0; i < 200000; i++) {
    const KernelPacket packet = packet_of (LAN, "192.168.1.2", "203.0.113.1", IPPROTO_UDP, 443);
    struct cg_drops drops;
    Raw raw;
    write_packet (&raw, &packet);
    for (guint j = dice (rand, 20); j > 0; j--)
      raw.bytes[dice (rand, 16)] = (guint8) g_rand_int (rand);
    raw.seen.size = dice (rand, 64);
    raw.seen.ethertype = dice (rand, 2) ? ETH_P_IP : ETH_P_IPV6;
    if (lets_out (entries, &raw, &drops))
      g_error ("packet %u leaves by the LAN", i);
  }
}

static void
a_uid_without_its_gateway_is_closed (void)
{
  const KernelPacket packet = packet_of (LOOPBACK, "127.0.0.1", "127.0.0.1", IPPROTO_TCP, 443);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (CgGuardEntry));
  struct cg_drops drops;
  Raw raw;
  cg_entries_append_uids (entries, (CgUidRange){UID, UID}, TABLE);
  write_packet (&raw, &packet);
  g_assert_false (lets_out (entries, &raw, &drops));
  g_assert_cmpuint (drops.out, ==, 1);
}

/* What comes. */
static const struct InCase {
  const char *name;
  guint32 ifindex;
  const char *source, *destination;
  gboolean passes;
} in_cases[] = {
    {"tunnel", TUNNEL, "203.0.113.1", "10.0.0.2", TRUE},
    {"tunnel-6", TUNNEL, "2001:db8:9::1", "fd77::2", TRUE},
    {"lan", LAN, "203.0.113.1", "192.168.1.2", FALSE},
    {"lan-6", LAN, "2001:db8:9::1", "2001:db8::2", FALSE},
    {"bypass", LAN, "192.168.1.9", "192.168.1.2", TRUE},
    {"bypass-by-another-interface", 3, "192.168.1.9", "192.168.1.2", FALSE},
    {"loopback", LOOPBACK, "127.0.0.1", "127.0.0.1", TRUE},
};

static void
comes_in (gconstpointer data)
{
  const struct InCase *test = data;
  const KernelPacket packet =
      packet_of (test->ifindex, test->source, test->destination, IPPROTO_TCP, 443);
  g_autoptr (GArray) entries = entries_of_one ();
  struct cg_drops drops;
  Raw raw;
  write_packet (&raw, &packet);
  g_assert_cmpint (program_ingress (entries, &raw.seen, &drops), ==, test->passes);
  g_assert_cmpuint (drops.in, ==, test->passes ? 0 : 1);
  raw.seen.uid = UID + 1;
  g_assert_true (program_ingress (entries, &raw.seen, &drops));
}

/* Of which the kernel sends by sockets that are root's. */
static void
protocols_that_get_past_are_refused (void)
{
  static const guint32 refused[] = {262, 256, IPPROTO_SCTP, IPPROTO_DCCP},
                       allowed[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_RAW, 0};
  g_autoptr (GArray) entries = entries_of_one ();
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_assert_false (program_sock_create (entries, UID, refused[i]));
    g_assert_true (program_sock_create (entries, UID + 1, refused[i]));
  }
  for (guint i = 0; i < G_N_ELEMENTS (allowed); i++)
    g_assert_true (program_sock_create (entries, UID, allowed[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guard-program/model", the_program_and_the_model_agree);
  ADD_CASES ("/guard-program/out", out_cases, goes_out);
  ADD_CASES ("/guard-program/in", in_cases, comes_in);
  ADD_CASES ("/guard-program/headers", header_cases, headers_are_passed_over);
  g_test_add_func ("/guard-program/mark", the_tunnel_takes_the_mark_away);
  g_test_add_func ("/guard-program/options", options_lead_elsewhere);
  g_test_add_func ("/guard-program/question-behind-options", a_question_is_one_behind_options);
  g_test_add_func ("/guard-program/cut", what_is_cut_off_is_dropped);
  g_test_add_func ("/guard-program/no-ip", what_is_no_ip_is_dropped);
  g_test_add_func ("/guard-program/any-bytes", bytes_by_chance_leave_by_a_way_of_theirs);
  g_test_add_func ("/guard-program/no-gateway", a_uid_without_its_gateway_is_closed);
  g_test_add_func ("/guard-program/protocols", protocols_that_get_past_are_refused);
  return g_test_run ();
}
