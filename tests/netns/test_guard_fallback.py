# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard where BPF cannot be had: its table in nftables goes by uid. And where that cannot be had either,
what is said, and what is kept closed."""

import json
import re

import pytest
from guard import (HOOKS, TABLE, confine, escape, flood, flush_rules, gateway_status, is_well, programs,
                   table, table_dropped, tables)
from lab import CONFINED, CONFINED_PORT, OTHER, OTHER_PORT, PYTHON, Tunnel
from test_guard_ways import FORMS, WAYS

SECOND = CONFINED + 10


def injected(lab, call, fault, *arguments):
    return lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                   "-e", f"inject={call}:{fault}", lab.binary, *arguments, check=False)


def without_bpf(lab, *arguments):
    """As where bpf(2) is forbidden, by seccomp(2) or for want of a privilege."""
    return injected(lab, "bpf", "error=EPERM", *arguments)


@pytest.fixture
def tunnel(lab):
    """A gateway that is up and whose guard goes by uid."""
    made = Tunnel(lab, 0)
    made.up()
    confine(lab)
    assert without_bpf(lab, "reapply").returncode == 0
    assert not programs(lab)
    return made


# What it holds

@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_picks_its_own_way_is_held_by_uid(lab, way):
    """Each of them is shown to lead out without a guard in test_guard_ways.py."""
    lab.sh("host", "ip neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev eth0")
    with lab.capture() as capture:
        assert escape(lab, way) != "sent"
    assert capture.leaks == 0
    assert table_dropped(lab) > 0


@pytest.mark.usefixtures("tunnel")
def test_it_looks_twice_before_and_behind_what_others_change(lab):
    """In output the program is told; in postrouting the last interface is known."""
    listed = json.loads(lab.sh("host", f"nft -j list table {TABLE}"))["nftables"]
    hooks = {entry["chain"]["name"]: entry["chain"]["hook"] for entry in listed
             if "chain" in entry and "hook" in entry["chain"]}
    assert set(hooks.values()) == {"input", "output", "postrouting", "prerouting"}
    for chain in "output", "postrouting":
        assert f"meta skuid {CONFINED}" in lab.sh("host", f"nft list chain {TABLE} {chain}")


@pytest.mark.usefixtures("tunnel")
def test_users_that_it_does_not_name_are_free(lab):
    assert lab.ask(OTHER) == lab.ask(OTHER, kind="tcp") == "lan"
    assert escape(lab, "SO_BINDTODEVICE", OTHER, OTHER_PORT) == "sent"
    assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == lab.ask(CONFINED, kind="tcp") == "wg0"
    assert table_dropped(lab) == 0


@pytest.mark.usefixtures("tunnel")
def test_it_stands_in_for_rules_that_were_flushed_by_uid(lab):
    with lab.capture() as capture:
        flush_rules(lab)
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "EPERM"
            assert lab.ask(OTHER, family) == "lan"
    assert capture.leaks == 0


@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize("family", [4, 6])
def test_a_packet_that_another_program_marks_is_not_led_out_by_uid(lab, family):
    lab.sh("host", "nft 'table inet other { chain output { type route hook output priority mangle; "
           f"udp dport {CONFINED_PORT} meta mark set 5; }}; }}'",
           f"ip -{family} rule add priority 50 fwmark 5 lookup main")
    with lab.capture() as capture:
        assert lab.ask(CONFINED, family) == "EPERM"
    assert capture.leaks == 0


FORGE = """
import os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.64.0.2", 0))
try:
    sock.sendto(b"1 secret", (sys.argv[2], 7000))
    print("sent")
except PermissionError:
    print("EPERM")
