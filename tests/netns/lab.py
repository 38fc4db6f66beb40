# SPDX-License-Identifier: GPL-2.0-or-later
"""A laboratory of two network namespaces: the machine under test, and the world outside.

    host                                 world
    eth0  192.0.2.2   ---- LAN ----      eth0  192.0.2.1
    wg0   10.64.0.2   -- WireGuard --    srv0  10.64.0.1
    wg1   10.64.1.2   -- WireGuard --    srv1  10.64.1.1
                                         lo    203.0.113.1, 2001:db8:ffff::1   "the internet"

A server on the internet tells whoever asks which source address it saw: by the LAN or by which
tunnel the question came. Confined users ask at CONFINED_PORT, others at OTHER_PORT, so that a
capture on the LAN knows a leak when it sees one.

A process of its own keeps each namespace. "host" has a mount namespace with a /sys, a bpffs, a /run and
a configuration directory of its own, and a cgroup namespace: all its processes are in one new cgroup,
which they see as the root of the hierarchy.

Everything that a Lab starts or makes goes away with it, also when a test fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = sys.executable

CONFINED = 61500  # uids that no account of a Debian has
OTHER = 61501
CONFINED_PORT = 7000
OTHER_PORT = 7001
SERVER = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
LAN = {4: "192.0.2.2", 6: "2001:db8:1::2"}

# Keeps a namespace until its input ends. Without the old /sys first, or the cgroups of the machine
# around it would still stand in /proc/self/mountinfo. $1: the cgroup as that machine sees it, or nothing.
HOLD = """
[ -z "$1" ] || echo 0 >"$1/cgroup.procs"
exec nsenter --net="/run/netns/$2" unshare --mount --propagation slave ${1:+--cgroup} sh -ec '
  umount --lazy /sys
  mount -t sysfs sysfs /sys
  [ -z "$1" ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
  ! grep -qw bpf /proc/filesystems || mount -t bpf bpf /sys/fs/bpf
  mount --bind "$3" /run
  mount --bind "$4" "$5"
  mount --bind "$6" "$7"
  echo ready
  exec cat' sh "$@"
"""
# Into the cgroup first: inside its namespace the file has another name.
JOIN = 'cgroup=$1; shift; echo 0 >"$cgroup/cgroup.procs" && exec nsenter "$@"'


class LabError(Exception):
    pass


def wait_until(what: str, condition, seconds: float = 30.0):
    """Polls until condition() is true; a test that has to wait says what for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"gave up waiting for {what}")
        time.sleep(0.01)


def make_cgroup(name: str) -> pathlib.Path | None:
    """A new cgroup in this machine's cgroup2 hierarchy; None if there is none that we may write to."""
    for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            made = pathlib.Path(place) / name
            with contextlib.suppress(OSError):
                made.mkdir()
                return made
    return None


def remove_cgroup(made: pathlib.Path) -> None:
    """With all processes in it, and with it every BPF program that is attached there."""
    def is_gone() -> bool:
        for place, _, _ in os.walk(made, topdown=False):
            with contextlib.suppress(OSError):  # EBUSY: the last process is about to end
                os.rmdir(place)
        return not made.exists()

    kill = made / "cgroup.kill"
    if kill.exists():  # Linux 5.14
        kill.write_text("1", encoding="ascii")
    wait_until(f"{made} to go", is_gone)


