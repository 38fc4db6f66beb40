# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: a packet leaves from an address that its way is for. To another address the answer would go
by another way, with what was sent in it."""

import pytest
from guard import BECOME, as_user, confine, reasons, table_dropped
from lab import CONFINED, LAN, OTHER, PYTHON, SERVER, Tunnel

BYPASSES = "Bypass=192.0.2.0/24 2001:db8:1::/64"
NEIGHBOUR = {4: "192.0.2.1", 6: "2001:db8:1::1"}
FAMILIES = pytest.mark.parametrize("family", [4, 6])
GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])

# A socket of the user's that may be bound to an address that the machine need not have: IP_FREEBIND is 15,
# linux/in.h. To set that is refused to a confined user, but a socket may have it already.
FREE = """
import errno, os, socket, struct, sys
uid, *arguments = sys.argv[1:]
def free_socket(*kind):
    os.seteuid(int(uid))
    sock = socket.socket(*kind)
    os.seteuid(0)
    sock.setsockopt(socket.IPPROTO_IP, 15, 1)
    os.setresuid(*[int(uid)] * 3)
    return sock
"""
SEND = FREE + """
source, server, port = arguments
sock = free_socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
try:
    sock.bind((source, 0))
    sock.sendto(b"1 secret", (server, int(port)))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def send(lab, source, server, port=7000, uid=CONFINED):
    return lab.run("host", PYTHON, "-c", SEND, uid, source, server, port).stdout.strip()


def answers(lab, address):
    """Packets to the address that left by the LAN since watch()."""
    text = lab.sh("host", "nft list table inet watch")
    line = next(line for line in text.splitlines() if f"daddr {address} " in line)
    return int(line.split("packets ")[1].split()[0])


def watch(lab, address):
    family = "ip6" if ":" in address else "ip"
    lab.sh("host", "nft 'table inet watch { chain out { type filter hook postrouting priority 300; "
           f"oifname eth0 {family} daddr {address} counter; }}; }}'")


@pytest.mark.parametrize("is_up", [True, False], ids=["up", "blocked"])
@GUARDS
def test_this_machine_does_not_answer_a_stranger_in_whose_name_a_program_asks(lab, guard, is_up):
    """In IPv6 any program may. A port at which no program listens answers with an error, which quotes it."""
    stranger = "2001:db8:ffff::77"
    if is_up:
        Tunnel(lab, 0).up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    watch(lab, stranger)
    for address in ("::1", LAN[6]):
        assert send(lab, stranger, address, port=9) == ("sent" if guard == "no" else "EPERM")
    assert (answers(lab, stranger) > 0) == (guard == "no")
    if guard == "yes":
        assert reasons(lab) == {"sources": 2}
        # from its own addresses it may ask
        assert send(lab, LAN[6], LAN[6]) == send(lab, "::1", "::1") == "sent"
        assert send(lab, "127.0.0.1", "127.0.0.1") == send(lab, "127.9.9.9", "127.8.8.8") == "sent"
        assert send(lab, stranger, LAN[6], uid=OTHER) == "sent"


PING = FREE + """
sock = free_socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
try:
    sock.bind((arguments[0], 0))
    sock.sendto(struct.pack("!BBHHH", 128, 0, 0, 0, 1) + b"secret", (arguments[1], 0))
except PermissionError:
    pass
"""


@GUARDS
def test_nor_does_it_by_an_echo(lab, guard):
    stranger = "2001:db8:ffff::78"
    lab.sh("host", f"sysctl -qw 'net.ipv4.ping_group_range=0 {CONFINED}'")
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    watch(lab, stranger)
    lab.run("host", PYTHON, "-c", PING, CONFINED, stranger, LAN[6])
    assert (answers(lab, stranger) > 0) == (guard == "no")
    if guard == "yes":
        assert reasons(lab) == {"sources": 1}


