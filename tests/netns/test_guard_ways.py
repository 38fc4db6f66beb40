# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: what picks its own way, or is led another way, does not get out. Each way is shown to lead
out without it."""

import pytest
from guard import (as_user, confine, dropped, entries, escape, flush_rules, gateway_status, held_uids,
                   is_well, reasons)
from lab import CONFINED, CONFINED_PORT, LAN, OTHER, OTHER_PORT, SERVER, Tunnel

WAYS = ["SO_BINDTODEVICE", "SO_BINDTODEVICE 6", "SO_BINDTODEVICE TCP", "IP_UNICAST_IF",
        "IPV6_UNICAST_IF", "IP_PKTINFO", "IPV6_PKTINFO", "broadcast", "multicast 6",
        "routable multicast 6", "link-local 6"]


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
    assert set(reasons(lab)) == {"out"}


def test_others_are_not_held(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(OTHER) == "lan"
    assert escape(lab, "SO_BINDTODEVICE", OTHER, OTHER_PORT) == "sent"
    assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == lab.ask(CONFINED, kind="tcp") == "wg0"
    assert dropped(lab) == 0


# The guard holds prefixes of uids; CONFINED is in all of these.
FORMS = {"one": [(CONFINED, CONFINED)],
         "two": [(CONFINED, CONFINED), (CONFINED + 2, CONFINED + 2)],
         "range": [(CONFINED - 4, CONFINED + 4)],
         "list": [(CONFINED - 8, CONFINED - 6), (CONFINED - 4, CONFINED - 4), (CONFINED, CONFINED)],
         "long list": [(CONFINED + 2 * i, CONFINED + 2 * i) for i in range(100)],
         "one and a large range": [(CONFINED - 2, CONFINED - 2), (CONFINED, CONFINED + 2000)],
         "large ranges": [(CONFINED - 2000, CONFINED), (CONFINED + 10, CONFINED + 2000)]}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_users_that_it_names_are_held_and_no_others(lab, form):
    lab.config("wg0", "Users=" + " ".join(f"{first}-{last}" for first, last in form) + "\nGuard=yes")
    lab.cg("reapply")
    for uid in {*form[0], *form[-1]}:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "EPERM"
    for uid in form[0][0] - 1, form[-1][1] + 1, 1, 0:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "sent"
    held = {uid for first, bits in held_uids(lab) for uid in range(first, first + 2 ** (32 - bits))}
    assert held == {uid for first, last in form for uid in range(first, last + 1)}
    assert is_well(lab)


def test_it_stands_in_for_rules_that_were_flushed(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    with lab.capture() as capture:
        flush_rules(lab)
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "EPERM"
            assert lab.ask(OTHER, family) == "lan"
    assert capture.leaks == 0


def test_it_stands_when_nftables_is_flushed(lab):
    """And nothing is there that could put anything back."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    with lab.capture() as capture:
        lab.sh("host", "nft flush ruleset")
        flush_rules(lab)
        assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == "EPERM"
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
        assert escape(lab, "SO_BINDTODEVICE", OTHER, OTHER_PORT) == "sent"
    assert capture.leaks == 0


def test_a_rule_of_another_program_in_front_leads_into_the_guard(lab):
    """What wg-quick and ip(8) add without a priority comes first."""
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "ip rule add lookup main", "ip -6 rule add lookup main")
    with lab.capture() as capture:
        assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == "EPERM"
    assert capture.leaks == 0


# Where the kernel has not found a way, and need not look for one

CONNECT = """
sock = socket.socket()
sock.settimeout(20)
try:
    sock.connect((sys.argv[1], 7000))
    print("connected")
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
"""


def test_a_program_whose_gateway_is_blocked_is_told_at_once(lab):
    """By the rules. What picks its own way waits for an answer to a packet that was dropped: of what is
    sent for connect(2) the kernel tells nothing."""
    confine(lab)
    lab.cg("reapply")
    for server in SERVER.values():
        script = CONNECT if ":" not in server else CONNECT.replace("socket()", "socket(socket.AF_INET6)")
        assert as_user(lab, CONFINED, script, server) == ["EACCES"]


# Bypasses