class Tunnel:
    """A real WireGuard tunnel from host to world, by the kernel if it can, else by wireguard-go."""

    def __init__(self, lab: Lab, number: int):
        self.lab = lab
        self.number = number
        self.name = f"wg{number}"
        self.server = f"srv{number}"
        self.address = {4: f"10.64.{number}.2", 6: f"fd00:64:a{number}::2"}
        self._keys = {}
        for end in ("host", "world"):
            private = subprocess.check_output(["wg", "genkey"], text=True).strip()
            public = subprocess.check_output(["wg", "pubkey"], input=private, text=True).strip()
            self._keys[end] = (private, public)
        self._create("world", self.server)
        self._configure("world", self.server, "host", [f"{a}" for a in self.address.values()],
                        listen=51820 + number)
        lab.sh("world", f"ip addr add 10.64.{number}.1/24 dev {self.server}",
               f"ip addr add fd00:64:a{number}::1/64 dev {self.server} nodad",
               f"ip link set {self.server} up")

    def _create(self, namespace: str, name: str) -> None:
        if self.lab.kernel_wireguard:
            self.lab.sh(namespace, f"ip link add {name} type wireguard")
        else:
            # it goes into the background and would keep our pipes open
            self.lab.sh(namespace, f"exec wireguard-go {name} >/dev/null 2>&1")

    def _configure(self, namespace, name, peer, allowed, listen=None, endpoint=None) -> None:
        arguments = ["wg", "set", name, "private-key", "/dev/stdin"]
        if listen:
            arguments += ["listen-port", str(listen)]
        arguments += ["peer", self._keys[peer][1], "allowed-ips", ",".join(allowed)]
        if endpoint:
            arguments += ["endpoint", endpoint]
        self.lab.run(namespace, *arguments, stdin=self._keys[namespace][0])

    def create(self) -> None:
        """The interface, with its keys but without an address, and down."""
        self._create("host", self.name)
        self._configure("host", self.name, "world", ["0.0.0.0/0", "::/0"],
                        endpoint=f"192.0.2.1:{51820 + self.number}")
        # as the kernel's WireGuard does it; wireguard-go's interface would make one up
        self.lab.sh("host", f"ip link set {self.name} addrgenmode none")

    def up(self, *families: int) -> None:
        """What NetworkManager or wg-quick does before it says that the tunnel is up."""
        self.create()
        lines = [f"ip link set {self.name} up"]
        for family in families or (4, 6):
            bits, nodad = (24, "") if family == 4 else (64, "nodad")
            lines.append(f"ip addr add {self.address[family]}/{bits} dev {self.name} {nodad}")
        self.lab.sh("host", *lines)

    def delete(self) -> None:
        self.lab.sh("host", f"ip link del {self.name}")
        # wireguard-go notices by itself, but not at once, and its socket is in the way until then
        self.lab.wait_for_wireguard_go(self.name)


class Capture:
    """Packets on the machine's LAN interface while the capture runs, by port."""

    def __init__(self, lab: Lab, path: pathlib.Path):
        self._lab = lab
        self._path = path
        self._process = lab.popen(
            # immediate: else it waits for a second for more before it writes the last packets down
            "host", "tcpdump", "-i", "eth0", "-n", "-U", "-s", "128", "-B", "32768", "--immediate-mode",
            "-w", str(path), f"port {CONFINED_PORT} or port {OTHER_PORT}",
            stderr=subprocess.PIPE, text=True)
        line = self._process.stderr.readline()
        if "listening on" not in line:
            raise LabError(f"tcpdump: {line}")

    def stop(self) -> None:
        # A packet of somebody who is not confined must be seen, or seeing nothing means nothing.
        assert self._lab.ask(OTHER, port=OTHER_PORT) == "lan"
        wait_until("the control packet in the capture", lambda: self.packets(OTHER_PORT) > 0)
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=10)
        assert "0 packets dropped by kernel" in said, said

    def packets(self, port: int) -> int:
        out = self._lab.run("world", "tcpdump", "-n", "-r", str(self._path), f"port {port}")
        return len(out.stdout.splitlines())

    @property
    def leaks(self) -> int:
        return self.packets(CONFINED_PORT)