@GUARDS
def test_a_bypass_host_does_not_answer_a_stranger_either(lab, guard):
    confine(lab, BYPASSES, f"Guard={guard}")
    lab.cg("reapply")
    assert send(lab, "2001:db8:ffff::77", NEIGHBOUR[6]) == ("sent" if guard == "no" else "EPERM")


@FAMILIES
@GUARDS
def test_the_tunnels_address_does_not_go_to_a_bypass(lab, guard, family):
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, BYPASSES, f"Guard={guard}")
    lab.cg("reapply")
    with lab.capture() as capture:
        said = send(lab, tunnel.address[family], NEIGHBOUR[family])
    assert said == ("sent" if guard == "no" else "EPERM")
    assert (capture.leaks > 0) == (guard == "no")
    assert send(lab, LAN[family], NEIGHBOUR[family]) == "sent"
    if guard == "yes":
        assert table_dropped(lab) == 1
        lab.sh("host", "nft flush ruleset")  # BPF holds it as well
        assert send(lab, tunnel.address[family], NEIGHBOUR[family]) == "EPERM"
        assert reasons(lab) == {"sources": 1}


@FAMILIES
@GUARDS
def test_the_lans_address_does_not_go_into_the_tunnel(lab, guard, family):
    """The other end would learn where the machine is, and send the answer there."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    said = send(lab, LAN[family], SERVER[family])
    assert said == ("sent" if guard == "no" else "EPERM")
    assert send(lab, tunnel.address[family], SERVER[family]) == "sent"
    if guard == "yes":
        assert reasons(lab) == {"sources": 1}
        if family == 6:
            assert send(lab, "2001:db8:ffff::77", SERVER[6]) == "EPERM"


# To a port that a firewall rejects. IPV6_FREEBIND is 78, linux/in6.h.
REJECTED = """
level, option = map(int, sys.argv[2:4])
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
try:
    sock.setsockopt(level, option, 1)
    sock.bind((sys.argv[1], 0))
    sock.sendto(b"secret", ("::1", 25))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("level,option", [(41, 78), (0, 15)], ids=["IPV6_FREEBIND", "IP_FREEBIND"])
@GUARDS
def test_a_firewall_does_not_tell_a_stranger_that_it_rejects_what_a_program_sends(lab, guard, level, option):
    """The firewall comes before the guard's egress program, so no program is let take a foreign address."""
    stranger = "2001:db8:ffff::79"
    lab.sh("host", "nft 'table inet fw { chain out { type filter hook output priority 0; "
                   "udp dport 25 reject; }; }'")
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    watch(lab, stranger)
    assert as_user(lab, CONFINED, REJECTED, stranger, level, option) == ["EPERM"]
    assert (answers(lab, stranger) > 0) == (guard == "no")
    if guard == "yes":
        assert reasons(lab) == {"protocols": 1}
        # IPv4 sends from no address that the machine does not have
        script = "socket.socket(socket.AF_INET).setsockopt(0, 15, 1)\nprint('set')"
        assert as_user(lab, CONFINED, script) == ["set"]


# A loose source route (RFC 791) by the first address. IP_OPTIONS is 4, linux/in.h. Not all kernels let
# any program set it, so root does here; the socket is the user's.
SOURCE_ROUTE = """
import errno, os, socket, sys
uid, hop, server, port = sys.argv[1:5]
os.seteuid(int(uid))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
os.seteuid(0)
sock.setsockopt(socket.IPPROTO_IP, 4, bytes([1, 131, 7, 4]) + socket.inet_aton(hop))
os.setresuid(*[int(uid)] * 3)
try:
    sock.sendto(b"1 secret", (server, int(port)))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""

# A routing header (RFC 8200) of type 4 (RFC 8754), or 2 (RFC 6275) where the kernel does not know that.
# IPV6_RTHDR is 57, linux/in6.h.
ROUTING_HEADER = """
hop, server, port = sys.argv[1:4]
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
first, last = (socket.inet_pton(socket.AF_INET6, address) for address in (hop, server))
headers = [bytes([0, 4, 4, 1, 1, 0, 0, 0]) + last + first, bytes([0, 2, 2, 1, 0, 0, 0, 0]) + first]
for header in headers:
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, 57, header)
        break
    except OSError:
        pass
