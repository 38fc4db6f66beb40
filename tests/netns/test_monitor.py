# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor: it follows tunnels and repairs what others broke, with no hook and no command at all.

No test here is about time. What is waited for is a state of the kernel, and runs are counted by what
the monitor says of them with -v."""

import contextlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from guard import HOOKS, held_uids, programs
from lab import CONFINED, OTHER, Tunnel, wait_until
from monitor import Monitor

@pytest.fixture
def tunnel(lab):
    """A tunnel that is not there yet, and its gateway."""
    lab.config("wg0", f"Users={CONFINED}")
    return Tunnel(lab, 0)


@pytest.fixture
def monitor(lab, tunnel):
    """It runs, and the tunnel is up."""
    made = Monitor(lab)
    tunnel.up()
    wait_until("the way through the tunnel", lambda: is_up(lab))
    made.settle()
    return made


def ways(lab, family):
    """The devices and refusals of our default routes, in the kernel's order."""
    return [route["type"] if route["type"] != "unicast" else route["dev"]
            for route in sorted(lab.routes(family), key=lambda route: route.get("metric", 0))]


def is_up(lab, name="wg0", families=(4, 6)):
    return (all(ways(lab, family) == [name, "prohibit"] for family in families) and
            all(len(lab.rules(family)) == 1 for family in (4, 6)))


def is_blocked(lab):
    return all(ways(lab, family) == ["prohibit"] and len(lab.rules(family)) == 1
               for family in (4, 6))


def table(lab):
    return lab.rules()[0]["table"]


def behind_a_link(lab):
    """Puts the gateway's file there: nobody hears of a change of what a symbolic link leads to."""
    real = (lab.config_dir / "wg0.conf").rename(lab.directory / "real")
    (lab.config_dir / "wg0.conf").symlink_to(real)
    return real


