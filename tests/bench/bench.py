#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What custom-gateway costs, beside what else does its work.

Prints markdown tables to stdout: wall time of whole processes, for tunnels that confine few and
many users; what a packet costs; how soon the monitor has repaired what others took away. All
contenders take turns on the same machine within the same minutes: what is worth comparing is the
ratios within one run, not the milliseconds of two. Needs root, and touches nothing but namespaces
and a cgroup of its own, which are gone with this process.
"""

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "netns"))
# pylint: disable=wrong-import-position

from lab import LabError, make_cgroup, remove_cgroup

import packets_report
import runs_report
from packets import Packets
from process import BenchError, progress
from repair import Repair
from runs import QUICK_ROUNDS, ROUNDS, Bench
from scene import enter_machine, make_tunnel, memory_directory


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


def what_is_needed(build: Path) -> list[Path]:
    """The guard's programs are taken from where they are installed."""
    installed = json.loads((build / "meson-info/intro-installed.json").read_text(encoding="utf-8"))
    return [build / "plugin/custom-gateway", build / "tests/bench/bench-packets",
            *(Path(place) for place in installed.values() if place.endswith("/guard.bpf.o"))]


def whole_runs(build: Path, place: Path, quick: bool) -> list[str]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    bench = Bench(build, place)
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


def measure(build: Path, cgroup: Path, place: Path, quick: bool) -> int:
    try:
        enter_machine(cgroup)
        make_tunnel()
        printed = [*whole_runs(build, place, quick), "", *packets_and_repair(build, place, quick)]
        progress("")
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(printed), flush=True)
    return 0


def measure_in_child(build: Path, place: Path, quick: bool) -> int:
    """This process stays outside of the cgroup, to take it away with all that is in it."""
    cgroup = make_cgroup(f"custom-gateway-bench.{os.getpid()}")
    if not cgroup:
        raise BenchError("no cgroup v2 in which this process may make a cgroup")
    child = multiprocessing.get_context("fork").Process(
        target=lambda: sys.exit(measure(build, cgroup, place, quick)))
    try:
        child.start()
        child.join()
    finally:
        remove_cgroup(cgroup)
    return 0 if child.exitcode == 0 else 1


def main() -> int:
    arguments = parse_arguments()
    build = arguments.build_dir.resolve()
    for caught in signal.SIGTERM, signal.SIGHUP:
        signal.signal(caught, stop)
    try:
        for needed in what_is_needed(build):
            if not needed.exists():
                raise BenchError(f"{needed}: not there; build and install it first")
        with tempfile.TemporaryDirectory(prefix="custom-gateway-bench-",
                                         dir=memory_directory()) as place:
            return measure_in_child(build, Path(place), arguments.quick)
    except (BenchError, LabError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
