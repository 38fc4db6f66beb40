# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory of tests/netns, with what it takes to send and to see a million packets.

The world outside owns the same addresses behind the LAN and behind the tunnels, and answers by
whatever way it was asked. So a packet that takes the wrong way gets as far as one that takes the
right one, and is seen there.

The tunnel is a pair of veth without ARP: to rules, routes and the guard it is an interface like any
other, and unlike wireguard-go it does not cost more than all else. One attack has a real WireGuard.
"""

from __future__ import annotations

import ctypes
import mmap
import pathlib
import random
import subprocess
import time
from typing import NamedTuple

from lab import CONFINED, Lab, LabError, Tunnel, wait_until

N_WAYS = 96  # wire.h
CONTROL = N_WAYS - 1
CONTROL_PORT = 20000 + CONTROL


class Counts(ctypes.Structure):
    """struct leaks_counts in wire.h."""

    _fields_ = [("way", (ctypes.c_uint64 * 2) * N_WAYS), ("answers", ctypes.c_uint64 * 2),
                ("strange", ctypes.c_uint64), ("lost", ctypes.c_uint64),
                ("last", ctypes.c_uint32 * N_WAYS), ("waits", ctypes.c_uint32 * N_WAYS)]


# enum way_group in ways.h
NONE, KERNEL, OWN, BYPASS, ADDRESS, VXLAN = "none", "kernel", "own", "bypass", "address", "vxlan"


class Way(NamedTuple):
    """One of ways.c."""

    group: str  # when it leaks without the guard
    asked: bool  # a stranger on the LAN begins it
    name: str


# As in ways.c: addresses of the machine that may go away, and bypasses.
LEAVING = ("192.0.2.77/32", "2001:db8:1::77/128")
BYPASSES = "192.0.2.192/27 2001:db8:1:0:8000::/65"
ON_LAN = ("192.0.3.1", "2001:db8:3::1", "192.0.2.77", "2001:db8:1::77", "192.0.2.200",
          "2001:db8:1:0:8000::200")


def add_leaving() -> list[str]:
    """Not preferred, or the kernel would choose it as the machine's own in IPv6."""
    return [f"ip addr add {address} dev eth0 preferred_lft 0" for address in LEAVING]


FROM_LAN, HAS_DATA = 0x100, 0x200  # wire.h
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK")  # of TCP, from the lowest bit on


def describe(last: int) -> str:
    """What the watcher noted of a packet."""
    flags = [flag for bit, flag in enumerate(FLAGS) if last & 1 << bit]
    return " ".join([*flags, "with data" if last & HAS_DATA or not flags else "without data",
                     "from the LAN's address" if last & FROM_LAN else "from another address"])


class Counter:
    """What a program in C counts, read while it counts."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        path.write_bytes(bytes(ctypes.sizeof(Counts)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def read(self) -> Counts:
        return Counts.from_buffer_copy(self._map)


class Shell:
    """A shell in a namespace that stays: to start one for each line costs more than the line."""

    def __init__(self, lab: Lab, namespace: str):
        self._process = lab.popen(namespace, "env", "LC_ALL=C", "sh", stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self._process.pid
        self.do("true")  # from here on the process is in the namespace

    def do(self, *lines: str, check: bool = True) -> str:
        """Runs the lines, and returns what they print. The first that fails ends it."""
        text = "\n".join(lines)
        self._process.stdin.write(f"(set -e\n{text}\n) </dev/null\nstatus=$?; echo; echo done $status\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if line.startswith("done "):
                if check and line != "done 0\n":
                    raise LabError(f"{text}: {line}{''.join(said)}")
                return "".join(said).rstrip("\n")
            said.append(line)
        raise LabError(f"{text}: the shell is gone: {''.join(said)}")

    def status(self, line: str) -> int:
        """Runs a command that may fail, and returns its exit status, or 128 and the signal's number."""
        return int(self.do(f"status=0; {{ {line}; }} >/dev/null 2>&1 || status=$?; echo $status"))