@contextlib.contextmanager
def fighting(lab):
    """Somebody takes our rule away a hundred times a second, as one process with one socket."""
    process = lab.popen("host", "ip", "-force", "-batch", "-", stdin=subprocess.PIPE, text=True,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    over = threading.Event()

    def fight():
        while not over.wait(0.01):
            process.stdin.write("rule del priority 500\n")
            process.stdin.flush()

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        process.stdin.close()
        process.wait(timeout=10)


# It follows the tunnel

def test_it_blocks_from_its_start_and_follows_the_tunnel(lab, tunnel):
    with lab.capture() as capture:
        Monitor(lab)
        assert is_blocked(lab)
        with lab.sender(CONFINED) as sender:
            tunnel.up()
            wait_until("up", lambda: is_up(lab))
            assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == "wg0"
            lab.sh("host", "ip link set wg0 down")
            wait_until("down", lambda: is_blocked(lab))
            lab.sh("host", "ip link set wg0 up", "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
            wait_until("up again", lambda: is_up(lab))
            tunnel.delete()
            wait_until("gone", lambda: is_blocked(lab))
            assert lab.ask(CONFINED) == "EACCES"
    assert capture.leaks == 0
    assert sender.answered <= {"10.64.0.2", "fd00:64:a0::2"}


def test_addresses_that_come_and_go(lab, monitor):
    lab.sh("host", "ip addr del 10.64.0.2/24 dev wg0")
    wait_until("IPv4 blocked", lambda: ways(lab, 4) == ["prohibit"])
    assert ways(lab, 6) == ["wg0", "prohibit"]
    # one by one: a run for one of them looks at all
    lab.sh("host", "ip addr add 10.64.0.2/24 dev wg0")
    wait_until("IPv4 up", lambda: is_up(lab))
    lab.sh("host", "ip -6 addr flush dev wg0")
    wait_until("IPv6 blocked", lambda: ways(lab, 6) == ["prohibit"])
    lab.sh("host", "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
    wait_until("IPv6 up", lambda: is_up(lab))


def test_renamed_and_named_back(lab, monitor):
    lab.sh("host", "ip link set wg0 down", "ip link set wg0 name wg7", "ip link set wg7 up")
    wait_until("blocked", lambda: is_blocked(lab))
    lab.sh("host", "ip link set wg7 down", "ip link set wg7 name wg0", "ip link set wg0 up",
           "ip addr replace fd00:64:a0::2/64 dev wg0 nodad")
    wait_until("up", lambda: is_up(lab))


def test_moved_to_another_namespace_and_back(lab, monitor):
    lab.move("wg0", "host", "world")
    wait_until("blocked", lambda: is_blocked(lab))
    lab.sh("world", "ip link set wg0 down")
    lab.move("wg0", "world", "host")
    lab.sh("host", "ip link set wg0 up", "ip addr replace 10.64.0.2/24 dev wg0",
           "ip addr replace fd00:64:a0::2/64 dev wg0 nodad")
    wait_until("up", lambda: is_up(lab))


def test_created_anew_with_another_index(lab, tunnel, monitor):
    tunnel.delete()
    lab.sh("host", "ip link add other type veth peer name another")
    tunnel.up()
    wait_until("up", lambda: is_up(lab) and lab.ask(CONFINED) == "wg0")


def test_loopback_takes_routes_along_and_they_come_back(lab, monitor):
    lab.sh("host", "ip link set lo down", "ip link set lo up")
    wait_until("the last word", lambda: is_up(lab))


# It repairs

@pytest.mark.parametrize("breakage", [
    "ip rule flush; ip rule add lookup main priority 32766",
    "ip -6 rule flush; ip -6 rule add lookup main priority 32766",
    "ip rule del priority 500",
    "ip -6 rule del priority 500",
    "ip route flush table {table}",
    "ip -6 route flush table {table}",
    "ip route del default dev wg0 table {table}",
    "ip route del prohibit default table {table} metric 4294967295",
    "ip route flush table all protocol 198",
    "sysctl -qw net.ipv4.conf.wg0.rp_filter=1",
])
def test_what_others_took_away_comes_back(lab, monitor, breakage):
    lab.sh("host", breakage.format(table=table(lab)))
    wait_until("the repair", lambda: is_up(lab) and
               lab.cg("status", check=False).returncode == 0)
    assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == "wg0"


def test_what_somebody_added_in_our_name_goes(lab, monitor):
    lab.sh("host", "ip rule add uidrange 5-5 table 99 priority 40 protocol 198",
           "ip route add 198.51.100.0/24 dev eth0 table 99 protocol 198")
    wait_until("order", lambda: is_up(lab))


def test_a_route_of_others_in_our_table_makes_us_go_to_another(lab, monitor):
    before = table(lab)
    lab.sh("host", f"ip route add 203.0.113.0/24 via 192.0.2.1 dev eth0 table {before}")
    wait_until("another table", lambda: is_up(lab) and table(lab) != before)
    assert lab.ask(CONFINED) == "wg0"


def test_a_table_given_by_number_is_watched_too(lab, tunnel):
    lab.config("wg0", f"Users={CONFINED}\nTable=1000")
    Monitor(lab)
    tunnel.up()
    wait_until("up", lambda: is_up(lab))
    lab.sh("host", "ip route add 203.0.113.0/24 via 192.0.2.1 dev eth0 table 1000")
    wait_until("another table", lambda: is_up(lab) and table(lab) != "1000")


def table_text(lab):
    """Of the guard in nftables, without what it counts."""
    text = lab.run("host", "nft", "-s", "list", "table", "inet", "custom-gateway", check=False).stdout
    return re.sub(r"packets \d+ bytes \d+", "", text)


@pytest.mark.parametrize("breakage", [
    "nft flush ruleset", "nft delete table inet custom-gateway",
    "nft flush chain inet custom-gateway source", "nft flush set inet custom-gateway addresses4"])
def test_a_guard_that_others_broke_comes_back(lab, tunnel, breakage):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    Monitor(lab)
    tunnel.up()
    wait_until("up", lambda: is_up(lab))
    wait_until("the guard", lambda: lab.cg("status", check=False).returncode == 0)

    before = table_text(lab)
    assert "chain source" in before
    lab.sh("host", breakage)
    wait_until("the guard", lambda: table_text(lab) == before)


def test_the_guard_follows_the_configuration_and_the_tunnel(lab, tunnel):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    monitor = Monitor(lab)
    wait_until("the guard", lambda: len(programs(lab)) == len(HOOKS))
    before = programs(lab)
    lab.config("wg0", f"Users={CONFINED} {OTHER}\nGuard=yes")
    wait_until("the other user", lambda: held_uids(lab) == [(CONFINED, 31)])
    tunnel.up()
    wait_until("the address", lambda: "10.64.0.2" in table_text(lab))
    lab.sh("host", "ip addr add 10.64.0.77/32 dev wg0", "nft flush ruleset")
    wait_until("the other address", lambda: "10.64.0.77" in table_text(lab))
    monitor.settle()
    assert programs(lab) == before, "what stands is not loaded anew"
    lab.config("wg0", f"Users={CONFINED}\nGuard=no")
    wait_until("its end", lambda: not programs(lab))


# It does no more than it must

def test_one_loss_one_run(lab, monitor):
    """What the run itself changes wakes nobody."""
    before = monitor.runs
    lab.sh("host", "ip rule del priority 500")
    wait_until("the repair", lambda: is_up(lab))
    monitor.settle()
    assert monitor.runs == before + 1
    assert "looking again" not in monitor.said


def test_one_loss_one_run_with_a_guard(lab, tunnel):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    tunnel.up()
    monitor = Monitor(lab)
    before = monitor.runs
    lab.sh("host", "nft delete table inet custom-gateway")
    wait_until("the guard", lambda: lab.cg("status", check=False).returncode == 0)
    monitor.settle()
    assert monitor.runs == before + 1


def test_others_doings_are_none_of_our_business(lab, monitor):
    before = monitor.runs
    lab.sh("host", "ip link add other type veth peer name another",
           "ip link set other up", "ip link set another up", "ip addr add 198.51.100.1/24 dev other",
           "ip rule add from 198.51.100.1 table 99", "ip route add default dev other table 99",
           "ip link del other",
           "nft add table inet other", "nft delete table inet other")
    monitor.settle()
    assert monitor.runs == before


def test_a_burst_of_other_routes_causes_no_run(lab, monitor):
    before = monitor.runs
    batch = lab.directory / "batch"
    batch.write_text("".join(f"route add 198.51.{n // 250}.{n % 250}/32 dev eth0\n"
                             for n in range(1000)))
    lab.run("host", "ip", "-batch", batch)
    monitor.settle()
    assert monitor.runs == before


def test_a_burst_of_losses_is_gathered(lab, tunnel):
    uids = set(range(70000, 71000, 2))
    lab.config("wg0", "Users=" + " ".join(map(str, uids)))
    tunnel.up()
    monitor = Monitor(lab)
    assert len(lab.rules()) == 500
    before = monitor.runs
    lab.sh("host", "ip rule flush; ip rule add lookup main priority 32766")
    # One may stand twice then. The repair began while ip(8) was at it, and the kernel's list of rules
    # leaves one out if others go meanwhile.
    wait_until("the rules", lambda: {int(rule["uid_start"]) for rule in lab.rules()} == uids)
    monitor.settle()
    assert monitor.runs - before < 12, "each of 500 losses was answered"
    assert lab.cg("status", check=False).returncode == 0
    lab.cg("remove")
    assert lab.nothing_is_left()


def test_a_tool_that_keeps_fighting(lab, monitor):
    """It is named, it is answered ever more slowly, and nothing gets out as long as the guard stands."""
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    monitor.signal(signal.SIGHUP)
    wait_until("the guard", lambda: "custom-gateway" in lab.run("host", "nft", "list", "tables").stdout)
    monitor.settle()
    before = monitor.runs
    with fighting(lab), lab.capture() as capture, lab.sender(CONFINED):
        wait_until("a word about it", lambda: "again and again" in monitor.said)
        start, count, told = time.monotonic(), monitor.runs, monitor.said.count("wg0: IPv4")
        time.sleep(4)
        took = time.monotonic() - start
        runs = monitor.runs - count
    assert capture.leaks == 0
    assert re.search(r"'ip' \(netlink port \d+\) changes .* again and again", monitor.said)
    assert monitor.said.count("again and again") == 1
    assert runs <= 2 + 8 * took, f"{runs} runs in {took} s: it spins"
    assert monitor.said.count("wg0: IPv4") <= told + 1, "each blow is reported"
    assert monitor.runs > before
    wait_until("peace", lambda: is_up(lab))


def test_a_tunnel_is_followed_while_a_tool_fights(lab, monitor):
    with fighting(lab):
        wait_until("a word about it", lambda: "again and again" in monitor.said)
        lab.sh("host", "ip addr del 10.64.0.2/24 dev wg0")
        wait_until("IPv4 blocked", lambda: ways(lab, 4) == ["prohibit"])
        lab.sh("host", "ip addr add 10.64.0.2/24 dev wg0")
        wait_until("IPv4 up", lambda: ways(lab, 4) == ["wg0", "prohibit"])


def test_notifications_that_were_lost(lab, monitor):
    """While it cannot read, more comes than the kernel keeps for it: it looks at everything again."""
    monitor.signal(signal.SIGSTOP)
    batch = lab.directory / "batch"
    batch.write_text("".join(f"route {what} 198.51.{n // 250}.{n % 250}/32 dev eth0\n"
                             for _ in range(10) for what in ("add", "del") for n in range(1000)))
    lab.run("host", "ip", "-batch", batch)
    lab.sh("host", "ip rule del priority 500", "ip link set wg0 down")
    before = monitor.runs
    monitor.signal(signal.SIGCONT)
    wait_until("the repair", lambda: is_blocked(lab))
    assert "more to tell than there was room for" in monitor.said
    monitor.settle()
    assert monitor.runs - before <= 3


def test_a_run_that_fails_is_repeated_and_told_once(lab):
    lab.config("wg0", f"Users={CONFINED}\nTable=1000")
    Tunnel(lab, 0).up()
    lab.sh("host", "ip route add default dev eth0 table 1000 metric 4294967295 protocol 198")
    monitor = Monitor(lab)
    assert "File exists" in monitor.said
    before = monitor.runs  # it is quiet by now
    wait_until("another try", lambda: monitor.runs > before + 1)
    assert len(re.findall("^custom-gateway: ip .*File exists", monitor.said, re.M)) == 1
    assert not lab.rules(), "the rule must not stand before its table's last word"
    lab.sh("host", "ip route flush table 1000")
    wait_until("up", lambda: is_up(lab))


# The configuration

def test_a_new_file_a_changed_one_and_one_that_went(lab, monitor):
    lab.config("wg1", f"Users={OTHER}")
    wait_until("wg1", lambda: len(lab.rules()) == 2)
    lab.config("wg1", f"Users={OTHER} {OTHER + 2}")  # in place
    wait_until("the third", lambda: len(lab.rules()) == 3)
    new = lab.config("new", f"Users={OTHER + 2}").rename(lab.config_dir / "wg1.conf")
    wait_until("the first of them to go", lambda: len(lab.rules()) == 2)
    new.unlink()
    wait_until("wg1 to go", lambda: is_up(lab))


def test_a_file_that_is_away_for_a_moment_sets_nobody_free(lab, monitor):
    """As vim(1) does it: the old file gets another name, the new one is written."""
    path = lab.config_dir / "wg0.conf"
    text = path.read_text()
    with lab.capture() as capture, lab.sender(CONFINED):
        path.rename(lab.config_dir / "wg0.conf~")
        lab.sh("host", "ip link set wg0 down")  # a run in between does not look at the directory
        wait_until("blocked", lambda: is_blocked(lab))
        path.write_text(text)
        path.chmod(0o644)
        monitor.settle()
        wait_until("the new file", lambda: monitor.said.count("nothing to do"))
    assert is_blocked(lab)
    assert capture.leaks == 0


@pytest.mark.parametrize("how", ["changed", "SIGHUP"])
def test_a_broken_file_keeps_the_old_one_in_force(lab, tunnel, how):
    real = behind_a_link(lab) if how == "SIGHUP" else None
    tunnel.up()
    monitor = Monitor(lab)
    assert is_up(lab)
    if real:
        real.write_text("[Gateway]\nUsers=nobody-of-this-name\n")
        monitor.signal(signal.SIGHUP)
    else:
        lab.config("wg0", "Users=nobody-of-this-name")
    wait_until("a word", lambda: "wg0: stays in force as it was before" in monitor.said)
    assert "nobody-of-this-name" in monitor.said
    assert is_up(lab)
    lab.sh("host", "ip link set wg0 down")
    wait_until("blocked", lambda: is_blocked(lab))
    lab.sh("host", "ip link set wg0 up", "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
    wait_until("up", lambda: is_up(lab))
    lab.sh("host", "ip rule del priority 500")
    wait_until("the repair", lambda: is_up(lab))
    assert monitor.said.count("nobody-of-this-name") == 1
    lab.config("wg0", f"Users={OTHER}")
    if real:
        monitor.signal(signal.SIGHUP)
    wait_until("the new one", lambda: [r["uid_start"] for r in lab.rules()] == [OTHER])


def test_a_directory_that_is_away_changes_nothing(lab, monitor):
    lab.sh("host", f"chmod go+w {lab.config_dir}")
    monitor.signal(signal.SIGHUP)
    wait_until("a word", lambda: "chmod go-w" in monitor.said)
    lab.sh("host", "ip link set wg0 down")
    wait_until("blocked", lambda: is_blocked(lab))
    lab.sh("host", f"chmod go-w {lab.config_dir}")
    lab.config("wg0", f"Users={OTHER}")
    wait_until("the new one", lambda: [r["uid_start"] for r in lab.rules()] == [OTHER])


def test_a_directory_that_comes_late(lab):
    """Nobody tells of it: there was nothing to watch."""
    Monitor(lab, words=["--config-dir", "/run/late"])
    lab.sh("host", "mkdir -m 755 /run/late", f"cp {lab.config('wg0', f'Users={OTHER}')} /run/late")
    wait_until("the gateway", lambda: [r["uid_start"] for r in lab.rules()] == [OTHER])


def test_a_file_that_becomes_trusted_is_read(lab, monitor):
    path = lab.config("wg1", f"Users={OTHER}")
    path.chmod(0o664)
    wait_until("a word", lambda: "wg1.conf: group or others can write it" in monitor.said)
    monitor.settle()
    assert len(lab.rules()) == 1
    path.chmod(0o644)
    wait_until("wg1", lambda: len(lab.rules()) == 2)


def test_a_directory_that_is_not_to_be_trusted_from_the_start_sets_nobody_free(lab, tunnel):
    tunnel.up()
    lab.cg("reapply")
    lab.config_dir.chmod(0o775)
    monitor = Monitor(lab)
    assert "chmod go-w" in monitor.said
    assert is_up(lab)
    lab.config_dir.chmod(0o755)
    lab.config("wg0", f"Users={OTHER}")
    wait_until("the new one", lambda: [r["uid_start"] for r in lab.rules()] == [OTHER])


# Others of us

@pytest.mark.parametrize("by", ["reapply", "event nm wg0 up"])
def test_what_was_put_in_force_by_others_is_not_undone(lab, tunnel, by):
    """It has not seen that the file has changed; who runs reapply says so."""
    behind_a_link(lab)
    tunnel.up()
    monitor = Monitor(lab)
    before = monitor.runs
    lab.config("wg0", f"Users={OTHER}")
    lab.cg(*by.split())
    wait_until("a run", lambda: monitor.runs > before)
    monitor.settle()
    assert [rule["uid_start"] for rule in lab.rules()] == [OTHER]


def test_remove_is_not_undone(lab, monitor):
    lab.cg("remove")
    monitor.settle()
    assert lab.nothing_is_left()
    lab.sh("host", "ip link set wg0 down", "ip link set wg0 up")
    monitor.settle()
    assert lab.nothing_is_left()
    lab.cg("reapply")
    lab.sh("host", "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
    wait_until("up", lambda: is_up(lab))


def test_what_an_event_brought_back_is_repaired(lab, monitor):
    lab.cg("remove")
    monitor.settle()
    lab.nm("wg0", "up")
    assert is_up(lab)
    monitor.settle()
    lab.sh("host", "ip rule del priority 500")
    wait_until("the repair", lambda: is_up(lab))


def test_remove_of_one_is_not_undone_and_the_other_is_repaired(lab, monitor):
    lab.config("wg1", f"Users={OTHER}")
    wait_until("wg1", lambda: len(lab.rules()) == 2)
    lab.cg("remove", "wg1")
    lab.sh("host", "ip rule del priority 500")
    wait_until("the repair", lambda: is_up(lab))
    monitor.settle()
    assert is_up(lab)
    lab.cg("remove")
    lab.cg("reapply", "wg1")
    monitor.settle()
    assert [r["uid_start"] for r in lab.rules()] == [OTHER]


def test_a_gateway_that_comes_behind_a_remove_was_not_removed(lab, monitor):
    lab.cg("remove")
    monitor.settle()
    lab.config("wg1", f"Users={OTHER}")
    wait_until("wg1", lambda: [rule["uid_start"] for rule in lab.rules()] == [OTHER])
    lab.sh("host", "ip link set wg0 down", "ip link set wg0 up")
    monitor.settle()
    assert [rule["uid_start"] for rule in lab.rules()] == [OTHER]


def test_only_one_monitor(lab, monitor):
    done = lab.cg("monitor", check=False)
    assert done.returncode == 1
    assert "another monitor is running already" in done.stderr


def test_the_end_leaves_everything_standing(lab, monitor):
    monitor.signal(signal.SIGTERM)
    assert monitor.wait() == 0
    assert is_up(lab)


def test_killed_and_started_again(lab, monitor):
    monitor.signal(signal.SIGKILL)
    monitor.wait()
    assert is_up(lab)
    lab.sh("host", "ip rule del priority 500", "ip link set wg0 down")
    Monitor(lab)
    wait_until("the repair", lambda: is_blocked(lab))


# What it costs

def test_idle_it_does_nothing_at_all(lab, monitor):
    trace = lab.directory / "trace"
    # pylint: disable-next=consider-using-with
    tracer = subprocess.Popen(["strace", "-f", "-o", trace, "-p", str(monitor.pid)],
                              stderr=subprocess.PIPE, text=True)
    assert "attached" in tracer.stderr.readline()
    time.sleep(5)
    tracer.terminate()
    tracer.communicate()
    calls = [line for line in trace.read_text().splitlines() if "(" in line]
    assert len(calls) <= 1, calls  # the one that it sleeps in
    assert all("poll(" in call or "restart_syscall(" in call for call in calls), calls


def test_memory(lab, monitor):
    for _ in range(20):
        lab.sh("host", "ip rule del priority 500", "ip link set wg0 down", "ip link set wg0 up")
        wait_until("the rule", lab.rules)
    monitor.settle()
    assert monitor.runs > 20
    status = dict(line.split(":", 1) for line in
                  open(f"/proc/{monitor.pid}/status", encoding="ascii").read().splitlines())
    resident = int(status["VmRSS"].split()[0])
    assert resident < 4096, f"{resident} KiB"
    assert int(status["Threads"]) == 1


def test_what_systemd_is_told(lab, tunnel):
    path = lab.run_dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(10)
        with Lines(listener) as lines:
            monitor = Monitor(lab, env={"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "400000"})
            assert is_blocked(lab), "ready means that the gateways stand"
            lines.expect("READY=1")
            lines.expect("WATCHDOG=1")
            lines.expect("WATCHDOG=1")
            monitor.signal(signal.SIGHUP)
            lines.expect("RELOADING=1")
            lines.expect("READY=1")
            lab.config("wg0", "Users=")
            lines.expect("STATUS=a configuration file is bad")
            monitor.signal(signal.SIGTERM)
            lines.expect("STOPPING=1")


class Lines:
    """What was sent to a socket, line by line."""

    def __init__(self, listener):
        self._listener = listener
        self._lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def expect(self, line):
        while line not in self._lines:
            self._lines += self._listener.recv(4096).decode().splitlines()
        del self._lines[:self._lines.index(line) + 1]
