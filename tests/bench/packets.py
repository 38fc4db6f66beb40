# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs: of a user who is confined and of one who is not, without a gateway, with its
rules, with its rules and its guard, and with the guard by uid in nftables, which the program makes
where it may not load BPF programs; and what a rule and a chain cost that say nothing at all.

Each of these stands in a pair of namespaces and in a cgroup of its own, so that nothing is put up or
taken away while the bursts take turns. A last pair is again without a gateway: what differs there is
noise.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from process import BenchError, progress, run, write
from scene import (CGROUPS, CLONE_NEWNET, FIRST_UID, N_HOOKS, TUNNEL, count_nft_tables, enter_namespace,
                   programs)

NONE, RULES, GUARD, AGAIN = "no gateway", "rules", "rules and guard", "no gateway, once more"
BY_UID = "rules and guard by uid in nftables"
# A rule of whatever kind, even one that is gone again, makes the kernel walk through all rules for
# each route; a chain, even an empty one, makes it stop at the hook. No gateway costs less.
FLOOR_RULE, FLOOR = "floor: a rule that is gone again", "floor: that, and chains without rules"
PLACES = (NONE, FLOOR_RULE, FLOOR, RULES, GUARD, BY_UID, AGAIN)
EMPTY_CHAINS = ("table inet floor { chain output { type filter hook output priority 300; }; "
                "chain prerouting { type filter hook prerouting priority -350; }; }")
# $1: a cgroup, which the rest is to see as the root of all cgroups
IN_CGROUP = """
echo 0 >"$1/cgroup.procs"
shift
exec unshare --cgroup --mount sh -ec '
  umount /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  exec "$@"' sh "$@"
"""
# It takes both to load a guard.
WITHOUT_BPF = ("setpriv", "--inh-caps=-bpf,-sys_admin", "--bounding-set=-bpf,-sys_admin")
MAC = "02:00:00:00:00:01"  # of both ends: without ARP a packet goes to its own address


@dataclass(frozen=True)
class Kind:
    name: str
    title: str
    burst: int  # datagrams, or KiB
    rounds: int


KINDS = [Kind("udp4", "UDP", 200, 1000), Kind("udp6", "UDP, IPv6", 200, 1000),
         Kind("udp4c", "UDP, connected", 200, 1000), Kind("udp4r", "UDP, received", 200, 1000),
         Kind("tcp4", "TCP", 1024, 400),
         Kind("tcp4p", "TCP, processor time", 1024, 400)]
QUICK = 5  # times fewer rounds
BURSTS_TIMEOUT_S = 900  # of one kind: some 20 s on a machine that has nothing else to do
SIZES = (1, 100, 1000)
QUICK_SIZES = (1,)
UNRELATED, CONFINED = "unrelated", "confined"


class Pair:
    """A machine with its cgroup, and the world outside. The namespaces are gone when their file
    descriptors are closed."""

    def __init__(self, cgroup: str) -> None:
        self.cgroup = CGROUPS / cgroup
        self.cgroup.mkdir()
        self.peer = self._new()
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", "203.0.113.1/32", "dev", "lo")
        run("ip", "address", "add", "2001:db8:ffff::1/128", "dev", "lo", "nodad")
        self.host = self._new()
        run("ip", "link", "set", "lo", "up")
        for name, number in (("eth0", 1), (TUNNEL, 2)):
            self._link(name, number)
        run("ip", "route", "add", "default", "dev", "eth0")
        run("ip", "-6", "route", "add", "default", "dev", "eth0")

    @staticmethod
    def _new() -> int:
        enter_namespace()
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _link(self, name: str, number: int) -> None:
        peer = f"/proc/{os.getpid()}/fd/{self.peer}"
        run("ip", "link", "add", name, "address", MAC, "type", "veth",
            "peer", "name", name, "address", MAC, "netns", peer)
        for end, namespace in ((2, self.host), (1, self.peer)):
            enter(namespace)
            run("ip", "link", "set", name, "addrgenmode", "none", "arp", "off", "up")
            run("ip", "address", "add", f"10.64.{number}.{end}/24", "dev", name)
            run("ip", "address", "add", f"fd00:{number}::{end}/64", "dev", name, "nodad")
        enter(self.host)

    def close(self) -> None:
        os.close(self.host)
        os.close(self.peer)
        self.cgroup.rmdir()


def enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise BenchError(f"setns: {os.strerror(ctypes.get_errno())}")


