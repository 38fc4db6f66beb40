# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: what the kernel answers, by sockets of its own or by none, to what a program sends this machine
itself, and to what comes by the tunnel. Each answer is shown to leave by the LAN without the guard."""

import pytest
from guard import TABLE, as_user, confine, reasons, start_as_user, table_dropped
from lab import CONFINED, LAN, PYTHON, Tunnel, wait_until

FAMILIES = pytest.mark.parametrize("family", [4, 6])
GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])


def watch(lab, what):
    lab.sh("host", "nft 'table inet watch { chain out { type filter hook postrouting priority 300; "
           f"oifname eth0 {what} counter; }}; }}'")


def watched(lab):
    return int(lab.sh("host", "nft list table inet watch").split("counter packets ")[1].split()[0])


# Two ends of a connection of the program with itself. One of them is bound to the LAN's interface when it
# stands, so that what the kernel says for it goes there.
PAIR = """
import time
def pair(a_address, b_address):
    family = socket.AF_INET6 if ":" in a_address else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((a_address, 0))
    listener.listen(1)
    b = socket.socket(family)
    b.bind((b_address, 0))
    b.connect(listener.getsockname())
    return listener.accept()[0], b
a, b = pair(*sys.argv[1:3])
"""
BIND = 'a.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")\n'
TIME_WAIT = PAIR + "a.shutdown(socket.SHUT_WR)\ntime.sleep(0.1)\n" + BIND + "b.close()\ntime.sleep(1)\n"
RESET = PAIR + BIND + """
a.close()
try:
    for _ in range(3):
        b.send(b"secret")
        time.sleep(0.2)
except OSError:
    pass
"""
# More than may wait: the kernel answers these with cookies, for which no socket is responsible.
COOKIES = """
import time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
listener.bind((sys.argv[1], 0))
listener.listen(1)
askers = [socket.socket(family) for _ in range(20)]
for asker in askers:
    asker.setblocking(False)
    asker.bind((sys.argv[2], 0))
    asker.connect_ex(listener.getsockname())
time.sleep(1)
"""


@pytest.mark.parametrize("script,family", [(TIME_WAIT, 4), (RESET, 6), (COOKIES, 6), (COOKIES, 4)],
                         ids=["time-wait", "reset", "cookies-6", "cookies-4"])
@pytest.mark.parametrize("has_table", [False, True], ids=["without the table", "with it"])
def test_what_is_for_this_machine_itself_does_not_leave(lab, has_table, script, family):
    """From the LAN's address to the tunnel's: the LAN would see both in one packet. No program's socket is
    responsible, so BPF does not hold it."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.sh("host", f"ip neigh replace {tunnel.address[4]} lladdr 02:00:00:00:00:09 dev eth0")
    confine(lab)
    lab.cg("reapply")
    if not has_table:
        lab.sh("host", f"nft delete table {TABLE}")
    # behind the guard's chain at 99
    watch(lab, f"{'ip' if family == 4 else 'ip6'} daddr {tunnel.address[family]}")
    as_user(lab, CONFINED, script, LAN[family], tunnel.address[family])
    assert (watched(lab) > 0) == (not has_table)
    if has_table:
        assert table_dropped(lab) > 0


# To this machine's address on the LAN, from a link-local one of its other interface.
LINK_LOCAL = """
source = socket.inet_pton(socket.AF_INET6, sys.argv[1]) + struct.pack("@I", socket.if_nametoindex("eth1"))
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
try:
    sock.sendmsg([b"secret"], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)], 0, (sys.argv[2], 9))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@GUARDS
def test_a_neighbour_with_the_link_local_address_of_another_interface_is_not_answered(lab, guard):
    lab.sh("host", "ip link add eth1 type veth peer name far1", "ip link set far1 up", "ip link set eth1 up",
           "ip addr add fe80::b/64 dev eth1 nodad")
    lab.sh("world", "ip addr add fe80::b/64 dev eth0 nodad")
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    watch(lab, "ip6 daddr fe80::b")
    assert as_user(lab, CONFINED, LINK_LOCAL, "fe80::b", LAN[6]) == ["sent" if guard == "no" else "EPERM"]
    assert (watched(lab) > 0) == (guard == "no")
    if guard == "yes":
        assert reasons(lab) == {"sources": 1}


def test_a_program_may_ask_itself_at_a_link_local_address(lab):
    lab.sh("host", "ip addr add fe80::b/64 dev eth0 nodad")
    confine(lab)
    lab.cg("reapply")
    script = """
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("fe80::b", 0, 0, socket.if_nametoindex("eth0")))
sock.sendto(b"1", sock.getsockname())
print(sock.recv(10).decode())
"""
    assert as_user(lab, CONFINED, script) == ["1"]


# By the tunnel, for an address of the machine that the tunnel does not have

STRANGER = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
ASK = ("import socket, sys; sock = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, "
       "socket.SOCK_DGRAM); sock.bind((sys.argv[1], 0)); sock.sendto(b'who are you', (sys.argv[2], 9))")


def lead_into_the_tunnel(lab, tunnel, family):
    """The far end leads the LAN's address of the machine there."""
    peer = lab.sh("world", f"wg show {tunnel.server} peers").strip()
    lab.sh("world", f"wg set {tunnel.server} peer {peer} allowed-ips 10.64.0.2,fd00:64:a0::2,{LAN[family]}",
           f"ip -{family} rule add priority 10 to {LAN[family]} ipproto udp dport 9 lookup 99",
           f"ip -{family} route add {LAN[family]} dev {tunnel.server} table 99")


