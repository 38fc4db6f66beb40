# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run keeps below /run, where it cannot be kept, and where something else lies in its place: the
confined are held, and no run hangs."""

import os
import pathlib
import signal
import stat
import subprocess
import time

import pytest
from lab import CONFINED, OTHER, PYTHON, Tunnel, wait_until
from monitor import Monitor

GATEWAY = f"Users={CONFINED}\nGuard=yes\nDNS=10.64.0.1"
HELD = ("wg0", "EACCES", "EPERM")
DOWN = "ip link set wg0 down"

# Everything that man/custom-gateway.8 names below /run/custom-gateway, FILES
PLACES = ["lock", "monitor", "rp_filter/wg0", "table", "addresses/wg0", "dns/wg0/resolv.conf",
          "dns/.replaced", "stopped/wg0", "tunnel/wg0", "resume/some.service", "removed/wg0",
          "removed/.all", "strays/wg0", "applied", "answers"]
DIRECTORIES = ["rp_filter", "addresses", "dns", "stopped", "tunnel", "resume", "removed", "strays"]


def make_device(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))


def make_huge(path):
    path.write_bytes(b"1 0 " * (10 << 18))


KINDS = {
    "FIFO": os.mkfifo,
    "zero": make_device,
    "directory": pathlib.Path.mkdir,
    "link to zero": lambda path: path.symlink_to("/dev/zero"),
    "10 MB": make_huge,
}


@pytest.fixture
def tunnel(lab):
    lab.config("wg0", GATEWAY)
    made = Tunnel(lab, 0)
    made.up()
    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    return made


def empty(path):
    """Takes the place for something else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-r", str(path)], check=True)
    else:
        path.unlink(missing_ok=True)


# Runs a command, and says last how many kB of memory it took at most
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], timeout=10)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def in_time(lab, *words):
    """A run that ends by itself, soon, and in little memory; an endless file must not take all of it."""
    done = lab.run("host", "sh", "-c", 'ulimit -v 500000; exec "$0" "$@"', PYTHON, "-c", MEASURED, lab.binary,
                   *words, check=False)
    assert done.returncode in (0, 1, 3), (words, done.stderr)
    assert "TimeoutExpired" not in done.stderr, words
    assert int(done.stdout.split()[-1]) < 50_000, (words, "kB of memory")
    return done


def held(lab):
    return {lab.ask(CONFINED, family) for family in (4, 6)} <= set(HELD)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES + DIRECTORIES)
def test_something_else_in_the_place_of_a_file(lab, tunnel, place, kind):
    lab.cg("reapply")
    path = lab.run_dir / "custom-gateway" / place
    empty(path)
    KINDS[kind](path)
    for words in (("reapply",), ("event", "nm", "wg0", "up"), ("status",)):
        in_time(lab, *words)
        assert held(lab), words
    lab.sh("host", DOWN)
    in_time(lab, "event", "nm", "wg0", "down")
    assert held(lab)
    in_time(lab, "remove")
    assert lab.nothing_is_left()
    assert lab.ask(CONFINED) == "lan"


@pytest.fixture(params=["nr_inodes=1", "ro"])
def bare(request, lab, tunnel):
    """A /run that takes no file; the tunnel is up, and answers come without a change of rp_filter."""
    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=0")
    lab.sh("host", f"mount -t tmpfs -o mode=755,{request.param} tmpfs /run")
    yield tunnel
    lab.sh("host", "umount -l /run")


def test_where_nothing_can_be_kept_users_are_held_all_the_same(lab, bare):
    """From the first run on, with and without the tunnel."""
    assert lab.ask(CONFINED) == "lan"
    done = in_time(lab, "reapply")
    assert done.returncode == 1
    assert "nothing can be kept" in done.stderr
    assert held(lab)
    assert len(lab.rules(4)) == len(lab.rules(6)) == 1
    assert "table inet custom-gateway" in lab.sh("host", "nft list tables")
    with lab.capture() as capture, lab.sender(CONFINED):
        lab.sh("host", DOWN)
        assert in_time(lab, "event", "nm", "wg0", "down").returncode == 1
        assert held(lab)
        assert lab.ask(OTHER) == "lan"
    assert capture.leaks == 0
    assert in_time(lab, "remove").returncode == 1
    assert lab.nothing_is_left()


def test_a_value_that_cannot_be_kept_is_left_as_it_is(lab, bare):
    """So answers are dropped, but all else is done."""
    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    done = in_time(lab, "reapply")
    assert done.returncode == 1
    assert "rp_filter=2: /run/custom-gateway" in done.stderr
    assert lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter") == "1\n"
    lab.take_ways_back()
    assert lab.ask(CONFINED, 4) == "silence"
    assert lab.ask(CONFINED, 6) == "wg0"


def test_a_monitor_without_files_repairs(lab, bare):
    monitor = Monitor(lab)
    assert held(lab)
    lab.sh("host", "ip rule flush protocol 198 2>/dev/null || ip rule del priority 500")
    wait_until("the rule to be back", lambda: lab.rules(4))
    done = lab.cg("monitor", check=False)
    assert done.returncode == 1
    assert "another monitor is running already" in done.stderr
    monitor.signal(signal.SIGTERM)
    assert monitor.wait() == 0


def test_read_only_since_a_run(lab, tunnel):
    """What is there is read, and serves; the lock is the same file."""
    lab.cg("reapply")
    lab.sh("host", "mount --bind /run /run", "mount -o remount,bind,ro /run")
    try:
        assert lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter") == "2\n"
        lab.config("wg0", f"Users={CONFINED} {OTHER}\nGuard=yes\nDNS=10.64.0.1")
        assert in_time(lab, "reapply").returncode == 1
        assert lab.ask(CONFINED) == lab.ask(OTHER) == "wg0"
        in_time(lab, "remove")
        assert lab.nothing_is_left()
        assert lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter") == "1\n"
    finally:
        lab.sh("host", "umount -l /run")


# Holds the name of the lock, by the user that it is given
HOLDER = """
import os, socket, sys
name = 2166136261
for byte in b"/run/custom-gateway":
    name = (name ^ byte) * 16777619 & 0xffffffff
os.setuid(int(sys.argv[1]))
with socket.socket(socket.AF_UNIX) as held:
    held.bind(f"\\0custom-gateway/lock/{name:08x}")
    held.listen()
    print("held", flush=True)
    sys.stdin.read()
"""


def hold_name(lab, uid):
    holder = lab.popen("host", PYTHON, "-c", HOLDER, str(uid), stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_runs_without_the_file_wait_for_each_other(lab, bare):
    holder = hold_name(lab, 0)
    process = lab.popen("host", lab.binary, "reapply", stderr=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    assert lab.ask(CONFINED) == "lan"
    holder.stdin.close()
    assert process.wait(timeout=10) == 1
    assert held(lab)


def test_a_run_with_the_file_waits_for_one_without(lab, tunnel):
    holder = hold_name(lab, 0)
    process = lab.popen("host", lab.binary, "reapply", stderr=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    holder.stdin.close()
    assert process.wait(timeout=10) == 0
    assert held(lab)


def test_another_user_holds_up_no_run(lab, bare):
    hold_name(lab, OTHER)
    begun = time.monotonic()
    done = in_time(lab, "reapply")
    assert time.monotonic() - begun < 5
    assert "another user keeps runs from waiting for each other" in done.stderr
    assert held(lab)
