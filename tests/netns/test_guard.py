# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: what routing rules cannot hold. Each way out is shown to lead out without it."""

import json
import os

import pytest
from lab import CONFINED, CONFINED_PORT, HERE, LAN, OTHER, PYTHON, SERVER, Tunnel, wait_until

WAYS = ["SO_BINDTODEVICE", "SO_BINDTODEVICE 6", "SO_BINDTODEVICE TCP", "IP_UNICAST_IF",
        "IPV6_UNICAST_IF", "IP_PKTINFO", "IPV6_PKTINFO", "broadcast", "multicast 6",
        "routable multicast 6", "link-local 6"]


def confine(lab, *more):
    text = "\n".join([f"Users={CONFINED}", *more])
    lab.config("wg0", text if "Guard=" in text else f"{text}\nGuard=yes")


def escape(lab, way, uid=CONFINED, port=CONFINED_PORT):
    return lab.run("host", PYTHON, HERE / "escape.py", uid, way, port).stdout.strip()


def flush_rules(lab):
    for family in (4, 6):
        lab.sh("host", f"ip -{family} rule flush", f"ip -{family} rule add lookup main priority 32766")


def guard(lab):
    """The guard's tables as nft(8) shows them."""
    listed = json.loads(lab.sh("host", "nft -j list tables"))["nftables"]
    return [entry["table"]["name"] for entry in listed if "table" in entry]


def dropped(lab):
    [gateway] = json.loads(lab.cg("status", "--json", check=False).stdout)["gateways"]
    return gateway["guard"]["dropped"]


@pytest.mark.parametrize("is_up", [True, False], ids=["up", "blocked"])
@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_picks_its_own_way(lab, way, is_up):
    tunnel = Tunnel(lab, 0)
    confine(lab, "Guard=no")
    if is_up:
        tunnel.up()
    lab.cg("reapply")
    # a neighbour that is known already, so that the datagram and not a question for it is seen
    lab.sh("host", "ip neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev eth0")
    with lab.capture() as capture:
        escape(lab, way)
    assert capture.leaks > 0, "it stays inside without the guard, so this test shows nothing"

    confine(lab)
    lab.cg("reapply")
    before = dropped(lab)
    with lab.capture() as capture:
        assert escape(lab, way) != "sent"
    assert capture.leaks == 0
    assert dropped(lab) > before


