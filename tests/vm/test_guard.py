# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard and tunnels in the kernel, which the laboratory of namespaces may have to do without. What
the kernel has wrapped up still carries the confined program's socket."""

import errno
import pathlib
import socket

import pytest

import guest
import people
from guest import must_be_blocked, must_be_up, sh, wait_until
from people import CONFINED, OTHER, PORTS, SERVER, send_from

LISTEN = 51900


@pytest.fixture
def confined(lan, clean):
    guest.gateway("wg0")
    yield lan
    sh("ip link del wg0 || true")


@pytest.fixture
def tunnel(confined):
    guest.make_wg0(confined)
    sh("custom-gateway reapply")
    must_be_up()
    return confined


def escape() -> str:
    return send_from(0, SERVER[4], PORTS[CONFINED])


@pytest.mark.parametrize("mark", ["0", "0xca6c"], ids=["unmarked", "marked"])
@pytest.mark.parametrize("endpoint", ["192.0.2.1:51820", "[2001:db8:1::1]:51820"],
                         ids=["IPv4", "IPv6"])
def test_the_guard_lets_the_tunnel_itself_through(confined, endpoint, mark):
    guest.make_wg0(confined, endpoint)
    sh(f"wg set wg0 fwmark {mark}", "custom-gateway reapply")
    must_be_up()
    must_be_up()  # what waited for the handshake has lost its socket, and passes
    assert escape() == "EPERM"
    sh("custom-gateway status")


def test_without_that_the_tunnel_carries_nothing(tunnel):
    """So that the tests above show something."""
    listed = sh("nft -a list chain inet custom-gateway-wg0 own").splitlines()
    handles = [line.split()[-1] for line in listed if "sport" in line]
    assert handles
    sh(*(f"nft delete rule inet custom-gateway-wg0 own handle {handle}" for handle in handles))
    assert people.ask(CONFINED) == "silence"


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.2", "::", "2001:db8:1::2"])
def test_nobody_can_send_from_the_tunnels_port(tunnel, address):
    before = people.left_by_lan()
    server = SERVER[6 if ":" in address else 4]
    for user in (CONFINED, OTHER):
        assert send_from(LISTEN, server, PORTS[CONFINED], user, address) == "EADDRINUSE"
    assert people.left_by_lan() == before


def test_the_port_of_a_tunnel_that_is_down_leads_nowhere_but_to_the_peer(tunnel):
    """Nobody has told us yet, and the port is free."""
    before = people.left_by_lan()
    sh("ip link set wg0 down")
    assert send_from(LISTEN, SERVER[4], PORTS[CONFINED]) == "EPERM"
    assert send_from(LISTEN, "192.0.2.1", PORTS[CONFINED]) == "EPERM"
    assert send_from(LISTEN, "192.0.2.1", 51820) == "sent"  # the limit that the manual names
    sh("custom-gateway reapply")
    assert send_from(LISTEN, "192.0.2.1", 51820) == "EPERM"
    assert people.left_by_lan() == before
    must_be_blocked()


def test_the_port_of_a_marked_tunnel_that_is_down_leads_nowhere(tunnel):
    sh("wg set wg0 fwmark 0xca6c", "custom-gateway reapply", "ip link set wg0 down")
    assert send_from(LISTEN, "192.0.2.1", 51820) == "EPERM"


def test_a_peer_that_moves_is_found_again(tunnel):
    """By what WireGuard itself sends; no event tells of it."""
    sh("ip -n world addr add 192.0.2.7/24 dev eth0 || true")
    sh(f"wg set wg0 peer {tunnel.server_public} endpoint 192.0.2.7:51820")
    wait_until("the tunnel to the new address", lambda: people.ask(CONFINED) == "wg0", 60)
    sh("! custom-gateway status", "custom-gateway reapply", "custom-gateway status")
    assert people.ask(CONFINED) == "wg0"


def test_another_port_of_the_tunnel(tunnel):
    sh("wg set wg0 listen-port 51901")
    assert people.ask(CONFINED) == "silence"
    sh("custom-gateway reapply")
    must_be_up()