class Veth:
    """A tunnel that costs nothing. As Tunnel in lab.py, and as quick as ip(8) is."""

    MAC = "02:00:00:00:00:01"  # of both ends: without ARP a packet goes to its own address

    def __init__(self, field: Field, number: int = 0):
        self.field = field
        self.name = f"wg{number}"
        self.far = f"srv{number}"
        self.address = {4: f"10.64.{number}.2", 6: f"fd00:64:a{number}::2"}
        # For the connections that come by it; the address itself is the world's either way.
        self._connect = [f"ip link set {self.far} arp off up",
                         f"ip route replace {self.address[4]} dev {self.far}",
                         f"ip -6 route replace {self.address[6]} dev {self.far}"]

    def create(self) -> None:
        self.field.host.do(
            f"ip link add {self.name} address {self.MAC} type veth "
            f"peer name {self.far} address {self.MAC} netns {self.field.world.pid}",
            f"ip link set {self.name} addrgenmode none arp off")
        self.field.world.do(*self._connect)

    def open(self) -> None:
        self.field.host.do(f"ip link set {self.name} up",
                           f"ip addr replace {self.address[4]}/24 dev {self.name}",
                           f"ip addr replace {self.address[6]}/64 dev {self.name} nodad")

    def up(self) -> None:
        self.create()
        self.open()

    def delete(self) -> None:
        self.field.host.do(f"ip link del {self.name}")

    @staticmethod
    def is_possible(_: Field) -> bool:
        """Whether this machine's kernel has such."""
        return True


class Vxlan(Veth):
    """A tunnel whose packets are UDP, and whose kernel takes them from any sender."""

    FAR_MAC = "02:00:00:00:00:05"  # from its own it takes nothing

    def _create(self, shell: Shell, name: str, mac: str, here: str, there: str) -> None:
        # the port and the number: ways.c, wire.h
        shell.do(f"ip link add {name} address {mac} type vxlan id 7 dstport 4789 local {here} remote {there} "
                 "dev eth0 nolearning")

    def create(self) -> None:
        self._create(self.field.host, self.name, self.MAC, "192.0.2.2", "192.0.2.1")
        self._create(self.field.world, self.far, self.FAR_MAC, "192.0.2.1", "192.0.2.2")
        self.field.host.do(f"ip link set {self.name} addrgenmode none")
        self.field.world.do(f"ip link set {self.far} up", *self._connect[1:])

    def open(self) -> None:
        super().open()
        # the world is no neighbour with this address
        self.field.host.do("ip neigh replace 2001:db8:ffff::1 nud permanent "
                           f"lladdr {self.FAR_MAC} dev {self.name}")

    @staticmethod
    def is_possible(field: Field) -> bool:
        return field.host.status("ip link add probe type vxlan id 1 dstport 1 && ip link del probe") == 0


class WireGuard(Tunnel):
    """A real one, with the same names for the same things as Veth."""

    def __init__(self, field: Field, number: int = 0):
        super().__init__(field.lab, number)

    @staticmethod
    def is_possible(_: Field) -> bool:
        return True

    def create(self) -> None:
        super().create()
        # so that the world knows where it is, and can ask by the tunnel first
        self.lab.sh("host", f"wg set {self.name} peer {self._keys['world'][1]} persistent-keepalive 25")

    def open(self) -> None:
        self.lab.sh("host", f"ip link set {self.name} up",
                    f"ip addr replace {self.address[4]}/24 dev {self.name}",
                    f"ip addr replace {self.address[6]}/64 dev {self.name} nodad")


