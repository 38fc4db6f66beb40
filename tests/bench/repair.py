# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the monitor takes from a loss to its repair, as a listener to the kernel's own events hears
it. Rules, routes and the guard's table are taken away by one message to the kernel, and the clock starts
before it is sent. The table also by nft(8), and the clock starts when the loss is heard: when nft
ends, the kernel lets nobody change nftables until it has put away what was deleted, so that whoever
does not come before that waits as long. How long that is, is measured too."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
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
NFNL_SUBSYS_NFTABLES, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 10, 16, 17
NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE = 10 << 8, 10 << 8 | 2
NFTA_TABLE_NAME = 1
NETLINK_NETFILTER, NFPROTO_INET = 12, 1
PRIORITY = 500
GUARD = "custom-gateway"
PATIENCE_S = 2
ROUNDS, QUICK_ROUNDS = 30, 5
SILENT = ", while NetworkManager is asked and silent"
SILENT_S = 5.5  # a first look: what resolve-connections.c gives it, and some more
LATER_S = 0.003  # somewhat less than it takes the monitor to have its transaction ready
CALM_S = 0.3  # the monitor answers more slowly who takes away again and again what it repaired


def listener(family: int, group: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    sock.bind((0, 1 << (group - 1)))
    sock.settimeout(PATIENCE_S)
    return sock


def messages_in(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 16 <= len(datagram):
        size, kind = struct.unpack_from("=IH", datagram, place)
        yield kind, datagram[place + 16:place + size]
        place += max(16, (size + 3) & ~3)


def hear(sock: socket.socket, kind: int, name: str) -> None:
    """Until a message of the kind holds the name; "" is in any."""
    while not any(heard == kind and name.encode() in body
                  for heard, body in messages_in(sock.recv(65536))):
        pass


def message(kind: int, body: bytes, number: int) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST, number, 0) + body


def change_tables(sock: socket.socket, kind: int, name: str) -> None:
    """One transaction with one table in it."""
    bracket = struct.pack(">BBH", 0, 0, NFNL_SUBSYS_NFTABLES)
    text = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), NFTA_TABLE_NAME) + text + bytes(-len(text) % 4)
    sock.send(message(NFNL_MSG_BATCH_BEGIN, bracket, 1)
              + message(kind, struct.pack("=BBH", NFPROTO_INET, 0, 0) + attribute, 2)
              + message(NFNL_MSG_BATCH_END, bracket, 3))


def send(kind: int, body: bytes, attributes: dict[int, int]) -> None:
    for number, value in attributes.items():
        body += struct.pack("=HHI", 8, number, value)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(message(kind, body, 1))


def lose_rule(_heard: socket.socket, _stack: contextlib.ExitStack) -> float:
    """Deletes the first IPv4 rule of our priority. When the clock starts: as the other ones."""
    start = time.monotonic()
    send(RTM_DELRULE, struct.pack("=8BI", socket.AF_INET, *[0] * 8),
         {FRA_PRIORITY: PRIORITY})
    return start


def lose_route(_heard: socket.socket, _stack: contextlib.ExitStack) -> float:
    start = time.monotonic()
    send(RTM_DELROUTE, struct.pack("=8BI", socket.AF_INET, 0, 0, 0, 0, 0, RT_SCOPE_NOWHERE, 0, 0),
         {RTA_OIF: socket.if_nametoindex(TUNNEL), RTA_TABLE: int(TABLE)})
    return start


def lose_guard(_heard: socket.socket, stack: contextlib.ExitStack) -> float:
    """The socket stays open until the repair is over."""
    sock = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
    start = time.monotonic()
    change_tables(sock, NFT_MSG_DELTABLE, GUARD)
    return start


def flush(heard: socket.socket, stack: contextlib.ExitStack) -> float:
    stack.enter_context(subprocess.Popen(["nft", "flush", "ruleset"]))
    hear(heard, NFT_MSG_DELTABLE, GUARD)
    return time.monotonic()


def flush_and_make_a_table(heard: socket.socket, stack: contextlib.ExitStack) -> float:
    """What anybody waits for who comes a little later."""
    sock = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
    start = flush(heard, stack)
    time.sleep(LATER_S)
    change_tables(sock, NFT_MSG_NEWTABLE, "floor")
    return start


Lose = Callable[[socket.socket, contextlib.ExitStack], float]

# what is lost, and by which event its coming back is heard
LOSSES = {
    "a rule": (lose_rule, socket.NETLINK_ROUTE, RTNLGRP_IPV4_RULE, RTM_NEWRULE, ""),
    "the tunnel's route": (lose_route, socket.NETLINK_ROUTE, RTNLGRP_IPV4_ROUTE, RTM_NEWROUTE, ""),
    "the guard's table": (lose_guard, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NFT_MSG_NEWTABLE, GUARD),
    "the guard's table, behind `nft flush ruleset`,": (flush, NETLINK_NETFILTER, NFNLGRP_NFTABLES,
                                                       NFT_MSG_NEWTABLE, GUARD),
}
FLOOR = (flush_and_make_a_table, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NFT_MSG_NEWTABLE, "floor")


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
        self.floor: list[float] = []
        self.exists = b" monitor " in run(self.binary, "--help")

    def _configure(self, more: str = "") -> list[str]:
        """How to call the program."""
        write(self.place / f"{TUNNEL}.conf", f"[Gateway]\nUsers={FIRST_UID}\nTable={TABLE}\n"
              f"Priority={PRIORITY}\nGuard=required\n{more}")
        return [self.binary, "-q", "--config-dir", str(self.place), "--runtime-dir",
                str(self.place / "run"), "--state-dir", str(self.place / "state")]

    @contextlib.contextmanager
    def _monitor(self, more: str = "", env: dict[str, str] | None = None,
                 look_s: float = 0.5) -> Iterator[list[str]]:
        command = self._configure(more)
        run(*command, "reapply")
        # it may warn of this machine's own name servers
        with subprocess.Popen([*command, "monitor"], env=env, stderr=subprocess.DEVNULL) as process:
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
                for what, loss in LOSSES.items():
                    self.took.setdefault(what, []).append(self._measure(what, *loss))
                    time.sleep(CALM_S)
                    if subprocess.run([*command, "status"], capture_output=True,
                                      check=False).returncode != 0:
                        raise BenchError(f"monitor: not all is right again after the loss of {what}")
        self._measure_silent("a rule")
        self._measure_floor()

    def _measure_silent(self, what: str) -> None:
        with silent_bus(self.place / "bus") as env, self._monitor("DNS=auto\n", env, SILENT_S):
            for round_ in range(self.rounds):
                progress(f"repair{SILENT}: round {round_ + 1} of {self.rounds}")
                self.took.setdefault(what + SILENT, []).append(
                    self._measure(what, *LOSSES[what]))
                time.sleep(CALM_S)

    def _measure_floor(self) -> None:
        command = self._configure()
        for round_ in range(self.rounds):
            progress(f"floor of the repair: round {round_ + 1} of {self.rounds}")
            run(*command, "reapply")
            time.sleep(CALM_S)
            self.floor.append(self._measure("an empty table", *FLOOR))
        run(*command, "remove")
        run("nft", "delete", "table", "inet", "floor")

    @staticmethod
    def _measure(what: str, lose: Lose, family: int, group: int, kind: int, name: str) -> float:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(listener(family, group))
            try:
                start = lose(sock, stack)
                hear(sock, kind, name)
            except TimeoutError:
                raise BenchError(f"monitor: {what} did not come back") from None
            return 1000 * (time.monotonic() - start)