@FAMILIES
@GUARDS
def test_a_stranger_who_asks_by_the_tunnel_is_not_answered_by_the_lan(lab, guard, family):
    """Not even about a port that nothing listens at: the answer tells where the machine is."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    lead_into_the_tunnel(lab, tunnel, family)
    watch(lab, f"{'ip' if family == 4 else 'ip6'} daddr {STRANGER[family]} meta l4proto "
          f"{'icmp' if family == 4 else 'icmpv6'}")
    lab.run("world", PYTHON, "-c", ASK, STRANGER[family], LAN[family])
    if guard == "no":
        wait_until("the answer", lambda: watched(lab) > 0)
    else:
        wait_until("the drop", lambda: table_dropped(lab) > 0)
        assert watched(lab) == 0


@FAMILIES
def test_a_site_to_which_the_ordinary_way_leads_by_the_tunnel_is_answered(lab, family):
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab)
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    lead_into_the_tunnel(lab, tunnel, family)
    lab.sh("host", f"ip -{family} route add {STRANGER[family]} dev wg0")
    lab.sh("host", "nft 'table inet watch { chain out { type filter hook postrouting priority 300; "
           "oifname wg0 meta l4proto { icmp, icmpv6 } counter; }; }'")
    lab.run("world", PYTHON, "-c", ASK, STRANGER[family], LAN[family])
    wait_until("the answer", lambda: watched(lab) > 0)
    assert table_dropped(lab) == 0


# Errors about what a program sent by the tunnel

LISTEN = """
is_six = ":" in sys.argv[1]
sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(*((41, 25) if is_six else (0, 11)), 1)  # IPV6_RECVERR, IP_RECVERR
sock.bind((sys.argv[1], 5555))
sock.connect((sys.argv[2], 9999))
sock.settimeout(20)
print("ready", flush=True)
try:
    sock.recv(100)
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
print(sock.recvmsg(100, 1000, socket.MSG_ERRQUEUE)[0].decode())
"""
# A neighbour says that the server is not there, and quotes what the program is to have sent. IPv6's checksum
# is the kernel's to fill in.
FORGE = """
import socket, struct, sys
source, server, machine, said = sys.argv[1:5]
datagram = struct.pack("!HHHH", 5555, 9999, 8 + len(said), 0) + said.encode()
if ":" in source:
    pair = b"".join(socket.inet_pton(socket.AF_INET6, address) for address in (source, server))
    error = struct.pack("!BBHI", 1, 4, 0, 0) + struct.pack("!IHBB", 6 << 28, len(datagram), 17, 64) + pair + datagram
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
else:
    pair = socket.inet_aton(source) + socket.inet_aton(server)
    error = struct.pack("!BBHI", 3, 3, 0, 0) + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0)
    error += pair + datagram
    total = sum(struct.unpack(f"!{len(error) // 2}H", error))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    error = error[:2] + struct.pack("!H", ~total & 0xffff) + error[4:]
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
if sys.argv[5:]:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[5].encode())
sock.sendto(error, (machine, 0))
"""


@FAMILIES
@GUARDS
def test_a_neighbour_cannot_tell_a_program_of_an_error_in_the_tunnel(lab, guard, family):
    """It would learn whether there is such a connection, and break it, and tell the program anything."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"  # the far end knows where this one is
    listener = start_as_user(lab, CONFINED, LISTEN, tunnel.address[family], STRANGER[family])
    assert listener.stdout.readline() == "ready\n"
    lab.run("world", PYTHON, "-c", FORGE, tunnel.address[family], STRANGER[family], LAN[family], "LAN!")
    if guard == "yes":
        wait_until("the drop", lambda: table_dropped(lab) == 1)
        lab.run("world", PYTHON, "-c", FORGE, tunnel.address[family], STRANGER[family],
                tunnel.address[family], "tunnel", tunnel.server)
    assert listener.communicate(timeout=20)[0].splitlines() == [
        "ECONNREFUSED", "LAN!" if guard == "no" else "tunnel"]
