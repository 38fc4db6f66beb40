# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: what the kernel sends for a program without its doing. It goes by the socket's owner, which
a socket has also when no program has it open any more."""

import os

import pytest
from guard import as_user, confine, entries, map_id, reasons, start_as_user
from lab import CONFINED, CONFINED_PORT, HERE, LAN, OTHER, PYTHON, SERVER, Tunnel, wait_until
from test_sockets import Connection

GUARDS = pytest.mark.parametrize("guard", ["no", "yes"])


@pytest.mark.parametrize("family", [4, 6])
@GUARDS
def test_a_connection_that_both_sides_open_says_nothing_when_its_program_has_closed_it(lab, guard, family):
    """It is never open while the program has it: its data is the kernel's to send."""
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    mac = {end: lab.sh(end, "cat /sys/class/net/eth0/address").strip() for end in ("host", "world")}
    stranger = "192.0.2.77" if family == 4 else "2001:db8:1::77"
    lab.sh("host", f"ip neigh replace {stranger} lladdr {mac['world']} dev eth0")
    process = lab.popen("world", PYTHON, str(HERE / "orphan.py"), "stranger", "eth0",
                        mac["host"] + mac["world"], str(family), stdout=-1, text=True)
    assert process.stdout.readline() == "listening\n"
    lab.run("host", PYTHON, HERE / "orphan.py", "program", CONFINED, family)
    heard = int(process.communicate(timeout=30)[0])
    assert heard == (600 if guard == "no" else 0)
    if guard == "yes":
        assert reasons(lab)["out"] > 0
        assert reasons(lab)["in"] > 0


def let_go(lab, is_free):
    """As if the user were confined from now on, or were not, without a run that ends its connections."""
    uid = " ".join(f"{byte}" for byte in (32).to_bytes(4, "little") + CONFINED.to_bytes(4, "big"))
    if is_free:
        lab.sh("host", f"bpftool map delete id {map_id(lab, 'cg_uids')} key {uid}")
        return
    table = lab.rules()[0]["table"]
    value = " ".join(f"{byte}" for byte in int(table).to_bytes(4, "little"))
    lab.sh("host", f"bpftool map update id {map_id(lab, 'cg_uids')} key {uid} value {value}")


@pytest.mark.parametrize("kind", ["4", "6"])
@pytest.mark.parametrize("words", [["close"], ["send"], ["send", "close"]], ids=" and ".join)
@GUARDS
def test_a_connection_from_before_says_nothing_more(lab, guard, words, kind):
    """Neither what the program says, nor what the kernel repeats, nor that it has ended."""
    confine(lab)
    lab.cg("reapply")
    let_go(lab, True)
    connection = Connection(lab, CONFINED, SERVER[int(kind)], CONFINED_PORT, kind, "eth0")
    assert connection.do("ask") in LAN.values()
    if guard == "yes":
        let_go(lab, False)
    with lab.capture() as capture:
        for word in words:
            connection.do(word)
        if guard == "yes":
            wait_until("what is repeated", lambda: reasons(lab).get("out", 0) >= 3)
        else:
            wait_until("a packet", lambda: capture.packets(CONFINED_PORT) > 0)
    assert (capture.leaks == 0) == (guard == "yes")
    assert entries(lab, "cg_gateways")


# Of what these send, a part is sent by sockets that are the kernel's own

