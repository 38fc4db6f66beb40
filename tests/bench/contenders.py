# SPDX-License-Identifier: GPL-2.0-or-later
"""Who runs: a script, ip -batch, the bare floor, and custom-gateway."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from process import BenchError, run, write
from scene import LOOSE, RP_FILTER, STRICT, TABLE, TUNNEL

SOURCE = Path(__file__).resolve().parents[2]


@dataclass
class Contender:
    name: str
    up: list[str]
    down: list[str]
    routes: list[set[str]]  # what it adds beside the rules, per family
    rp_filter: tuple[str, str]  # what it leaves behind when it went up, and down
    link_goes_down: bool = False  # before its down, which then follows from that
    again: list[str] | None = None  # looks, and finds nothing to do
    event: list[str] | None = None
    ways_back: int = 0  # rules beside those for users: for answers from the tunnel's address
    guard: bool = False
    remove: list[str] | None = None  # after a down that leaves the users confined


SCRIPT = """\
#!/bin/sh
# One ip for each rule and family.
set -eu
both() {{
  ip "$@"
  ip -6 "$@"
}}
action=del
if [ "$1" = start ]; then
  action=add
  echo {loose} >{rp_filter}
  ip route add default dev {tunnel} table {table}
  ip -6 route add prohibit default table {table}
fi
for uid in {uids}; do
  both rule "$action" uidrange "$uid-$uid" table {table}
done
if [ "$1" = stop ]; then
  both route flush table {table}
fi
"""

BATCH_SCRIPT = """\
#!/bin/sh
# One ip for each family.
set -eu
if [ "$1" = start ]; then
  echo {loose} >{rp_filter}
fi
ip -batch {place}/"$1"-4
ip -6 -batch {place}/"$1"-6
"""


def make_script(place: Path, uids: list[int]) -> Contender:
    path = write(place / "script", SCRIPT.format(
        loose=LOOSE, rp_filter=RP_FILTER, tunnel=TUNNEL, table=TABLE,
        uids=" ".join(map(str, uids))), 0o755)
    return Contender("script", [str(path), "start"], [str(path), "stop"],
                     [{f"dev {TUNNEL}"}, {"prohibit"}], (LOOSE, LOOSE))


def make_ip_batch(place: Path, uids: list[int]) -> Contender:
    for family, route in ("4", f"default dev {TUNNEL}"), ("6", "prohibit default"):
        add, delete = ["".join(f"rule {action} uidrange {uid}-{uid} table {TABLE}\n"
                               for uid in uids) for action in ("add", "del")]
        write(place / f"start-{family}", f"route add {route} table {TABLE}\n{add}")
        write(place / f"stop-{family}", f"{delete}route flush table {TABLE}\n")
    path = write(place / "batch", BATCH_SCRIPT.format(
        loose=LOOSE, rp_filter=RP_FILTER, place=shlex.quote(str(place))), 0o755)
    return Contender("ip -batch", [str(path), "start"], [str(path), "stop"],
                     [{f"dev {TUNNEL}"}, {"prohibit"}], (LOOSE, LOOSE))


def make_floor(place: Path, uids: list[int], build: Path) -> Contender:
    program = str(build / "tests/bench/bench-floor")
    # asked of ip, because /sys shows the namespace that it was mounted in
    ifindex = json.loads(run("ip", "-j", "link", "show", TUNNEL))[0]["ifindex"]
    words = " ".join(map(str, uids)).encode()
    send = {}
    for what in "up", "down", "look":
        messages = run(program, "make", what, TABLE, str(ifindex), stdin=words)
        path = write(place / f"messages-{what}", messages)
        send[what] = [program, "send", str(path)]
    return Contender("floor", send["up"], send["down"],
                     [{f"dev {TUNNEL}", "prohibit"}, {"prohibit"}], (STRICT, STRICT),
                     link_goes_down=True, again=send["look"])


def make_ours(place: Path, uids: list[int], build: Path, guard: bool, stays: bool) -> Contender:
    """stays: users are confined all the time, and what comes and goes is the tunnel."""
    config = place / (("guarded" if guard else "plain") + (" and stays" if stays else ""))
    config.mkdir(mode=0o755)
    write(config / f"{TUNNEL}.conf", f"""\
[Gateway]
Users={" ".join(map(str, uids))}
OnDown={"block" if stays else "release"}
Guard={"required" if guard else "no"}
Table={TABLE}
""")
    command = [str(build / "plugin/custom-gateway"), "--config-dir", str(config),
               "--runtime-dir", str(config / "run"), "--state-dir", str(config / "state")]
    # the hook as it is installed, but for the place of the binary
    text = (SOURCE / "dispatcher/networkmanager/50-custom-gateway.in").read_text()
    hook = text.replace("'@SBINDIR@/custom-gateway'", shlex.join(command))
    if hook == text:
        raise BenchError("the hook does not run '@SBINDIR@/custom-gateway' any more")
    path = write(config / "hook", hook, 0o755)
    return Contender("custom-gateway, guard" if guard else "custom-gateway",
                     [*command, "reapply"], [*command, "reapply"],
                     [{f"dev {TUNNEL}", "prohibit"}, {"prohibit"}], (LOOSE, STRICT),
                     link_goes_down=True, again=[*command, "reapply"],
                     event=[str(path), "eth7", "up"], ways_back=1, guard=guard,
                     remove=[*command, "remove"] if stays else None)
