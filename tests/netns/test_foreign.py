# SPDX-License-Identifier: GPL-2.0-or-later
"""Others' rules and routes: never touched, reported, and no way past the tunnel where we can help it."""

import subprocess

import pytest
from lab import CONFINED, OTHER, PYTHON, SERVER, Tunnel


@pytest.fixture
def table(lab):
    """A gateway that is up; the number of its table."""
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    return lab.rules()[0]["table"]


def others(lab):
    """The rules and routes that are not ours, in every table where this test has put some."""
    found = []
    for family in (4, 6):
        ours = lab.rules(family) + lab.ways_back(family) + lab.routes(family)
        found += [rule for rule in lab.ip(f"-{family}", "-d", "rule") if rule not in ours]
        for table in ("99", "198000000", "main"):
            found += [route for route in lab.ip(f"-{family}", "-d", "route", "show", "table", table)
                      if route.get("dev") != "wg0"]
    return found


def test_nothing_of_others_is_touched(lab):
    lab.sh("host", "ip rule add from 198.51.100.1 table 99 priority 500",
           "ip rule add uidrange 61500-61500 table 99 priority 700 protocol static",
           "ip route add 198.51.100.0/24 dev eth0 table 99",
           "ip -6 route add prohibit 2001:db8:5::/64 table 198000000",
           "ip -6 rule add fwmark 7 table 99")
    before = others(lab)
    lab.config("wg0", f"Users={CONFINED}\nBypass=198.51.100.0/24")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.cg("reapply")
    assert others(lab) == before
    lab.cg("remove")
    assert others(lab) == before


@pytest.mark.parametrize("route", ["default via 192.0.2.1 dev eth0",
                                   "203.0.113.0/24 via 192.0.2.1 dev eth0",
                                   "128.0.0.0/1 via 192.0.2.1 dev eth0", "throw 203.0.113.0/24"])
def test_a_rogue_route_in_our_table_makes_us_go_to_another(lab, table, route):
    if not route.startswith("default"):  # the kernel itself does not take a second default of metric 0
        lab.sh("host", f"ip route add {route} table {table}")
        assert lab.ask(CONFINED) == "lan", "the route is no danger, so this test shows nothing"
    else:
        lab.sh("host", f"ip route add {route} table {table} metric 1")
    done = lab.cg("reapply")
    assert f"table {table} holds a route that is not ours" in done.stderr
    assert lab.ask(CONFINED) == "wg0"
    assert lab.rules()[0]["table"] != table
    [left] = lab.ip("route", "show", "table", table)
    assert left["dst"] in route


def test_a_table_given_by_number_that_others_use_is_not_used(lab):
    lab.sh("host", "ip route add default via 192.0.2.1 table 1000")
    lab.config("wg0", f"Users={CONFINED}\nTable=1000")
    Tunnel(lab, 0).up()
    assert "table 1000 holds a route that is not ours" in lab.cg("reapply").stderr
    assert lab.ask(CONFINED) == "wg0"
    assert [r["gateway"] for r in lab.ip("route", "show", "table", "1000")] == ["192.0.2.1"]


def test_a_table_given_by_number_goes_before_one_that_is_derived(lab, table):
    """Whatever their names; and two gateways never share one."""
    lab.config("wg1", f"Users={OTHER}\nTable={table}")
    lab.cg("reapply")
    tables = {rule["uid_start"]: rule["table"] for rule in lab.rules()}
    assert tables[OTHER] == table != tables[CONFINED]


def test_two_names_that_lead_to_one_table(lab):
    """The hash of both is the same."""
    lab.config("wg818", f"Users={CONFINED}")
    lab.config("wg3044", f"Users={OTHER}")
    lab.cg("reapply")
    first, second = (int(rule["table"]) for rule in lab.rules())
    assert abs(first - second) == 1


@pytest.mark.parametrize("rogue", ["203.0.113.0/24", "203.0.113.1/32", "128.0.0.0/1", "192.0.0.0/2"])
def test_a_route_pushed_into_main_does_not_reach_the_confined(lab, table, rogue):
    """What a rogue DHCP server can do (CVE-2024-3661)."""
    lab.sh("host", f"ip route add {rogue} via 192.0.2.1")
    assert lab.ask(CONFINED) == "wg0"
    lab.sh("host", "ip link set wg0 down")
    assert lab.ask(CONFINED) == "EACCES"


