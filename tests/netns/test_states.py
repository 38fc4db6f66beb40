# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of a gateway, and the way that packets take in each."""

import json

import pytest
from lab import CONFINED, OTHER, PYTHON, Tunnel, wait_until


def confine(lab, *more):
    lab.config("wg0", "\n".join([f"Users={CONFINED}", *more]))


def table_of(lab, family=4):
    """The routes of the gateway's table, as "type destination device metric"."""
    rules = lab.rules(family)
    if not rules:
        return set()
    routes = lab.ip(f"-{family}", "-d", "route", "show", "table", rules[0]["table"])
    return {(r["type"], r["dst"], r.get("dev") if r["type"] == "unicast" else None, r.get("metric", 0))
            for r in routes}


LAST_WORD = ("prohibit", "default", None, 4294967295)
OUT4 = ("unicast", "default", "wg0", 0)
OUT6 = ("unicast", "default", "wg0", 1024)


def test_the_whole_story_by_networkmanagers_hook(lab):
    tunnel = Tunnel(lab, 0)
    confine(lab)
    assert lab.ask(CONFINED) == "lan"

    tunnel.up()
    lab.nm("wg0", "pre-up")
    for kind in ("udp", "tcp"):
        for family in (4, 6):
            assert lab.ask(CONFINED, family, kind) == "wg0"
            assert lab.ask(OTHER, family, kind) == "lan"
    lab.nm("wg0", "up")

    lab.nm("wg0", "pre-down")
    tunnel.delete()
    lab.nm("wg0", "down")
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "EACCES"
        assert lab.ask(OTHER, family) == "lan"

    tunnel.up()
    lab.nm("wg0", "pre-up")
    assert lab.ask(CONFINED) == "wg0"

    lab.cg("remove")
    assert lab.ask(CONFINED) == "lan"
    assert lab.nothing_is_left()


def test_the_whole_story_by_networkd_dispatchers_hook(lab):
    tunnel = Tunnel(lab, 0)
    confine(lab)
    tunnel.create()
    lab.networkd("wg0", "off")
    assert lab.ask(CONFINED) == "EACCES"

    lab.sh("host", "ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0")
    lab.networkd("wg0", "routable")
    assert lab.ask(CONFINED) == "wg0"

    lab.sh("host", "ip link set wg0 down")
    lab.networkd("wg0", "off")
    assert lab.ask(CONFINED) == "EACCES"


def test_what_stands_in_the_kernel_when_up(lab):
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert table_of(lab, 4) == {OUT4, LAST_WORD, ("throw", "192.0.2.0/24", None, 0)}
    assert table_of(lab, 6) == {OUT6, LAST_WORD, ("throw", "2001:db8:1::/64", None, 1024)}
    for family in (4, 6):
        [rule] = lab.rules(family)
        assert (rule["priority"], rule["uid_start"], rule["uid_end"]) == (500, CONFINED, CONFINED)
        assert 198000000 <= int(rule["table"]) < 199000000


def test_the_kernel_falls_back_by_itself_when_the_tunnel_goes(lab):
    """No hook runs here: nobody tells us, and nothing leaks all the same."""
    tunnel = Tunnel(lab, 0)
    confine(lab)
    tunnel.up()
    lab.cg("reapply")
    with lab.capture() as capture:
        tunnel.delete()
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "EACCES"
    assert capture.leaks == 0


def test_a_gateway_whose_tunnel_was_never_up_is_blocked(lab):
    confine(lab)
    lab.cg("reapply")
    assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == "EACCES"


def test_an_interface_that_is_down_is_no_tunnel(lab):
    confine(lab)
    Tunnel(lab, 0).create()
    lab.sh("host", "ip addr add 10.64.0.2/24 dev wg0")
    lab.cg("reapply")
    assert table_of(lab) == {LAST_WORD}


def test_an_interface_without_an_address_is_no_tunnel(lab):
    confine(lab)
    Tunnel(lab, 0).create()
    lab.sh("host", "ip link set wg0 up")
    lab.cg("reapply")
    assert table_of(lab) == table_of(lab, 6) == {LAST_WORD}


