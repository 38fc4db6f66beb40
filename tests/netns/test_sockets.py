# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections from before: the kernel goes on sending for them, and once their program has closed them
neither nftables nor anybody else can tell whose they are."""

import re
import time

import pytest
from lab import CONFINED, CONFINED_PORT, HERE, LAN, OTHER, OTHER_PORT, PYTHON, SERVER, Tunnel, wait_until

FLUSHES = {
    "routes": [f"ip {f} route flush table 1000" for f in ("-4", "-6")],
    "rules": [f"ip {f} rule flush; ip {f} rule add lookup main priority 32766" for f in ("-4", "-6")],
}
# More than the kernel waits until it sends something again, the third time: 0.2 s and twice as long
# each time.
LATER = 1.5
DESTINATIONS = {"4": (SERVER[4], 4), "6": (SERVER[6], 6), "mapped": (f"::ffff:{SERVER[4]}", 6)}


class Connection:
    def __init__(self, lab, uid, host, port, *more):
        self._process = lab.popen("host", PYTHON, HERE / "connection.py", str(uid), host, str(port),
                                  *map(str, more), stdin=-1, stdout=-1, text=True)
        assert self._process.stdout.readline() == "connected\n"

    def do(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def before(lab, kind="4", uid=CONFINED, device=None):
    """A connection to the internet, as anybody has it."""
    host, family = DESTINATIONS[kind]
    port = CONFINED_PORT if uid == CONFINED else OTHER_PORT
    return Connection(lab, uid, host, port, family, *([device] if device else []))


def confine(lab, *more):
    text = "\n".join([f"Users={CONFINED}", "Table=1000", *more])
    lab.config("wg0", text if "Guard=" in text else f"{text}\nGuard=yes")


def connections(lab, port=CONFINED_PORT):
    """The sockets that may still send, whoever has them."""
    listed = lab.sh("host", f"ss -tnH state connected exclude time-wait dport = :{port}")
    return listed.splitlines()


@pytest.mark.parametrize("kind,is_up,flushed", [
    ("4", True, "routes"), ("4", False, "rules"), ("6", False, "routes"), ("6", True, "rules"),
    ("mapped", True, "routes")])
def test_what_was_closed_while_blocked_does_not_leave_later(lab, kind, is_up, flushed):
    connection = before(lab, kind)
    if is_up:
        Tunnel(lab, 0).up()
    confine(lab)
    lab.cg("reapply")
    with lab.capture() as capture:
        connection.do("send")
        connection.do("close")
        lab.sh("host", *FLUSHES[flushed])
        time.sleep(LATER)
    assert capture.leaks == 0
    assert not connections(lab)


@pytest.mark.parametrize("guard", ["yes", "no"])
@pytest.mark.parametrize("kind,on_down", [("4", "stop"), ("6", "block"), ("mapped", "release")])
def test_its_program_is_told_and_nobody_else(lab, kind, on_down, guard):
    """The kernel would say RST to the other side."""
    Tunnel(lab, 0).up()
    connection = before(lab, kind)
    confine(lab, f"Guard={guard}", f"OnDown={on_down}")
    with lab.capture() as capture:
        lab.cg("reapply")
        assert not connections(lab)
        assert connection.do("ask") == "ECONNABORTED"
    assert capture.leaks == 0


@pytest.mark.parametrize("guard", ["yes", "no"])
@pytest.mark.parametrize("kind", ["4", "6"])
def test_nor_by_a_way_of_its_own(lab, kind, guard):
    connection = before(lab, kind, device="eth0")
    confine(lab, f"Guard={guard}")
    with lab.capture() as capture:
        lab.cg("reapply")
        assert connection.do("ask") == "ECONNABORTED"
    assert capture.leaks == (0 if guard == "yes" else 1)  # of what nothing holds, this is the last
    assert not connections(lab)


def test_when_others_took_the_rules_away(lab):
    """What began meanwhile is from before, too."""
    Tunnel(lab, 0).up()
    confine(lab, "Guard=no")
    lab.cg("reapply")
    lab.sh("host", *FLUSHES["rules"])
    connection = before(lab)
    assert connection.do("ask") == LAN[4]
    with lab.capture() as capture:
        lab.cg("reapply")
        assert connection.do("ask") == "ECONNABORTED"
    assert capture.leaks == 0


def test_when_a_bypass_goes(lab):
    confine(lab, "Bypass=203.0.113.0/24")
    lab.cg("reapply")
    connection = before(lab)
    assert connection.do("ask") == LAN[4]
    confine(lab)
    with lab.capture() as capture:
        lab.cg("reapply")
        assert connection.do("ask") == "ECONNABORTED"
    assert capture.leaks == 0


def test_others_keep_theirs(lab):
    theirs = [before(lab, kind, uid=OTHER) for kind in DESTINATIONS]
    Tunnel(lab, 0).up()
    confine(lab)
    lab.cg("reapply")
    assert [one.do("ask").removeprefix("::ffff:") for one in theirs] == [LAN[4], LAN[6], LAN[4]]


LISTEN = """
import socket, sys, threading
def serve(sock):
    while got := sock.recv(100):
        sock.send(b"here\\n")