# Programs that mark packets for queues, or change what a qdisc sorts them by
MARKS = {
    "mark": "\n".join(f"{iptables} -w -t mangle -A OUTPUT -j MARK --set-mark 5"
                      for iptables in ("iptables", "ip6tables")),
    "dscp": """nft -f - <<'END'
table inet qos {
    chain output {
        type route hook output priority mangle;
        ip dscp set 8
        ip6 dscp set 8
    }
}
END""",
}


@pytest.mark.parametrize("mark", MARKS)
def test_what_a_program_for_queues_marks_still_leaves_by_the_tunnel(lab, table, mark):
    """The kernel asks for the way of an IPv4 packet again then, and forgets whose it is."""
    lab.sh("host", MARKS[mark])
    with lab.capture() as capture:
        for family in (4, 6):
            for kind in ("udp", "tcp"):
                assert lab.ask(CONFINED, family, kind) == "wg0"
                assert lab.ask(OTHER, family, kind) == "lan"
        lab.sh("host", "ip link set wg0 down")
        for family in (4, 6):
            assert lab.ask(CONFINED, family) not in ("lan", "wg0")
    assert capture.leaks == 0


@pytest.mark.parametrize("mark", MARKS)
def test_what_is_marked_would_leave_by_the_lan_without_ways_back(lab, table, mark):
    lab.sh("host", MARKS[mark])
    lab.take_ways_back()
    with lab.capture() as capture:
        lab.ask(CONFINED)
    assert capture.leaks > 0


BOUND = """
import socket, sys
family, server, interface, source = sys.argv[1:]
sock = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
if interface:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
sock.bind((source, 0))
sock.sendto(b"?", (server, 7001))
print(sock.recv(99).decode())
"""


@pytest.mark.parametrize("family,source", [(4, "10.64.0.2"), (6, "fd00:64:a0::2")])
def test_programs_of_root_that_use_the_tunnel_still_do(lab, table, family, source):
    """Those that bind to its address, and others as before."""
    assert lab.ask(0, family, port=7001) == "lan"
    for interface in ("wg0", ""):
        answer = lab.run("host", PYTHON, "-c", BOUND, family, SERVER[family], interface, source)
        assert answer.stdout.split()[-1] == source


def test_an_address_that_the_lan_has_too_leads_no_user_into_the_tunnel(lab):
    """As a DHCP server may give it: root's programs, and the tunnel itself, may need it there."""
    lab.sh("host", "ip addr add 10.64.0.2/32 dev eth0")
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert not lab.ways_back(4)
    assert [rule["src"] for rule in lab.ways_back(6)] == ["fd00:64:a0::2"]
    [way] = lab.ip("route", "get", SERVER[4], "from", "10.64.0.2")
    assert way["dev"] == "eth0"


def test_a_rule_before_ours_is_reported(lab, table):
    lab.sh("host", "ip rule add lookup main priority 100")
    assert "can lead traffic past the tunnel: IPv4 priority 100" in lab.cg("status").stdout
    lab.sh("host", "ip -6 rule add uidrange 61000-62000 lookup main priority 500")
    lab.sh("host", "ip -6 rule add uidrange 61000-62000 lookup main priority 499")
    told = lab.cg("status").stdout
    assert "IPv6 priority 499" in told
    assert "IPv6 priority 500" not in told, "it was added later, so it stands behind ours"


def test_a_rule_that_cannot_lead_them_astray_is_not(lab, table):
    lab.sh("host", "ip rule add uidrange 61501-61501 lookup main priority 100",
           "ip rule add prohibit priority 101 uidrange 5-5", "ip rule add lookup main priority 600")
    assert "Warnings" not in lab.cg("status").stdout