"""


@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize("is_former", [False, True])
def test_the_tunnels_address_is_no_way_around_it(lab, is_former):
    """The chain that looks at addresses lets pass what is at home; what looks at users comes behind it."""
    if is_former:
        lab.sh("host", "ip addr add 10.64.0.2/32 dev lo", "ip addr flush dev wg0",
               "ip addr add 10.64.0.9/24 dev wg0")
        without_bpf(lab, "reapply")
    lab.sh("host", "nft 'table inet other { chain output { type route hook output priority mangle; "
           f"udp dport {CONFINED_PORT} meta mark set 5; }}; }}'",
           "ip rule add priority 50 fwmark 5 lookup main")
    with lab.capture() as capture:
        said = lab.run("host", PYTHON, "-c", FORGE, CONFINED, "203.0.113.1").stdout
    assert (said, capture.leaks) == ("EPERM\n", 0)


def test_bypasses_are_let_out_by_uid(lab):
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    Tunnel(lab, 0).up()
    without_bpf(lab, "reapply")
    assert lab.ask(CONFINED, server="192.0.2.1") == "lan"
    assert lab.ask(CONFINED, 6, server="2001:db8:1::1") == "lan"
    with lab.capture() as capture:
        said = lab.run("host", PYTHON, "-c", FORGE, CONFINED, "192.0.2.1").stdout
    assert (said, capture.leaks) == ("EPERM\n", 0)


@pytest.mark.parametrize("server,said", [("203.0.113.1", "EPERM"), ("127.0.0.53", "EPERM"),
                                         ("10.64.0.1", "ECONNREFUSED")])
def test_questions_for_names_go_to_the_named_servers_alone_by_uid(lab, server, said):
    confine(lab, "DNS=10.64.0.1")
    Tunnel(lab, 0).up()
    without_bpf(lab, "reapply")
    assert lab.ask(CONFINED, port=53, server=server) == said
    assert lab.ask(OTHER, port=53, server=server) in ("ECONNREFUSED", "silence")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_users_that_it_names_are_held_by_uid_and_no_others(lab, form):
    lab.config("wg0", "Users=" + " ".join(f"{first}-{last}" for first, last in form) + "\nGuard=yes")
    without_bpf(lab, "reapply")
    for uid in {*form[0], *form[-1]}:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "EPERM"
    for uid in form[0][0] - 1, form[-1][1] + 1, 1, 0:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "sent"
    assert without_bpf(lab, "status").returncode == 0


def test_a_change_lets_no_one_out_by_uid(lab):
    """Neither of users that stay, nor of one that moves to another gateway."""
    confine(lab)
    confine(lab, name="wg1", users=SECOND)
    without_bpf(lab, "reapply")
    with flood(lab) as counts:
        for number in range(20):
            here, there = ("wg0", "wg1") if number % 2 else ("wg1", "wg0")
            confine(lab, name=here, users=f"{CONFINED} {CONFINED + 20}-{CONFINED + 30 + number}")
            confine(lab, name=there, users=SECOND)
            assert without_bpf(lab, "reapply").returncode == 0
    assert counts.tried > 1000
    assert counts.sent == 0


def test_many_gateways_by_uid(lab):
    """None has a base chain of its own, of which nftables has room for 1024 at a hook."""
    count = 1100
    for number in range(count):
        lab.config(f"g{number}", f"Interface=no{number}\nUsers={70000 + number}\nGuard=yes")
    assert without_bpf(lab, "reapply").returncode == 0
    assert not programs(lab)
    for uid in 70000, 70000 + count - 1:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "EPERM"
    assert escape(lab, "SO_BINDTODEVICE", 70000 + count, OTHER_PORT) == "sent"


def test_a_tunnel_that_wraps_packets_into_udp_is_known_by_their_priority(lab):
    """The kernel keeps the program's socket with what it has wrapped up."""
    for end, other in (("host", "1"), ("world", "2")):
        lab.sh(end, f"ip link add wg0 type vxlan id 5 remote 192.0.2.{other} dstport 4789",
               f"ip addr add 10.64.0.{3 - int(other)}/24 dev wg0", "ip link set wg0 up")
    confine(lab)
    without_bpf(lab, "reapply")
    # a neighbour that is known already: questions for it are of no user, and pass
    lab.sh("host", "ip neigh replace 10.64.0.1 lladdr "
           + lab.sh("world", "cat /sys/class/net/wg0/address").strip() + " dev wg0")
    assert lab.ask(CONFINED, server="10.64.0.1", port=9) == "ECONNREFUSED"
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert without_bpf(lab, "status").returncode == 0


