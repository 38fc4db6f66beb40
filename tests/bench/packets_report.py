# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of what packets cost, and of how quickly the monitor repairs."""

from __future__ import annotations

from packets import (AGAIN, BY_UID, CONFINED, FLOOR, FLOOR_RULE, GUARD, KINDS, NONE, QUICK, RULES,
                     UNRELATED, Kind, Packets)
from repair import Repair
from runs_report import cell, line

AIMS_PERCENT = {"udp4c": 7, "udp4r": 6}  # of a packet that no rule is looked at for
AIM_MS = 5


def base(packets: Packets, kind: Kind, user: str) -> str:
    """What it takes without a gateway."""
    took = packets.per_packet(kind, packets.sizes[0], user, NONE)
    if kind.name == "tcp4":
        return f"{8192 / took:.0f} Gbit/s"  # bits of a KiB
    return f"{took:.0f} ns a KiB" if kind.name == "tcp4p" else f"{took:.0f} ns"


def percent(quartiles: list[float] | None) -> str:
    if not quartiles:
        return "-"
    low, middle, high = quartiles
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def table(packets: Packets) -> list[str]:
    sizes = packets.sizes
    lines = [line("time for a packet, against that without a gateway",
                  *(f"{size} user{'s' if size > 1 else ''}" for size in sizes)),
             line("---", *("---:" for _ in sizes))]
    for user in (UNRELATED, CONFINED):
        for kind in KINDS:
            # floor and noise are the same for both
            for place in ((FLOOR_RULE, FLOOR, RULES, GUARD, BY_UID, AGAIN) if user == UNRELATED
                          else (RULES, GUARD, BY_UID)):
                lines.append(line(
                    f"{user}, {kind.title} ({base(packets, kind, user)}): {place}",
                    *(percent(packets.ratio(kind, size, user, place)) for size in sizes)))
    return lines


def aims(packets: Packets, repair: Repair) -> list[str]:
    lines = [line("aim", "measured", "met"), line("---", "---:", "---")]
    for kind in KINDS:
        for size in packets.sizes if kind.name in AIMS_PERCENT else ():
            aim, middle = AIMS_PERCENT[kind.name], packets.middle(kind, size, UNRELATED, GUARD)
            lines.append(line(f"{kind.title}, {size} user{'s' if size > 1 else ''}: "
                              f"an unrelated user pays at most {aim} %",
                              f"{middle:+.1f} %", "yes" if middle <= aim else "**no**"))
    for what, took in repair.took.items():
        middle = sorted(took)[len(took) // 2]
        lines.append(line(f"monitor: {what} is back in under {AIM_MS} ms, median (min–max)",
                          f"{cell(took)} ms", "yes" if middle < AIM_MS else "**no**"))
    if repair.floor:
        lines.append(line("the kernel: an empty table, made by one message 3 ms behind "
                          "`nft flush ruleset`", f"{cell(repair.floor)} ms", "-"))
    return lines


def notes(packets: Packets, repair: Repair) -> list[str]:
    udp, tcp = (kind.rounds // (QUICK if packets.quick else 1) for kind in (KINDS[0], KINDS[-1]))
    lines = [
        f"- Bursts by turns in one run. UDP: {udp} rounds of {KINDS[0].burst} datagrams of 64 bytes, "
        "each of which looks for its route unless the socket is connected; processor time of the "
        f"sender, which carries a packet to the far end. *Received*: the far end sends, and the user's "
        f"socket gets it; the time of both. TCP: {tcp} rounds of {KINDS[-1].burst} KiB "
        "until acknowledged; time that passed, and time for which both ends, on one processor, used "
        "it. Each burst is compared with that of the same round without a gateway: median and "
        "quartiles. *No gateway, once more* is a second pair of namespaces without one: noise.",
        "- veth on both ways, and a namespace behind it that throws away. No two uids are adjacent: "
        "a rule each. The confined user is the one whose rule is the last.",
        "- The guard's BPF programs are attached to a cgroup in which the lane's sockets are. *By uid in "
        "nftables* is what the program makes without the privilege to load them.",
    ]
    if not repair.exists:
        lines.append("- This build has no monitor whose repairs could be measured.")
    return lines
