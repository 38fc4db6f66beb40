# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the monitor takes from a loss to its repair, as a listener to the kernel's own events hears
it. Rules and routes are taken away by one message to the kernel, and the clock starts before it is
sent; the guard by nft(8), and the clock starts when the loss is heard."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from process import BenchError, progress, run, write
from scene import FIRST_UID, TABLE, TUNNEL

# linux/rtnetlink.h, linux/fib_rules.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE = 24, 25, 32, 33
RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE = 7, 8
FRA_PRIORITY = 6
RTA_OIF, RTA_TABLE, RT_SCOPE_NOWHERE = 4, 15, 255
NLM_F_REQUEST = 1
NFNLGRP_NFTABLES = 7
NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE = 10 << 8, 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES
NETLINK_NETFILTER = 12
PRIORITY = 500
PATIENCE_S = 2
ROUNDS, QUICK_ROUNDS = 30, 5
SILENT = ", while NetworkManager is asked and silent"
SILENT_S = 5.5  # a first look: what resolve-connections.c gives it, and some more
CALM_S = 0.3  # the monitor answers more slowly who takes away again and again what it repaired


def listener(family: int, group: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    sock.bind((0, 1 << (group - 1)))
    sock.settimeout(PATIENCE_S)
    return sock


def types_of(datagram: bytes) -> Iterator[int]:
    place = 0
    while place + 16 <= len(datagram):
        size, kind = struct.unpack_from("=IH", datagram, place)
        yield kind
        place += max(16, (size + 3) & ~3)


def hear(sock: socket.socket, kind: int) -> None:
    while kind not in types_of(sock.recv(65536)):
        pass


def send(kind: int, body: bytes, attributes: dict[int, int]) -> None:
    for number, value in attributes.items():
        body += struct.pack("=HHI", 8, number, value)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST, 1, 0) + body)


def lose_rule(heard: socket.socket) -> float:
    """Deletes the first IPv4 rule of our priority. When the clock starts: as the other two."""
    start = time.monotonic()
    send(RTM_DELRULE, struct.pack("=8BI", socket.AF_INET, *[0] * 8),
         {FRA_PRIORITY: PRIORITY})
    return start


def lose_route(heard: socket.socket) -> float:
    start = time.monotonic()
    send(RTM_DELROUTE, struct.pack("=8BI", socket.AF_INET, 0, 0, 0, 0, 0, RT_SCOPE_NOWHERE, 0, 0),
         {RTA_OIF: socket.if_nametoindex(TUNNEL), RTA_TABLE: int(TABLE)})
    return start


def lose_guard(heard: socket.socket) -> float:
    with subprocess.Popen(["nft", "flush", "ruleset"]):
        hear(heard, NFT_MSG_DELTABLE)
        return time.monotonic()


# what is lost, and by which event its coming back is heard
LOSSES = {
    "a rule": (lose_rule, socket.NETLINK_ROUTE, RTNLGRP_IPV4_RULE, RTM_NEWRULE),
    "the tunnel's route": (lose_route, socket.NETLINK_ROUTE, RTNLGRP_IPV4_ROUTE, RTM_NEWROUTE),
    "the guard": (lose_guard, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NFT_MSG_NEWTABLE),
}


@contextlib.contextmanager
def silent_bus(path: Path) -> Iterator[dict[str, str]]:
    """An environment in which nobody ever takes a question from the system's bus."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        sock.listen()
        yield {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"}


class Repair:
    def __init__(self, build: Path, place: Path, quick: bool) -> None:
        self.binary = str(build / "plugin/custom-gateway")
        self.place = place / "repair"
        self.place.mkdir(mode=0o755)
        self.rounds = QUICK_ROUNDS if quick else ROUNDS
        self.took: dict[str, list[float]] = {}  # milliseconds
        self.exists = b" monitor " in run(self.binary, "--help")

    @contextlib.contextmanager
    def _monitor(self, more: str = "", env: dict[str, str] | None = None,
                 look_s: float = 0.5) -> Iterator[list[str]]:
        write(self.place / f"{TUNNEL}.conf", f"[Gateway]\nUsers={FIRST_UID}\nTable={TABLE}\n"
              f"Priority={PRIORITY}\nGuard=required\n{more}")
        command = [self.binary, "-q", "--config-dir", str(self.place), "--runtime-dir",
                   str(self.place / "run")]
        run(*command, "reapply")
        with subprocess.Popen([*command, "monitor"], env=env) as process:
            time.sleep(look_s)  # its first look
            try:
                yield command
            finally:
                process.terminate()
                process.wait()
                run(*command, "remove")

    def measure(self) -> None:
        if not self.exists:
            return
        with self._monitor() as command:
            for round_ in range(self.rounds):
                progress(f"repair: round {round_ + 1} of {self.rounds}")
                for what in LOSSES:
                    self.took.setdefault(what, []).append(self._measure(what))
                    time.sleep(CALM_S)
                    if subprocess.run([*command, "status"], capture_output=True,
                                      check=False).returncode != 0:
                        raise BenchError(f"monitor: not all is right again after the loss of {what}")
        self._measure_silent("a rule")

    def _measure_silent(self, what: str) -> None:
        with silent_bus(self.place / "bus") as env, self._monitor("DNS=auto\n", env, SILENT_S):
            for round_ in range(self.rounds):
                progress(f"repair{SILENT}: round {round_ + 1} of {self.rounds}")
                self.took.setdefault(what + SILENT, []).append(self._measure(what))
                time.sleep(CALM_S)

    @staticmethod
    def _measure(what: str) -> float:
        lose, family, group, kind = LOSSES[what]
        with listener(family, group) as sock:
            try:
                start = lose(sock)
                hear(sock, kind)
            except TimeoutError:
                raise BenchError(f"monitor: {what} did not come back") from None
            return 1000 * (time.monotonic() - start)
