# SPDX-License-Identifier: GPL-2.0-or-later
"""Firewalls that check the reverse path themselves: in each shape they would drop the tunnel's answers.
They find it by a way back, or where two tunnels have one address let a rule of ours pass them."""

import json
import re

import pytest
from lab import CONFINED, OTHER, PYTHON, Tunnel, wait_until
from test_monitor import Monitor


def nixos_iptables(table, log=True):
    """As NixOS' firewall-start builds it: in raw until 22.05, in mangle since."""
    lines = []
    for family, iptables in ((4, "iptables"), (6, "ip6tables")):
        chain = f"{iptables} -w -t {table} -A nixos-fw-rpfilter"
        lines += [f"{iptables} -w -t {table} -D PREROUTING -j nixos-fw-rpfilter 2>/dev/null || true",
                  f"{iptables} -w -t {table} -F nixos-fw-rpfilter 2>/dev/null || true",
                  f"{iptables} -w -t {table} -X nixos-fw-rpfilter 2>/dev/null || true",
                  f"{iptables} -w -t {table} -N nixos-fw-rpfilter",
                  f"{chain} -m rpfilter --validmark -j RETURN"]
        if family == 4:
            lines += [f"{chain} -p udp --sport 67 --dport 68 -j RETURN",
                      f"{chain} -s 0.0.0.0 -d 255.255.255.255 -p udp --sport 68 --dport 67 -j RETURN"]
        if log:
            lines += [f'{chain} -j LOG --log-level info --log-prefix "rpfilter drop: "']
        lines += [f"{chain} -j DROP", f"{iptables} -w -t {table} -A PREROUTING -j nixos-fw-rpfilter"]
    return "\n".join(lines)


NIXOS_NFTABLES = """
table inet nixos-fw
delete table inet nixos-fw
table inet nixos-fw {
    chain rpfilter {
        type filter hook prerouting priority mangle + 10; policy drop;
        meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept comment "DHCPv4 client/server"
        fib saddr . mark . iif oif exists accept
        jump rpfilter-allow
        counter log level info prefix "rpfilter drop: "
    }
    chain rpfilter-allow {
    }
}
"""

FIREWALLD = """
table inet firewalld
delete table inet firewalld
table inet firewalld {
    chain filter_PREROUTING {
        type filter hook prerouting priority filter + 10; policy accept;
        icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
        meta nfproto ipv6 fib saddr . mark . iif oif missing counter drop
    }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        iifname "lo" accept
    }
}
"""

# Until 0.9 the check stood in a chain that goes on with the zones.
FIREWALLD_OLD = """
table inet firewalld
delete table inet firewalld
table inet firewalld {
    chain raw_PREROUTING {
        type filter hook prerouting priority raw + 10; policy accept;
        icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
        meta nfproto ipv6 fib saddr . mark . iif oif missing log prefix "rpfilter_DROP: "
        meta nfproto ipv6 fib saddr . mark . iif oif missing counter drop
        jump raw_PREROUTING_ZONES
    }
    chain raw_PREROUTING_ZONES {
        counter
    }
}
"""

# by name: how it is loaded, and the families that it checks
FIREWALLS = {
    "nixos-raw": (nixos_iptables("raw"), (4, 6)),
    "nixos-mangle": (nixos_iptables("mangle"), (4, 6)),
    "nixos-mangle-without-log": (nixos_iptables("mangle", log=False), (4, 6)),
    "nixos-nftables": (f"nft -f - <<'END'\n{NIXOS_NFTABLES}END", (4, 6)),
    "firewalld": (f"nft -f - <<'END'\n{FIREWALLD}END", (6,)),
    "firewalld-0.9": (f"nft -f - <<'END'\n{FIREWALLD_OLD}END", (6,)),
}
ALL = pytest.mark.parametrize("firewall", FIREWALLS)


def load(lab, firewall):
    lab.sh("host", FIREWALLS[firewall][0])


def ruleset(lab):
    """The whole rule set without its counters, handles included."""
    return re.sub(r"packets \d+ bytes \d+", "", lab.sh("host", "nft -a list ruleset"))


def without_handles(text):
    return re.sub(r"# handle \d+", "", text)


def ours(lab):
    """Our rules: (family, table, chain, gateway, packets that it let by)."""
    found = []
    for entry in json.loads(lab.sh("host", "nft -j list ruleset"))["nftables"]:
        rule = entry.get("rule", {})
        if rule.get("comment", "").startswith("custom-gateway "):
            [packets] = [part["counter"]["packets"] for part in rule["expr"] if "counter" in part]
            found.append((rule["family"], rule["table"], rule["chain"],
                          rule["comment"].removeprefix("custom-gateway "), packets))
    return found


