# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole runs, timed by turns, and looked at after each."""

from __future__ import annotations

import statistics
from pathlib import Path

from contenders import Contender, make_floor, make_ip_batch, make_ours, make_script
from process import BenchError, Timer, progress, run
from scene import FIRST_UID, RP_FILTER, STRICT, TUNNEL, Seen, look

# Rounds for each number of users. More of what is quick, because noise weighs more there.
ROUNDS = {1: 60, 10: 40, 100: 20, 1000: 11, 10000: 5}
QUICK_ROUNDS = {1: 25, 10: 15, 100: 5}
# The script starts two processes for each user: it gets fewer rounds at 1000 and none at 10000,
# where one alone would take longer than all else.
SCRIPT_ROUNDS = {1000: 5, 10000: 0}


def has_guard(seen: Seen, contender: Contender, uids: list[int]) -> bool:
    """Whether there is as much of it as there should be."""
    return (seen.nft_tables > 0) == contender.guard and seen.held == len(uids if contender.guard else [])


class Bench:
    def __init__(self, build: Path, place: Path) -> None:
        self.build = build
        self.place = place
        self.timer = Timer(build / "tests/bench/bench-timer")
        self.times: dict[tuple[str, str, int], list[float]] = {}  # by phase, contender, users
        self.memory: dict[tuple[str, int], int] = {}  # KiB, by contender and users
        self.empty = look(guard=False)

    def measure(self, phase: str, name: str, size: int, argv: list[str]) -> None:
        timed = self.timer.run(argv)
        self.times.setdefault((phase, name, size), []).append(timed.milliseconds)
        self.memory[name, size] = max(self.memory.get((name, size), 0), timed.memory)

    def expect_up(self, contender: Contender, uids: list[int]) -> None:
        seen = look(contender.guard)
        rules = self.empty.rules + 2 * len(uids) + contender.ways_back
        if (seen.uids != [uids, uids] or seen.rules != rules
                or seen.routes != contender.routes or seen.rp_filter != contender.rp_filter[0]
                or not has_guard(seen, contender, uids)):
            raise BenchError(f"{contender.name}, {len(uids)} users: not all is there that should "
                             f"be: rules for {[len(found) for found in seen.uids]} users, routes "
                             f"{seen.routes}, rp_filter {seen.rp_filter}, "
                             f"nft tables {seen.nft_tables}, {seen.held} uids held by the guard")

    def expect_closed(self, contender: Contender, uids: list[int]) -> None:
        """The users are confined, the tunnel is gone."""
        seen = look(contender.guard)
        if (seen.uids != [uids, uids] or seen.routes != [{"prohibit"}, {"prohibit"}]
                or not has_guard(seen, contender, uids)):
            raise BenchError(f"{contender.name}, {len(uids)} users, without the tunnel: rules for "
                             f"{[len(found) for found in seen.uids]} users, routes {seen.routes}, "
                             f"{seen.held} uids held by the guard")

    def expect_nothing(self, contender: Contender) -> None:
        seen = look(contender.guard)
        if (seen.rules != self.empty.rules or seen.routes != [set(), set()]
                or seen.rp_filter != contender.rp_filter[1] or seen.nft_tables > 0 or seen.held):
            raise BenchError(f"{contender.name}: not all is gone that should be: {seen.rules} "
                             f"rules, routes {seen.routes}, rp_filter {seen.rp_filter}, "
                             f"nft tables {seen.nft_tables}, {seen.held} uids held by the guard")

    def turn(self, contender: Contender, uids: list[int]) -> None:
        """Up, nothing to do, an event for another interface, down. What it did is looked at each
        time: whoever does nothing would be the fastest."""
        RP_FILTER.write_text(STRICT, encoding="ascii")
        self.measure("up", contender.name, len(uids), contender.up)
        self.expect_up(contender, uids)
        for phase, argv in ("again", contender.again), ("event", contender.event):
            if argv:
                self.measure(phase, contender.name, len(uids), argv)
        if contender.again:
            self.expect_up(contender, uids)
        if contender.link_goes_down:
            run("ip", "link", "set", TUNNEL, "down")
        self.measure("down", contender.name, len(uids), contender.down)
        self.expect_nothing(contender)
        if contender.link_goes_down:
            run("ip", "link", "set", TUNNEL, "up")

    def turn_of_tunnel(self, contender: Contender, uids: list[int]) -> None:
        """The tunnel comes and goes, and its users stay confined."""
        RP_FILTER.write_text(STRICT, encoding="ascii")
        run("ip", "link", "set", TUNNEL, "down")
        run(*contender.down)
        self.expect_closed(contender, uids)
        run("ip", "link", "set", TUNNEL, "up")
        self.measure("comes", contender.name, len(uids), contender.up)
        self.expect_up(contender, uids)
        run("ip", "link", "set", TUNNEL, "down")
        self.measure("goes", contender.name, len(uids), contender.down)
        self.expect_closed(contender, uids)
        run(*contender.remove)
        self.expect_nothing(contender)
        run("ip", "link", "set", TUNNEL, "up")

    def contenders(self, uids: list[int]) -> list[Contender]:
        place = self.place / str(len(uids))
        place.mkdir()
        return [make_script(place, uids), make_ip_batch(place, uids),
                make_floor(place, uids, self.build),
                *(make_ours(place, uids, self.build, guard, stays)
                  for stays in (False, True) for guard in (False, True))]

    def size(self, size: int, rounds: int) -> None:
        uids = [FIRST_UID + 2 * i for i in range(size)]
        contenders = self.contenders(uids)
        for i in range(rounds):
            progress(f"{size} users: round {i + 1} of {rounds}")
            self.measure("empty", "", size, [str(self.build / "tests/bench/bench-empty")])
            # another one begins each time, so that nobody always follows the same one
            first = i % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                if contender.remove:
                    self.turn_of_tunnel(contender, uids)
                elif contender.name != "script" or i < SCRIPT_ROUNDS.get(size, rounds):
                    self.turn(contender, uids)

    def median(self, phase: str, name: str, size: int) -> float | None:
        times = self.times.get((phase, name, size))
        return statistics.median(times) if times else None