def test_nobody_else_is_held(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(OTHER) == "lan"
    assert escape(lab, "SO_BINDTODEVICE", OTHER, 7001) == "sent"
    assert lab.ask(CONFINED) == "wg0"
    assert dropped(lab) == 0


def test_it_stands_in_for_rules_that_somebody_flushed(lab):
    confine(lab)
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    with lab.capture() as capture:
        flush_rules(lab)
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "EPERM"
            assert lab.ask(OTHER, family) == "lan"
    assert capture.leaks == 0


def test_a_rule_of_others_before_ours_leads_into_the_guard(lab):
    """What wg-quick and ip(8) add without a priority comes first."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "ip rule add lookup main")
    assert lab.ask(CONFINED) == "EPERM"


def test_bypasses_are_let_out(lab):
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    lab.cg("reapply")
    assert lab.ask(CONFINED, server="192.0.2.1") == "lan"
    assert lab.ask(CONFINED, 6, server="2001:db8:1::1") == "lan"
    assert lab.ask(CONFINED) == "EACCES"


FORGE = """
import socket, sys
address = sys.argv[1]
is_six = ":" in address
sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.bind((address, 0))
try:
    sock.sendto(b"1 late", ("2001:db8:ffff::1" if is_six else "203.0.113.1", 7000))
except PermissionError:
    pass
"""

# Some addresses are compared one by one, many stand in a set.
ADDRESSES = pytest.mark.parametrize("address,number", [
    ("10.64.0.2", 0), ("fd00:64:a0::2", 0), ("10.64.0.2", 9), ("fd00:64:a0::2", 9)],
    ids=["4", "6", "4-of-many", "6-of-many"])


def add_addresses(lab, number):
    for last in range(100, 100 + number):
        lab.sh("host", f"ip addr add 10.64.0.{last}/32 dev wg0",
               f"ip addr add fd00:64:a0::{last}/128 dev wg0 nodad")


@pytest.mark.parametrize("guarded", [False, True])
@ADDRESSES
def test_the_tunnels_address_does_not_leave_elsewhere(lab, guarded, address, number):
    """As packets do that the kernel sends for a closed socket: they are nobody's. Here they are root's."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    Tunnel(lab, 0).up()
    add_addresses(lab, number)
    lab.cg("reapply")
    with lab.capture() as capture:
        lab.run("host", PYTHON, "-c", FORGE, address)
    assert (capture.leaks == 0) == guarded


ODD = {"scope-link": "10.64.9.2/32 dev wg0 scope link", "site-local": "fec0::9:2/64 dev wg0 nodad",
       "deprecated": "fd00:64:a9::2/64 dev wg0 nodad preferred_lft 0"}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("kind", ODD)
def test_whatever_address_the_tunnel_has_does_not_leave_elsewhere(lab, guarded, kind):
    """Whether it makes the tunnel count as up or not: packets can have it."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    Tunnel(lab, 0).up()
    lab.sh("host", f"ip addr add {ODD[kind]}")
    lab.cg("reapply")
    with lab.capture() as capture:
        lab.run("host", PYTHON, "-c", FORGE, ODD[kind].split("/", maxsplit=1)[0])
    assert (capture.leaks == 0) == guarded


def test_an_ipv6_address_of_one_link_is_no_tunnels_own(lab):
    """Other links may have the same one, as fe80::1, and no router takes it any further."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.sh("host", "ip addr add fe80::1:2/64 dev wg0 nodad", "ip addr add fe80::1:3/64 dev wg0 nodad")
    lab.cg("reapply")
    assert "fe80" not in lab.sh("host", "nft list table inet custom-gateway-wg0")
    assert [rule["src"] for rule in lab.ways_back(6)] == ["fd00:64:a0::2"]


def test_addresses_that_are_only_like_the_tunnels_leave(lab):
    """The last four bytes, which are looked at first, are the same; and in the header of the other
    family they stand for something else."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.sh("host", "ip addr add 2001:db8:1::2/128 dev wg0 nodad",
           "ip addr add 2001:db8:1:5::2/128 dev eth0 nodad",
           "ip addr del 2001:db8:1::2/64 dev eth0",
           # bytes 12 to 15 of an IPv6 header are bytes 4 to 7 of its source: here 10.64.0.2
           "ip addr add 2001:db8:a40:2::9/128 dev eth0 nodad")
    lab.cg("reapply")
    for source in "2001:db8:1:5::2", "2001:db8:a40:2::9":
        with lab.capture() as capture:
            lab.run("host", PYTHON, "-c", FORGE, source)
        assert capture.leaks == 1  # as it is nobody's who is confined
    assert dropped(lab) == 0


def test_an_address_that_the_tunnel_has_no_longer_leaves(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "ip addr del 10.64.0.2/24 dev wg0", "ip addr add 10.64.0.9/24 dev wg0")
    lab.cg("reapply")
    assert "10.64.0.9" in lab.sh("host", "nft list table inet custom-gateway-wg0")
    assert "10.64.0.2" not in lab.sh("host", "nft list table inet custom-gateway-wg0")


def test_an_interface_with_a_name_that_nft_would_not_take_may_have_the_address_too(lab):
    """What is in the guard's text is no part of it."""
    confine(lab)
    Tunnel(lab, 0).up()
    name = 'a"};x'
    lab.run("host", "ip", "link", "add", name, "type", "veth", "peer", "name", "b")
    lab.run("host", "ip", "addr", "add", "10.64.0.2/32", "dev", name)
    lab.cg("reapply")
    assert lab.cg("status", check=False).returncode == 0
    assert guard(lab) == ["custom-gateway-wg0"]


@pytest.mark.parametrize("guarded", [False, True])
def test_nor_does_it_when_the_tunnel_is_gone(lab, guarded):
    """A connection that was closed repeats itself for a while, whatever became of the interface. Here root
    has such an address by IP_TRANSPARENT, 19 in linux/in.h."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    tunnel.delete()
    lab.cg("reapply")
    with lab.capture() as capture:
        lab.run("host", PYTHON, "-c", FORGE.replace("sock.bind", "sock.setsockopt(0, 19, 1)\nsock.bind"),
                "10.64.0.2")
    assert (capture.leaks == 0) == guarded


# IPPROTO_MPTCP is 262, linux/in.h. Both ends have the port that is captured: the kernel of the server opens
# its second path to that of the client.
MULTIPATH = """
import os, socket, sys
kind, uid, server, client = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((server if kind == "serve" else client, 7000))
if kind == "serve":
    sock.listen()
    print("listening", flush=True)
    sock = sock.accept()[0]
else:
    try:
        sock.connect((server, 7000))
    except ConnectionRefusedError:
        sys.exit(print("ECONNREFUSED"))
# before there was data in both directions there is no second path
if kind == "serve":
    sock.send(b"here")
sock.recv(4)
if kind == "ask":
    sock.send(b"here")
print("connected", flush=True)
sock.recv(4)
"""


@pytest.mark.skipif(not os.path.exists("/proc/sys/net/mptcp/enabled"), reason="a kernel without MPTCP")
@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("server", ["world", "host"])
def test_multipath_tcp_has_no_second_path_by_the_lan(lab, server, guarded):
    """The kernel opens it by a socket of its own, which is root's to the rules and nobody's to nftables."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    lab.sh("world", "ip addr add 203.0.113.9/32 dev lo")
    lab.sh("host", f"ip mptcp endpoint add {LAN[4]} dev eth0 subflow")
    assert lab.ask(CONFINED) == "wg0"  # the other end knows where we are
    client = "world" if server == "host" else "host"
    uids = {"host": CONFINED, "world": 0}
    addresses = [tunnel.address[4], "10.64.0.1" if server == "host" else "203.0.113.9"]
    if server == "world":
        addresses.reverse()

    def start(kind, where):
        return lab.popen(where, PYTHON, "-c", MULTIPATH, kind, str(uids[where]), *addresses, stdout=-1,
                         text=True)

    with lab.capture() as capture:
        listener = start("serve", server)
        assert listener.stdout.readline() == "listening\n"
        said = start("ask", client).stdout.readline()
        # another machine's client tries again, without multipath
        assert said == ("ECONNREFUSED\n" if guarded and client == "host" else "connected\n")
        assert ("tcp-ulp-mptcp" in lab.sh("host", "ss -tniH sport = :7000")) == (not guarded)
        if not guarded and client == "host":  # the kernel of a server may wait with it
            wait_until("the second path", lambda: capture.packets(CONFINED_PORT) > 0)
    assert capture.leaks == 0 or not guarded


# Bound to the LAN: past the rules.
SERVE_THE_LAN = """
import os, socket, sys
uid = int(sys.argv[1])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
sock = socket.create_server(("192.0.2.2", 7000), backlog=1)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
print("listening", flush=True)
sys.stdin.readline()
connection = sock.accept()[0]
try:
    connection.send(b"secret")
    print(connection.recv(1))
except OSError as error:
    print(error.strerror)
"""


def test_who_connects_by_the_lan_hears_nothing_of_the_program(lab):
    """The kernel's SYN cookies are nobody's, so where it always sends them such a connection comes about."""
    confine(lab)
    lab.cg("reapply")
    lab.sh("host", "sysctl -qw net.ipv4.tcp_syncookies=2")
    server = lab.popen("host", PYTHON, "-c", SERVE_THE_LAN, str(CONFINED), stdin=-1, stdout=-1, text=True)
    assert server.stdout.readline() == "listening\n"
    client = lab.popen("world", PYTHON, "-c", "import socket; sock = socket.create_connection(('192.0.2.2', "
                       "7000)); print('connected', flush=True); print(sock.recv(6))", stdout=-1, text=True)
    assert client.stdout.readline() == "connected\n"
    with lab.capture() as capture:
        said, _ = server.communicate("go\n", timeout=30)
    assert capture.leaks == 0
    assert said == "Connection reset by peer\n"


LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 7500))
sock.settimeout(1.5)
print("listening", flush=True)
try:
    print("got", sock.recv(100))