# What is said

@pytest.mark.usefixtures("tunnel")
def test_status_says_that_it_is_nftables_and_warns(lab):
    said = without_bpf(lab, "status")
    assert said.returncode == 0
    assert re.search(r"^wg0 .* nftables ", said.stdout, re.M)
    assert "wg0: the guard cannot be had in BPF (bpf(2): Operation not permitted)" in said.stdout
    status = json.loads(without_bpf(lab, "status", "--json").stdout)
    assert status["gateways"][0]["guard"]["state"] == "nftables"
    assert len(status["warnings"]) == 1


CASES = {
    "bpf forbidden": ("bpf", "error=EPERM"),
    "no bpf in the kernel": ("bpf", "error=ENOSYS"),
}
LIMITS = "--bounding-set=-bpf,-sys_admin,-perfmon"
NO_CGROUPS = """
umount /sys/fs/cgroup
exec strace -f -qq -o /dev/null -e trace=fsopen,mount -e inject=fsopen,mount:error=EPERM "$@"
"""


def in_the_way(lab, case, *arguments):
    if case in CASES:
        return injected(lab, *CASES[case], *arguments)
    if case == "no privilege":
        return lab.run("host", "setpriv", LIMITS, lab.binary, *arguments, check=False)
    if case == "no cgroup v2":
        return lab.run("host", "unshare", "--mount", "sh", "-ec", NO_CGROUPS, "sh", lab.binary, *arguments,
                       check=False)
    assert case == "no libbpf"
    return lab.run("host", "unshare", "--mount", "sh", "-ec", "for library in /lib/*/libbpf.so.*; do mount "
                   "--bind /dev/null $library; done; exec $0 \"$@\"", lab.binary, *arguments, check=False)


WHY = {"bpf forbidden": "Operation not permitted", "no bpf in the kernel": "Function not implemented",
       "no privilege": "Operation not permitted", "no cgroup v2": "no cgroup v2",
       "no libbpf": "install libbpf"}
EACH_CASE = pytest.mark.parametrize("case", WHY)


@EACH_CASE
def test_whatever_is_in_the_way_it_goes_by_uid_and_says_why(lab, case):
    confine(lab)
    Tunnel(lab, 0).up()
    done = in_the_way(lab, case, "reapply")
    assert done.returncode == 0
    assert WHY[case] in done.stderr
    assert not programs(lab)
    with lab.capture() as capture:
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
        assert lab.ask(CONFINED) == "wg0"
    assert capture.leaks == 0


@EACH_CASE
def test_a_guard_that_is_required_keeps_its_gateway_closed_and_says_why(lab, case):
    confine(lab, "Guard=required")
    confine(lab, name="wg1", users=SECOND)
    for number in (0, 1):
        Tunnel(lab, number).up()
    monitor = lab.popen("host", "ip", "monitor", "route", stdout=-1, text=True)
    done = in_the_way(lab, case, "reapply")
    monitor.terminate()
    assert "dev wg0 table" not in monitor.communicate()[0], "it was open for a moment"
    assert WHY[case] in done.stderr
    assert "Guard=required keeps the gateway closed" in done.stderr
    assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == "EACCES"
    assert lab.ask(SECOND) == "wg1"
    with lab.capture() as capture:
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert capture.leaks == 0
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"


def test_a_gateway_that_is_open_is_closed_if_its_guard_is_required_and_lost(lab):
    confine(lab, "Guard=required")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    for hook, number in programs(lab):
        lab.sh("host", f"bpftool cgroup detach /sys/fs/cgroup {hook} id {number}")
    without_bpf(lab, "reapply")
    assert lab.ask(CONFINED) == "EACCES"
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    assert is_well(lab)