else:
    sys.exit(print("cannot"))
try:
    sock.sendto(b"1 secret", (server, int(port)))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("hop", [NEIGHBOUR, LAN], ids=["by a bypass", "by loopback"])
@FAMILIES
@GUARDS
def test_a_packet_that_is_to_go_on_from_its_destination_does_not_leave(lab, guard, family, hop):
    """The first destination is allowed, and sends it on to the next one."""
    confine(lab, BYPASSES, f"Guard={guard}")
    lab.cg("reapply")
    script = SOURCE_ROUTE if family == 4 else BECOME + ROUTING_HEADER
    said = lab.run("host", PYTHON, "-c", script, CONFINED, hop[family], SERVER[family], 7000).stdout.strip()
    if said == "cannot":
        pytest.skip("a kernel without routing headers")
    assert said == ("sent" if guard == "no" else "EPERM")
    if guard == "yes":
        assert reasons(lab) == {"sources": 1}


# What the kernel unwraps, it may send on: a frame for another machine, here.
INJECT = """
port = int(sys.argv[1])
frame = bytes.fromhex("0200000000090200000000080800") + bytes(50)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    sock.sendto(bytes([8, 0, 0, 0, 0, 0, 5, 0]) + frame, ("127.0.0.1", port))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def unwrapped(lab):
    [link] = lab.ip("-s", "link", "show", "vx0")
    return link["stats64"]["rx"]["packets"]


@pytest.mark.parametrize("port", [4789, 5000])
@GUARDS
def test_no_program_puts_a_frame_into_a_tunnel_of_the_kernel_by_loopback(lab, guard, port):
    """Wherever the tunnel listens."""
    lab.sh("host", f"ip link add vx0 type vxlan id 5 remote 192.0.2.1 dstport {port}", "ip link set vx0 up")
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    assert as_user(lab, CONFINED, INJECT, port) == ["sent" if guard == "no" else "EPERM"]
    assert unwrapped(lab) == (1 if guard == "no" else 0)
    if guard == "yes":
        assert as_user(lab, OTHER, INJECT, port) == ["sent"]
        assert unwrapped(lab) == 1


@pytest.mark.parametrize("port", [1701, 4789, 2152])
def test_nor_into_one_of_which_no_interface_tells(lab, port):
    """L2TP, GTP and Open vSwitch have sockets that programs made; so the usual ports are closed."""
    confine(lab)
    lab.cg("reapply")
    assert as_user(lab, CONFINED, INJECT, port) == ["EPERM"]
    assert as_user(lab, CONFINED, INJECT, port + 1) == ["sent"]
    assert as_user(lab, OTHER, INJECT, port) == ["sent"]


# A socket of the user's that sends any protocol, as L2TP's does without a privilege, where there is one.
RAW = """
import ctypes, errno, os, socket, sys
uid, protocol = map(int, sys.argv[1:])
ctypes.CDLL(None).setfsuid(uid)
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
os.setresuid(uid, uid, uid)
try:
    sock.sendto(bytes(20), ("127.0.0.1", 0))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def test_nor_one_that_needs_no_port(lab):
    """IP in IP, GRE and L2TP; but others, which the kernel does not unwrap, reach programs."""
    confine(lab)
    lab.cg("reapply")
    for protocol, said in ((4, "EPERM"), (47, "EPERM"), (115, "EPERM"), (253, "sent")):
        assert lab.run("host", PYTHON, "-c", RAW, CONFINED, protocol).stdout.strip() == said
    assert lab.run("host", PYTHON, "-c", RAW, OTHER, 115).stdout.strip() == "sent"
    assert reasons(lab) == {"out": 3}