KINDS = {
    "gre": "type gre local 192.0.2.{near} remote 192.0.2.{far}",
    "ipip": "type ipip local 192.0.2.{near} remote 192.0.2.{far}",
    "ip6gre": "type ip6gre local 2001:db8:1::{near} remote 2001:db8:1::{far}",
    "vti": "type vti local 192.0.2.{near} remote 192.0.2.{far} key 5",
    "vxlan": "type vxlan id 5 local 192.0.2.{near} remote 192.0.2.{far} dstport 4789",
    "vxlan6": "type vxlan id 5 local 2001:db8:1::{near} remote 2001:db8:1::{far} dstport 4789",
    "geneve": "type geneve id 5 remote 192.0.2.{far}",
}


def make_ipsec(namespace: str, near: str, far: str) -> None:
    """Without encryption: ESP is ESP."""
    ip = f"ip {namespace} xfrm"
    for source, target in ((near, far), (far, near)):
        sh(f"{ip} state add src {source} dst {target} proto esp spi 0x10{target[-1]} reqid 5 mode tunnel"
           " enc 'ecb(cipher_null)' '' auth 'hmac(sha1)' 0x0102030405060708090a0b0c0d0e0f1011121314")
    sh(f"{ip} policy add dir out mark 5 tmpl src {near} dst {far} proto esp reqid 5 mode tunnel",
       f"{ip} policy add dir in mark 5 tmpl src {far} dst {near} proto esp reqid 5 mode tunnel")


@pytest.mark.parametrize("kind", KINDS)
def test_other_tunnels_of_the_kernel(confined, kind):
    """What wraps packets into a protocol that no program can send, or with a priority that none can give."""
    made = sh("ip link add wg0 " + KINDS[kind].format(near=2, far=1) + " 2>&1 || echo failed")
    if "failed" in made:
        pytest.skip(made)
    sh("ip -n world link add tunnel " + KINDS[kind].format(near=1, far=2),
       "ip -n world addr add 10.67.0.1/24 dev tunnel", "ip -n world link set tunnel up",
       "ip addr add 10.67.0.2/24 dev wg0", "ip link set wg0 up", "custom-gateway reapply")
    try:
        if kind == "vti":
            make_ipsec("", "192.0.2.2", "192.0.2.1")
            make_ipsec("-n world", "192.0.2.1", "192.0.2.2")
        assert people.ask(CONFINED) == "10.67.0.2"
        assert escape() == "EPERM"
    finally:
        sh("ip -n world link del tunnel", "ip xfrm state flush", "ip xfrm policy flush",
           "ip -n world xfrm state flush", "ip -n world xfrm policy flush")


ENDS = "203.0.113.1", PORTS[CONFINED]
SETTLE = "custom-gateway-settle@wg0.service"  # a reapply in the sandbox of our units


def wait_for_the_end() -> str:
    with socket.create_connection(ENDS) as sock:
        sock.settimeout(60)
        try:
            return sock.recv(1).decode() or "closed by the other side"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))


@pytest.fixture
def connection(confined):
    """alice's, from before; and nobody has asked for sockets yet."""
    child = people.Child(CONFINED, wait_for_the_end)
    # by /proc: ss(8) would have the module loaded. 01 is "established".
    wait_until("the connection", lambda: "017100CB:1B58 01" in pathlib.Path("/proc/net/tcp").read_text(
        encoding="ascii"))
    sh("modprobe -r tcp_diag", "! grep -q ^tcp_diag /proc/modules")
    yield child
    sh("ss -K dst 203.0.113.1 || true")


def test_a_connection_from_before_is_ended_in_the_sandbox(connection):
    """It may load no modules; the kernel does that by itself."""
    sh(f"systemctl start {SETTLE}", "grep -q ^tcp_diag /proc/modules")
    assert connection.result() == "ECONNABORTED"
    must_be_blocked()


def test_a_kernel_without_tcp_diag(connection):
    guest.write("/run/modprobe.d/tests.conf", "install tcp_diag /bin/false\n")
    try:
        said = sh("custom-gateway reapply 2>&1")
        assert "wg0: connections from before are left: the kernel has no tcp_diag" in said
        must_be_blocked()
        sh("custom-gateway status")
    finally:
        pathlib.Path("/run/modprobe.d/tests.conf").unlink()
    sh("ss -K dst 203.0.113.1")
    assert connection.result() == "ECONNABORTED"