def configure(lab, *more, number=0):
    uid = CONFINED + 10 * number
    lab.config(f"wg{number}", "\n".join([f"Users={uid}", "OnDown=block", *more]))


@pytest.fixture
def tunnel(lab):
    made = Tunnel(lab, 0)
    lab.sh("host", *(f"sysctl -qw net.ipv4.conf.{name}.rp_filter=0" for name in ("all", "default")))
    made.up()
    return made


def see_passes_alone(lab):
    """As where the way back finds another tunnel of the same address."""
    lab.cg("reapply")
    lab.take_ways_back()


@ALL
def test_answers_are_dropped_without_us_and_pass_with_us(lab, tunnel, firewall):
    checked = FIREWALLS[firewall][1]
    load(lab, firewall)
    configure(lab, "ReversePathFilter=keep")
    lab.cg("reapply")
    assert not ours(lab)
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "wg0"
    see_passes_alone(lab)
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == ("silence" if family in checked else "wg0")

    configure(lab)
    lab.cg("reapply")
    assert lab.cg("status").returncode == 0
    see_passes_alone(lab)
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "wg0"
        assert lab.ask(CONFINED, family, "tcp") == "wg0"
        assert lab.ask(OTHER, family) == "lan"
    assert len(ours(lab)) == len(checked)
    assert all(packets > 0 for *_, packets in ours(lab))


@ALL
def test_two_tunnels_of_one_address(lab, tunnel, firewall):
    """As a provider gives it to each of its customers' tunnels."""
    load(lab, firewall)
    second = Tunnel(lab, 1)
    second.address = tunnel.address
    lab.sh("world", "wg set srv1 peer $(wg show srv1 peers) allowed-ips "
           f"{tunnel.address[4]}/32,{tunnel.address[6]}/128")
    second.up()
    for word in ("keep", "loose"):
        for number in (0, 1):
            configure(lab, f"ReversePathFilter={word}", number=number)
        lab.cg("reapply")
        for family in (4, 6):
            answers = set()
            for number in (0, 1):
                # the server's own way to that address
                lab.sh("world", f"ip -{family} route flush {tunnel.address[family]}",
                       f"ip -{family} route add {tunnel.address[family]} dev srv{number} metric 1")
                answers.add(lab.ask(CONFINED + 10 * number, family))
            is_closed = word == "keep" and family in FIREWALLS[firewall][1]
            assert answers == ({"wg0", "silence"} if is_closed else {"wg0"}), "wg0: the address of both"


SPOOF = """
import socket
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.bind(("fd00:64:a0::1", 0))
sock.sendto(b"spoofed", ("2001:db8:1::2", 9999))
"""


@ALL
def test_what_is_spoofed_on_the_lan_is_still_dropped(lab, tunnel, firewall):
    """A packet with a source address of the tunnel's network that comes by the LAN."""
    load(lab, firewall)
    configure(lab)
    lab.cg("reapply")
    before = refused(lab)
    lab.run("world", PYTHON, "-c", SPOOF)
    wait_until("the drop to be counted", lambda: refused(lab) > before)


def refused(lab):
    """Packets that met the end of a check: a rule that logs or drops, not one of ours."""
    packets = 0
    for entry in json.loads(lab.sh("host", "nft -j list ruleset"))["nftables"]:
        expr = entry.get("rule", {}).get("expr", [])
        kinds = {kind for part in expr for kind in part}
        if kinds & {"drop", "log", "xt"} and "counter" in kinds and "comment" not in entry["rule"]:
            packets += sum(part["counter"]["packets"] for part in expr if "counter" in part)
    return packets


@ALL
def test_remove_takes_away_ours_and_nothing_else(lab, tunnel, firewall):
    load(lab, firewall)
    before = ruleset(lab)
    configure(lab)
    lab.cg("reapply")
    assert ruleset(lab) != before
    lab.cg("remove")
    assert ruleset(lab) == before


@ALL
def test_nothing_to_do_changes_nothing(lab, tunnel, firewall):
    load(lab, firewall)
    configure(lab)
    lab.cg("reapply")
    before = ruleset(lab)
    lab.cg("reapply")
    assert ruleset(lab) == before
    assert not lab.cg("reapply", "--dry-run").stdout


