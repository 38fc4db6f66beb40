# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard's table in nftables: packets that no socket tells of, by the tunnel's addresses in them. Here
root sends them, which BPF does not hold."""

import json

import pytest
from guard import (TABLE, confine, dropped, escape, flood, flush_rules, gateway_status, is_well, programs,
                   table, table_dropped, tables)
from lab import CONFINED, LAN, OTHER, PYTHON, SERVER, Tunnel, wait_until

GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])

# As an address that the machine need not have: IP_TRANSPARENT is 19, linux/in.h.
FORGE = """
import socket, sys
address = sys.argv[1]
is_six = ":" in address
sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.setsockopt(0, 19, 1)
sock.bind((address, 0))
try:
    sock.sendto(b"1 late", ("2001:db8:ffff::1" if is_six else "203.0.113.1", 7000))
except PermissionError:
    pass
"""

ADDRESSES = pytest.mark.parametrize("address,number", [
    ("10.64.0.2", 0), ("fd00:64:a0::2", 0), ("10.64.0.2", 9), ("fd00:64:a0::2", 9)],
    ids=["4", "6", "4-of-many", "6-of-many"])


def add_addresses(lab, number):
    for last in range(100, 100 + number):
        lab.sh("host", f"ip addr add 10.64.0.{last}/32 dev wg0",
               f"ip addr add fd00:64:a0::{last}/128 dev wg0 nodad")


def forge(lab, address):
    """How many datagrams with the address leave by the LAN, of one that is sent."""
    with lab.capture() as capture:
        lab.run("host", PYTHON, "-c", FORGE, address)
    return capture.leaks


@GUARDS
@ADDRESSES
def test_the_tunnels_address_does_not_leave_elsewhere(lab, guard, address, number):
    confine(lab, f"Guard={guard}")
    Tunnel(lab, 0).up()
    add_addresses(lab, number)
    lab.cg("reapply")
    assert forge(lab, address) == (1 if guard == "no" else 0)
    if guard == "yes":
        assert table_dropped(lab) == 1
        assert is_well(lab), "what it counts is no change of it"


@GUARDS
@pytest.mark.parametrize("address", ["10.64.0.2", "fd00:64:a0::2"], ids=["4", "6"])
def test_nor_does_it_when_the_tunnel_is_gone(lab, guard, address):
    """A connection that was closed repeats itself for a while, whatever became of the interface."""
    confine(lab, f"Guard={guard}")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    tunnel.delete()
    lab.cg("reapply")
    assert forge(lab, address) == (1 if guard == "no" else 0)


LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 7500))
print("listening", flush=True)
while True:
    print("got", sock.recv(100).decode(), flush=True)
"""


@GUARDS
@ADDRESSES
def test_what_comes_for_the_tunnels_address_by_the_lan_is_dropped(lab, guard, address, number):
    """CVE-2019-14899: a neighbour finds out about the tunnel by what its address answers."""
    confine(lab, f"Guard={guard}")
    Tunnel(lab, 0).up()
    add_addresses(lab, number)
    lab.cg("reapply")
    is_six = ":" in address
    neighbour = LAN[6 if is_six else 4]
    listener = lab.popen("host", PYTHON, "-c", LISTEN, address, stdout=-1, text=True)
    assert listener.stdout.readline() == "listening\n"

    def tell(word, where="world"):
        lab.run(where, PYTHON, "-c", f"import socket; socket.socket(socket.AF_INET{'6' if is_six else ''}, "
                f"socket.SOCK_DGRAM).sendto(b'{word}', ('{address}', 7500))")

    lab.sh("world", f"ip route replace {address} via {neighbour} dev eth0")
    tell("probe")
    if guard == "yes":
        wait_until("the drop", lambda: table_dropped(lab) == 1)
        tell("by loopback", "host")
    assert listener.stdout.readline() == ("got probe\n" if guard == "no" else "got by loopback\n")


def test_addresses_that_are_only_like_the_tunnels_leave(lab):
    """The last four bytes are the same; and in the header of the other family they stand for something
    else."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.sh("host", "ip addr add 2001:db8:1::2/128 dev wg0 nodad",
           "ip addr add 2001:db8:1:5::2/128 dev eth0 nodad",
           "ip addr del 2001:db8:1::2/64 dev eth0",
           # bytes 12 to 15 of an IPv6 header are bytes 4 to 7 of its source: here 10.64.0.2
           "ip addr add 2001:db8:a40:2::9/128 dev eth0 nodad")
    lab.cg("reapply")
    assert forge(lab, "2001:db8:1:5::2") == forge(lab, "2001:db8:a40:2::9") == 1
    assert table_dropped(lab) == 0


def elements(lab, name):
    listed = json.loads(lab.sh("host", f"nft -j list set {TABLE} {name}"))["nftables"]
    return listed[-1]["set"].get("elem", [])


def test_others_may_have_an_address_that_the_tunnel_has_no_longer(lab):
    """It is held for what the kernel still repeats: what a program sends leaves."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "ip addr add 10.64.0.9/24 dev wg0", "ip addr del 10.64.0.2/24 dev wg0",
           "ip addr flush dev wg0", "ip addr add 10.64.0.9/24 dev wg0")
    lab.cg("reapply")
    assert elements(lab, "former4") == ["10.64.0.2"]
    assert sorted(elements(lab, "addresses4")) == ["10.64.0.2", "10.64.0.9"]
    assert forge(lab, "10.64.0.2") == 1
    assert forge(lab, "10.64.0.9") == 0