def test_an_address_of_this_machine_alone_is_none_of_a_tunnel(lab):
    confine(lab)
    Tunnel(lab, 0).create()
    lab.sh("host", "ip link set wg0 up", "ip addr add 10.64.0.2/32 dev wg0 scope host")
    lab.cg("reapply")
    assert table_of(lab) == {LAST_WORD}


def test_an_ipv6_address_counts_when_nobody_else_has_it(lab):
    """Until that is known, and for good if somebody does, the kernel does not send from it. Tunnels
    rarely ask; this one is an Ethernet."""
    confine(lab)
    lab.sh("host", "ip link add wg0 type veth peer name there")
    lab.move("there", "host", "world")
    lab.sh("world", "ip addr add fd00:64:a0::2/64 dev there nodad", "ip link set there up")
    lab.sh("host", "sysctl -qw net.ipv6.conf.wg0.accept_dad=1", "ip link set wg0 up",
           "ip addr add fd00:64:a0::2/64 dev wg0")

    def flags():
        return [address for link in lab.ip("-6", "addr", "show", "dev", "wg0")
                for address in link["addr_info"] if address["scope"] == "global"]

    wait_until("the answer", lambda: flags()[0].get("dadfailed"))
    lab.cg("reapply")
    assert table_of(lab, 6) == {LAST_WORD}

    lab.sh("host", "ip addr del fd00:64:a0::2/64 dev wg0",
           "sysctl -qw net.ipv6.conf.wg0.dad_transmits=100",  # one a second
           "ip addr add fd00:64:a0::3/64 dev wg0")
    assert flags()[0].get("tentative")
    lab.cg("reapply")
    assert table_of(lab, 6) == {LAST_WORD}

    lab.sh("host", "ip addr add fd00:64:a0::4/64 dev wg0 nodad")
    lab.cg("reapply")
    assert table_of(lab, 6) == {OUT6, LAST_WORD}


IPV6_MODES = [
    # IPv6=, the tunnel's IPv6 address, what becomes of IPv6
    ("auto", None, "EACCES"),
    ("auto", "fd00:64:a0::2/64", "wg0"),
    ("auto", "2001:db8:aaaa::2/64", "routed"),
    ("auto", "fe80::2/64", "EACCES"),
    ("block", "fd00:64:a0::2/64", "EACCES"),
    ("route", "fe80::2/64", "routed"),
    ("route", None, "EACCES"),
]


@pytest.mark.parametrize("mode,address,expected", IPV6_MODES)
def test_ipv6(lab, mode, address, expected):
    confine(lab, f"IPv6={mode}")
    Tunnel(lab, 0).up(4)
    if address:
        lab.sh("host", f"ip addr add {address} dev wg0 nodad")
    lab.cg("reapply")
    assert lab.ask(CONFINED, 4) == "wg0"
    assert lab.ask(OTHER, 6) == "lan"
    if expected == "routed":  # it leaves by the tunnel; the server there knows no way back to it
        assert table_of(lab, 6) == {OUT6, LAST_WORD}
    else:
        assert lab.ask(CONFINED, 6) == expected


@pytest.mark.parametrize("family,lan", [(4, "192.0.2.1"), (6, "2001:db8:1::1")])
def test_a_bypass_keeps_its_ordinary_route(lab, family, lan):
    confine(lab, "Bypass=192.0.2.0/24, 2001:db8:1::/64")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    assert lab.ask(CONFINED, family, server=lan) == "lan"
    assert lab.ask(CONFINED, family) == "wg0"

    tunnel.delete()
    lab.nm("wg0", "down")
    assert lab.ask(CONFINED, family, server=lan) == "lan"
    assert lab.ask(CONFINED, family) == "EACCES"


@pytest.mark.parametrize("on_down,expected", [("stop", "EACCES"), ("block", "EACCES"),
                                              ("release", "lan")])
