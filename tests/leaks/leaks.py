#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""leaks.py: the laboratory that tries to make custom-gateway leak, and shows that it could.

A confined user sends in every way there is, and strangers ask it and the tunnel, while the tunnel, the
rules, the packets and the program are attacked.
What its packets carry says whose they are; what arrives in the world outside, and by which interface,
is counted there. Prints one markdown table. Exit status 1 if anything of ours leaked, or if an attack
whose defence was switched off did not leak, which would mean that its zero says nothing.
"""

import argparse
import pathlib
import signal
import sys
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "netns"))

# pylint: disable=wrong-import-position
import attacks
import report
from attacks import Attack
from contenders import Contender, Ours
from field import KERNEL, Field, Way, describe


@dataclass
class Result:
    """What one attack on one contender came to."""

    names: list[Way]
    early: int = 0  # of what rules hold, leaked before the attack began
    ways: list[tuple[int, int, int, int]] = field(default_factory=list)  # as Field.ways()
    changes: int = 0  # of the tunnel
    rounds: int = 0
    answers: int = 0  # of the kernel itself, by the LAN, from its address: watch.c
    betrayed: int = 0  # likewise, from the tunnel's
    strange: int = 0  # these two: wire.h
    lost: int = 0
    killed: int = 0  # these two: runs of the program
    failed: int = 0
    last: list[str] = field(default_factory=list)  # for each way, what came by the LAN last

    def total(self, column: int, numbers: list[int]) -> int:
        return sum(self.ways[number][column] for number in numbers)


def prepare(lab: Field, what: Attack, who: type[Contender], pace: int) -> tuple:
    """The tunnel, the sender, and whoever is to hold it, in this order: so all that the sender has
    open was open before."""
    lab.tunnels = [what.tunnel(lab, i) for i in range(what.gateways)]
    for tunnel in lab.tunnels:
        tunnel.up()
    flood = lab.flood(pace)
    contender = who(lab)
    contender.lines = what.config
    contender.confine()
    lab.settle()
    return flood, contender


def held(lab: Field) -> int:
    """What leaks in a moment in which nothing is done, of what rules hold."""
    before = lab.seen.read().way
    lab.wait(30)
    lab.settle()
    after = lab.seen.read().way
    return sum(after[i][0] - before[i][0] for i, way in enumerate(lab.names) if way.group == KERNEL)


def attack(arguments, number: int, what: Attack, who: type[Contender], seconds: float,
           rounds: int) -> Result | None:
    """Attacks for that long, and at least so many times. None: this kernel has no such tunnel."""
    lab = Field(arguments.stage, arguments.build_dir, number)
    try:
        if not what.tunnel.is_possible(lab):
            return None
        flood, contender = prepare(lab, what, who, arguments.pace)
        result = Result(lab.names, early=held(lab) if who is what.without else 0)
        before, answers = lab.ways(), list(lab.seen.read().answers)
        end = time.monotonic() + seconds
        while time.monotonic() < end or result.rounds < rounds:
            result.changes += what.again(lab, contender)
            result.rounds += 1
        lab.check_running()
        flood.kill()
        flood.wait()
        lab.settle()
        result.ways = [tuple(now - then for now, then in zip(*pair))
                       for pair in zip(lab.ways(), before)]
        seen = lab.seen.read()
        result.answers, result.betrayed = (now - then for now, then in zip(seen.answers, answers))
        result.strange, result.lost = seen.strange, seen.lost
        result.killed, result.failed = lab.killed, lab.failed
        result.last = [describe(last) for last in seen.last]
        return result
    finally:
        lab.close()


def play(arguments, number: int, what: Attack) -> None:
    short = arguments.short
    for who in (Ours, what.without, *(() if short else what.others)):
        main = who is Ours
        seconds = max(what.seconds, arguments.seconds if main else min(arguments.seconds, 2))
        rounds = what.rounds if main and not short else 1
        report.progress(f"{what.name}: {who.title}")
        result = attack(arguments, number, what, who, seconds, rounds)
        if result:
            what.results[who] = result


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", type=lambda path: pathlib.Path(path).resolve(), required=True,
                        help='where "meson install" has put the project')
    parser.add_argument("--build-dir", type=lambda path: pathlib.Path(path).resolve(), required=True,
                        help="where meson built it")
    parser.add_argument("--short", action="store_true",
                        help="ours, and ours without the defence, half a second each")
    parser.add_argument("--seconds", type=float, help="how long each attack on ours goes on")
    parser.add_argument("--pace", type=int, default=200, metavar="US",
                        help="microseconds between two rounds of all ways (default: 200)")
    parser.add_argument("--only", default="", metavar="WORD",
                        help="the attacks whose names hold the word")
    parser.add_argument("--each", action="store_true", help="name each way that leaked, not the worst")
    parser.add_argument("--junitxml", type=pathlib.Path, help="report as JUnit too")
    arguments = parser.parse_args()
    if arguments.seconds is None:
        arguments.seconds = 0.5 if arguments.short else 5
    return arguments


def main() -> int:
    arguments = parse_arguments()
    for caught in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(caught, lambda number, _: sys.exit(128 + number))
    played = []
    for number, what in enumerate(attacks.ATTACKS):
        if arguments.only in what.name:
            play(arguments, number, what)
            if what.results:
                played.append(what)
            else:
                print(f"Not tried, this kernel has no such tunnel: {what.name}.", file=sys.stderr)
    report.progress("")
    judged = report.Report(played, full=not arguments.short and not arguments.only,
                           worst=len(played[0].results[Ours].names) if arguments.each else report.WORST)
    print("\n".join(judged.lines()))
    if arguments.junitxml:
        judged.write_junit(arguments.junitxml)
    return 1 if judged.faults else 0


if __name__ == "__main__":
    sys.exit(main())