except TimeoutError:
    print("nothing")
"""


@pytest.mark.parametrize("guarded", [False, True])
@ADDRESSES
def test_what_comes_for_the_tunnels_address_by_the_lan_is_dropped(lab, guarded, address, number):
    """CVE-2019-14899: a neighbour finds out about the tunnel by what its address answers."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    Tunnel(lab, 0).up()
    add_addresses(lab, number)
    lab.cg("reapply")
    is_six = ":" in address
    lab.sh("world", f"ip route replace {address} via {LAN[6 if is_six else 4]} dev eth0")
    listener = lab.popen("host", PYTHON, "-c", LISTEN, address, stdout=-1, text=True)
    assert listener.stdout.readline() == "listening\n"
    lab.run("world", PYTHON, "-c", f"import socket; socket.socket(socket.AF_INET{'6' if is_six else ''}, "
            f"socket.SOCK_DGRAM).sendto(b'probe', ('{address}', 7500))")
    assert listener.communicate(timeout=10)[0].startswith("nothing" if guarded else "got")


@pytest.mark.parametrize("server,way", [("203.0.113.1", "EPERM"), ("127.0.0.53", "EPERM"),
                                        ("10.64.0.1", "ECONNREFUSED")])
def test_questions_for_names_go_to_the_named_servers_alone(lab, server, way):
    confine(lab, "DNS=10.64.0.1")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(CONFINED, port=53, server=server) == way
    assert lab.ask(OTHER, port=53, server=server) in ("ECONNREFUSED", "silence")


