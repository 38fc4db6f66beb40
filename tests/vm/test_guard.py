# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard and tunnels in the kernel, which the laboratory of namespaces may have to do without."""

import errno
import pathlib
import socket
import struct

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


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.2", "::", "2001:db8:1::2"])
def test_no_program_sends_from_the_tunnels_port(tunnel, address):
    before = people.left_by_lan()
    server = SERVER[6 if ":" in address else 4]
    for user in (CONFINED, OTHER):
        assert send_from(LISTEN, server, PORTS[CONFINED], user, address) == "EADDRINUSE"
    assert people.left_by_lan() == before


def test_the_port_of_a_tunnel_that_is_down_leads_nowhere(tunnel):
    """No run has looked yet, and the port is free."""
    before = people.left_by_lan()
    sh("ip link set wg0 down")
    assert send_from(LISTEN, SERVER[4], PORTS[CONFINED]) == "EPERM"
    assert send_from(LISTEN, "192.0.2.1", 51820) == "EPERM"
    assert people.left_by_lan() == before
    must_be_blocked()


def test_a_peer_that_moves_is_followed_without_a_run(tunnel):
    sh("ip -n world addr add 192.0.2.7/24 dev eth0 || true")
    sh(f"wg set wg0 peer {tunnel.server_public} endpoint 192.0.2.7:51820")
    wait_until("the tunnel to the new address", lambda: people.ask(CONFINED) == "wg0", 60)
    sh("custom-gateway status")


def test_another_port_of_the_tunnel_needs_no_run(tunnel):
    sh("wg set wg0 listen-port 51901")
    wait_until("the tunnel from the new port", lambda: people.ask(CONFINED) == "wg0", 60)
    sh("custom-gateway status")


def test_the_sandbox_of_the_units_loads_it(confined):
    guest.make_wg0(confined)
    sh("custom-gateway -q remove")
    assert guest.programs() == []
    sh(f"systemctl start {SETTLE}")
    assert guest.programs() == ["cg_egress", "cg_ingress", "cg_setsockopt", "cg_sock_create"]
    must_be_up()
    assert escape() == "EPERM"
    sh("custom-gateway status")


def test_the_sandbox_of_the_units_opens_and_closes_it_by_its_pins(tunnel):
    sh("ip link del wg0", f"systemctl start {SETTLE}")
    must_be_blocked()
    guest.make_wg0(tunnel)
    sh(f"systemctl start {SETTLE}")
    must_be_up()


PROTOCOLS = {"IPPROTO_MPTCP": 262, "IPPROTO_SMC": 256, "IPPROTO_SCTP": 132, "IPPROTO_DCCP": 33}


def make_socket(user: str, number: int, kind: int) -> str:
    def make() -> str:
        try:
            with socket.socket(socket.AF_INET, kind, number):
                return "made"
        except OSError as error:
            return errno.errorcode[error.errno]

    return people.Child(user, make).result()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_that_get_past_a_guard_are_refused(tunnel, protocol):
    """The kernel sends by sockets of its own for them. A kernel that lacks one shows nothing."""
    number = PROTOCOLS[protocol]
    kind = 6 if protocol == "IPPROTO_DCCP" else 1  # SOCK_DCCP, SOCK_STREAM
    made = make_socket(OTHER, number, kind)
    if made != "made":
        pytest.skip(f"this kernel has no {protocol}: {made}")
    assert make_socket(CONFINED, number, kind) == "EPERM"


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
    """What the kernel wraps up has the tunnel's socket, not the program's."""
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


def frame_in_vxlan(text: bytes) -> bytes:
    """A datagram to the tunnel's own address, with a stranger's as its source, as VXLAN carries it."""
    datagram = struct.pack("!HHHH", 9, 9, 8 + len(text), 0) + text
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0,
                         socket.inet_aton(SERVER[4]), socket.inet_aton("10.67.0.2"))
    total = sum(struct.unpack("!10H", header))
    total = (total >> 16) + (total & 0xffff)
    header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + header[12:]
    mac = bytes.fromhex(guest.ip("link", "show", "wg0")[0]["address"].replace(":", ""))
    return bytes.fromhex("0800000000000500") + mac + b"\2\0\0\0\0\1\x08\0" + header + datagram


@pytest.mark.parametrize("guarded", [False, True])
def test_no_program_injects_frames_into_a_tunnel_by_loopback(confined, guarded):
    """The kernel unwraps what comes to VXLAN's port, and answers what was in it: here with an ICMP error,
    which quotes it, to a stranger by the LAN."""
    guest.gateway("wg0", f"Guard={'yes' if guarded else 'no'}")
    made = sh("ip link add wg0 " + KINDS["vxlan"].format(near=2, far=1) + " 2>&1 || echo failed")
    if "failed" in made:
        pytest.skip(made)
    sh("ip addr add 10.67.0.2/24 dev wg0", "ip link set wg0 up", "custom-gateway reapply",
       "ip route add 203.0.113.1/32 via 192.0.2.1 || true")
    before = people.left_by_lan()["icmp"]
    child = people.Child(CONFINED, lambda: people.send_to("127.0.0.1", 4789, frame_in_vxlan(b"inside")))
    assert child.result() == ("EPERM" if guarded else "sent")
    if not guarded:
        wait_until("the answer on the LAN", lambda: people.left_by_lan()["icmp"] > before)
    else:
        assert people.left_by_lan()["icmp"] == before


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
