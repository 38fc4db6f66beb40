#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What custom-gateway costs, beside what else does its work.

Prints a markdown table to stdout: wall time of whole processes, for tunnels that confine few and
many users. All contenders take turns on the same machine within the same minutes: what is worth
comparing is the ratios within one run, not the milliseconds of two. Needs root, and touches
nothing but a network namespace of its own, which is gone with this process.
"""

import argparse
import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]

CLONE_NEWNET = 0x40000000  # sched.h; os.unshare() came with Python 3.12
TIMEOUT_S = 120

TUNNEL = "wg0"
TABLE = "1980"
FIRST_UID = 100000
RP_FILTER = Path(f"/proc/sys/net/ipv4/conf/{TUNNEL}/rp_filter")
STRICT, LOOSE = "1", "2"

# Rounds for each number of users. More of what is quick, because noise weighs more there.
ROUNDS = {1: 60, 10: 40, 100: 20, 1000: 11, 10000: 5}
QUICK_ROUNDS = {1: 25, 10: 15, 100: 5}
# The script starts two processes for each user: it gets fewer rounds at 1000 and none at 10000,
# where one alone would take longer than all else.
SCRIPT_ROUNDS = {1000: 5, 10000: 0}


class BenchError(Exception):
    """The bench could not measure. A contender that is merely slow is no error."""


# How it is run


def run(*argv: str, stdin: bytes | None = None) -> bytes:
    """Runs what is not timed, and returns its output."""
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise BenchError(f"{shlex.join(argv)}: exit status {done.returncode}: "
                         f"{done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@dataclass
class Timed:
    milliseconds: float
    memory: int  # KiB, at the peak


class Timer:
    """Times programs by way of bench-timer, which is too small to add to what it measures."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, argv: list[str]) -> Timed:
        # Hardly any environment, as for a child of a service manager. Its own session, so that a
        # script can be stopped together with what it started.
        child = subprocess.Popen([str(self.program), *argv], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env={"PATH": os.environ["PATH"]}, start_new_session=True)
        try:
            out, complaints = child.communicate(timeout=TIMEOUT_S)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        words = out.split()
        if child.returncode != 0 or len(words) != 3 or words[2] != b"0":
            raise BenchError(f"{shlex.join(argv)}: failed: "
                             f"{complaints.decode(errors='replace').strip()}")
        return Timed(int(words[0]) / 1e6, int(words[1]))


# Where it is run


def enter_namespace() -> None:
    """Moves this process to a new network namespace. It gets no name in /run/netns: so the kernel
    removes it with us, even if we are killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise BenchError(f"no network namespace: {os.strerror(ctypes.get_errno())}; "
                         "this needs root")


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
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("0")
    # The first rule of a namespace costs more than any later one: with it the kernel parts the
    # tables local and main, for good.
    for family in "-4", "-6":
        for action in "add", "del":
            run("ip", family, "rule", action, "uidrange", "1-1", "table", TABLE)


@dataclass
class Seen:
    """What stands in the kernel."""

    uids: list[list[int]] = field(default_factory=list)  # of our table's rules, per family
    routes: list[set[str]] = field(default_factory=list)  # of our table, likewise
    rules: int = 0  # of whatever kind
    rp_filter: str = ""
    nft_tables: int = 0


def count_nft_tables() -> int:
    listed = json.loads(run("nft", "-j", "list", "tables"))["nftables"]
    return sum("table" in entry for entry in listed)


def look(guard: bool) -> Seen:
    seen = Seen(rp_filter=RP_FILTER.read_text().strip())
    for family in "-4", "-6":
        rules = json.loads(run("ip", family, "-N", "-j", "rule"))
        ours = [rule for rule in rules if rule["table"] == TABLE]
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
    return seen


def memory_directory() -> str | None:
    """A directory for the runtime directory to lie in: in memory, as /run is wherever the machine
    was booted in earnest. On a disk, the kept rp_filter value alone would cost a millisecond."""
    for path in "/run", "/dev/shm":
        if run("stat", "-f", "-c", "%T", path).strip() == b"tmpfs":
            return path
    return None


# Who runs


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
    guard: bool = False


def write(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


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


def make_ours(place: Path, uids: list[int], build: Path, guard: bool) -> Contender:
    config = place / ("guarded" if guard else "plain")
    config.mkdir(mode=0o755)
    write(config / f"{TUNNEL}.conf", f"""\