# Back to BPF, and away from it

@pytest.mark.usefixtures("tunnel")
def test_where_bpf_can_be_had_again_the_next_run_takes_it(lab):
    assert lab.cg("status", check=False).returncode == 3
    with lab.capture() as capture, flood(lab) as counts:
        lab.cg("reapply")
    assert counts.tried > 100
    assert counts.sent == capture.leaks == 0
    assert len(programs(lab)) == len(HOOKS)
    assert "skuid 61500" not in table(lab)
    assert is_well(lab)
    assert gateway_status(lab)["guard"]["state"] == "bpf"


def test_where_it_can_be_had_no_more_the_next_run_goes_by_uid(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    with flood(lab) as counts:
        assert without_bpf(lab, "status").returncode == 3
        assert without_bpf(lab, "reapply").returncode == 0
        for hook, number in programs(lab):
            lab.sh("host", f"bpftool cgroup detach /sys/fs/cgroup {hook} id {number}")
    assert counts.tried > 100
    assert counts.sent == 0


# Faults that pass

def calls(lab, call):
    """A run's calls, in their order."""
    log = lab.run_dir / "trace"
    lab.run("host", "strace", "-f", "-qq", "-o", "/run/trace", "-e", f"trace={call}", lab.binary, "-q",
            "reapply")
    lines = log.read_text().splitlines()
    log.unlink()
    return [line.split(None, 1)[1] for line in lines if f"{call}(" in line]


KINDS = ["BPF_MAP_CREATE", "BPF_PROG_LOAD", "BPF_PROG_ATTACH", "BPF_MAP_UPDATE_ELEM"]


@pytest.mark.parametrize("guard", ["yes", "required"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_passing_fault_of_bpf_is_tried_again(lab, guard, kind):
    """Want of memory, each once. The first and the last call of the kind."""
    confine(lab, f"Guard={guard}")
    Tunnel(lab, 0).up()
    found = [number for number, line in enumerate(calls(lab, "bpf"), 1) if kind in line]
    assert found
    for number in sorted({found[0], found[-1]}):
        lab.cg("remove")
        done = injected(lab, "bpf", f"error=ENOMEM:when={number}", "reapply")
        assert done.returncode == 0, (number, done.stderr)
        assert len(programs(lab)) == len(HOOKS)
        assert lab.ask(CONFINED) == "wg0"
        assert is_well(lab)
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_a_look_that_fails_changes_nothing(lab):
    """What stands is not known then: that there is no BPF is another answer."""
    confine(lab)
    Tunnel(lab, 0).up()
    done = injected(lab, "bpf", "error=ENOMEM", "reapply")
    assert done.returncode == 1
    assert "looking for the guard: Cannot allocate memory" in done.stderr
    assert lab.nothing_is_left()
    assert not tables(lab)


@pytest.mark.parametrize("guard", ["yes", "required"])
def test_a_fault_that_does_not_pass_leaves_the_gateway_closed_and_is_said(lab, guard):
    """Its tunnel comes up, and the guard cannot be told."""
    def come_up():
        lab.sh("host", "ip link set wg0 down")
        lab.cg("reapply")
        lab.sh("host", "ip link set wg0 up")

    confine(lab, f"Guard={guard}")
    Tunnel(lab, 0).up(4)
    come_up()
    found = calls(lab, "bpf")
    number = next(number for number, line in enumerate(found, 1) if "BPF_MAP_UPDATE_ELEM" in line)
    come_up()
    done = injected(lab, "bpf", f"error=ENOMEM:when={number}+", "reapply")
    assert "memory" in done.stderr
    with lab.capture() as capture:
        assert lab.ask(CONFINED) in ("EACCES", "EPERM")
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert capture.leaks == 0
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"


# Without nftables

def first_of_nftables(lab):
    """Which of its sockets is the first to nftables."""
    return 1 + ["NETLINK_NETFILTER" in line for line in calls(lab, "socket")].index(True)


def without_nftables(lab, *arguments):
    """As on a kernel without it: every question to it is refused."""
    number = first_of_nftables(lab)
    lab.cg("remove")
    return injected(lab, "socket", f"error=EPROTONOSUPPORT:when={number}", *arguments)


def test_without_nftables_bpf_holds_and_it_is_said(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    done = without_nftables(lab, "reapply")
    assert done.returncode == 0
    assert "wg0: the guard's table in nftables can be neither seen nor written" in done.stderr
    assert lab.ask(CONFINED) == "wg0"
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert not tables(lab)
    assert len(programs(lab)) == len(HOOKS)


NO_LIBRARY = """
for library in /lib/*/libnftables.so.1; do mount --bind /dev/null $library; done
exec strace -f -qq -o /run/opened -e trace=openat,bpf $0 "$@"
"""


def without_libnftables(lab, *faults):
    return lab.run("host", "unshare", "--mount", "sh", "-ec",
                   NO_LIBRARY.replace("$0", " ".join(["$0"] if not faults else
                                                     [f"-e inject=bpf:{faults[0]}", "$0"])),
                   lab.binary, "reapply", check=False)


@pytest.mark.parametrize("has_bpf", [True, False])
def test_without_libnftables_everything_else_works_and_it_is_said(lab, has_bpf):
    confine(lab)
    Tunnel(lab, 0).up()
    done = without_libnftables(lab) if has_bpf else without_libnftables(lab, "error=EPERM")
    assert done.returncode == 0
    assert "install libnftables" in done.stderr
    assert (lab.run_dir / "opened").read_text().count("libnftables") == 1, "there is nothing to wait for"
    assert not tables(lab)
    assert lab.ask(CONFINED) == "wg0"
    assert escape(lab, "SO_BINDTODEVICE") == ("EPERM" if has_bpf else "sent")


def test_a_guard_that_is_required_is_required_in_nftables_too(lab):
    confine(lab, "Guard=required")
    Tunnel(lab, 0).up()
    done = without_libnftables(lab)
    assert done.returncode == 1
    assert "install libnftables" in done.stderr
    assert lab.ask(CONFINED) == "EACCES"
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"


def no_nft(lab, *arguments, more=""):
    """As if the kernel refused each transaction of libnftables, which alone sends by sendmsg(2)."""
    return injected(lab, "sendmsg", f"error=ENOMEM{more}", *arguments)


@pytest.mark.parametrize("guard", ["yes", "required"])
@pytest.mark.parametrize("faults", [2, 6])
def test_a_passing_fault_of_nftables_is_tried_again(lab, guard, faults):
    """A try writes the table, and if that fails, in place of what stands there."""
    confine(lab, f"Guard={guard}")
    Tunnel(lab, 0).up()
    done = no_nft(lab, "reapply", more=f":when=1..{faults}")
    assert done.returncode == 0, done.stderr
    assert tables(lab) == ["custom-gateway"]
    assert lab.ask(CONFINED) == "wg0"
    assert is_well(lab)


def test_a_table_that_cannot_be_written_is_said_once_and_the_rest_works(lab):
    confine(lab)
    Tunnel(lab, 0).up()
    done = no_nft(lab, "reapply")
    assert done.returncode == 0
    assert done.stderr.count("the guard is not as it should be: nftables: ") == 1
    assert lab.ask(CONFINED) == "wg0"
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_out_of_files_is_not_without_nftables(lab):
    confine(lab)
    number = first_of_nftables(lab)
    lab.cg("remove")
    done = injected(lab, "socket", f"error=EMFILE:when={number}+", "reapply")
    assert done.returncode == 1
    assert "Too many open files" in done.stderr
    assert lab.nothing_is_left()