class Sender:
    """A user's program that sends a numbered datagram each millisecond or so, in both families."""

    def __init__(self, lab: Lab, uid: int, port: int):
        self.counts: dict[str, int] = {}  # "sent", "EACCES", "answered to 10.64.0.2"
        self._process = lab.popen("host", PYTHON, str(HERE / "sender.py"), str(uid), str(port),
                                  stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "sending\n":
            raise LabError("the sender did not start")

    def stop(self) -> None:
        self._process.terminate()
        out, _ = self._process.communicate(timeout=10)
        self.counts = json.loads(out)

    @property
    def answered(self) -> set[str]:
        """The source addresses that the server saw."""
        return {key.removeprefix("answered to ") for key in self.counts if " to " in key}


class Lab:
    def __init__(self, stage: pathlib.Path):
        """stage: where "meson install" has put the project."""
        self.stage = stage
        self.binary = stage / "sbin" / "custom-gateway"
        self.nm_hooks = stage / "lib" / "NetworkManager" / "dispatcher.d"
        self.networkd_hooks = stage / "lib" / "networkd-dispatcher"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="custom-gateway-lab."))
        self.config_dir = self.directory / "etc"
        self.run_dir = self.directory / "run"
        self.state_dir = self.directory / "var"
        self.names = {end: f"{self.directory.name[-8:]}-{end}" for end in ("host", "world")}
        self._processes: list[subprocess.Popen] = []
        self._holders: dict[str, subprocess.Popen] = {}
        self._captures = 0
        self.cgroup = make_cgroup(self.directory.name)  # as the machine around us sees it
        self.kernel_wireguard = False
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        self.directory.chmod(0o755)
        for path in (self.config_dir, self.run_dir, self.directory / "run-world"):
            path.mkdir(mode=0o755)
        self.state_dir.mkdir(mode=0o700)
        for name in self.names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
        self._hold("host", self.run_dir, self.cgroup)
        self._hold("world", self.directory / "run-world", None)
        host, world = self.names["host"], self.names["world"]
        subprocess.run(["ip", "link", "add", "eth0", "netns", host, "type", "veth",
                        "peer", "name", "eth0", "netns", world], check=True)
        for end in ("host", "world"):
            self.sh(end, "sysctl -qw net.ipv6.conf.default.accept_dad=0",
                    "sysctl -qw net.ipv6.conf.eth0.accept_dad=0", "ip link set lo up",
                    "ip link set eth0 up")
        self.sh("host", "ip addr add 192.0.2.2/24 dev eth0",
                "ip addr add 2001:db8:1::2/64 dev eth0 nodad",
                "ip route add default via 192.0.2.1", "ip -6 route add default via 2001:db8:1::1")
        self.sh("world", "ip addr add 192.0.2.1/24 dev eth0",
                "ip addr add 2001:db8:1::1/64 dev eth0 nodad",
                "ip addr add 203.0.113.1/32 dev lo", "ip addr add 2001:db8:ffff::1/128 dev lo nodad")
        probe = self.run("world", "ip", "link", "add", "probe", "type", "wireguard", check=False)
        self.kernel_wireguard = probe.returncode == 0
        if self.kernel_wireguard:
            self.sh("world", "ip link del probe")
        server = self.popen("world", PYTHON, str(HERE / "server.py"), str(CONFINED_PORT),
                            str(OTHER_PORT), stdout=subprocess.PIPE, text=True)
        if server.stdout.readline() != "listening\n":
            raise LabError("the server did not start")

    def _hold(self, namespace: str, run: pathlib.Path, cgroup: pathlib.Path | None) -> None:
        # pylint: disable-next=consider-using-with
        holder = subprocess.Popen(
            ["sh", "-ec", HOLD, "sh", cgroup or "", self.names[namespace], run, self.config_dir,
             self.stage / "etc" / "custom-gateway", self.state_dir,
             self.stage / "var" / "lib" / "custom-gateway"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes.append(holder)
        self._holders[namespace] = holder
        if holder.stdout.readline() != "ready\n":
            raise LabError(f"the namespaces of {namespace} could not be made")

    @property
    def has_cgroup(self) -> bool:
        """Whether the machine under test has a cgroup2 hierarchy."""
        return self.cgroup is not None

    def close(self) -> None:
        # all of it, also if somebody types Ctrl-C meanwhile
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._take_down()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _take_down(self) -> None:
        for name in self.names.values():
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True,
                                  check=False).stdout.split()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for process in self._processes:
            process.kill()
            process.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.cgroup:
            remove_cgroup(self.cgroup)

    # Running things

    def _command(self, namespace: str, arguments) -> list[str]:
        enter = ["-t", str(self._holders[namespace].pid), "-n", "-m"]
        if namespace == "host" and self.cgroup:
            start = ["sh", "-c", JOIN, "sh", str(self.cgroup), *enter, "-C"]
        else:
            start = ["nsenter", *enter]
        return [*start, "--", *map(str, arguments)]

    def run(self, namespace: str, *arguments, check: bool = True, stdin: str | None = None,
            env: dict | None = None) -> subprocess.CompletedProcess:
        done = subprocess.run(self._command(namespace, arguments), input=stdin, text=True,
                              capture_output=True, timeout=60, check=False,
                              env={**os.environ, "LC_ALL": "C", **(env or {})})
        if check and done.returncode != 0:
            raise LabError(f"{arguments} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def sh(self, namespace: str, *lines: str) -> str:
        return self.run(namespace, "sh", "-ec", "\n".join(lines)).stdout

    def popen(self, namespace: str, *arguments, **options) -> subprocess.Popen:
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen(self._command(namespace, arguments), **options)
        self._processes.append(process)
        return process

    def move(self, interface: str, source: str, target: str) -> None:
        # from outside: the machine under test has a /run without the names of namespaces
        subprocess.run(["ip", "-n", self.names[source], "link", "set", interface, "netns",
                        self.names[target]], check=True)

    def wait_for_wireguard_go(self, name: str) -> None:
        if not self.kernel_wireguard:
            socket = self.run_dir / "wireguard" / f"{name}.sock"
            wait_until(f"wireguard-go of {name} to end", lambda: not socket.exists())

    # The program under test

    def config(self, name: str, text: str) -> pathlib.Path:
        """Writes a gateway's file. Without the guard unless it says so: where two defences stand, a
        test of the one would not notice that it fell."""
        path = self.config_dir / f"{name}.conf"
        if "Guard=" not in text:
            text += "\nGuard=no\n"
        path.write_text("[Gateway]\n" + text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def cg(self, *arguments, check: bool = True, env: dict | None = None):
        return self.run("host", self.binary, *arguments, check=check, env=env)

    def nm(self, interface: str, action: str, check: bool = True):
        """Runs the hook as NetworkManager does: pre-up and pre-down have a directory of their own."""
        phase = action.removeprefix("vpn-")
        place = self.nm_hooks / f"{phase}.d" if phase.startswith("pre-") else self.nm_hooks
        return self.run("host", place / "50-custom-gateway", interface, action, check=check,
                        env={"NM_DISPATCHER_ACTION": action})

    def networkd(self, interface: str, state: str, check: bool = True):
        """Runs the hook as networkd-dispatcher does."""
        return self.run("host", self.networkd_hooks / f"{state}.d" / "50-custom-gateway",
                        check=check, env={"IFACE": interface, "STATE": state})

    # Looking

    def ip(self, *arguments, namespace: str = "host") -> list[dict]:
        done = self.run(namespace, "ip", "-j", *arguments, check=False)
        # a table that does not exist is an error to ip, and no routes to us
        if done.returncode != 0 and "FIB table does not exist" not in done.stderr:
            raise LabError(f"ip {arguments}: {done.stderr}")
        return json.loads(done.stdout or "[]") if done.returncode == 0 else []

    def rules(self, family: int = 4) -> list[dict]:
        """Our rules that confine, as the kernel has them."""
        return [rule for rule in self._all_rules(family) if rule["src"] == "all"]

    def ways_back(self, family: int = 4) -> list[dict]:
        """Our rules for answers, which are from the tunnels' addresses and confine no user."""
        return [rule for rule in self._all_rules(family) if rule["src"] != "all"]

    def _all_rules(self, family: int) -> list[dict]:
        return [rule for rule in self.ip(f"-{family}", "-d", "rule")
                if rule.get("protocol") in ("198", "custom-gateway")]

    def take_ways_back(self) -> None:
        """Takes them away, to see what they are for."""
        for family in (4, 6):
            for rule in self.ways_back(family):
                self.sh("host", f"ip -{family} rule del from {rule['src']} uidrange 0-0")

    def routes(self, family: int = 4) -> list[dict]:
        """Our routes, as the kernel has them."""
        return self.ip(f"-{family}", "-d", "route", "show", "table", "all", "protocol", "198")

    def nothing_is_left(self) -> bool:
        return not any(self._all_rules(f) or self.routes(f) for f in (4, 6))

    def ask(self, uid: int, family: int = 4, kind: str = "udp", port: int | None = None,
            server: str | None = None) -> str:
        """Asks the server as that user. "lan", "wg0", "loopback": the way by which the question came;
        "EACCES" or the like: the kernel refused it; "silence": nobody answered."""
        if port is None:
            port = OTHER_PORT if uid == OTHER else CONFINED_PORT
        out = self.run("host", PYTHON, HERE / "ask.py", uid, server or SERVER[family], port, kind)
        seen = out.stdout.strip()
        if seen in LAN.values():
            return "lan"
        for number in range(4):
            if seen in (f"10.64.{number}.2", f"fd00:64:a{number}::2"):
                return f"wg{number}"
        return seen

    @contextlib.contextmanager
    def capture(self) -> Iterator[Capture]:
        """Watches the LAN during the block; read .leaks behind it."""
        self._captures += 1
        capture = Capture(self, self.directory / f"{self._captures}.pcap")
        yield capture
        capture.stop()

    @contextlib.contextmanager
    def sender(self, uid: int) -> Iterator[Sender]:
        """That user sends during the block; read .counts behind it."""
        sender = Sender(self, uid, OTHER_PORT if uid == OTHER else CONFINED_PORT)
        yield sender
        sender.stop()
