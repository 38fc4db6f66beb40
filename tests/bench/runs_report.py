# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of whole runs."""

from __future__ import annotations

import json
import os
import re
import statistics
from pathlib import Path

from runs import SCRIPT_ROUNDS, Bench

CPUINFO = Path("/proc/cpuinfo")

OURS = "custom-gateway"
GUARDED = "custom-gateway, guard"

ROWS = [
    ("up", "script", "up: script"),
    ("up", "ip -batch", "up: `ip -batch`"),
    ("up", OURS, "up: **custom-gateway**"),
    ("up", GUARDED, "up: custom-gateway with guard, which it loads"),
    ("up", "floor", "up: floor"),
    ("down", "script", "down: script"),
    ("down", "ip -batch", "down: `ip -batch`"),
    ("down", OURS, "down: **custom-gateway**"),
    ("down", GUARDED, "down: custom-gateway with guard, which it unloads"),
    ("down", "floor", "down: floor"),
    ("comes", OURS, "the tunnel comes: **custom-gateway**"),
    ("comes", GUARDED, "the tunnel comes: custom-gateway with guard"),
    ("goes", OURS, "the tunnel goes: **custom-gateway**"),
    ("goes", GUARDED, "the tunnel goes: custom-gateway with guard"),
    ("again", OURS, "nothing to do: **custom-gateway**"),
    ("again", GUARDED, "nothing to do: custom-gateway with guard"),
    ("again", "floor", "nothing to do: floor"),
    ("event", OURS, "event of another interface: **hook**"),
    ("empty", "", "an empty program"),
]


def number(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def cell(times: list[float] | None) -> str:
    if not times:
        return "-"
    return f"{number(statistics.median(times))} ({number(min(times))}–{number(max(times))})"


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(bench: Bench, sizes: list[int]) -> list[str]:
    lines = [line("ms, median (min–max)",
                  *(f"{size} user{'s' if size > 1 else ''}" for size in sizes)),
             line("---", *("---:" for _ in sizes))]
    for phase, name, title in ROWS:
        lines.append(line(title, *(cell(bench.times.get((phase, name, size))) for size in sizes)))
    for name, title in (OURS, "**custom-gateway**"), (GUARDED, "custom-gateway with guard"):
        lines.append(line(f"peak memory, MiB: {title}",
                          *(f"{bench.memory[name, size] / 1024:.1f}" for size in sizes)))
    return lines


def aims(bench: Bench) -> list[str]:
    lines = [line("aim", "measured", "met"), line("---", "---:", "---")]

    def add(aim: str, measured: str | None, met: bool) -> None:
        lines.append(line(aim, measured or "-", "-" if measured is None else
                          "yes" if met else "**no**"))

    def faster(phase: str, size: int, times: int) -> None:
        script, ours = (bench.median(phase, name, size) for name in ("script", OURS))
        ratio = script / ours if script and ours else None
        add(f"{phase}, {size} user{'s' if size > 1 else ''}: "
            f"at least {times} times faster than the script",
            f"{ratio:.{1 if ratio < 100 else 0}f} times" if ratio else None,
            ratio is not None and ratio >= times)

    def near(phase: str, title: str, size: int, bound: float) -> None:
        plain, guarded = (bench.median(phase, name, size) for name in (OURS, GUARDED))
        more = guarded - plain if plain and guarded else None
        add(f"{title}, {size} user{'s' if size > 1 else ''}: the guard adds under {bound} ms",
            None if more is None else f"{more:.2f} ms", more is not None and more < bound)

    for phase in "up", "down":
        faster(phase, 1, 3)
    for phase in "up", "down":
        faster(phase, 1000, 200)
    for phase in "up", "down":
        floor, ours = (bench.median(phase, name, 1000) for name in ("floor", OURS))
        bound = 2 * floor + 3 if floor else 0
        add(f"{phase}, 1000 users: within 2 times the floor + 3 ms",
            f"{number(ours)} of {number(bound)} ms" if floor and ours else None,
            ours is not None and ours <= bound)
    again = bench.median("again", OURS, 1000)
    add("nothing to do, 1000 users: under 10 ms", f"{number(again)} ms" if again else None,
        again is not None and again < 10)
    memory = bench.memory.get((OURS, 1000))
    add("peak memory, 1000 users: under 8 MiB", f"{memory / 1024:.1f} MiB" if memory else None,
        memory is not None and memory < 8 * 1024)
    for size in 1, 1000:
        near("comes", "the tunnel comes", size, 1)
        near("goes", "the tunnel goes", size, 2)
    return lines


def build_type(build: Path) -> str:
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == "buildtype")


def machine() -> str:
    cpu = re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    kernel = ".".join(os.uname().release.split(".")[:2])
    return f"Linux {kernel}, {os.cpu_count()} × {cpu[1] if cpu else os.uname().machine}"


def count_rounds(rounds: dict[int, int]) -> str:
    return ", ".join(f"{count} at {size}" for size, count in rounds.items())


def notes(bench: Bench, rounds: dict[int, int], build: Path) -> list[str]:
    fewer = {size: count for size, count in SCRIPT_ROUNDS.items() if size in rounds}
    return [
        f"{machine()}; build type {build_type(build)}. Whole processes, by turns in one run; "
        f"rounds by number of users: {count_rounds(rounds)}"
        + (f"; of the script: {count_rounds(fewer)}." if fewer else "."),
        "",
        "- No two uids are adjacent: one rule for each user and family. rp_filter was strict.",
        "- *script* starts ip once for each rule and family, as the setup script does that this "
        "project goes back to; `ip -batch` takes the same lines from a file for each family. "
        "Neither adds prohibit routes behind the tunnel's, or looks before it changes anything.",
        "- *floor* sends ready-made messages, in the order and the batches of custom-gateway: the "
        "kernel's own time. With nothing to do, it only asks for rules and routes. It lacks the rule "
        "that leads answers from the tunnel's address back.",
        "- *down* follows the interface's going down (OnDown=release); of script and `ip -batch` "
        "it is their stop, with the interface up.",
        "- *up* and *down* with guard load the programs, and take them away with the table of nftables. "
        "*The tunnel comes* and *goes* is with OnDown=block: users are confined all the time, and the "
        "guard stands.",
        "- *hook* is NetworkManager's, with the shell that it starts.",
        "- Aims that do not name the guard are about Guard=no: the others have none.",
    ]
