# SPDX-License-Identifier: GPL-2.0-or-later
"""Killed at each system call that changes anything: the confined stay off the LAN, and one reapply
mends all."""

import re

import pytest
from lab import CONFINED, OTHER, Tunnel

SECOND = CONFINED + 10

# What changes the kernel, or a file that we rely on; for bpf(2) see test_guard_life.py. Each is cut before it
# is carried out; having been carried out is what the cut at the next one shows.
CALLS = ["sendto", "sendmsg", "write", "rename", "mkdir", "unlink", "flock"]
# Questions to the kernel, which change nothing, and what is written to no file.
IDLE = re.compile(r"_GET|SOCK_DIAG_BY_FAMILY|NLMSG_\?|send(to|msg)\((?!.*nlmsg_type)|"
                  r"write\(\d+<(?!/(?!dev/))")

UP = ["ip link set wg0 up", "ip addr replace 10.64.0.2/24 dev wg0",
      "ip addr replace fd00:64:a0::2/64 dev wg0 nodad"]
STRICT = "sysctl -qw net.ipv4.conf.wg0.rp_filter=1"
DOWN = ["ip link set wg0 down"]

# the configuration and the tunnel before, and after
STORIES = {
    "from blocked to up": (f"Users={CONFINED}", DOWN, f"Users={CONFINED}", UP),
    "from up to blocked": (f"Users={CONFINED}", UP, f"Users={CONFINED}", DOWN),
    "to another table": (f"Users={CONFINED}\nTable=1000", UP, f"Users={CONFINED}\nTable=2000", UP),
    "to another priority": (f"Users={CONFINED}", UP, f"Users={CONFINED}\nPriority=600", UP),
    "one user goes, one comes": (f"Users={CONFINED} {SECOND}", UP,
                                 f"Users={CONFINED} {SECOND + 10}", UP),
    "a bypass goes, one comes": (f"Users={CONFINED}\nBypass=198.51.100.0/24", UP,
                                 f"Users={CONFINED}\nBypass=2001:db8:7::/64", UP),
}


def changing_calls(lab, command="reapply"):
    """(call, number) for each call of a run that changes something: the number among those of its name."""
    lab.run("host", "strace", "-f", "-qq", "-y", "-o", "/run/trace", "-e", f"trace={','.join(CALLS)}",
            lab.binary, "-q", command)
    counts, found = dict.fromkeys(CALLS, 0), []
    for line in (lab.run_dir / "trace").read_text(errors="replace").splitlines():
        name = line.split(None, 1)[1].split("(")[0]
        if name in counts:
            counts[name] += 1
            found += [] if IDLE.search(line) else [(name, counts[name])]
    return found


def cut(lab, call, number, command="reapply"):
    """Runs a command that dies at the call of that number; whether it lived to the end."""
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                   f"inject={call}:signal=SIGKILL:when={number}", lab.binary, "-q", command,
                   check=False)
    assert done.returncode in (0, -9, 137), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("guard", ["Guard=no", "Guard=yes"])
@pytest.mark.parametrize("story", STORIES)
def test_killed_at_each_call(lab, story, guard):
    before, tunnel_before, after, tunnel_after = STORIES[story]
    tunnel = Tunnel(lab, 0)
    tunnel.create()

    def tell():
        lab.config("wg0", f"{before}\n{guard}")
        lab.sh("host", *tunnel_before)
        lab.cg("reapply")
        lab.sh("host", *tunnel_after)
        lab.config("wg0", f"{after}\n{guard}")

    lab.sh("host", STRICT)
    tell()
    lab.cg("reapply")  # what is kept of the first time is there each time from here on
    tell()
    calls = changing_calls(lab)
    assert {"sendto", "flock"} <= {call for call, _ in calls}, calls
    with lab.capture() as capture, lab.sender(CONFINED) as sender:
        for call, number in calls:
            tell()
            assert not cut(lab, call, number), (call, number)
            lab.cg("reapply")
            assert lab.cg("status", check=False).returncode == 0, (call, number)
    assert lab.ask(CONFINED) == ("wg0" if tunnel_after == UP else "EACCES")
    assert lab.ask(OTHER) == "lan"
    assert capture.leaks == 0
    assert sender.answered <= set(tunnel.address.values())
    assert sum(sender.counts.values()) > 100


def test_killed_in_the_very_first_run(lab):
    """Nothing stood before, so the user is on the LAN until its rules stand, and never again after."""
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).create()
    lab.sh("host", STRICT, *UP)
    seen = []
    for number in range(1, 100):
        lab.cg("remove")
        lived = cut(lab, "sendto", number)
        seen.append(lab.ask(CONFINED))
        if lived:
            break
    assert lived
    first_confined = next(i for i, way in enumerate(seen) if way != "lan")
    assert set(seen[first_confined:]) <= {"EACCES", "EPERM", "wg0"}
    assert seen[-1] == "wg0"
    assert "EACCES" in seen, "the rules stand before the tunnel is opened"


def test_killed_while_it_removes(lab):
    """The filter must get its old value back, whenever the first run died."""
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    Tunnel(lab, 0).create()
    lab.sh("host", STRICT, *UP)
    lab.cg("reapply")
    calls = changing_calls(lab, "remove")
    assert len(calls) >= 8, calls
    for call, number in calls:
        lab.cg("reapply")
        assert not cut(lab, call, number, "remove"), (call, number)
        lab.cg("remove")
        assert lab.nothing_is_left(), (call, number)
        assert lab.sh("host", "nft list ruleset") == "", (call, number)
        assert lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter") == "1\n", (call, number)


@pytest.mark.parametrize("number,word", [("ENOBUFS", "No buffer space"), ("ENOMEM", "memory")])
def test_the_kernel_refuses_every_change(lab, number, word):
    """A send that fails leaves the user where it was, and says so."""
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).create()
    lab.cg("reapply")
    lab.sh("host", STRICT, *UP)
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e",
                   f"inject=sendto:error={number}", lab.binary, "reapply", check=False)
    assert done.returncode == 1
    assert word in done.stderr
    assert lab.ask(CONFINED) == "EACCES"