SEND = """
server, port, device = sys.argv[1:4]
sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
if device:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
try:
    sock.sendto(b"1 datagram", (server, int(port)))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def send(lab, server, device="", uid=CONFINED, port=CONFINED_PORT):
    return as_user(lab, uid, SEND, server, port, device)[0]


@pytest.fixture
def second_network(lab):
    """eth1 198.51.100.2, 2001:db8:2::2, on which .9 and ::9 are neighbours."""
    lab.sh("host", "ip link add eth1 type veth peer name far1", "ip link set far1 up",
           "sysctl -qw net.ipv6.conf.eth1.accept_dad=0", "ip link set eth1 up",
           "ip addr add 198.51.100.2/24 dev eth1", "ip addr add 2001:db8:2::2/64 dev eth1 nodad",
           # without any route by eth1 IPv6 would not send what a program binds to it
           "ip -6 route add default via 2001:db8:2::9 dev eth1 metric 9999",
           *(f"ip neigh replace {neighbour} lladdr 02:00:00:00:00:09 dev {device}"
             for device in ("eth0", "eth1")
             for neighbour in ("192.0.2.9", "2001:db8:1::9", "198.51.100.9", "2001:db8:2::9")))


def test_bypasses_are_let_out(lab):
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    lab.cg("reapply")
    for kind in ("udp", "tcp"):
        assert lab.ask(CONFINED, kind=kind, server="192.0.2.1") == "lan"
        assert lab.ask(CONFINED, 6, kind=kind, server="2001:db8:1::1") == "lan"
    assert lab.ask(CONFINED) == "EACCES"
    assert dropped(lab) == 0


@pytest.mark.usefixtures("second_network")
@pytest.mark.parametrize("server", ["192.0.2.9", "2001:db8:1::9"])
def test_a_bypass_is_reached_by_its_own_interface_alone(lab, server):
    """A neighbour on another network that has, or claims to have, an address of the bypass."""
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64", "Guard=no")
    lab.cg("reapply")
    assert send(lab, server, "eth1") == "sent"
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    lab.cg("reapply")
    assert send(lab, server, "eth1") == "EPERM"
    assert send(lab, server, "eth0") == send(lab, server) == "sent"
    assert reasons(lab) == {"out": 1}


@pytest.mark.usefixtures("second_network")
@pytest.mark.parametrize("bypass,inside,via,outside", [
    ("203.0.0.0/16", "203.0.113.0/24", "198.51.100.9", "203.0.5.5"),
    ("2001:db8:f000::/36", "2001:db8:ffff::/48", "2001:db8:2::9", "2001:db8:f005::5")], ids=["4", "6"])
def test_a_network_inside_a_bypass_that_has_a_route_of_its_own_is_reached_by_that(lab, bypass, inside, via,
                                                                                 outside):
    confine(lab, f"Bypass={bypass}")
    server = SERVER[6 if ":" in bypass else 4]
    lab.cg("reapply")
    assert send(lab, server) == send(lab, outside) == "sent"
    lab.sh("host", f"ip route add {inside} via {via} dev eth1")
    assert send(lab, server) == "EPERM", "the guard has not been told yet"
    lab.cg("reapply")
    assert send(lab, server) == send(lab, server, "eth1") == "sent"
    assert send(lab, server, "eth0") == "EPERM"
    assert send(lab, outside) == "sent"
    assert send(lab, outside, "eth1") == "EPERM"


@pytest.mark.usefixtures("second_network")
def test_multicast_in_a_bypass_leaves_by_the_interface_that_the_program_names(lab):
    confine(lab, "Bypass=239.0.0.0/8 ff0e::/16")
    lab.cg("reapply")
    for group in ("239.1.2.3", "ff0e::5"):
        for device in ("eth0", "eth1"):
            assert send(lab, group, device) == "sent"
    assert send(lab, "224.0.0.251", "eth0") == "EPERM"
    assert send(lab, "ff02::fb", "eth0") == "EPERM"


# Other programs lead packets elsewhere

@pytest.mark.parametrize("family", [4, 6])
def test_a_packet_that_another_program_marks_is_not_led_out(lab, family):
    """The kernel routes it again within the hook, of which all chains see the interface from before."""
    confine(lab, "Guard=no")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "nft 'table inet other { chain output { type route hook output priority mangle; "
           f"udp dport {CONFINED_PORT} meta mark set 5; }}; }}'",
           f"ip -{family} rule add priority 50 fwmark 5 lookup main")
    with lab.capture() as capture:
        lab.ask(CONFINED, family)
    assert capture.leaks > 0, "it stays inside without the guard, so this test shows nothing"
    confine(lab)
    lab.cg("reapply")
    with lab.capture() as capture:
        assert lab.ask(CONFINED, family) == "EPERM"
    assert capture.leaks == 0


def test_a_packet_of_another_service_class_is_not_led_out(lab):
    """A rule goes by the DSCP that a firewall gives to the packet."""
    confine(lab, "Guard=no")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    lab.sh("host", "nft 'table ip other { chain output { type route hook output priority mangle; "
           f"udp dport {CONFINED_PORT} ip dscp set 4; }}; }}'",
           "ip rule add priority 50 tos 0x10 lookup main")
    with lab.capture() as capture:
        lab.ask(CONFINED)
    assert capture.leaks > 0, "it stays inside without the guard, so this test shows nothing"
    confine(lab)
    lab.cg("reapply")
    with lab.capture() as capture:
        assert lab.ask(CONFINED) == "EPERM"
    assert capture.leaks == 0


def test_a_packet_that_another_program_sends_elsewhere_is_not_led_out(lab):
    """DNAT of what was for this machine: IPv4 asks for a route to the new one, and not as that user."""
    confine(lab, "Guard=no")
    lab.cg("reapply")
    lab.sh("host", "nft 'table ip other { chain output { type nat hook output priority -100; "
           f"ip daddr {LAN[4]} udp dport {CONFINED_PORT} dnat to 192.0.2.1; }}; }}'")
    with lab.capture() as capture:
        lab.ask(CONFINED, server=LAN[4])
    assert capture.leaks > 0, "it stays inside without the guard, so this test shows nothing"
    confine(lab)
    lab.cg("reapply")
    with lab.capture() as capture:
        assert lab.ask(CONFINED, server=LAN[4]) == "EPERM"
    assert capture.leaks == 0


# Tunnels of which the kernel wraps packets into UDP

@pytest.fixture
def vxlan(lab):
    """wg0, which wraps Ethernet frames into UDP, with the program's socket and mark."""
    for end, other in (("host", "1"), ("world", "2")):
        lab.sh(end, f"ip link add wg0 type vxlan id 5 remote 192.0.2.{other} dstport 4789",
               f"ip addr add 10.64.0.{3 - int(other)}/24 dev wg0", "ip link set wg0 up")