def test_an_interface_with_a_name_that_nft_would_not_take_may_have_the_address_too(lab):
    """What is in the guard's text is no part of it. That interface is held as any other."""
    confine(lab)
    Tunnel(lab, 0).up()
    name = 'a"};x'
    lab.run("host", "ip", "link", "add", name, "type", "veth", "peer", "name", "b")
    lab.run("host", "ip", "link", "set", name, "arp", "off", "up")
    lab.run("host", "ip", "addr", "add", "10.64.0.2/32", "dev", name)
    lab.cg("reapply")
    assert is_well(lab)
    assert tables(lab) == ["custom-gateway"]
    assert [home["concat"][1] for home in elements(lab, "homes4")] == ["wg0"]


# More interfaces than one with the address

def test_two_tunnels_with_one_address_leave_each_other_alone(lab):
    """VPN providers give one address to all of their clients."""
    for number in (0, 1):
        Tunnel(lab, number).up()
        confine(lab, name=f"wg{number}", users=CONFINED + 10 * number)
    lab.sh("host", "ip addr add 10.64.0.2/32 dev wg1", "ip addr del 10.64.1.2/24 dev wg1")
    lab.sh("world", "ip addr add 10.64.9.1/32 dev srv1")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    lab.ask(CONFINED + 10)  # the server's answer finds wg0's way, but the question must leave
    assert [dropped(lab, name) for name in ("wg0", "wg1")] == [0, 0]
    assert table_dropped(lab) == 0
    assert escape(lab, "SO_BINDTODEVICE") == escape(lab, "SO_BINDTODEVICE", CONFINED + 10) == "EPERM"
    assert forge(lab, "10.64.0.2") == 0


def test_a_tunnel_of_others_may_have_the_address(lab):
    """One that is of no gateway."""
    confine(lab)
    Tunnel(lab, 0).up()
    Tunnel(lab, 1).up()
    lab.sh("host", "ip addr add 10.64.0.2/32 dev wg1")
    lab.cg("reapply")
    assert sorted(home["concat"][1] for home in elements(lab, "homes4")) == ["wg0", "wg1"]
    assert forge(lab, "10.64.0.2") == 0


def test_an_address_that_dhcp_gives_to_the_lan_is_held_as_the_tunnels(lab):
    """Else a DHCP server could have what the kernel repeats for the tunnel's connections. The LAN's
    interface has neighbours, which a tunnel has not."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.sh("host", "ip addr add 10.64.0.2/24 dev eth0")
    lab.cg("reapply")
    assert [home["concat"][1] for home in elements(lab, "homes4")] == ["wg0"]
    assert forge(lab, "10.64.0.2") == 0
    assert lab.ask(CONFINED) == "wg0"
    with lab.capture() as capture:
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert capture.leaks == 0


# The table is ours, and no other is

@pytest.mark.parametrize("breakage", [
    "nft flush ruleset", f"nft delete table {TABLE}", f"nft flush chain {TABLE} source",
    f"nft insert rule {TABLE} postrouting accept", f"nft delete element {TABLE} addresses4 {{ 10.64.0.2 }}",
    f"nft add element {TABLE} homes4 {{ 10.64.0.2 . eth0 }}", f"nft flush chain {TABLE} postrouting",
    f"nft chain {TABLE} prerouting '{{ policy drop; }}'",
    f"nft add table {TABLE} '{{ flags dormant; }}'", f"nft add chain {TABLE} more"])
def test_what_others_do_to_it_is_noticed_and_mended(lab, breakage):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    before = table(lab)
    lab.sh("host", breakage)
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM", "BPF holds all that has a socket meanwhile"
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert is_well(lab)
    assert table(lab).startswith(before.rstrip("}\n"))  # an empty chain of another program may stay
    assert forge(lab, "10.64.0.2") == 0


@pytest.mark.parametrize("obstacle", [
    "set addresses4 { type inet_service; }", "map former6 { type ipv6_addr : verdict; }",
    "chain source { type filter hook output priority 0; }", "counter homes4 { }"])
def test_what_others_put_in_its_place_is_replaced(lab, obstacle):
    lab.sh("host", f"nft 'table {TABLE} {{ {obstacle}; }}'")
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert is_well(lab)
    assert forge(lab, "10.64.0.2") == 0


def test_a_change_of_others_right_behind_ours_is_not_taken_for_ours(lab):
    """We are held up between writing and looking at what we wrote."""
    confine(lab)
    Tunnel(lab, 0).up()
    late = lab.popen("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg",
                     "-e", "inject=sendmsg:delay_exit=3000000", lab.binary, "reapply")
    wait_until("the table", lambda: tables(lab) == ["custom-gateway"])
    lab.sh("host", f"nft insert rule {TABLE} postrouting accept")
    assert late.wait(timeout=30) == 0
    assert forge(lab, "10.64.0.2") == 1
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert forge(lab, "10.64.0.2") == 0


def test_tables_of_others_are_left_alone(lab):
    """What follows in a name would become a part of commands and of file names."""
    victim = lab.run_dir / "victim"
    victim.write_text("keep me")
    theirs = ["custom-gatewa", "custom-gateway-../../victim", "custom-gateway-wg0", "mine"]
    lab.sh("host", *(f"nft add table inet {name}" for name in theirs), "nft add table ip custom-gateway")
    confine(lab)
    lab.cg("reapply")
    assert tables(lab) == sorted([*theirs, "custom-gateway", "custom-gateway"])
    lab.cg("remove")
    assert tables(lab) == sorted([*theirs, "custom-gateway"])
    assert victim.exists()


FORGE_ON = """
import itertools, signal, socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.bind(("10.64.0.2", 0))
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print("sending", flush=True)
tried = sent = 0
while going:
    tried += 1
    try:
        sock.sendto(b"1", ("203.0.113.1", 7000))
        sent += 1
    except PermissionError:
        pass
