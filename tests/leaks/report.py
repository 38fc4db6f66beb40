# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of what was sent and what leaked, and the verdict."""

from __future__ import annotations

import pathlib
import sys
from xml.etree import ElementTree

from attacks import ALL, OWN, Attack
from contenders import Ours, PostUp, Seed
from field import KERNEL, NONE

TRIED, REFUSED, LAN, TUNNEL = range(4)
SENT, CHANGES = 1_000_000, 1_000  # what a full run must have tried, for its zero to count
WORST = 4  # ways that are named, unless all are wanted
FEW = 2  # segments a round
BOUND = "TCP, open before, bound to the LAN's address"  # and, when that has ended, opened anew
LATE = ("what is left of a connection that was made while confined, from the LAN's address through a tunnel "
        "whose far end answers that (here it does), and closed; what led it was just taken away")

ENDED = "open before"  # such a connection is ended; of one opened anew not even the SYN leaves
# What the kernel answers from the tunnel's address goes back into the tunnel with rules alone. What else
# may have that address is the subject of rows of its own.
LED_BACK = "asked by the tunnel"


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


class Report:
    def __init__(self, played: list[Attack], full: bool, worst: int = WORST):
        self.worst = worst
        self.played = played
        self.ways = played[0].results[Ours].names if played else []
        self.full = full
        self.cases: list[tuple[str, str, str]] = []  # name, what went wrong, a known fault
        for attack in played:
            self._judge(attack)
        if full:
            sent, changes = self._total(TRIED), sum(a.results[Ours].changes for a in played)
            self._case("enough was tried", sent < SENT or changes < CHANGES,
                       f"{sent} packets and {changes} changes of the tunnel are less than "
                       f"{SENT} and {CHANGES}")

    def numbers(self, which: str) -> list[int]:
        """The ways that count."""
        return [i for i, way in enumerate(self.ways)
                if way.group != NONE and (which == ALL or (way.group != KERNEL) == (which == OWN))]

    def leaked(self, attack: Attack, who: type) -> int:
        which = attack.counted if who is Ours else attack.elsewhere
        return attack.results[who].total(LAN, self.numbers(which))

    def _total(self, column: int) -> int:
        return sum(a.results[Ours].total(column, self.numbers(ALL)) for a in self.played)

    # The verdict

    def _case(self, name: str, is_wrong: bool, what: str, known: str = "") -> None:
        self.cases.append((name, what if is_wrong else "", known))

    def _known(self, attack: Attack, ways: list[str]) -> str:
        """Why this leaks, if that is known."""
        few = self.leaked(attack, Ours) <= FEW * attack.results[Ours].rounds
        return LATE if attack.takes_ways and few and ways == [BOUND] else attack.known

    def _judge(self, attack: Attack) -> None:
        ours, without = attack.results[Ours], attack.results[attack.without]
        leaked = self.leaked(attack, Ours)
        worst = sorted(((ours.ways[i][LAN], self.ways[i].name, ours.last[i])
                        for i in self.numbers(attack.counted) if ours.ways[i][LAN]), reverse=True)
        by = ", ".join(f"{name}: {count}, the last one {last}" for count, name, last in worst[:self.worst])
        by += ", ..." if len(worst) > self.worst else ""
        self._case(f"{attack.name}: nothing leaks", leaked > 0, f"{leaked} leaked ({by})",
                   self._known(attack, [name for _, name, _ in worst]))
        self._case(f"{attack.name}: the tunnel's address stays inside", ours.betrayed > 0,
                   f"{ours.betrayed} bare RSTs and ACKs of the kernel itself left by the LAN, in answer "
                   "to what came by the tunnel for connections that are no more", attack.known_answers)
        self._case(f"{attack.name}: all was seen", ours.lost > 0 or ours.strange > 0,
                   f"{ours.lost} packets lost by the capture, {ours.strange} of unknown senders")
        self._case(f"{attack.name}: the tunnel was used",
                   ours.total(TUNNEL, self.numbers(ALL)) == 0, "nothing came through the tunnel")
        self._case(f"{attack.name}: leaks with {attack.without.title}",
                   self.leaked(attack, attack.without) == 0,
                   "nothing leaked without the defence either, so its zero says nothing")
        self._case(f"{attack.name}: {attack.without.title} holds before", without.early > 0,
                   f"{without.early} leaked before the attack began, so what leaks then says nothing")
        if attack.shows:
            idle = [self.ways[i].name for i in self.numbers(ALL)
                    if not ours.ways[i][TRIED] and ENDED not in self.ways[i].name]
            self._case(f"{attack.name}: each way was tried", bool(idle), f"these were not: {', '.join(idle)}")
            quiet = [way.name for way, counts in zip(self.ways, without.ways)
                     if way.group == attack.shows and not counts[LAN] and not way.name.startswith(LED_BACK)]
            self._case(f"{attack.name}: each way of its own leaks with {attack.without.title}",
                       bool(quiet), f"these did not: {', '.join(quiet)}")
        if attack.disturbs:
            self._case(f"{attack.name}: runs were {attack.disturbs}", getattr(ours, attack.disturbs) == 0,
                       "each run came to its end, as if nothing had been done to it")

    @property
    def faults(self) -> list[str]:
        return [f"{name}: {wrong}" for name, wrong, known in self.cases if wrong and not known]

    @property
    def known(self) -> list[str]:
        return [f"{name}: {wrong}; {known}" for name, wrong, known in self.cases if wrong and known]

    def write_junit(self, path: pathlib.Path) -> None:
        suite = ElementTree.Element("testsuite", name="leaks")
        for name, wrong, known in self.cases:
            case = ElementTree.SubElement(suite, "testcase", classname="leaks", name=name)
            if wrong and known:  # as pytest does it, for summary.py
                ElementTree.SubElement(case, "skipped", type="pytest.xfail",
                                       message=f"{wrong}; {known}")
            elif wrong:
                ElementTree.SubElement(case, "failure", message=wrong)
        ElementTree.ElementTree(suite).write(path)

    # The tables

    def _cell(self, attack: Attack, who: type) -> str:
        if who not in attack.results:
            return "-"
        result = attack.results[who]
        return (f"{result.total(TRIED, self.numbers(ALL)):,} / "
                f"{result.total(TUNNEL, self.numbers(ALL)):,} / {self.leaked(attack, who):,}")

    def attacks_table(self) -> list[str]:
        others = [who for who in (Seed, PostUp) if any(who in a.results for a in self.played)]
        lines = [line("attack", "rounds", "sent", "tunnel", "leaked", "without the defence: leaked",
                      *(f"{who.title}: sent / tunnel / leaked" for who in others)),
                 line("---", *["---:"] * (5 + len(others)))]
        for attack in self.played:
            ours = attack.results[Ours]
            leaked = f"**{self.leaked(attack, Ours):,}**{' (known)' if attack.known else ''}"
            lines.append(line(
                attack.name, ours.rounds, f"{ours.total(TRIED, self.numbers(ALL)):,}",
                f"{ours.total(TUNNEL, self.numbers(ALL)):,}", leaked,
                f"{attack.without.title}: {self.leaked(attack, attack.without):,}",
                *(self._cell(attack, who) for who in others)))
        leaked = sum(self.leaked(attack, Ours) for attack in self.played)
        lines.append(line("**all**", sum(a.results[Ours].rounds for a in self.played),
                          f"{self._total(TRIED):,}", f"{self._total(TUNNEL):,}", f"**{leaked:,}**",
                          *[""] * (1 + len(others))))
        return lines

    def ways_table(self) -> list[str]:
        """The ways that routing rules cannot hold, one by one, with no other attack."""
        attack = next((attack for attack in self.played
                       if attack.shows == OWN and not attack.known), None)
        if not attack:
            return []
        whos = [who for who in (Ours, attack.without, Seed, PostUp) if who in attack.results]
        lines = [line("a program picks its own way: sent / leaked", *(who.title for who in whos)),
                 line("---", *["---:"] * len(whos))]
        for i in [i for i, way in enumerate(self.ways) if way.group == attack.shows]:
            ways = [attack.results[who].ways[i] for who in whos]
            lines.append(line(self.ways[i].name, *(f"{way[TRIED]:,} / {way[LAN]:,}" for way in ways)))
        return [*lines, ""]

    def notes(self) -> list[str]:
        ours = [attack.results[Ours] for attack in self.played]
        return [
            f"- {sum(result.changes for result in ours):,} changes of the tunnel. Of what was sent, the "
            f"kernel refused {self._total(REFUSED):,} at once (EPERM, EACCES); the rest that is not in "
            "the tunnel was dropped by the guard, or never left a connection.",
            f"- Each sender tries {len(self.numbers(ALL))} ways by turns. *leaked* of ours counts them all; "
            "of the others and of *without the defence* only what lets the kernel choose its way, since "
            "the rest leaks there with no attack at all (first row, and the other table).",
            f"- Not counted: {sum(result.answers for result in ours):,} bare RSTs and ACKs without data, by "
            "which the kernel itself answered, from the LAN's address, segments that came by the LAN for "
            "connections that were open before and are no more.",
            "- Between what is done to the tunnel and who is told of it some milliseconds pass. "
            "Nobody tells the scripts that something went; they start anew when it is back.",
        ]

    def lines(self) -> list[str]:
        lines = [*self.attacks_table(), "", *self.ways_table(), *self.notes()]
        lines += [f"- Known: {text}." for text in self.known]
        if self.faults:
            lines += ["", *(f"FAULT: {text}" for text in self.faults)]
        return lines