[Gateway]
Users={" ".join(map(str, uids))}
OnDown=release
Guard={"yes" if guard else "no"}
Table={TABLE}
""")
    command = [str(build / "plugin/custom-gateway"), "--config-dir", str(config),
               "--runtime-dir", str(place / "runtime")]
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
                     event=[str(path), "eth7", "up"], guard=guard)


# What is measured


class Bench:
    def __init__(self, build: Path, place: Path) -> None:
        self.build = build
        self.place = place
        self.timer = Timer(build / "tests/bench/bench-timer")
        self.times: dict[tuple[str, str, int], list[float]] = {}  # by phase, contender, users
        self.memory: dict[tuple[str, int], int] = {}  # KiB, by contender and users
        self.empty = look(guard=False)
        self.has_guard = False

    def measure(self, phase: str, name: str, size: int, argv: list[str]) -> None:
        timed = self.timer.run(argv)
        self.times.setdefault((phase, name, size), []).append(timed.milliseconds)
        self.memory[name, size] = max(self.memory.get((name, size), 0), timed.memory)

    def expect_up(self, contender: Contender, uids: list[int]) -> None:
        seen = look(contender.guard)
        if (seen.uids != [uids, uids] or seen.rules != self.empty.rules + 2 * len(uids)
                or seen.routes != contender.routes or seen.rp_filter != contender.rp_filter[0]
                or contender.guard != (seen.nft_tables > 0)):
            raise BenchError(f"{contender.name}, {len(uids)} users: not all is there that should "
                             f"be: rules for {[len(found) for found in seen.uids]} users, routes "
                             f"{seen.routes}, rp_filter {seen.rp_filter}, "
                             f"nft tables {seen.nft_tables}")

    def expect_nothing(self, contender: Contender) -> None:
        seen = look(contender.guard)
        if (seen.rules != self.empty.rules or seen.routes != [set(), set()]
                or seen.rp_filter != contender.rp_filter[1] or seen.nft_tables > 0):
            raise BenchError(f"{contender.name}: not all is gone that should be: {seen.rules} "
                             f"rules, routes {seen.routes}, rp_filter {seen.rp_filter}, "
                             f"nft tables {seen.nft_tables}")

    def turn(self, contender: Contender, uids: list[int]) -> None:
        """Up, nothing to do, an event for another interface, down. What it did is looked at each
        time: whoever does nothing would be the fastest."""
        RP_FILTER.write_text(STRICT)
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

    def contenders(self, uids: list[int]) -> list[Contender]:
        place = self.place / str(len(uids))
        place.mkdir()
        return [make_script(place, uids), make_ip_batch(place, uids),
                make_floor(place, uids, self.build),
                *(make_ours(place, uids, self.build, guard)
                  for guard in ((False, True) if self.has_guard else (False,)))]

    def find_guard(self) -> None:
        """Whether this build and this kernel have a guard that could be measured."""
        if not shutil.which("nft"):
            return
        place = self.place / "guard"
        place.mkdir()
        contender = make_ours(place, [FIRST_UID], self.build, guard=True)
        self.timer.run(contender.up)
        self.has_guard = count_nft_tables() > 0
        run(*contender.up[:-1], "remove")

    def size(self, size: int, rounds: int) -> None:
        uids = [FIRST_UID + 2 * i for i in range(size)]
        contenders = self.contenders(uids)
        for i in range(rounds):
            progress(f"{size} users: round {i + 1} of {rounds}")
            self.measure("empty", "", size, [str(self.build / "tests/bench/bench-empty")])
            # another one begins each time, so that nobody always follows the same one
            first = i % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                if contender.name != "script" or i < SCRIPT_ROUNDS.get(size, rounds):
                    self.turn(contender, uids)

    def median(self, phase: str, name: str, size: int) -> float | None:
        times = self.times.get((phase, name, size))
        return statistics.median(times) if times else None


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# What is printed

OURS = "custom-gateway"
GUARDED = "custom-gateway, guard"

ROWS = [
    ("up", "script", "up: script"),
    ("up", "ip -batch", "up: `ip -batch`"),
    ("up", OURS, "up: **custom-gateway**"),
    ("up", GUARDED, "up: custom-gateway with guard"),
    ("up", "floor", "up: floor"),
    ("down", "script", "down: script"),
    ("down", "ip -batch", "down: `ip -batch`"),
    ("down", OURS, "down: **custom-gateway**"),
    ("down", GUARDED, "down: custom-gateway with guard"),
    ("down", "floor", "down: floor"),
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
        if name != GUARDED or bench.has_guard:
            lines.append(line(title, *(cell(bench.times.get((phase, name, size)))
                                       for size in sizes)))
    for name, title in (OURS, "**custom-gateway**"), (GUARDED, "custom-gateway with guard"):
        if name != GUARDED or bench.has_guard:
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
    return lines


def build_type(build: Path) -> str:
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == "buildtype")


def machine() -> str:
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kernel = ".".join(os.uname().release.split(".")[:2])
    return f"Linux {kernel}, {os.cpu_count()} × {cpu[1] if cpu else os.uname().machine}"


def count_rounds(rounds: dict[int, int]) -> str:
    return ", ".join(f"{count} at {size}" for size, count in rounds.items())


def notes(bench: Bench, rounds: dict[int, int], build: Path) -> list[str]:
    fewer = {size: count for size, count in SCRIPT_ROUNDS.items() if size in rounds}
    lines = [
        f"{machine()}; build type {build_type(build)}. Whole processes, by turns in one run; "
        f"rounds by number of users: {count_rounds(rounds)}"
        + (f"; of the script: {count_rounds(fewer)}." if fewer else "."),
        "",
        "- No two uids are adjacent: one rule for each user and family. rp_filter was strict.",
        "- *script* starts ip once for each rule and family, as the setup script does that this "
        "project goes back to; `ip -batch` takes the same lines from a file for each family. "
        "Neither adds prohibit routes behind the tunnel's, or looks before it changes anything.",
        "- *floor* sends ready-made messages, in the order and the batches of custom-gateway: the "
        "kernel's own time. With nothing to do, it only asks for rules and routes.",
        "- *down* follows the interface's going down (OnDown=release); of script and `ip -batch` "
        "it is their stop, with the interface up.",
        "- *hook* is NetworkManager's, with the shell that it starts.",
    ]
    if bench.has_guard:
        lines.append("- The aims are about Guard=no: the others have no guard.")
    else:
        lines.append("- Guard=no throughout: the others have none. With Guard=yes "
                     + ("this build installed none." if shutil.which("nft") else
                        "nothing was measured, since nft is missing to check it with."))
    return lines


def stop(signum: int, _frame: object) -> None:
    sys.exit(128 + signum)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=Path, required=True, metavar="DIR",
                        help="where meson built the project, best with --buildtype=release")
    parser.add_argument("--quick", action="store_true",
                        help="only few users and few rounds, in under 20 seconds")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    build = arguments.build_dir.resolve()
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    for caught in signal.SIGTERM, signal.SIGHUP:
        signal.signal(caught, stop)
    try:
        for program in "plugin/custom-gateway", "tests/bench/bench-floor":
            if not (build / program).exists():
                raise BenchError(f"{build / program}: not there; build it first")
        enter_namespace()
        make_tunnel()
        with tempfile.TemporaryDirectory(prefix="custom-gateway-bench-",
                                         dir=memory_directory()) as place:
            bench = Bench(build, Path(place))
            bench.find_guard()
            for size, count in rounds.items():
                bench.size(size, count)
        progress("")
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    sizes = list(rounds)
    print("\n".join([*table(bench, sizes), "", *aims(bench), "", *notes(bench, rounds, build)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