@pytest.mark.parametrize("breakage", [
    "nft flush ruleset", "nft delete table inet custom-gateway-wg0",
    "nft flush chain inet custom-gateway-wg0 ways", "nft insert rule inet custom-gateway-wg0 ways accept",
    "nft delete element inet custom-gateway-wg0 uids { 61500 }",
    "nft flush chain inet custom-gateway-wg0 output",
    "nft chain inet custom-gateway-wg0 output '{ policy drop; }'",
    "nft add table inet custom-gateway-wg0 '{ flags dormant; }'"])
def test_what_others_do_to_it_is_noticed_and_mended(lab, breakage):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", breakage)
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert lab.cg("status", check=False).returncode == 0
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_what_packets_have_taught_it_is_no_change(lab):
    """Where WireGuard's peers went; the kernel also counts the elements of sets."""
    confine(lab)
    lab.cg("reapply")
    lab.sh("host", "nft add element inet custom-gateway-wg0 learned4 '{ 192.0.2.1 . 51820 }'",
           "nft add element inet custom-gateway-wg0 learned6 '{ 2001:db8::1 . 51820 }'")
    assert lab.cg("status", check=False).returncode == 0
    lab.sh("host", "nft add element inet custom-gateway-wg0 endpoints4 '{ 192.0.2.1 . 51820 }'")
    assert lab.cg("status", check=False).returncode == 3


def test_a_table_whose_name_only_begins_like_ours_is_none_of_ours(lab):
    """What follows in the name would become a part of commands and of file names."""
    victim = lab.run_dir / "victim"
    victim.write_text("keep me")
    lab.sh("host", "nft add table inet custom-gateway-../../victim")
    confine(lab)
    lab.cg("reapply")
    lab.cg("remove")
    assert victim.exists()
    assert guard(lab) == ["custom-gateway-../../victim"]


# The form in which the guard asks whose a packet is goes by who they are: comparisons, a set that
# belongs to the rule, a set that belongs to the table. CONFINED is in all of them.
FORMS = {"one": [(CONFINED, CONFINED)],
         "two": [(CONFINED, CONFINED), (CONFINED + 2, CONFINED + 2)],
         "range": [(CONFINED - 4, CONFINED + 4)],
         "list": [(CONFINED - 8, CONFINED - 6), (CONFINED - 4, CONFINED - 4), (CONFINED, CONFINED)],
         "other list": [(CONFINED + 2 * i, CONFINED + 2 * i) for i in range(100)],
         "one and large range": [(CONFINED - 2, CONFINED - 2), (CONFINED, CONFINED + 2000)],
         "large ranges": [(CONFINED - 2000, CONFINED), (CONFINED + 10, CONFINED + 2000)]}


def users(form):
    return "Users=" + " ".join(f"{first}-{last}" for first, last in form)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_whom_it_names_are_held_and_nobody_else(lab, form):
    lab.config("wg0", f"{users(form)}\nGuard=yes")
    lab.cg("reapply")
    for first, last in (form[0], form[-1]):
        assert {escape(lab, "SO_BINDTODEVICE", uid) for uid in (first, last)} == {"EPERM"}
    for uid in form[0][0] - 1, form[-1][1] + 1, 1, 0:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "sent"
    assert lab.cg("status", check=False).returncode == 0


@pytest.mark.parametrize("how", ["refilled", "replaced"])
def test_a_change_of_whom_it_holds_lets_nobody_out_who_stays(lab, how):
    lab.config("wg0", f"{users(FORMS['one'])}\nGuard=yes")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    flood = lab.popen("host", PYTHON, "-c", FLOOD, str(CONFINED), stdout=-1, text=True)
    assert flood.stdout.readline() == "flooding\n"
    # from each form to each other one
    for form in [form for one in FORMS.values() for other in FORMS.values() for form in (one, other)]:
        lab.config("wg0", f"{users(form)}\nGuard=yes")
        if how == "replaced":
            (lab.run_dir / "custom-gateway" / "guard" / "wg0").unlink(missing_ok=True)
        lab.cg("reapply")
    flood.terminate()
    tried, sent = map(int, flood.communicate()[0].split())
    assert tried > 10000
    assert sent == 0


