#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What custom-gateway costs, beside what else does its work.

Prints markdown tables to stdout: wall time of whole processes, for tunnels that confine few and
many users; what a packet costs; how soon the monitor has repaired what others took away. All
contenders take turns on the same machine within the same minutes: what is worth comparing is the
ratios within one run, not the milliseconds of two. Needs root, and touches nothing but network
namespaces of its own, which are gone with this process.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import packets_report
import runs_report
from packets import Packets
from process import BenchError, progress
from repair import Repair
from runs import QUICK_ROUNDS, ROUNDS, Bench
from scene import enter_namespace, make_tunnel, memory_directory


def stop(signum: int, _frame: object) -> None:
    sys.exit(128 + signum)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=Path, required=True, metavar="DIR",
                        help="where meson built the project, best with --buildtype=release")
    parser.add_argument("--quick", action="store_true",
                        help="only few users and few rounds, in under a minute")
    return parser.parse_args()


def whole_runs(build: Path, place: Path, quick: bool) -> list[str]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    bench = Bench(build, place)
    bench.find_guard()
    for size, count in rounds.items():
        bench.size(size, count)
    return [*runs_report.table(bench, list(rounds)), "", *runs_report.aims(bench), "",
            *runs_report.notes(bench, rounds, build)]


def packets_and_repair(build: Path, place: Path, quick: bool) -> list[str]:
    repair = Repair(build, place, quick)
    repair.measure()
    packets = Packets(build, place, quick)
    for size in packets.sizes:
        packets.size(size)
    return [*packets_report.table(packets), "", *packets_report.aims(packets, repair), "",
            *packets_report.notes(packets, repair)]


def main() -> int:
    arguments = parse_arguments()
    build = arguments.build_dir.resolve()
    for caught in signal.SIGTERM, signal.SIGHUP:
        signal.signal(caught, stop)
    try:
        for program in "plugin/custom-gateway", "tests/bench/bench-packets":
            if not (build / program).exists():
                raise BenchError(f"{build / program}: not there; build it first")
        enter_namespace()
        make_tunnel()
        with tempfile.TemporaryDirectory(prefix="custom-gateway-bench-",
                                         dir=memory_directory()) as place:
            printed = [*whole_runs(build, Path(place), arguments.quick), "",
                       *packets_and_repair(build, Path(place), arguments.quick)]
        progress("")
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(printed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