def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
listeners = [socket.create_server((host, 7100), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
             for host in sys.argv[1:]]
print("listening", flush=True)
threads = [threading.Thread(target=accept, args=(one,)) for one in listeners]
[one.start() for one in threads]
"""


def test_what_stays_on_the_machine_or_goes_by_a_bypass_stays(lab):
    here = ["127.0.0.1", "::1", LAN[4], LAN[6]]
    listener = lab.popen("host", PYTHON, "-c", LISTEN, *here, stdout=-1, text=True)
    assert listener.stdout.readline() == "listening\n"
    local = [Connection(lab, CONFINED, host, 7100, 6 if ":" in host else 4) for host in here]
    bypass = [Connection(lab, CONFINED, host, CONFINED_PORT, family)
              for host, family in (("192.0.2.1", 4), ("2001:db8:1::1", 6), ("::ffff:192.0.2.1", 6))]
    confine(lab, "Bypass=192.0.2.0/24 2001:db8:1::/64")
    lab.cg("reapply")
    assert [one.do("ask") for one in local] == ["here"] * 4
    assert [one.do("ask").removeprefix("::ffff:") for one in bypass] == [LAN[4], LAN[6], LAN[4]]


@pytest.mark.parametrize("guard", ["yes", "no"])
@pytest.mark.parametrize("kind", DESTINATIONS)
def test_what_goes_by_the_tunnel_stays(lab, kind, guard):
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    confine(lab, f"Guard={guard}")
    lab.cg("reapply")
    connection = before(lab, kind)
    address = tunnel.address[6 if kind == "6" else 4]
    assert connection.do("ask").removeprefix("::ffff:") == address
    lab.sh("host", *FLUSHES["rules"], *FLUSHES["routes"])
    lab.cg("reapply")
    # also while the tunnel has no address
    lab.sh("host", "ip addr flush dev wg0")
    lab.cg("reapply")
    lab.sh("host", f"ip addr add {tunnel.address[4]}/24 dev wg0",
           f"ip addr add {tunnel.address[6]}/64 dev wg0 nodad")
    lab.cg("reapply")
    assert connection.do("ask").removeprefix("::ffff:") == address


def test_a_run_that_is_killed_is_made_up_for(lab):
    """Behind the rules and before this: the next run would otherwise find nothing to do."""
    confine(lab, "Guard=no")
    noted = 0
    for number in range(1, 40):
        connection = before(lab)
        done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e",
                       f"inject=sendto:signal=SIGKILL:when={number}", lab.binary, "reapply", check=False)
        noted += done.returncode != 0 and len(lab.rules()) == 1 and len(connections(lab)) == 1
        lab.cg("reapply")
        assert not connections(lab)
        assert connection.do("ask") == "ECONNABORTED"
        lab.cg("remove")
        if done.returncode == 0:
            break
    else:
        pytest.fail("it sends more often than this test knows")
    assert noted > 0, "it was never killed between the two"


def opened(lab):
    """The sockets that a run opens, in their order, by their last argument."""
    log = lab.directory / "trace"
    lab.run("host", "strace", "-f", "-qq", "-o", log, "-e", "trace=socket", lab.binary, "reapply")
    return re.findall(r"socket\(.*, (\w+)\)", log.read_text())


def test_who_finds_nothing_to_do_does_not_look(lab):
    theirs = before(lab, uid=OTHER)
    confine(lab)
    assert "NETLINK_SOCK_DIAG" in opened(lab)
    assert "NETLINK_SOCK_DIAG" not in opened(lab)
    theirs.do("close")


def test_nor_does_who_is_on_a_machine_without_any(lab):
    """As at boot, when the kernel would have to load a module for it."""
    confine(lab)
    assert "NETLINK_SOCK_DIAG" not in opened(lab)


@pytest.mark.parametrize("error", ["EPROTONOSUPPORT", "EMFILE"])
def test_without_sock_diag_all_else_works(lab, error):
    confine(lab)
    Tunnel(lab, 0).up()
    theirs = before(lab, uid=OTHER)
    number = 1 + opened(lab).index("NETLINK_SOCK_DIAG")
    lab.cg("remove")
    connection = before(lab)
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket", "-e",
                   f"inject=socket:error={error}:when={number}", lab.binary, "reapply")
    assert "wg0: connections from before are left" in done.stderr
    assert lab.ask(CONFINED) == "wg0"
    assert len(connections(lab)) == 1
    # what passes is tried again, what does not is not
    lab.cg("reapply")
    assert len(connections(lab)) == (1 if error == "EPROTONOSUPPORT" else 0)
    connection.do("close")
    theirs.do("close")


def test_a_dry_run_says_which(lab):
    connection = before(lab)
    before(lab, "mapped")
    before(lab, "6")
    before(lab, uid=OTHER)
    confine(lab)
    lines = lab.cg("reapply", "--dry-run").stdout.splitlines()
    ends = [line for line in lines if line.startswith("ss -K")]
    assert len(ends) == 3
    assert all(re.search(f":{CONFINED_PORT}$", line) for line in ends)
    assert connection.do("ask") == LAN[4]
    lab.sh("host", *ends)
    wait_until("ss to end them", lambda: not connections(lab))
    assert len(connections(lab, OTHER_PORT)) == 1


def test_status_knows_what_is_still_to_be_done(lab):
    confine(lab)
    lab.cg("reapply")
    assert lab.cg("status", check=False).returncode == 0
    note = lab.run_dir / "custom-gateway" / "strays" / "wg0"
    assert not note.exists()
    note.write_text("yes\n")
    status = lab.cg("status", check=False)
    assert status.returncode == 3
    assert "ss -K" in status.stdout
    lab.cg("reapply")
    assert lab.cg("status", check=False).returncode == 0