@pytest.mark.parametrize("how", ["refilled", "replaced"])
def test_a_change_of_the_guard_lets_nothing_out(lab, how):
    """A table that is replaced has an instant in which a packet meets neither the old nor the new. It is
    replaced if nobody remembers that we wrote it: a run was killed, or out of file descriptors."""
    confine(lab)
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    flood = lab.popen("host", PYTHON, "-c", FLOOD, str(CONFINED), stdout=-1, text=True)
    assert flood.stdout.readline() == "flooding\n"
    for number in range(40):
        lab.sh("host", f"ip addr {'del' if number % 2 else 'add'} 10.64.0.9/32 dev wg0")
        if how == "replaced":
            (lab.run_dir / "custom-gateway" / "guard" / "wg0").unlink()
        lab.cg("reapply")
    assert guard(lab) == ["custom-gateway-wg0"]  # and no shield is left
    flood.terminate()
    tried, sent = map(int, flood.communicate()[0].split())
    assert tried > 10000
    assert sent == 0


def test_a_shield_that_was_left_is_noticed_and_taken_away(lab):
    confine(lab)
    lab.cg("reapply")
    lab.sh("host", "nft add table inet custom-gateway-wg0/shield")
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert guard(lab) == ["custom-gateway-wg0"]
    lab.sh("host", "nft delete table inet custom-gateway-wg0",
           "nft add table inet custom-gateway-wg0/shield")
    lab.cg("remove", "wg0")
    assert guard(lab) == []


def test_whom_a_shield_alone_holds_is_not_let_go_while_somebody_may_be_missing(lab):
    confine(lab)
    lab.cg("reapply")
    lab.sh("host", "nft 'table inet custom-gateway-wg0/shield { set uids { typeof meta skuid; "
           "flags interval; elements = { 61510 }; }; }'")
    lab.config("wg1", "Users=0")
    lab.cg("reapply", check=False)
    assert guard(lab) == ["custom-gateway-wg0"]
    assert "61510" in lab.sh("host", "nft list set inet custom-gateway-wg0 uids")


FLOOD = """
import os, signal, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
tried = sent = 0
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print("flooding", flush=True)
while going:
    tried += 1
    try:
        sock.sendto(b"1", ("203.0.113.1", 7000))
        sent += 1
    except PermissionError:
        pass
print(tried, sent)
"""


def test_who_moves_between_two_guards_is_held_by_one_of_them(lab):
    """A transaction is not one for a packet that is on its way between the chains of two tables."""
    confine(lab, "Guard=yes")
    lab.config("wg1", f"Users={CONFINED + 1}\nGuard=yes")
    lab.cg("reapply")
    flood = lab.popen("host", PYTHON, "-c", FLOOD, str(CONFINED), stdout=-1, text=True)
    assert flood.stdout.readline() == "flooding\n"
    for number in range(200):
        here, there = ("wg0", "wg1") if number % 2 else ("wg1", "wg0")
        lab.config(here, f"Users={CONFINED}\nGuard=yes")
        lab.config(there, f"Users={CONFINED + 1}\nGuard=yes")
        lab.cg("reapply")
    flood.terminate()
    tried, sent = map(int, flood.communicate()[0].split())
    assert tried > 10000
    assert sent == 0


def test_who_moves_while_his_rules_are_gone_is_not_set_free(lab):
    """The guard of the old gateway is all that tells that he was confined."""
    confine(lab)
    lab.config("wg1", f"Users={CONFINED + 1}\nGuard=yes")
    lab.cg("reapply")
    flush_rules(lab)
    lab.config("wg0", f"Users={CONFINED + 2}\nGuard=yes")
    lab.config("wg1", f"Users={CONFINED}\nGuard=yes")
    lab.cg("reapply", "wg0")
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert "61500" in lab.sh("host", "nft list set inet custom-gateway-wg1 uids")


def test_a_bad_file_does_not_set_free_whom_only_a_guard_holds(lab):
    confine(lab)
    lab.cg("reapply")
    flush_rules(lab)
    lab.config("wg0", f"Users={CONFINED + 2}\nGuard=yes")
    lab.config("wg1", "Users=0")
    lab.cg("reapply", check=False)
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    lab.config("wg0", f"Users={CONFINED + 2}\nGuard=no")
    lab.cg("reapply", check=False)
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    lab.config("wg1", f"Users={CONFINED + 1}")
    lab.cg("reapply")
    assert escape(lab, "SO_BINDTODEVICE") == "sent"