@ALL
def test_a_reload_of_the_firewall_is_mended(lab, tunnel, firewall):
    load(lab, firewall)
    configure(lab)
    lab.cg("reapply")
    load(lab, firewall)
    assert not ours(lab)
    assert lab.ask(CONFINED, 6) == "wg0", "by the way back"
    assert lab.cg("status", check=False).returncode == 3
    lab.take_ways_back()
    assert lab.ask(CONFINED, 6) == "silence"
    see_passes_alone(lab)
    assert lab.ask(CONFINED, 6) == "wg0"


@ALL
def test_the_lines_of_dry_run_do_the_same(lab, tunnel, firewall):
    load(lab, firewall)
    before = ruleset(lab)
    configure(lab)
    lines = [line for line in lab.cg("reapply", "--dry-run").stdout.splitlines() if "nft" in line]
    assert ruleset(lab) == before
    lab.sh("host", *lines)
    by_hand = ruleset(lab)
    assert by_hand != before
    lab.cg("reapply")
    assert ruleset(lab) == by_hand
    lab.cg("remove")
    lab.cg("reapply")
    assert without_handles(ruleset(lab)) == without_handles(by_hand)
    lines = [line for line in lab.cg("remove", "--dry-run").stdout.splitlines() if "nft" in line]
    lab.sh("host", *lines)
    assert ruleset(lab) == before


@ALL
def test_a_tunnel_that_goes_takes_its_rules_along(lab, tunnel, firewall):
    load(lab, firewall)
    before = ruleset(lab)
    configure(lab)
    lab.nm("wg0", "up")
    assert ours(lab)
    tunnel.delete()
    lab.nm("wg0", "down")
    assert ruleset(lab) == before


@ALL
def test_each_of_two_gateways_has_its_own(lab, tunnel, firewall):
    load(lab, firewall)
    second = Tunnel(lab, 1)
    second.up()
    configure(lab)
    configure(lab, number=1)
    lab.cg("reapply")
    assert lab.ask(CONFINED, 6) == "wg0"
    assert lab.ask(CONFINED + 10, 6) == "wg1"
    lab.cg("remove", "wg0")
    assert {gateway for *_, gateway, _ in ours(lab)} == {"wg1"}
    assert lab.ask(CONFINED + 10, 6) == "wg1"


@ALL
def test_only_the_families_that_are_up_pass(lab, tunnel, firewall):
    load(lab, firewall)
    configure(lab, "IPv6=block")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    assert len(ours(lab)) == (1 if 4 in FIREWALLS[firewall][1] else 0)


@pytest.mark.parametrize("table", ["raw", "mangle"])
def test_iptables_still_understands_its_table(lab, tunnel, table):
    load(lab, f"nixos-{table}")
    configure(lab)
    lab.cg("reapply")
    for iptables in ("iptables", "ip6tables"):
        listed = lab.sh("host", f"{iptables} -w -t {table} -S nixos-fw-rpfilter").splitlines()
        assert listed[2] == ('-A nixos-fw-rpfilter -i wg0 -m comment --comment "custom-gateway wg0" '
                             "-j RETURN")
        assert "incompatible" not in lab.run("host", f"{iptables}-save").stderr


def test_what_iptables_saved_and_restored_is_still_known_as_ours(lab, tunnel):
    load(lab, "nixos-mangle")
    before = ruleset(lab)
    configure(lab)
    lab.cg("reapply")
    lab.sh("host", "iptables-save -t mangle > /run/saved", "iptables-restore /run/saved",
           "ip6tables-save -t mangle > /run/saved", "ip6tables-restore /run/saved")
    assert lab.cg("status", check=False).returncode == 0
    lab.cg("remove")
    assert "wg0" not in ruleset(lab)
    assert before.count("drop") == ruleset(lab).count("drop")


def test_a_rule_of_ours_that_somebody_changed_is_written_anew(lab, tunnel):
    load(lab, "nixos-nftables")
    configure(lab)
    lab.cg("reapply")
    right = ours(lab)
    [handle, *_] = re.findall(r'comment "custom-gateway wg0" # handle (\d+)',
                              lab.sh("host", "nft -a list ruleset"))
    lab.sh("host", f"nft replace rule inet nixos-fw rpfilter handle {handle} meta nfproto ipv4 "
           "iifname wg0 tcp dport 1 counter accept comment '\"custom-gateway wg0\"'")
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert sorted(ours(lab)) == sorted(right)
    assert "dport 1 " not in lab.sh("host", "nft list ruleset")