def test_what_others_removed_comes_back(lab, table):
    for breakage in ("ip rule flush", f"ip route flush table {table}", f"ip -6 route flush table {table}",
                     "ip -6 rule del uidrange 61500-61500", f"ip route del prohibit default table {table}"):
        lab.sh("host", breakage)
        assert lab.cg("status", check=False).returncode == 3, breakage
        if breakage == "ip rule flush":
            lab.sh("host", "ip rule add lookup main priority 32766")
        lab.cg("reapply")
        assert lab.cg("status", check=False).returncode == 0, breakage
        assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == "wg0"


def test_what_carries_our_protocol_and_no_gateway_needs_goes(lab, table):
    lab.sh("host", "ip rule add from 198.51.100.1 fwmark 3 table 99 priority 40 protocol 198",
           "ip -6 rule add prohibit uidrange 5-6 priority 41 protocol 198",
           f"ip route add 198.51.100.0/24 via 192.0.2.1 table {table} protocol 198",
           f"ip -6 route add 2001:db8:9::/64 via 2001:db8:1::1 table {table} protocol 198",
           "ip route add blackhole 198.51.100.0/24 table 5 protocol 198",
           "ip route add default table 6 protocol 198 nexthop via 192.0.2.1 nexthop via 192.0.2.7")
    lab.cg("reapply")
    assert len(lab.rules(4)) == len(lab.rules(6)) == 1
    assert {r["table"] for f in (4, 6) for r in lab.routes(f)} == {table}
    assert lab.cg("status", check=False).returncode == 0
    assert lab.ask(CONFINED) == "wg0"
    assert lab.ask(OTHER, server=SERVER[6]) == "lan"


def test_a_machine_without_ipv6(lab):
    """Not in a namespace's power to unload; without addresses and routes of IPv6 it must still work."""
    lab.sh("host", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
           "sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).up(4)
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    assert lab.cg("status", check=False).returncode == 0


def test_loopback_that_went_down_takes_routes_along_and_its_event_brings_them_back(lab, table):
    """The kernel hangs the IPv6 routes that lead nowhere on lo, and drops them with it."""
    lab.sh("host", "ip link set lo down", "ip link set lo up")
    assert not [route for route in lab.routes(6) if route["type"] == "prohibit"]
    lab.nm("lo", "up")
    assert [route for route in lab.routes(6) if route["type"] == "prohibit"]
    lab.sh("host", "ip link set wg0 down")
    assert lab.ask(CONFINED, 6) == "EACCES"


def test_what_the_kernel_refuses_is_told_and_opens_nothing(lab):
    """A route that carries our number and stands where our prohibit route must."""
    lab.config("wg0", f"Users={CONFINED}\nTable=1000")
    Tunnel(lab, 0).up()
    lab.sh("host", "ip route add default dev eth0 table 1000 metric 4294967295 protocol 198")
    done = lab.cg("reapply", check=False)
    assert done.returncode == 1
    assert "ip -4 route add prohibit default table 1000" in done.stderr
    assert "File exists" in done.stderr
    assert not lab.rules(4), "the rule must not stand before its table's last word"


def test_rules_that_come_and_go_while_we_look_do_not_cost_one_of_ours(lab):
    """The kernel shows rules by their place; one that is added in front meanwhile moves all others, and
    one of ours is seen twice. To remove "the other one" would be to set a user free."""
    lab.config("wg0", "Users=" + " ".join(str(uid) for uid in range(70000, 72000, 2)))
    lab.cg("reapply")
    churn = lab.directory / "churn"
    churn.write_text("".join(f"rule {what} priority 10 from 198.51.100.{n} table 99\n"
                             for _ in range(300) for what in ("add", "del") for n in range(1, 30)))
    monitor = lab.popen("host", "ip", "-4", "monitor", "rule", stdout=subprocess.PIPE, text=True)
    changing = lab.popen("host", "ip", "-batch", churn)
    runs = 0
    while changing.poll() is None:
        lab.cg("reapply")
        runs += 1
    monitor.terminate()
    gone = [line for line in monitor.communicate()[0].splitlines()
            if line.startswith("Deleted 500:")]
    assert len(lab.rules()) >= 1000
    lab.popen("host", "ip", "-batch", churn)
    lab.cg("remove")
    assert not lab.rules() and not lab.rules(6)
    assert runs > 5
    assert not gone