@pytest.mark.usefixtures("vxlan")
def test_a_tunnel_that_wraps_packets_into_udp_needs_no_exception(lab):
    confine(lab)
    lab.cg("reapply")
    assert lab.ask(CONFINED, server="10.64.0.1", port=9) == "ECONNREFUSED"
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert gateway_status(lab)["guard"]["reasons"]["out"] == 1


@pytest.mark.usefixtures("vxlan")
def test_a_mark_does_not_lead_what_a_tunnel_wraps(lab):
    """The outer packet is routed by the mark of the inner one. A firewall gives it here."""
    lab.sh("host", "nft 'table inet other { chain output { type filter hook output priority mangle; "
           f"oifname wg0 udp dport {CONFINED_PORT} meta mark set 5; }}; "
           "chain post { type filter hook postrouting priority 300; "
           "udp dport 4789 meta mark 5 counter; }; }'")
    lab.sh("host", f"ip neigh replace 10.64.0.1 lladdr "
           f"{lab.sh('world', 'cat /sys/class/net/wg0/address').strip()} dev wg0")

    def marked():
        text = lab.sh("host", "nft list table inet other")
        return int(text.split("counter packets ")[1].split()[0])

    confine(lab, "Guard=no")
    lab.cg("reapply")
    assert send(lab, "10.64.0.1") == "sent"
    assert marked() == 1, "the mark is not kept without the guard, so this test shows nothing"
    confine(lab)
    lab.cg("reapply")
    assert send(lab, "10.64.0.1") == "sent"
    assert marked() == 1


def test_the_guard_knows_the_tunnel_by_its_number_in_each_family(lab):
    tunnel = Tunnel(lab, 0)
    tunnel.up(4)
    confine(lab)
    lab.cg("reapply")
    ifindex = gateway_status(lab)["ifindex"]
    [way] = entries(lab, "cg_gateways")
    assert way["value"] == {"ifindex": [ifindex, 0], "flags": 0}
    lab.sh("host", f"ip addr add {tunnel.address[6]}/64 dev wg0 nodad")
    lab.cg("reapply")
    [way] = entries(lab, "cg_gateways")
    assert way["value"]["ifindex"] == [ifindex, ifindex]