def test_rules_that_only_look_like_ours_are_left_alone(lab, tunnel):
    load(lab, "nixos-nftables")
    for comment in ("custom-gateway ../x", "custom-gatewaywg0", "custom-gateway", "mine"):
        lab.sh("host", f"nft add rule inet nixos-fw rpfilter iifname wg7 accept comment '\"{comment}\"'")
    lab.sh("host", "nft add chain inet nixos-fw other",
           "nft add rule inet nixos-fw other accept comment '\"custom-gateway wg0\"'")
    before = ruleset(lab)
    configure(lab)
    lab.cg("reapply")
    lab.cg("remove")
    assert ruleset(lab) == before


def test_a_firewall_without_the_check_is_left_alone(lab, tunnel):
    lab.sh("host", "nft add table inet nixos-fw", "nft add chain inet nixos-fw rpfilter-allow",
           "nft add table inet firewalld", "nft add chain inet firewalld filter_PREROUTING",
           "iptables -t mangle -N nixos-fw-rpfilter")
    before = ruleset(lab)
    configure(lab)
    lab.cg("reapply")
    assert ruleset(lab) == before


OWNER = """
import subprocess, sys, time
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, text=True)
nft.stdin.write("add table inet firewalld { flags owner; chain filter_PREROUTING { "
                "type filter hook prerouting priority 10; "
                "meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }; }\\n")
nft.stdin.flush()
while b"firewalld" not in subprocess.check_output(["nft", "list", "tables"]):
    time.sleep(0.01)
print("owned", flush=True)
nft.wait()
"""


@pytest.fixture
def owned(lab):
    """As firewalld makes it since 2.1: nobody else can put a rule there."""
    owner = lab.popen("host", PYTHON, "-c", OWNER, stdout=-1, text=True)
    assert owner.stdout.readline() == "owned\n"


def legacy(lines):
    return lines.replace("tables -w", "tables-legacy -w")


def by_hand(table):
    return "\n".join(f"{iptables} -w -t {table} -A PREROUTING -m rpfilter --validmark --invert -j DROP"
                     for iptables in ("iptables", "ip6tables"))


# Where no rule of ours can stand or none should. By name: how it is loaded.
CLOSED = {
    "legacy-nixos-raw": legacy(nixos_iptables("raw")),
    "legacy-nixos-mangle": legacy(nixos_iptables("mangle")),
    "legacy-by-hand": legacy(by_hand("raw")),
    "by-hand-raw": by_hand("raw"),
    "by-hand-mangle": by_hand("mangle"),
    "table-of-ones-own": """nft 'table inet mine { chain check {
        type filter hook prerouting priority 5; fib saddr . iif oif missing drop; }; }'""",
}


@pytest.mark.parametrize("firewall", CLOSED)
def test_where_no_rule_of_ours_should_stand_the_check_finds_a_way_back(lab, tunnel, firewall):
    if "legacy" in firewall and lab.run("host", "iptables-legacy", "-t", "raw", "-S", check=False).returncode:
        pytest.skip("this kernel has no ip_tables")
    configure(lab)
    lab.cg("reapply")
    lab.sh("host", CLOSED[firewall])
    before = ruleset(lab)
    for _ in range(2):  # the check came later; and then it is there when we look
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "wg0"
            assert lab.ask(OTHER, family) == "lan"
        lab.cg("reapply")
    assert ruleset(lab) == before
    lab.take_ways_back()
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "silence"
    lab.cg("remove")
    assert lab.nothing_is_left()


def test_where_only_the_owner_can_write_the_check_finds_a_way_back(lab, tunnel, owned):
    configure(lab)
    lab.cg("reapply")
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "wg0"
        assert lab.ask(CONFINED, family, "tcp") == "wg0"
        assert lab.ask(OTHER, family) == "lan"
    assert not ours(lab)
    status = lab.cg("status")
    assert "partial" not in status.stdout
    assert not lab.cg("reapply", "--dry-run").stdout
    lab.take_ways_back()
    assert lab.ask(CONFINED, 6) == "silence"

    lab.cg("remove")
    assert lab.nothing_is_left()


def test_a_bad_file_does_not_put_root_behind_a_guard(lab, tunnel, owned):
    """The rules of others' files are kept while one is bad. Those for uid 0 confine nobody."""
    configure(lab, "Guard=yes")
    lab.config("broken", "Users=nobody-of-that-name")
    lab.cg("reapply", check=False)
    assert lab.ways_back(6)
    lab.cg("reapply", check=False)
    assert lab.ask(0, port=7001) == "lan"
    assert lab.ask(0, 6, port=7001) == "lan"


