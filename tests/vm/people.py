# SPDX-License-Identifier: GPL-2.0-or-later
"""The users of the guest, who ask the server on the internet. Each question is asked by a child of
pytest's own process that changes its user: starting a Python for it takes seconds without KVM."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

CONFINED, OTHER = "alice", "bob"
PORTS = {CONFINED: 7000, OTHER: 7001}  # so that a leak can be told from what may use the LAN
SERVER = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
WAYS = {"192.0.2.2": "lan", "2001:db8:1::2": "lan",
        "10.64.0.2": "wg0", "fd00:64:a0::2": "wg0", "10.65.0.2": "vpn", "fd00:65:a0::1000": "vpn"}
BLOCKED = "EACCES"

# Counts what leaves by the LAN's device, behind all that may still drop it.
WATCH = f"""table netdev watch {{
  chain out {{
    type filter hook egress device eth0 priority 0
    udp dport {PORTS[CONFINED]} counter
    udp dport {PORTS[OTHER]} counter
    ip protocol icmp counter
  }}
}}"""


def start_watching() -> None:
    for user in PORTS:
        subprocess.run(["useradd", "--no-create-home", user], check=True)
    subprocess.run(["nft", "-f", "-"], input=WATCH, text=True, check=True)


def left_by_lan() -> dict[str, int]:
    """How many packets of each user have, so far, and how many of ICMP."""
    listing = json.loads(subprocess.check_output(["nft", "-j", "list", "table", "netdev", "watch"]))
    rules = [item["rule"]["expr"] for item in listing["nftables"] if "rule" in item]
    return {what: rule[-1]["counter"]["packets"] for what, rule in zip([*PORTS, "icmp"], rules)}


def uid(user: str) -> int:
    return pwd.getpwnam(user).pw_uid


class Child:
    """A function that runs as that user; what it returns comes back as JSON."""

    def __init__(self, user: str, function: Callable):
        number = uid(user)
        self._result, into = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setgroups([])
                os.setresgid(number, number, number)
                os.setresuid(number, number, number)
                os.write(into, json.dumps(function()).encode())
            finally:
                os._exit(0)  # pytest's own end is for the parent
        os.close(into)

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGTERM)

    def result(self):
        with open(self._result, encoding="ascii") as pipe:
            said = pipe.read()
        os.waitpid(self._pid, 0)
        return json.loads(said)


def _socket(family: int) -> socket.socket:
    return socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)


def ask(user: str, family: int = 4) -> str:
    """Asks the server as that user. The way by which the question came, "EACCES" or the like if the
    kernel refused it, or "silence"."""
    def question() -> str:
        with _socket(family) as sock:
            sock.settimeout(1)
            for _ in range(7):
                try:
                    sock.connect((SERVER[family], PORTS[user]))
                    sock.send(b"1 question")
                    return sock.recv(100).split()[1].decode()
                except TimeoutError:
                    continue  # a handshake of WireGuard's that got lost is repeated after 5 seconds
                except OSError as error:
                    return errno.errorcode[error.errno]
            return "silence"

    said = Child(user, question).result()
    return WAYS.get(said, said)


def send_from(port: int, server: str, to: int, user: str = CONFINED, address: str = "0.0.0.0",
              device: str = "eth0") -> str:
    """That user takes the port, in every way that a program has, and sends by that device. "sent", or
    "EADDRINUSE" or the like."""
    def send() -> str:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                           socket.SOCK_DGRAM) as sock:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
                sock.bind((address, port))
                sock.sendto(b"1 escaped", (server, to))
                return "sent"
            except OSError as error:
                return errno.errorcode[error.errno]

    return Child(user, send).result()


def send_to(server: str, port: int, text: bytes) -> str:
    """One datagram, by whatever way the kernel chooses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(text, (server, port))
            return "sent"
        except OSError as error:
            return errno.errorcode[error.errno]


def answers() -> dict[int, tuple[str, str]]:
    """By which way alice and bob reach the internet, by family."""
    return {family: (ask(CONFINED, family), ask(OTHER, family)) for family in (4, 6)}


def _send_until_stopped() -> dict[str, int]:
    going = True

    def stop(*_) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    os.nice(5)
    counts = {"sent": 0, "refused": 0}
    sockets = [(_socket(family), (SERVER[family], PORTS[CONFINED])) for family in (4, 6) for _ in "ab"]
    keeping = sockets[::2]  # connected as soon as there is a way: those keep a route of their own
    while going:
        for sock, server in sockets:
            try:
                if (sock, server) in keeping:
                    sock.connect(server)
                    keeping.remove((sock, server))
                sock.sendto(b"0 still here", server)
                counts["sent"] += 1
            except OSError:
                counts["refused"] += 1
        time.sleep(0.004)
    return counts


@contextlib.contextmanager
def alice_sends() -> Iterator[None]:
    """During the block alice sends without a pause, and nothing of it may leave by the LAN."""
    before = left_by_lan()
    sender = Child(CONFINED, _send_until_stopped)
    try:
        yield
    finally:
        sender.stop()
        counts = sender.result()
    print("alice's datagrams:", counts)
    assert sum(counts.values()) > 0
    assert ask(OTHER) == "lan"
    after = left_by_lan()
    assert after[OTHER] > before[OTHER], "a watch that sees nobody proves nothing"
    assert after[CONFINED] == before[CONFINED]