CONNECT = """
import errno, os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
sock = socket.socket()
sock.settimeout(20)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
def attempt(what):
    try:
        what()
        print("done", flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error), flush=True)
attempt(lambda: sock.connect(("203.0.113.1", 7000)))
if len(sys.argv) > 2:
    sys.stdin.readline()
    attempt(lambda: sock.send(b"1 question"))
    attempt(lambda: sock.recv(1))
    sock.close()
    print("closed", flush=True)
    sys.stdin.readline()
"""


def test_connect_fails_at_once_and_does_not_hang(lab):
    confine(lab)
    lab.cg("reapply")
    done = lab.run("host", PYTHON, "-c", CONNECT, CONFINED)
    assert done.stdout == "ECONNREFUSED\n"


def test_a_connection_that_is_open_ends_with_its_program(lab):
    """Else the kernel would send again, for minutes, what belongs to nobody any more. Those from before are
    ended by a run (test_sockets.py), so the guard is put back without one here."""
    confine(lab)
    lab.cg("reapply")
    lab.sh("host", "nft list ruleset >/run/saved", "nft flush ruleset")
    program = lab.popen("host", PYTHON, "-c", CONNECT, str(CONFINED), "before", stdin=-1, stdout=-1,
                        text=True)
    assert program.stdout.readline() == "done\n"
    lab.sh("host", "nft -f /run/saved")
    with lab.capture() as capture:
        program.stdin.write("go on\n")
        program.stdin.flush()
        assert [program.stdout.readline() for _ in "abc"][1:] == ["ECONNRESET\n", "closed\n"]
        assert lab.sh("host", "ss -Htn dport = 7000 or sport = 7000") == ""
    assert capture.leaks == 0
    program.communicate("end\n", timeout=10)


def test_two_tunnels_with_one_address_leave_each_other_alone(lab):
    for number in (0, 1):
        Tunnel(lab, number).up()
        lab.config(f"wg{number}", f"Users={CONFINED + number}\nGuard=yes")
    lab.sh("host", "ip addr add 10.64.0.2/32 dev wg1", "ip addr del 10.64.1.2/24 dev wg1")
    lab.sh("world", "ip addr add 10.64.9.1/32 dev srv1")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    before = json.loads(lab.cg("status", "--json").stdout)
    lab.ask(CONFINED + 1)  # the server's answer finds wg0's way, but the question must leave
    after = json.loads(lab.cg("status", "--json").stdout)
    dropped_by = [[gateway["guard"]["dropped"] for gateway in status["gateways"]]
                  for status in (before, after)]
    assert dropped_by == [[0, 0], [0, 0]]
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


# Opens a connection in each family, and ends in the midst of them.
TALK = """
import os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
sockets = [socket.create_connection((server, int(sys.argv[2]))) for server in sys.argv[3:]]
for sock in sockets:
    sock.send(b"1 question\\n")
    print(sock.recv(100).split()[1].decode(), flush=True)
sys.stdin.read()
"""
LEFT = """table inet left {
  chain left {
    type filter hook postrouting priority 299
    oifname eth0 ip saddr 10.64.0.2 counter
    oifname eth0 ip6 saddr fd00:64:a0::2 counter
  }
}"""


def left_by_lan(lab):
    """Packets with the tunnel's addresses."""
    listed = json.loads(lab.sh("host", "nft -j list table inet left"))["nftables"]
    return [entry["rule"]["expr"][-1]["counter"]["packets"] for entry in listed if "rule" in entry]


@pytest.fixture
def at_rest(lab):
    """A gateway that confines nobody at the moment: nobody here can tell whom its service runs as."""
    lab.config("wg0", "Services=foo\nGuard=yes")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    lab.sh("host", f"echo '{LEFT}' | nft -f -")
    return tunnel


def test_at_rest_it_drops_what_the_kernel_repeats_for_closed_connections(lab, at_rest):
    """Whose these were no uid tells any more, and the way through the tunnel is gone."""
    servers = list(SERVER.values())
    lab.sh("host", *(f"ip route add {server} dev wg0" for server in servers))
    talker = lab.popen("host", PYTHON, "-c", TALK, OTHER, 7001, *servers, stdin=-1, stdout=-1, text=True)
    assert [talker.stdout.readline().strip() for _ in servers] == list(at_rest.address.values())
    lab.sh("host", *(f"ip route del {server} dev wg0" for server in servers))
    lab.take_ways_back()  # which would lead it into the tunnel
    talker.stdin.close()  # the first FIN is the program's yet, and nobody's business
    wait_until("what is repeated", lambda: dropped(lab) >= 2 * len(servers))
    assert max(left_by_lan(lab)) <= 1