class Field:
    """One laboratory, one sender, one watcher: for one attack on one contender, and then gone. So
    nothing late of one attack is taken for another's."""

    def __init__(self, stage: pathlib.Path, build: pathlib.Path, attack: int):
        self.lab = Lab(stage)
        try:
            self._build(build, attack)
        except BaseException:
            self.lab.close()
            raise

    def _build(self, build: pathlib.Path, attack: int) -> None:
        self.programs = build / "tests" / "leaks"
        self.attack = attack
        self.run = random.getrandbits(31)
        self.sent = Counter(self.lab.directory / "sent")
        self.seen = Counter(self.lab.directory / "seen")
        self.asked = Counter(self.lab.directory / "asked")
        self.host = Shell(self.lab, "host")
        self.world = Shell(self.lab, "world")
        self.tunnels: list[Veth | WireGuard] = []
        self.running: dict[str, subprocess.Popen] = {}  # what has to live until the end
        self.killed = self.failed = 0  # runs of the program: by us, and otherwise
        self.host.do(
            # a connection after the other needs a port each
            "sysctl -qw net.ipv4.ip_local_port_range='32768 65535' net.ipv4.tcp_max_tw_buckets=64",
            # the SYN of a stranger's name that was sent before there was a gateway is not answered again
            # and again
            "sysctl -qw net.ipv4.tcp_synack_retries=0",
            # each packet is answered that may be
            "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 "
            "net.ipv4.icmp_msgs_per_sec=1000000 net.ipv4.ping_group_range='0 2147483647'",
            f"ip link add eth1 type veth peer name eth1 netns {self.world.pid}",
            "ip addr add 192.0.3.2/24 dev eth1", "ip addr add 2001:db8:3::2/64 dev eth1 nodad",
            "ip link set eth1 up", "ip route add default via 192.0.3.1 metric 4096",
            "ip -6 route add default via 2001:db8:3::1 metric 4096",
            *add_leaving(),
            # neighbours that are known, so that a packet and not a question for them goes out
            *[f"ip neigh replace {address} lladdr 02:00:00:00:00:02 dev {lan} nud permanent"
              for lan in ("eth0", "eth1") for address in (*ON_LAN, "fe80::1")])
        self.world.do("sysctl -qw net.ipv4.tcp_max_tw_buckets=64",
                      *[f"ip addr add 10.64.{n}.1/32 dev lo" for n in (0, 1)],
                      *[f"ip addr add fd00:64:a{n}::1/128 dev lo nodad" for n in (0, 1)],
                      "ip link set eth1 up",
                      # farther away than the machine is from itself: flood.c
                      "sysctl -qw net.ipv4.ip_default_ttl=128 net.ipv6.conf.all.hop_limit=128 "
                      "net.ipv6.conf.eth0.hop_limit=128",
                      # the strangers of peer.c: ways.c
                      "ip route add local 198.18.1.0/24 dev lo",
                      "ip -6 route add local 2001:db8:5:1::/64 dev lo",
                      # a simultaneous open is met by no port that is closed: wire.h
                      "nft 'table inet meeting { chain output { type filter hook output priority 0; "
                      "tcp sport 5000-5095 tcp flags rst drop; }; }'")
        lines = self.lab.run("host", self.programs / "leaks-flood", "list").stdout.splitlines()
        self.names = [Way(group, asked == "asked", name)
                      for group, asked, name in (line.split(" ", 2) for line in lines)]
        self._start("world", "sink", "listening")
        self._start("world", "watch", "watching", self.seen.path, self.run, "eth0", "eth1")
        self._start("host", "server", "serving", "192.0.2.1")

    def close(self) -> None:
        self.lab.close()

    def _start(self, namespace: str, program: str, word: str, *arguments) -> subprocess.Popen:
        process = self.lab.popen(namespace, self.programs / f"leaks-{program}", *arguments,
                                 stdout=subprocess.PIPE, text=True)
        self.running[f"leaks-{program}"] = process
        if process.stdout.readline().strip() != word:
            raise LabError(f"leaks-{program} did not start")
        return process

    def flood(self, pace: int) -> subprocess.Popen:
        """Starts the confined user's program, and waits until each of its ways has been seen on the
        LAN: who cannot be seen leaking is no witness."""
        process = self._start("host", "flood", "sending", self.sent.path, self.run, self.attack,
                              CONFINED, pace, "eth0")
        self._start("world", "peer", "asking", self.asked.path, self.sent.path, self.run, self.attack)
        always = [(i, way.name) for i, way in enumerate(self.names)
                  if way.group not in (NONE, ADDRESS, VXLAN)]

        def unseen() -> list[str]:
            seen = self.seen.read().way
            return [name for i, name in always if seen[i][0] == 0]

        try:
            wait_until("each way to be seen on the LAN while no uid is confined", lambda: not unseen())
        except LabError as error:
            raise LabError(f"{error}: {', '.join(unseen())}") from error
        return process

    def check_running(self) -> None:
        """A program that has ended by itself sees nothing, sends nothing or repairs nothing."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise LabError(f"{name} has ended: {process.returncode}")

    def settle(self) -> None:
        """Until what was sent before now has been counted: a packet of somebody else, sent a little
        later, has been, and so has all before it."""
        self.wait(50)  # the other processor may have packets of its own that are on their way
        before = self.seen.read().way[CONTROL][0]
        self.lab.run("host", "/usr/bin/python3", "-c", CONTROL_PACKET, self.run, CONTROL,
                     CONTROL_PORT)
        wait_until("the control packet on the LAN",
                   lambda: self.seen.read().way[CONTROL][0] > before)

    def ways(self) -> list[tuple[int, int, int, int]]:
        """For each way: tried, refused, seen on the LAN, seen in the tunnel."""
        sent, asked, seen = self.sent.read(), self.asked.read(), self.seen.read()
        return [(sent.way[i][0] + asked.way[i][0], sent.way[i][1], *seen.way[i]) for i in range(CONTROL)]

    def wait(self, milliseconds: float) -> None:
        time.sleep(milliseconds / 1000)


CONTROL_PACKET = """
import socket, struct, sys
run, way, port = map(int, sys.argv[1:])
packet = struct.pack("=IIIIQ", 0x4c45414b, run, 0, way, 0)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(packet, ("203.0.113.1", port))
"""