print(tried, sent)
"""


def test_a_change_of_it_lets_nothing_out(lab):
    """A packet meets all that stood there or all that is to stand there. It is written anew also if nothing
    tells that we wrote it: a run was killed, or another program has changed it."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    forger = lab.popen("host", PYTHON, "-c", FORGE_ON, stdout=-1, text=True)
    assert forger.stdout.readline() == "sending\n"
    with flood(lab) as confined:
        for number in range(40):
            lab.sh("host", f"ip addr {'del' if number % 2 else 'add'} 10.64.0.9/32 dev wg0")
            if number % 3 == 0:
                lab.sh("host", f"nft add chain {TABLE} more")
            lab.cg("reapply")
    forger.terminate()
    tried, sent = map(int, forger.communicate(timeout=10)[0].split())
    assert tried > 10000
    assert confined.tried > 1000
    assert sent == confined.sent == 0


# A gateway whose services have ended

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
    """A gateway that confines no user at the moment: nothing here can tell as which user its service runs."""
    lab.config("wg0", "Services=foo\nGuard=yes")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    lab.sh("host", f"echo '{LEFT}' | nft -f -")
    return tunnel


def test_at_rest_it_drops_what_the_kernel_repeats_for_closed_connections(lab, at_rest):
    """No uid tells any more which user's these were, and the way through the tunnel is gone."""
    assert not programs(lab)
    servers = list(SERVER.values())
    lab.sh("host", *(f"ip route add {server} dev wg0" for server in servers))
    talker = lab.popen("host", PYTHON, "-c", TALK, OTHER, 7001, *servers, stdin=-1, stdout=-1, text=True)
    assert [talker.stdout.readline().strip() for _ in servers] == list(at_rest.address.values())
    lab.sh("host", *(f"ip route del {server} dev wg0" for server in servers))
    lab.take_ways_back()
    talker.stdin.close()  # the first FIN is still the program's, and of no concern
    wait_until("what is repeated", lambda: table_dropped(lab) >= 2 * len(servers))
    assert max(left_by_lan(lab)) <= 1


def test_at_rest_it_leaves_others_the_address(lab, at_rest):
    """One that another interface gets without our being told, as a second tunnel of one provider."""
    at_rest.delete()
    lab.cg("reapply")
    lab.sh("host", "ip addr add 10.64.0.2/32 dev eth0",
           "ip route replace default via 192.0.2.1 src 10.64.0.2")
    lab.sh("world", "ip route add 10.64.0.2/32 via 192.0.2.2 dev eth0")
    assert lab.ask(OTHER) == lab.ask(OTHER, kind="tcp") == "wg0"  # by the address that was seen
    assert left_by_lan(lab)[0] > 2
    assert tables(lab) == ["custom-gateway", "left"]
    lab.cg("remove")
    assert tables(lab) == ["left"]


def test_it_says_what_it_dropped(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    forge(lab, "10.64.0.2")
    said = json.loads(lab.cg("status", "--json").stdout)
    assert said["table"] == {"stands": True, "dropped": 1}
    assert gateway_status(lab)["guard"]["dropped"] == 0
    flush_rules(lab)
    assert forge(lab, "10.64.0.2") == 0