def test_a_table_made_anew_between_look_and_change_keeps_all_its_rules(lab, tunnel):
    """The number of our rule is then that of another one."""
    load(lab, "nixos-nftables")
    configure(lab)
    log = lab.run_dir / "sent"
    remove = ["strace", "-f", "-qq", "-e", "trace=sendto", "-o", log, lab.binary, "remove"]

    def sends():
        return log.read_text().splitlines() if log.exists() else []

    lab.cg("reapply")
    lab.run("host", *remove)
    # what begins the change is followed by two questions and by what changes something
    change = next(number for number, line in enumerate(sends(), 1) if "BATCH_BEGIN" in line)
    look = max(number for number, line in enumerate(sends()[:change], 1) if "NFT_MSG_GETGEN" in line)
    log.unlink()

    lab.cg("reapply")
    remove[1:1] = ["-e", f"inject=sendto:delay_enter=2000000:when={look + 3}"]
    process = lab.popen("host", *remove, stderr=-1, text=True)
    wait_until("the look", lambda: len(sends()) >= look + 2)
    load(lab, "nixos-nftables")
    lab.sh("host", *(f"nft add rule inet nixos-fw rpfilter tcp dport {port} accept"
                     for port in range(1, 9)))
    before = ruleset(lab)
    assert "left as it is" not in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert len(sends()) > look + 3
    assert ruleset(lab) == before


def sockets_to_nftables(lab):
    """Their numbers among the sockets of a run."""
    log = lab.run_dir / "sockets"
    lab.run("host", "strace", "-f", "-qq", "-e", "trace=socket", "-o", log, lab.binary, "reapply")
    lab.cg("remove")
    lines = log.read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if "NETLINK_NETFILTER" in line]


def test_without_nftables_everything_else_works(lab, tunnel):
    configure(lab)
    first, *_ = sockets_to_nftables(lab)
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket",
                   "-e", f"inject=socket:error=EPROTONOSUPPORT:when={first}+", lab.binary, "reapply")
    assert not done.stderr.count("firewall")
    assert lab.ask(CONFINED) == "wg0"


def test_a_firewall_that_refuses_is_a_warning(lab, tunnel):
    load(lab, "nixos-nftables")
    configure(lab)
    _, change, *_ = sockets_to_nftables(lab)  # the first is for a look
    done = lab.run("host", "strace", "-f", "-qq", "-e", "trace=socket", "-o", "/dev/null", "-e",
                   f"inject=socket:error=EMFILE:when={change}", lab.binary, "reapply")
    assert "the firewall's reverse path check is left as it is" in done.stderr
    lab.take_ways_back()
    assert lab.ask(CONFINED) == "silence"
    see_passes_alone(lab)
    assert lab.ask(CONFINED) == "wg0"


# With the monitor

def reaches_the_tunnel(lab):
    return all(lab.ask(CONFINED, family) == "wg0" for family in (4, 6))


@ALL
def test_a_monitor_puts_them_back_behind_a_reload(lab, tunnel, firewall):
    """Also where there was no firewall when it started."""
    configure(lab)
    monitor = Monitor(lab)
    before = monitor.runs
    for _ in range(2):
        load(lab, firewall)
        wait_until("answers", lambda: reaches_the_tunnel(lab))
        assert len(ours(lab)) == len(FIREWALLS[firewall][1])
    monitor.settle()
    assert monitor.runs > before
    assert lab.cg("status").returncode == 0
    assert "changes rules, routes or a guard of ours" not in monitor.said


def test_a_monitor_answers_a_reload_once_and_not_itself(lab, tunnel):
    load(lab, "nixos-nftables")
    configure(lab)
    monitor = Monitor(lab)
    before = monitor.runs
    load(lab, "nixos-nftables")
    wait_until("our rules", lambda: len(ours(lab)) == 2)
    monitor.settle()
    assert monitor.runs == before + 1


def test_what_else_goes_on_in_a_firewall_wakes_no_monitor(lab, tunnel):
    """As fail2ban puts addresses into sets of firewalld's and takes them out again."""
    load(lab, "firewalld")
    lab.sh("host", "nft add set inet firewalld banned '{ type ipv4_addr; }'")
    configure(lab)
    monitor = Monitor(lab)
    before = monitor.runs
    lab.sh("host", *(f"nft add element inet firewalld banned '{{ 198.51.100.{n} }}'" for n in range(1, 9)),
           "nft flush set inet firewalld banned",
           "nft add rule inet firewalld filter_INPUT ip saddr @banned drop",
           "nft add chain inet firewalld other", "nft delete chain inet firewalld other")
    monitor.settle()
    assert monitor.runs == before
