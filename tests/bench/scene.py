# SPDX-License-Identifier: GPL-2.0-or-later
"""Where whole runs are measured: a machine of namespaces, with an interface that stands in for the
tunnel. What a contender has done there is looked at with ip(8), nft(8) and bpftool(8)."""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import BenchError, run, write

# sched.h; os.unshare() came with Python 3.12
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWNET = 0x00020000, 0x02000000, 0x40000000

TUNNEL = "wg0"
TABLE = "1980"
FIRST_UID = 100000
RP_FILTER = Path(f"/proc/sys/net/ipv4/conf/{TUNNEL}/rp_filter")
STRICT, LOOSE = "1", "2"
CGROUPS = Path("/sys/fs/cgroup")
N_HOOKS = 4  # programs of a guard: egress, ingress, sock_create, setsockopt


def unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise BenchError(f"no namespace: {os.strerror(ctypes.get_errno())}; this needs root")


def enter_namespace() -> None:
    """Moves this process to a new network namespace. It gets no name in /run/netns: so the kernel
    removes it with us, even if we are killed."""
    unshare(CLONE_NEWNET)


def enter_machine(cgroup: Path) -> None:
    """Moves this process to a machine of its own: a network namespace, and file systems in which the
    cgroup is the root of cgroup2, to which a guard is attached, and pins are of no other run."""
    write(cgroup / "cgroup.procs", "0")
    unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWCGROUP)
    run("mount", "--make-rslave", "/")
    run("umount", "--lazy", "/sys")
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "-t", "cgroup2", "cgroup2", str(CGROUPS))
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")


def make_tunnel() -> None:
    """A veth stands in for the tunnel: to rules and routes it makes no difference."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", TUNNEL, "type", "veth", "peer", "name", "far")
    # like WireGuard's interface, which has no IPv6 address until it is given one
    run("ip", "link", "set", TUNNEL, "addrgenmode", "none")
    run("ip", "link", "set", "far", "addrgenmode", "none", "up")
    run("ip", "address", "add", "10.64.0.2/32", "dev", TUNNEL)
    run("ip", "link", "set", TUNNEL, "up")
    # so that it is the interface's own value that counts
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("0", encoding="ascii")
    # The first rule of a namespace costs more than any later one: with it the kernel parts the
    # tables local and main, for good.
    for family in "-4", "-6":
        for action in "add", "del":
            run("ip", family, "rule", action, "uidrange", "1-1", "table", TABLE)


@dataclass
class Seen:
    """What stands in the kernel."""

    uids: list[list[int]] = field(default_factory=list)  # of our table's rules for users, per family
    routes: list[set[str]] = field(default_factory=list)  # of our table, likewise
    rules: int = 0  # of whatever kind
    rp_filter: str = ""
    nft_tables: int = 0
    held: int = 0  # uids that a guard in BPF holds


def count_nft_tables() -> int:
    listed = json.loads(run("nft", "-j", "list", "tables"))["nftables"]
    return sum("table" in entry for entry in listed)


def programs(cgroup: Path) -> dict[str, int]:
    """Those of a guard that are attached to that cgroup, with their ids."""
    shown = run("bpftool", "-j", "cgroup", "show", str(cgroup)).strip()
    return {entry["name"]: entry["id"] for entry in json.loads(shown or b"[]")
            if entry["name"].startswith("cg_")}


def bpf_object(kind: str, action: str, number: int) -> Any:
    return json.loads(run("bpftool", "-j", kind, action, "id", str(number)))


def count_held() -> int:
    """How many uids the guard at the root of our cgroups holds, no two of which are adjacent; -1 if
    there is a part of a guard only."""
    found = programs(CGROUPS)
    if len(found) != N_HOOKS:
        return -1 if found else 0
    maps = bpf_object("prog", "show", found["cg_egress"])["map_ids"]
    [uids] = [number for number in maps if bpf_object("map", "show", number)["name"] == "cg_uids"]
    return len(bpf_object("map", "dump", uids))


def look(guard: bool) -> Seen:
    seen = Seen(rp_filter=RP_FILTER.read_text(encoding="ascii").strip())
    for family in "-4", "-6":
        rules = json.loads(run("ip", family, "-N", "-j", "rule"))
        ours = [rule for rule in rules if rule["table"] == TABLE and rule["src"] == "all"]
        if any(rule["uid_start"] != rule["uid_end"] for rule in ours):
            raise BenchError("there is a rule for several uids, of which no two are adjacent")
        routes = json.loads(run("ip", family, "-j", "route", "show", "table", "all"))
        seen.rules += len(rules)
        seen.uids.append(sorted(rule["uid_start"] for rule in ours))
        # IPv6 names loopback for the types that lead nowhere
        seen.routes.append({route.get("type") or "dev " + route["dev"]
                            for route in routes if route.get("table") == TABLE})
    if guard:
        seen.nft_tables = count_nft_tables()
        seen.held = count_held()
    return seen


def memory_directory() -> str | None:
    """A directory for the runtime directory to lie in: in memory, as /run is wherever the machine
    was booted in earnest. On a disk, the kept rp_filter value alone would cost a millisecond."""
    for path in "/run", "/dev/shm":
        if run("stat", "-f", "-c", "%T", path).strip() == b"tmpfs":
            return path
    return None
