# SPDX-License-Identifier: GPL-2.0-or-later
"""Services under test: units, their gateways, and a tunnel that is set up by hand. What a service
sends goes to the port of alice, so that the watch on the LAN takes it for hers."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
from collections.abc import Iterator

import guest
import people
from guest import sh, wait_until

UNITS = pathlib.Path("/etc/systemd/system")
TARGET = f"/dev/udp/{people.SERVER[4]}/{people.PORTS[people.CONFINED]}"
# sends from its first instruction on, and again and again
STEP = f"(echo 0 x >{TARGET}) 2>/dev/null; sleep 0.1"
SEND = f"while :; do {STEP}; done"
SENDER = f"ExecStart=/bin/bash -c '{SEND}'"

# Counts what leaves by the tunnel, as people.WATCH does it for the LAN.
# "tunnel" alone is a word of newer nft(8)s: of 1.1.7, not of 1.1.3.
WATCH = f"""table inet tunnelled
delete table inet tunnelled
table inet tunnelled {{
  chain out {{
    type filter hook postrouting priority 300
    oifname wg0 udp dport {people.PORTS[people.CONFINED]} counter
  }}
}}"""


def watch_the_tunnel() -> None:
    subprocess.run(["nft", "-f", "-"], input=WATCH, text=True, check=True)


def left_by_tunnel() -> int:
    listing = json.loads(subprocess.check_output(["nft", "-j", "list", "table", "inet", "tunnelled"]))
    return next(item["rule"]["expr"][-1]["counter"]["packets"] for item in listing["nftables"]
                if "rule" in item)


@contextlib.contextmanager
def nothing_on_the_lan() -> Iterator[None]:
    """During the block no packet for alice's port leaves by the LAN."""
    before = people.left_by_lan()
    yield
    assert people.ask(people.OTHER) == "lan"
    after = people.left_by_lan()
    assert after[people.OTHER] > before[people.OTHER], "a watch that sees nobody proves nothing"
    assert after[people.CONFINED] == before[people.CONFINED]


def unit(name: str, *lines: str, user: str = f"User={people.CONFINED}", more: str = "") -> None:
    """Writes a unit of a service that is enabled as soon as somebody says so."""
    guest.write(f"{UNITS}/{name}", "\n".join(
        ["[Unit]", "StartLimitIntervalSec=0", "[Service]", user, *lines,
         "[Install]", "WantedBy=multi-user.target", more]) + "\n")


def gateway(name: str, *lines: str, reload: bool = True) -> None:
    """A gateway of services; systemd and the kernel learn of it."""
    guest.write(f"/etc/custom-gateway/{name}.conf", "\n".join(["[Gateway]", *lines]) + "\n")
    if reload:
        sh("systemctl daemon-reload", "custom-gateway reapply || true")


def state(name: str) -> str:
    return sh(f"systemctl show --value -p ActiveState {name}").strip()


def wait_for(name: str, wanted: str) -> None:
    wait_until(f"{name} to be {wanted}", lambda: state(name) == wanted)


def settled() -> None:
    """Nothing of ours runs, and no job of a unit of ours waits."""
    wait_until("systemd's jobs", lambda: "custom-gateway" not in sh("systemctl list-jobs --no-legend"), 60)


def tunnel_up(keys: guest.Keys) -> None:
    """As by hand, up to the reapply that tells us."""
    guest.write("/run/key", keys.guest, 0o600)
    sh("ip link add wg0 type wireguard",
       f"wg set wg0 private-key /run/key peer {keys.server_public} endpoint 192.0.2.1:51820"
       " allowed-ips 0.0.0.0/0,::/0",
       "ip addr add 10.64.0.2/24 dev wg0", "ip addr add fd00:64:a0::2/64 dev wg0",
       "ip link set wg0 up", "custom-gateway reapply")


def tunnel_again() -> None:
    sh("ip link set wg0 up", "ip addr replace 10.64.0.2/24 dev wg0",
       "ip addr replace fd00:64:a0::2/64 dev wg0", "custom-gateway reapply")


def tunnel_down() -> None:
    sh("ip link set wg0 down", "custom-gateway reapply")


def confined_uids(family: int = 4) -> set[int]:
    return {uid for rule in guest.rules(family)
            for uid in range(int(rule["uid_start"]), int(rule["uid_end"]) + 1)}


def complaint(command: str) -> tuple[int, str]:
    """The exit status of a command, and what it says on stderr."""
    done = subprocess.run(["sh", "-c", command], text=True, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stderr