def test_while_the_tunnel_is_up_what_is_repeated_takes_it(lab, at_rest):
    """The kernel asks for its way as root does, and the other side hears of the end after all."""
    servers = list(SERVER.values())
    lab.sh("host", *(f"ip route add {server} dev wg0" for server in servers))
    talker = lab.popen("host", PYTHON, "-c", TALK, OTHER, 7001, *servers, stdin=-1, stdout=-1, text=True)
    assert [talker.stdout.readline().strip() for _ in servers] == list(at_rest.address.values())
    lab.sh("host", *(f"ip route del {server} dev wg0" for server in servers))
    talker.stdin.close()
    talker.wait()
    wait_until("the other side's answer", lambda: not lab.sh("host", "ss -Htn state fin-wait-1"))
    assert max(left_by_lan(lab)) <= 1  # the program's own


def test_at_rest_it_leaves_others_the_address(lab, at_rest):
    """One that another interface gets without our being told, as a second tunnel of one provider."""
    at_rest.delete()
    lab.cg("reapply")
    lab.sh("host", "ip addr add 10.64.0.2/32 dev eth0",
           "ip route replace default via 192.0.2.1 src 10.64.0.2")
    lab.sh("world", "ip route add 10.64.0.2/32 via 192.0.2.2 dev eth0")
    assert lab.ask(OTHER) == lab.ask(OTHER, kind="tcp") == "wg0"  # by the address that was seen
    assert left_by_lan(lab)[0] > 2
    assert guard(lab) == ["custom-gateway-wg0", "left"]
    lab.cg("remove")
    assert guard(lab) == ["left"]


def test_others_tables_are_left_alone(lab):
    lab.sh("host", "nft add table inet mine", "nft add table ip custom", "nft add table inet custom-gatewa")
    confine(lab)
    lab.cg("reapply")
    lab.cg("remove")
    assert sorted(guard(lab)) == ["custom", "custom-gatewa", "mine"]


def test_one_gateways_guard_goes_without_the_others(lab):
    confine(lab)
    lab.config("wg1", f"Users={CONFINED + 10}\nGuard=yes")
    lab.cg("reapply")
    assert sorted(guard(lab)) == ["custom-gateway-wg0", "custom-gateway-wg1"]
    lab.cg("remove", "wg0")
    assert guard(lab) == ["custom-gateway-wg1"]
    lab.config("wg1", f"Users={CONFINED + 10}\nGuard=no")
    lab.cg("reapply", "wg1")
    assert not guard(lab)


def test_the_guard_of_a_file_that_went_bad_stays(lab):
    confine(lab)
    lab.config("wg1", f"Users={CONFINED + 10}\nGuard=yes")
    lab.cg("reapply")
    lab.config("wg0", "Users=0")
    lab.cg("reapply", check=False)
    assert "custom-gateway-wg0" in guard(lab)


def test_release_takes_it_away_and_up_brings_it_back(lab):
    confine(lab, "OnDown=release")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.nm("wg0", "up")
    assert guard(lab) == ["custom-gateway-wg0"]
    tunnel.delete()
    lab.nm("wg0", "down")
    assert not guard(lab)
    assert escape(lab, "SO_BINDTODEVICE") == "sent"


def without_nftables(lab, *arguments):
    """As on a kernel without it: every question to it is refused."""
    return lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket",
                   "-e", "inject=socket:error=EPROTONOSUPPORT:when=2", lab.binary, *arguments,
                   check=False)


def test_without_nftables_everything_else_works_and_it_is_said(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    done = without_nftables(lab, "reapply")
    assert done.returncode == 0
    assert "wg0: no guard can be seen or written" in done.stderr
    assert lab.ask(CONFINED) == "wg0"
    assert not guard(lab)


def test_a_guard_that_is_required_and_cannot_be_had_leaves_the_gateway_blocked(lab):
    confine(lab, "Guard=required")
    Tunnel(lab, 0).up()
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg",
                   "-e", "inject=sendmsg:error=EOPNOTSUPP", lab.binary, "reapply", check=False)
    assert done.returncode == 1
    assert "nft" in done.stderr
    assert lab.ask(CONFINED) == "EACCES"


def no_nft(lab, *arguments, more=""):
    """As if the kernel refused each transaction of libnftables, which alone sends by sendmsg(2)."""
    return lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg",
                   "-e", f"inject=sendmsg:error=ENOMEM{more}", lab.binary, *arguments, check=False)