class Packets:
    def __init__(self, build: Path, place: Path, quick: bool) -> None:
        self.build = build
        self.place = place / "packets"
        self.place.mkdir()
        self.quick = quick
        self.sizes = QUICK_SIZES if quick else SIZES
        # nanoseconds a burst, by kind, size, user and place
        self.took: dict[tuple[str, int, str, str], list[int]] = {}

    def _reapply(self, size: int, place: str, pair: Pair) -> None:
        """Puts up that gateway in the machine, and looks whether its guard is the one that is meant."""
        config = self.place / f"{size} {place}"
        config.mkdir(mode=0o755)
        uids = " ".join(str(FIRST_UID + 2 * i) for i in range(size))
        write(config / f"{TUNNEL}.conf",
              f"[Gateway]\nUsers={uids}\nGuard={'no' if place is RULES else 'yes'}\n")
        run("sh", "-ec", IN_CGROUP, "sh", str(pair.cgroup), *(WITHOUT_BPF if place is BY_UID else ()),
            str(self.build / "plugin/custom-gateway"), "-q", "--config-dir", str(config),
            "--runtime-dir", str(config / "run"), "--state-dir", str(config / "state"), "reapply")
        found = count_nft_tables(), len(programs(pair.cgroup))
        if found != {RULES: (0, 0), GUARD: (1, N_HOOKS), BY_UID: (1, 0)}[place]:
            raise BenchError(f"{place}: {found[0]} tables of nftables and {found[1]} BPF programs")

    @staticmethod
    def _make_floor(chains: bool) -> None:
        for family in "-4", "-6":
            for action in "add", "del":
                run("ip", family, "rule", action, "uidrange", "1-1", "table", "99")
        if chains:
            run("nft", EMPTY_CHAINS)

    def places(self, size: int) -> tuple[str, ...]:
        """The floor is the same for any number of users."""
        return tuple(place for place in PLACES
                     if size == self.sizes[0] or place not in (FLOOR_RULE, FLOOR))

    def size(self, size: int) -> None:
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        pairs = {}
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, home)
            stack.callback(enter, home)
            for number, place in enumerate(self.places(size)):
                pairs[place] = Pair(f"pair-{number}")
                stack.callback(pairs[place].close)
                if place in (FLOOR_RULE, FLOOR):
                    self._make_floor(place is FLOOR)
                if place in (RULES, GUARD, BY_UID):
                    self._reapply(size, place, pairs[place])
            for kind in KINDS:
                progress(f"packets, {size} users: {kind.title}")
                self._measure(kind, size, pairs)

    def _measure(self, kind: Kind, size: int, pairs: dict[str, Pair]) -> None:
        # the last of the confined is the one whose rule is looked at last
        users = {UNRELATED: FIRST_UID - 1, CONFINED: FIRST_UID + 2 * (size - 1)}
        descriptors = [fd for pair in pairs.values() for fd in (pair.host, pair.peer)]
        done = subprocess.run(
            [self.build / "tests/bench/bench-packets", kind.name,
             str(kind.rounds // (QUICK if self.quick else 1)), str(kind.burst),
             *map(str, users.values()), "-",
             *(f"{pair.host}:{pair.peer}:{pair.cgroup}" for pair in pairs.values())],
            pass_fds=descriptors, capture_output=True, text=True, timeout=BURSTS_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise BenchError(f"bench-packets: {done.stderr.strip()}")
        lanes = [(user, place) for user in users for place in pairs]
        for line in done.stdout.splitlines():
            for (user, place), took in zip(lanes, map(int, line.split())):
                self.took.setdefault((kind.name, size, user, place), []).append(took)

    def per_packet(self, kind: Kind, size: int, user: str, place: str) -> float:
        """Nanoseconds a packet; of TCP, a KiB."""
        return statistics.median(self.took[kind.name, size, user, place]) / kind.burst

    def middle(self, kind: Kind, size: int, user: str, place: str) -> float:
        quartiles = self.ratio(kind, size, user, place)
        return quartiles[1] if quartiles else float("nan")

    def ratio(self, kind: Kind, size: int, user: str, place: str) -> list[float] | None:
        """How much longer than without a gateway, in percent: quartiles over the rounds, each of which
        is compared with itself. None if it was not measured."""
        if place not in self.places(size):
            return None
        base = self.took[kind.name, size, user, NONE]
        return statistics.quantiles([100 * (mine / none - 1) for mine, none in
                                     zip(self.took[kind.name, size, user, place], base)], n=4)
