# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: a stranger on the LAN hears nothing of a confined program. Its answers would come by the
tunnel, and tell the stranger whose tunnel that is."""

import pytest
from guard import confine, reasons, start_as_user
from lab import CONFINED, LAN, OTHER, OTHER_PORT, PYTHON, Tunnel, wait_until

PORT = 7500
FAMILIES = pytest.mark.parametrize("family", [4, 6])
KINDS = pytest.mark.parametrize("kind", ["udp", "tcp"])
GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])
BYPASSES = "Bypass=192.0.2.0/24 2001:db8:1::/64"

# At all addresses of the machine; prints what it is asked.
SERVE = """
import asyncio
class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, addr):
        print("asked", flush=True)
        self.transport.sendto(b"1 here", addr)
async def stream(reader, writer):
    await reader.readline()
    print("asked", flush=True)
    writer.write(b"1 here\\n")
    await writer.drain()
    writer.close()
async def main():
    loop = asyncio.get_running_loop()
    for family, address in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, 7500))
        await loop.create_datagram_endpoint(Datagrams, sock=sock)
        await asyncio.start_server(stream, address, 7500)
    print("listening", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def serve(lab, uid=CONFINED):
    server = start_as_user(lab, uid, SERVE)
    assert server.stdout.readline() == "listening\n"
    return server


# Of a packet that left by the tunnel, the stranger's own kernel has no use.
ASK = """
import errno, socket, sys
address, port, kind, source = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                     socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
sock.settimeout(1)
try:
    if source:
        sock.bind((source, 0))
    sock.connect((address, port))
    sock.send(b"1 question\\n")
    print(sock.recv(100).split()[1].decode())
except TimeoutError:
    print("silence")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def ask(lab, address, kind, source="", where="world"):
    return lab.run(where, PYTHON, "-c", ASK, address, PORT, kind, source).stdout.strip()


def watch(lab, device):
    """Counts what leaves from the port by the interface."""
    lab.sh("host", "nft 'table inet watch { chain out { type filter hook postrouting priority 300; "
           f"oifname {device} meta l4proto {{ tcp, udp }} th sport {PORT} counter; }}; }}'")


def left(lab):
    return int(lab.sh("host", "nft list table inet watch").split("counter packets ")[1].split()[0])


@GUARDS
@KINDS
@FAMILIES
def test_a_stranger_that_asks_by_the_lan_is_not_answered_by_the_tunnel(lab, family, kind, guard):
    Tunnel(lab, 0).up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    watch(lab, "wg0")
    serve(lab)
    assert ask(lab, LAN[family], kind) == "silence"
    assert (left(lab) > 0) == (guard == "no")
    if guard == "yes":
        assert reasons(lab).keys() == {"in"}


@KINDS
@FAMILIES
def test_a_bypass_host_is_answered(lab, family, kind):
    Tunnel(lab, 0).up()
    confine(lab, BYPASSES)
    lab.cg("reapply")
    serve(lab)
    assert ask(lab, LAN[family], kind) == "here"
    assert not reasons(lab)


@KINDS
@FAMILIES
def test_the_other_end_of_the_tunnel_is_answered(lab, family, kind):
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab)
    lab.cg("reapply")
    serve(lab)
    assert lab.ask(CONFINED, family) == "wg0"  # the other end knows where we are
    assert ask(lab, tunnel.address[family], kind) == "here"
    assert not reasons(lab)


@KINDS
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", *LAN.values()])
def test_programs_of_this_machine_are_answered(lab, address, kind):
    confine(lab)
    lab.cg("reapply")
    serve(lab)
    assert ask(lab, address, kind, where="host") == "here"
    assert not reasons(lab)


@KINDS
@FAMILIES
def test_servers_of_others_are_not_held(lab, family, kind):
    confine(lab)
    lab.cg("reapply")
    serve(lab, OTHER)
    assert ask(lab, LAN[family], kind) == "here"


@pytest.mark.parametrize("guard", ["no", "yes"])
def test_an_address_of_a_bypass_that_comes_by_another_interface_is_a_stranger(lab, guard):
    lab.sh("host", "ip link add eth1 type veth peer name far1", "ip link set eth1 up",
           "ip addr add 198.51.100.2/24 dev eth1")
    lab.move("far1", "host", "world")
    lab.sh("world", "ip link set far1 up", "ip route add 198.51.100.2/32 dev far1")
    confine(lab, BYPASSES, f"Guard={guard}")
    lab.cg("reapply")
    server = serve(lab)
    # what is answered goes by eth0, to an address that has asked another one
    ask(lab, "198.51.100.2", "udp", "192.0.2.1")
    if guard == "no":
        assert server.stdout.readline() == "asked\n"
    else:
        assert reasons(lab) == {"in": 1}


# Bound to the LAN, so that its answers pass the rules.
SERVE_THE_LAN = """
sock = socket.create_server(("192.0.2.2", 7000), backlog=1)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
print("listening", flush=True)
connection = sock.accept()[0]
connection.send(b"secret")
"""
CONNECT = """
import socket
sock = socket.socket()
sock.settimeout(1.5)
try:
    sock.connect(("192.0.2.2", 7000))
    print(sock.recv(100).decode())
except TimeoutError:
    print("silence")
"""


@pytest.mark.parametrize("cookies", [1, 2])
@GUARDS
def test_a_stranger_cannot_connect_to_a_program_that_serves_the_lan(lab, guard, cookies):
    """With 2 the kernel answers each SYN by a cookie, which it sends by a socket of its own."""
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    lab.sh("host", f"sysctl -qw net.ipv4.tcp_syncookies={cookies}")
    server = start_as_user(lab, CONFINED, SERVE_THE_LAN)
    assert server.stdout.readline() == "listening\n"
    lab.sh("host", "nft 'table ip watch { chain out { type filter hook postrouting priority 300; "
           "oifname eth0 tcp sport 7000 counter; }; }'")
    said = lab.run("world", PYTHON, "-c", CONNECT).stdout.strip()
    assert said == ("secret" if guard == "no" else "silence")
    assert ("counter packets 0 " in lab.sh("host", "nft list table ip watch")) == (guard == "yes")


def test_status_counts_what_came(lab):
    confine(lab)
    lab.cg("reapply")
    serve(lab)
    ask(lab, LAN[4], "udp")
    wait_until("the drop", lambda: reasons(lab) == {"in": 1})
    assert lab.ask(OTHER, port=OTHER_PORT) == "lan"