def test_a_gateway_that_is_open_is_closed_if_its_guard_is_required_and_lost(lab):
    confine(lab, "Guard=required")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    lab.sh("host", "nft flush ruleset")
    assert no_nft(lab, "reapply").returncode == 1
    assert lab.ask(CONFINED) == "EACCES"
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"


# A try makes the transaction of all guards, and the one of this guard alone. At the last of the five
# tries a gateway that needs its guard is closed, and it takes one more to open it.
@pytest.mark.parametrize("guard_is,faults", [("yes", 2), ("required", 2), ("required", 8)])
def test_a_passing_fault_is_tried_again(lab, guard_is, faults):
    confine(lab, f"Guard={guard_is}")
    Tunnel(lab, 0).up()
    done = no_nft(lab, "reapply", more=f":when=1..{faults}")
    assert done.returncode == 0, done.stderr
    assert guard(lab) == ["custom-gateway-wg0"]
    assert lab.ask(CONFINED) == "wg0"
    assert lab.cg("status", check=False).returncode == 0


def test_a_guard_that_cannot_be_written_is_said_once_and_the_rest_works(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    done = no_nft(lab, "reapply")
    assert done.returncode == 0
    assert done.stderr.count("no guard: wg0: nftables: ") == 1
    assert lab.ask(CONFINED) == "wg0"


@pytest.mark.parametrize("guard_is", ["yes", "required"])
def test_without_libnftables(lab, guard_is):
    confine(lab, f"Guard={guard_is}")
    Tunnel(lab, 0).up()
    done = lab.run("host", "unshare", "--mount", "sh", "-c", "for library in /lib/*/libnftables.so.1; do"
                   " mount --bind /dev/null $library; done;"
                   " exec strace -qq -o /run/opened -e trace=openat $0 reapply", lab.binary,
                   check=False)
    assert "install libnftables" in done.stderr
    tries = (lab.run_dir / "opened").read_text().count("libnftables")
    assert not guard(lab)
    if guard_is == "yes":
        assert done.returncode == 0
        assert tries == 1, "there is nothing to wait for"
        assert lab.ask(CONFINED) == "wg0"
    else:
        assert done.returncode == 1
        assert lab.ask(CONFINED) == "EACCES"


def test_out_of_files_is_not_without_nftables(lab):
    confine(lab)
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket",
                   "-e", "inject=socket:error=EMFILE:when=2+2", lab.binary, "reapply", check=False)
    assert done.returncode == 1
    assert "Too many open files" in done.stderr
    assert lab.nothing_is_left()


def test_a_change_of_others_right_behind_ours_is_not_taken_for_ours(lab):
    """We are held up between writing and looking at what we wrote."""
    confine(lab)
    Tunnel(lab, 0).up()
    late = lab.popen("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg",
                     "-e", "inject=sendmsg:delay_exit=3000000", lab.binary, "reapply")
    wait_until("the guard", lambda: guard(lab) == ["custom-gateway-wg0"])
    lab.sh("host", "nft insert rule inet custom-gateway-wg0 ways accept")
    assert late.wait(timeout=30) == 0
    assert escape(lab, "SO_BINDTODEVICE") == "sent"
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_a_tunnel_that_wraps_packets_into_udp_is_known_by_their_priority(lab):
    """The kernel keeps the program's socket with what it has wrapped up."""
    for end, other in (("host", "1"), ("world", "2")):
        lab.sh(end, f"ip link add wg0 type vxlan id 5 remote 192.0.2.{other} dstport 4789",
               f"ip addr add 10.64.0.{3 - int(other)}/24 dev wg0", "ip link set wg0 up")
    confine(lab)
    lab.cg("reapply")
    # a neighbour that is known already: questions for it are nobody's, and pass
    lab.sh("host", "ip neigh replace 10.64.0.1 lladdr "
           + lab.sh("world", "cat /sys/class/net/wg0/address").strip() + " dev wg0")
    assert lab.ask(CONFINED, server="10.64.0.1", port=9) == "ECONNREFUSED"
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert lab.cg("status", check=False).returncode == 0
    lab.sh("host", "nft flush chain inet custom-gateway-wg0 own")
    assert lab.ask(CONFINED, server="10.64.0.1", port=9) == "silence"


def test_a_name_with_an_at(lab):
    lab.config("work@home", f"Interface=wg0\nUsers={CONFINED}\nGuard=yes")
    lab.cg("reapply")
    assert guard(lab) == ["custom-gateway-work/40home"]
    assert lab.cg("status", check=False).returncode == 0
    lab.cg("remove", "work@home")
    assert not guard(lab)
