# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: what routing rules cannot hold. Each way out is shown to lead out without it."""

import json

import pytest
from lab import CONFINED, CONFINED_PORT, HERE, OTHER, PYTHON, Tunnel

WAYS = ["SO_BINDTODEVICE", "SO_BINDTODEVICE 6", "SO_BINDTODEVICE TCP", "IP_UNICAST_IF",
        "IPV6_UNICAST_IF", "IP_PKTINFO", "IPV6_PKTINFO", "broadcast", "multicast 6",
        "routable multicast 6", "link-local 6"]


def confine(lab, *more):
    text = "\n".join([f"Users={CONFINED}", *more])
    lab.config("wg0", text if "Guard=" in text else f"{text}\nGuard=yes")


def escape(lab, way, uid=CONFINED, port=CONFINED_PORT):
    return lab.run("host", PYTHON, HERE / "escape.py", uid, way, port).stdout.strip()


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
        lab.sh("host", "ip rule flush", "ip rule add lookup main priority 32766", "ip -6 rule flush",
               "ip -6 rule add lookup main priority 32766")
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
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.bind(("10.64.0.2", 0))
try:
    sock.sendto(b"1 late", ("203.0.113.1", 7000))
except PermissionError:
    pass
"""


@pytest.mark.parametrize("guarded", [False, True])
def test_the_tunnels_address_does_not_leave_elsewhere(lab, guarded):
    """As packets do that the kernel sends for a closed socket: they are nobody's. Here they are root's."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    with lab.capture() as capture:
        lab.run("host", PYTHON, "-c", FORGE)
    assert (capture.leaks == 0) == guarded


LISTEN = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.64.0.2", 7500))
sock.settimeout(1.5)
print("listening", flush=True)
try:
    print("got", sock.recv(100))
except TimeoutError:
    print("nothing")
"""


@pytest.mark.parametrize("guarded", [False, True])
def test_what_comes_for_the_tunnels_address_by_the_lan_is_dropped(lab, guarded):
    """CVE-2019-14899: a neighbour finds out about the tunnel by what its address answers."""
    confine(lab, "Guard=yes" if guarded else "Guard=no")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("world", "ip route replace 10.64.0.2/32 via 192.0.2.2 dev eth0")
    listener = lab.popen("host", PYTHON, "-c", LISTEN, stdout=-1, text=True)
    assert listener.stdout.readline() == "listening\n"
    lab.run("world", PYTHON, "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
            ".sendto(b'probe', ('10.64.0.2', 7500))")
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


def test_a_change_of_the_guard_lets_nothing_out(lab):
    """A table that is replaced has an instant in which a packet meets neither the old nor the new."""
    confine(lab)
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    flood = lab.popen("host", PYTHON, "-c", FLOOD, str(CONFINED), stdout=-1, text=True)
    assert flood.stdout.readline() == "flooding\n"
    for number in range(40):
        lab.sh("host", f"ip addr {'del' if number % 2 else 'add'} 10.64.0.9/32 dev wg0")
        lab.cg("reapply")
    flood.terminate()
    tried, sent = map(int, flood.communicate()[0].split())
    assert tried > 10000
    assert sent == 0


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


def test_a_name_with_an_at(lab):
    lab.config("work@home", f"Interface=wg0\nUsers={CONFINED}\nGuard=yes")
    lab.cg("reapply")
    assert guard(lab) == ["custom-gateway-work/40home"]
    assert lab.cg("status", check=False).returncode == 0
    lab.cg("remove", "work@home")
    assert not guard(lab)
