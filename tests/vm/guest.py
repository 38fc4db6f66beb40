# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest seen from its tests. Around the machine under test, which is the guest itself, stands the
world outside, in a network namespace:

    guest                                world
    eth0  192.0.2.2   ---- LAN ----      eth0  192.0.2.1
    wg0   10.64.0.2   -- WireGuard --    srv0  10.64.0.1
    tunN  10.65.0.2   --  OpenVPN  --    tun0  10.65.0.1
                                         lo    203.0.113.1, 2001:db8:ffff::1   "the internet"

A server on the internet tells whoever asks which source address it saw. Who gives eth0 and the
tunnels their addresses (NetworkManager, systemd-networkd, wg-quick, ip) is for each test to say."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import people

HERE = pathlib.Path(__file__).resolve().parent

OURS = ("198", "custom-gateway")


def sh(*lines: str, check: bool = True) -> str:
    """Runs shell lines, and gives what they print."""
    done = subprocess.run(["sh", "-ec", "\n".join(lines)], text=True, capture_output=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise AssertionError(f"{lines} exited {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def wait_until(what: str, condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < end, f"gave up waiting for {what}"
        # as long as it took to look: who looks all the time keeps the machine from what he waits for
        time.sleep(max(0.05, time.monotonic() - begun))
        begun = time.monotonic()


def write(path: str, text: str, mode: int = 0o644) -> None:
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode)
    file.chmod(mode)  # before there is a key in it
    file.write_text(text, encoding="utf-8")


# The world outside

class Keys:
    """WireGuard's keys: of the server in the world, and of the guest."""

    def __init__(self):
        self.server, self.server_public = self._pair()
        self.guest, self.guest_public = self._pair()

    @staticmethod
    def _pair() -> tuple[str, str]:
        private = sh("wg genkey").strip()
        return private, sh(f"echo {private} | wg pubkey").strip()


def world(*arguments: str) -> list[str]:
    """A command to run in the world."""
    return ["ip", "netns", "exec", "world", *arguments]


def build_world() -> Keys:
    """The world, for as long as the guest runs."""
    keys = Keys()
    # the journal tells of every handshake, for whoever has to find out why nobody answered
    sh("modprobe wireguard", "mount -t debugfs none /sys/kernel/debug || true",
       "echo module wireguard +p >/sys/kernel/debug/dynamic_debug/control")
    sh("ip netns add world",
       "ip link add lan netns world type veth peer name eth0",
       "sysctl -qw net.ipv6.conf.eth0.accept_dad=0",
       "ip -n world link set lan name eth0")
    inside = ["sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0",
              "ip link set lo up", "ip link set eth0 up",
              "ip addr add 192.0.2.1/24 dev eth0", "ip addr add 2001:db8:1::1/64 dev eth0 nodad",
              "ip addr add 203.0.113.1/32 dev lo", "ip addr add 2001:db8:ffff::1/128 dev lo nodad",
              "ip link add srv0 type wireguard",
              "wg set srv0 private-key /run/server-key listen-port 51820"
              f" peer {keys.guest_public} allowed-ips 10.64.0.2,fd00:64:a0::2",
              "ip addr add 10.64.0.1/24 dev srv0", "ip addr add fd00:64:a0::1/64 dev srv0 nodad",
              "ip link set srv0 up"]
    write("/run/server-key", keys.server, 0o600)
    write("/run/world.sh", "\n".join(inside))
    sh("ip netns exec world sh -e /run/world.sh")
    server = subprocess.Popen(world(sys.executable, str(HERE / "server.py"),
                                    *map(str, people.PORTS.values())), stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "listening\n"
    people.start_watching()
    return keys


# The program under test

def gateway(name: str, *lines: str) -> None:
    write(f"/etc/custom-gateway/{name}.conf",
          "\n".join(["[Gateway]", f"Users={people.CONFINED}", *lines]) + "\n")


def no_gateways(reload: bool = True) -> None:
    """As on the day before custom-gateway was installed."""
    for file in pathlib.Path("/etc/custom-gateway").glob("**/*.conf"):
        file.unlink()
    sh("custom-gateway reapply")
    if reload and pathlib.Path("/run/systemd/generator/sysinit.target.wants/custom-gateway.service").exists():
        sh("systemctl daemon-reload")  # what the generator made of them


# Looking

def ip(*arguments: str) -> list[dict]:
    done = subprocess.run(["ip", "-j", "-d", *arguments], capture_output=True, text=True, check=False)
    # a table that does not exist is an error to ip, and no routes to us
    return json.loads(done.stdout or "[]") if done.returncode == 0 else []


def rules(family: int) -> list[dict]:
    """Our rules that confine."""
    return [rule for rule in all_rules(family) if rule["src"] == "all"]


def all_rules(family: int) -> list[dict]:
    """Also those for answers, which are from the tunnels' addresses and confine no user."""
    return [rule for rule in ip(f"-{family}", "rule") if rule.get("protocol") in OURS]


def routes(family: int) -> list[dict]:
    return ip(f"-{family}", "route", "show", "table", "all", "protocol", "198")


def ways(found: list[dict]) -> list[str]:
    """Of these routes the default ones, in the order in which the kernel tries them: their devices,
    or "prohibit"."""
    # the kernel hangs IPv6 routes that lead nowhere on lo
    return [route["type"] if route.get("type", "unicast") != "unicast" else route["dev"]
            for route in sorted(found, key=lambda route: route.get("metric", 0))
            if route["dst"] == "default"]


def standing() -> dict[int, list[str]]:
    """The ways of a gateway, by family. A rule must lead to them, and nobody but alice."""
    result = {}
    for family in (4, 6):
        found = routes(family)
        leading = [(rule["uid_start"], rule["uid_end"], rule["priority"], rule["table"])
                   for rule in rules(family)]
        uid = people.uid(people.CONFINED)
        assert leading == [(uid, uid, 500, table) for table in {route["table"] for route in found}]
        result[family] = ways(found)
    return result


def programs() -> list[str]:
    """What of the guard is attached to the root; where nothing is, bpftool says nothing at all."""
    shown = sh("bpftool -j cgroup show /sys/fs/cgroup").strip()
    return sorted(entry["name"] for entry in json.loads(shown or "[]") if entry["name"].startswith("cg_"))


def has_table() -> bool:
    """The guard's, in nftables."""
    return "table inet custom-gateway" in sh("nft list tables").splitlines()


def nobody_is_confined() -> bool:
    """Where services were stopped with their tunnel: the guard's table stays for what has no socket."""
    return not programs() and not any(rules(family) or routes(family) for family in (4, 6))


def nothing_is_left() -> bool:
    if programs() or has_table():
        return False
    return not any(all_rules(family) or routes(family) for family in (4, 6))


# What must hold, in the kernel and for those who ask

def must_be_up(interface: str = "wg0", families: tuple[int, ...] = (4, 6), way: str | None = None) -> None:
    """alice's way is the tunnel for these families, for others she has none; bob has his own. way is
    what people call the tunnel, if its interface has another name each time."""
    assert standing() == {family: [interface, "prohibit"] if family in families else ["prohibit"]
                          for family in (4, 6)}
    assert people.answers() == {
        family: ((way or interface) if family in families else people.BLOCKED, "lan") for family in (4, 6)}


def make_wg0(keys: Keys, endpoint: str = "192.0.2.1:51820") -> None:
    """A tunnel by hand, with nobody who looks after it: up, and no gateway knows yet."""
    write("/run/key", keys.guest, 0o600)
    sh("ip link add wg0 type wireguard",
       f"wg set wg0 private-key /run/key listen-port 51900 peer {keys.server_public}"
       f" endpoint {endpoint} allowed-ips 0.0.0.0/0,::/0",
       "ip addr add 10.64.0.2/24 dev wg0", "ip addr add fd00:64:a0::2/64 dev wg0 nodad",
       "ip link set wg0 up")


def must_be_blocked() -> None:
    must_be_up(families=())


def must_be_released(left: Callable[[], bool] = nothing_is_left) -> None:
    assert left()
    assert people.answers() == {family: ("lan", "lan") for family in (4, 6)}


def status(name: str) -> dict:
    """What our own status says of one gateway; its warnings are put beside it."""
    said = json.loads(sh(f"custom-gateway status --json {name} || true"))
    return {**said["gateways"][0], "warnings": said["warnings"]}


def warnings() -> str:
    """Without what there is to say of the guest's own resolv.conf, which names the LAN's router."""
    said = json.loads(sh("custom-gateway status --json || true"))["warnings"]
    return "\n".join(line for line in said if "/etc/resolv.conf" not in line)


def is_up(interface: str = "wg0", families: tuple[int, ...] = (4, 6)) -> bool:
    """For those who set tunnels up without telling us when they are done."""
    return all(interface in ways(routes(family)) for family in families)


class Monitor:
    """What happens to our rules and routes during the block, as the kernel tells it."""

    def __init__(self, path: pathlib.Path):
        self._path = path
        with open(path, "w", encoding="ascii") as file:
            self._process = subprocess.Popen(["ip", "-ts", "monitor", "route", "rule"], stdout=file,
                                             env={**os.environ, "TZ": "UTC"})
        # it is listening when it sees a change of somebody else's
        wait_until("ip monitor", self._sees_a_probe)

    def _sees_a_probe(self) -> bool:
        sh("ip rule add pref 9999 lookup main protocol 99", "ip rule del pref 9999")
        return "9999:" in self._path.read_text(encoding="ascii")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def lines(self) -> list[str]:
        """The lines about what is ours."""
        return [line for line in self._path.read_text(encoding="ascii").splitlines()
                if "proto custom-gateway" in line]

    @property
    def lost(self) -> list[str]:
        """Those that took something of ours away."""
        return [line for line in self.lines if "] Deleted " in line]


def no_process_is_left() -> bool:
    return not sh("pgrep -x custom-gateway", check=False)


@contextlib.contextmanager
def monitor() -> Iterator[Monitor]:
    made = Monitor(pathlib.Path("/run/monitor"))
    try:
        yield made
    finally:
        made.close()