def test_on_down(lab, on_down, expected):
    confine(lab, f"OnDown={on_down}")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    tunnel.delete()
    lab.nm("wg0", "down")
    assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == expected
    assert lab.nothing_is_left() == (on_down == "release")


def test_release_keeps_blocking_ipv6_while_the_tunnel_carries_ipv4(lab):
    confine(lab, "OnDown=release")
    Tunnel(lab, 0).up(4)
    lab.cg("reapply")
    assert lab.ask(CONFINED, 4) == "wg0"
    assert lab.ask(CONFINED, 6) == "EACCES"


def test_two_gateways_at_once(lab):
    second = CONFINED + 10
    lab.config("wg0", f"Users={CONFINED}")
    lab.config("wg1", f"Users={second}")
    tunnels = [Tunnel(lab, number) for number in (0, 1)]
    for tunnel in tunnels:
        tunnel.up()
        lab.nm(tunnel.name, "up")
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "wg0"
        assert lab.ask(second, family) == "wg1"

    tunnels[0].delete()
    lab.nm("wg0", "down")
    assert lab.ask(CONFINED) == "EACCES"
    assert lab.ask(second) == "wg1"

    lab.cg("remove", "wg1")
    assert lab.ask(CONFINED) == "EACCES"
    assert lab.ask(second) == "lan"


@pytest.mark.parametrize("ipv6", ["auto", "route"])
def test_a_tunnel_whose_ipv6_address_is_deprecated_is_no_way_out(lab, ipv6):
    """The kernel would take the LAN's address into the tunnel; what is open already goes on."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, f"IPv6={ipv6}")
    lab.cg("reapply")
    assert table_of(lab, 6) == {OUT6, LAST_WORD}
    lab.sh("host", f"ip addr change {tunnel.address[6]}/64 dev wg0 preferred_lft 0")
    way = ("ip", "-6", "-j", "route", "get", "2001:db8:ffff::1", "uid", CONFINED)
    assert json.loads(lab.run("host", *way).stdout)[0]["prefsrc"] == "2001:db8:1::2", "so this matters"
    lab.cg("reapply")
    assert table_of(lab, 6) == {LAST_WORD}
    assert lab.ask(CONFINED, 6) == "EACCES"
    assert lab.ask(CONFINED, 4) == "wg0"

    lab.sh("host", f"ip addr change {tunnel.address[6]}/64 dev wg0 preferred_lft forever")
    lab.cg("reapply")
    assert lab.ask(CONFINED, 6) == "wg0"


def test_two_gateways_on_one_interface(lab):
    second = CONFINED + 10
    lab.config("one", f"Interface=wg0\nUsers={CONFINED}")
    lab.config("two", f"Interface=wg0\nUsers={second}\nIPv6=block")
    Tunnel(lab, 0).up()
    lab.nm("wg0", "up")
    assert lab.ask(CONFINED, 6) == "wg0"
    assert lab.ask(second, 4) == "wg0"
    assert lab.ask(second, 6) == "EACCES"


def test_users_by_name_number_and_range(lab):
    lab.config("wg0", "Users=daemon 61501, 61502-61504 61510")  # daemon is uid 1 on every Debian
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    runs = [(rule["uid_start"], rule["uid_end"]) for rule in lab.rules()]
    assert sorted(runs) == [(1, 1), (61501, 61504), (61510, 61510)]
    assert lab.ask(1) == lab.ask(61503) == "wg0"
    assert lab.ask(61505) == lab.ask(61509) == "lan"


TALK_TO_ONESELF = """
import os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
for family, address in ((socket.AF_INET, sys.argv[2]), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as two:
        one.bind((address, 0))
        one.settimeout(2)
        two.sendto(b"hello", one.getsockname())
        assert one.recv(9) == b"hello"
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.2"])
def test_a_blocked_user_still_reaches_the_machine_itself(lab, address):
    confine(lab)
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "EACCES"
    lab.run("host", PYTHON, "-c", TALK_TO_ONESELF, CONFINED, address)
