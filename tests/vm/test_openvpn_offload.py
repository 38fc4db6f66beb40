# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenVPN whose data channel the kernel takes over (ovpn, Linux 6.16; OpenVPN 2.7 uses it unasked): what
the kernel has wrapped up still carries the confined program's socket, as with WireGuard. Without hooks
and without a monitor."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import re
import socket
import subprocess
from collections.abc import Iterator

import pytest

import guest
import people
import test_openvpn
from guest import ip, is_up, must_be_blocked, must_be_up, sh, wait_until
from people import CONFINED, OTHER, PORTS, SERVER, send_from

TUNNEL = "tun7"
CLIENT = f"""client
dev {TUNNEL}
proto {{proto}}
remote {{remote}} 1194
nobind
persist-tun
connect-retry 1
ca {test_openvpn.PKI}/ca.crt
cert {test_openvpn.PKI}/client.crt
key {test_openvpn.PKI}/client.key
remote-cert-tls server
pull-filter ignore redirect-gateway
pull-filter ignore dhcp-option
"""
PEERS = {"udp": "192.0.2.1", "udp6": "2001:db8:1::1", "tcp": "192.0.2.1"}
TEXT = b"1 escaped"  # send_from()'s
PRIORITY = 0x00c60000  # by which the guard knows the tunnel's own packets
SO_PRIORITY = 12  # asm-generic/socket.h


@pytest.fixture(scope="module", autouse=True)
def offload():
    if subprocess.run(["modprobe", "ovpn"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no ovpn")
    sh(test_openvpn.CERTIFICATES)


class Client:
    """An OpenVPN client by hand, and its server in the world."""

    def __init__(self, proto: str):
        guest.write("/run/openvpn-server.conf", re.sub("proto .*", f"proto {proto}", test_openvpn.SERVER))
        guest.write("/run/openvpn-client.conf", CLIENT.format(proto=proto, remote=PEERS[proto]))
        self._server = subprocess.Popen(guest.world("systemd-cat", "openvpn", "--config",
                                                    "/run/openvpn-server.conf"))
        self.process = subprocess.Popen(["systemd-cat", "openvpn", "--config", "/run/openvpn-client.conf"])

    @property
    def port(self) -> int | None:
        """The one of UDP that the client sends from."""
        listed = sh(f"ss -Hanup | grep pid={self.process.pid},", check=False)
        return int(listed.split()[3].rsplit(":", 1)[1]) if listed else None

    def close(self) -> None:
        for process in (self.process, self._server):
            process.terminate()
            process.wait(30)
        sh(f"ip link del {TUNNEL} || true")  # who was killed has left it behind


@contextlib.contextmanager
def connected(proto: str) -> Iterator[Client]:
    client = Client(proto)
    try:
        wait_until("the tunnel", lambda: has_address(TUNNEL), 60)
        assert ip("link", "show", TUNNEL)[0]["linkinfo"]["info_kind"] == "ovpn"
        yield client
    finally:
        client.close()


def has_address(interface: str) -> bool:
    return any(info["scope"] == "global" and info["family"] == "inet6"
               for link in ip("addr", "show", interface) for info in link["addr_info"])


@pytest.fixture
def confined(lan, clean):
    guest.gateway(TUNNEL)
    yield lan


@pytest.fixture
def tunnel(confined):
    with connected("udp") as client:
        sh("custom-gateway reapply")
        must_be_up(TUNNEL, way="vpn")
        yield client


@contextlib.contextmanager
def nothing_escapes(proto: str = "udp") -> Iterator[None]:
    """During the block nothing that send_from() sends gets to the world by the LAN, except bob's, which
    shows that it would be seen."""
    path = pathlib.Path("/run/escaped.pcap")
    with subprocess.Popen(guest.world("tcpdump", "-i", "eth0", "-U", "--immediate-mode", "-w", str(path)),
                          stderr=subprocess.PIPE, text=True) as capture:
        try:
            assert any("listening" in line for line in capture.stderr)
            yield
            assert TEXT not in path.read_bytes()
            assert send_from(0, PEERS[proto], 1194, OTHER) == "sent"
            wait_until("bob's", lambda: TEXT in path.read_bytes())
        finally:
            capture.terminate()


def send_with_priority(server: str, to: int) -> str:
    """By each of the two ways that a program has to give a packet a priority."""
    def send() -> list[str]:
        said = []
        for option in ([], [(socket.SOL_SOCKET, SO_PRIORITY, PRIORITY.to_bytes(4, "little"))]):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                try:
                    if not option:
                        sock.setsockopt(socket.SOL_SOCKET, SO_PRIORITY, PRIORITY)
                    sock.sendmsg([TEXT], option, 0, (server, to))
                    said.append("sent")
                except OSError as error:
                    said.append(errno.errorcode[error.errno])
        return said

    return people.Child(CONFINED, send).result()


def dropped() -> int:
    return guest.status(TUNNEL)["guard"]["dropped"]


@pytest.mark.parametrize("proto", PEERS)
def test_the_guard_lets_the_tunnel_itself_through(confined, proto):
    with connected(proto):
        sh("custom-gateway reapply")
        must_be_up(TUNNEL, way="vpn")
        must_be_up(TUNNEL, way="vpn")
        assert dropped() == 0
        assert send_from(0, SERVER[4], PORTS[CONFINED]) == "EPERM"
        assert dropped() == 1
        sh("custom-gateway status")
        assert "Guard=no" not in guest.warnings()


def test_no_program_takes_the_tunnels_way(tunnel):
    """Its port, its peer, both, and a priority."""
    with nothing_escapes():
        assert send_from(tunnel.port, PEERS["udp"], 1194) == "EADDRINUSE"
        # beside it: its socket has no IPv6
        assert send_from(tunnel.port, PEERS["udp6"], 1194, address="2001:db8:1::2") == "EPERM"
        assert send_from(0, PEERS["udp"], 1194) == "EPERM"
        assert set(send_with_priority(PEERS["udp"], 1194)) <= {"EPERM", "EINVAL"}
    must_be_up(TUNNEL, way="vpn")


def test_the_port_of_a_tunnel_that_has_ended_leads_nowhere(tunnel):
    """Nobody has told us yet: the port is free, and so that nobody can, the interface is still there."""
    port = tunnel.port
    tunnel.process.kill()
    tunnel.process.wait()
    assert is_up(TUNNEL)
    with nothing_escapes():
        assert send_from(port, PEERS["udp"], 1194) == "EPERM"
        assert people.ask(CONFINED) == "silence"
    sh(f"ip link del {TUNNEL}", "custom-gateway reapply")
    must_be_blocked()


def test_another_port_of_the_tunnel(tunnel):
    """As after a change of the network. No event tells of it, and none is needed."""
    port = tunnel.port
    tunnel.process.send_signal(10)  # SIGUSR1, openvpn(8)
    wait_until("another port", lambda: tunnel.port not in (None, port))
    wait_until("the tunnel", lambda: people.ask(CONFINED) == "vpn", 60)
    assert dropped() == 0
    sh("custom-gateway status")