MAKE = """
family, kind, protocol = map(int, sys.argv[1:4])
try:
    socket.socket(family, kind, protocol)
    print("made")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
PROTOCOLS = {"MPTCP": (1, 262), "SMC": (1, 256), "SCTP": (1, 132), "SCTP, one to many": (5, 132),
             "DCCP": (6, 33)}  # the kind and the protocol: linux/net.h, linux/in.h


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("family", [2, 10], ids=["4", "6"])
def test_sockets_of_protocols_that_the_kernel_speaks_by_its_own_sockets_are_refused(lab, family, protocol):
    arguments = (family, *PROTOCOLS[protocol])
    confine(lab, "Guard=no")
    lab.cg("reapply")
    before = as_user(lab, CONFINED, MAKE, *arguments)
    if before != ["made"]:
        pytest.skip(f"a kernel without {protocol}")
    confine(lab)
    lab.cg("reapply")
    assert as_user(lab, CONFINED, MAKE, *arguments) == ["EPERM"]
    assert reasons(lab) == {"protocols": 1}
    assert as_user(lab, OTHER, MAKE, *arguments) == ["made"]
    for kind, protocol_of_all in (1, 0), (1, 6), (2, 0), (2, 136):
        assert as_user(lab, CONFINED, MAKE, family, kind, protocol_of_all) == ["made"]


JOIN = """
if sys.argv[1] == "4":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    membership = socket.inet_aton("239.1.2.3") + socket.inet_aton("192.0.2.2")
    level, option = socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP
else:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    membership = socket.inet_pton(socket.AF_INET6, "ff0e::99") + struct.pack("@I", socket.if_nametoindex("eth0"))
    level, option = socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP
try:
    sock.setsockopt(level, option, membership)
    print("joined", flush=True)
    sys.stdin.readline()
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("family,group", [(4, "239.1.2.3"), (6, "ff0e::99")], ids=["4", "6"])
@GUARDS
def test_the_kernel_tells_the_lan_of_no_group_that_a_program_names(lab, guard, family, group):
    """By IGMP and MLD, for which no socket is responsible. Sixteen bytes of the program's choice fit in."""
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    member = start_as_user(lab, CONFINED, JOIN, family)
    assert member.stdout.readline() == ("joined\n" if guard == "no" else "EPERM\n")
    assert (group in lab.sh("host", "ip maddress show dev eth0")) == (guard == "no")
    if guard == "yes":
        assert start_as_user(lab, OTHER, JOIN, family).stdout.readline() == "joined\n"
        assert reasons(lab) == {"protocols": 1}


# Both ends have the port that is captured: the kernel of the server opens its second path to that of the
# client.
MULTIPATH = """
import os, socket, sys
uid = int(sys.argv[1])
kind, server, client = sys.argv[2:5]
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
try:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except PermissionError:
    print("TCP", flush=True)
    sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((server if kind == "serve" else client, 7000))
if kind == "serve":
    sock.listen()
    print("listening", flush=True)
    sock = sock.accept()[0]
else:
    sock.connect((server, 7000))
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
@GUARDS
def test_multipath_tcp_has_no_second_path_by_the_lan(lab, guard):
    """The kernel opens it by a socket of its own, which is root's to the rules. Programs go on with TCP."""
    confine(lab, f"Guard={guard}")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    lab.sh("host", f"ip mptcp endpoint add {LAN[4]} dev eth0 subflow")
    lab.sh("world", "ip mptcp limits set subflows 2 add_addr_accepted 2", "ip addr add 203.0.113.9/32 dev lo")
    lab.sh("host", "ip mptcp limits set subflows 2 add_addr_accepted 2")
    assert lab.ask(CONFINED) == "wg0"  # the other end knows where we are
    ends = ["203.0.113.9", tunnel.address[4]]
    with lab.capture() as capture:
        listener = lab.popen("world", PYTHON, "-c", MULTIPATH, "0", "serve", *ends, stdout=-1, text=True)
        assert listener.stdout.readline() == "listening\n"
        client = lab.popen("host", PYTHON, "-c", MULTIPATH, str(CONFINED), "ask", *ends, stdout=-1, text=True)
        for said in ["connected"] if guard == "no" else ["TCP", "connected"]:
            assert client.stdout.readline().strip() == said
        if guard == "no":
            wait_until("the second path", lambda: capture.packets(CONFINED_PORT) > 0)
        else:
            assert "tcp-ulp-mptcp" not in lab.sh("host", "ss -tniH sport = :7000")
    assert (capture.leaks == 0) == (guard == "yes")
