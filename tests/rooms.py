# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms of plugin/, doc/architecture.md, held against its files and its libraries.

A file may use its own room and those that plugin/meson.build lists behind it, and no two files use
each other. What includes say is read from the files; which file calls which, from the libraries that
were built. The room core asks and changes nothing outside of it: it calls no function of the C
library but those that work on memory.

usage: rooms.py BUILD-DIRECTORY
"""

import pathlib
import re
import subprocess
import sys

PLUGIN = pathlib.Path(__file__).resolve().parent.parent / "plugin"
# what core may call outside of our libraries
PURE = re.compile(r"_|mem|str|g_(?!file_|find_|get_|getenv|io_|mkdir|open|setenv|spawn_|stat|unlink)")
GENERATED = {"paths.h": "base", "version.h": "cli"}


def read_rooms():
    """{room: rooms that it may use}, from the lowest room to the highest."""
    table = re.search(r"^rooms = \{\n(.*?)^\}", (PLUGIN / "meson.build").read_text(), re.M | re.S)[1]
    return {room: re.findall(r"'(\w+)'", below)
            for room, below in re.findall(r"^  '(\w+)': \[(.*)\],$", table, re.M)}


def check_table(rooms):
    known = []
    for room, below in rooms.items():
        for other in below:
            if other not in known:
                yield f"plugin/meson.build: {room} may use {other}, which does not stand before it"
        known.append(room)
    for path in sorted(PLUGIN.iterdir()):
        if path.name not in rooms and path.name != "meson.build":
            yield f"plugin/{path.name}: is in no room"


def check_includes(rooms, files):
    """What is wrong with an include; and fills in what each header includes."""
    room_of = dict(GENERATED)
    for path in files:
        if path.name in room_of:
            yield f"{shown(path)}: {room_of[path.name]} has a file of that name, too"
        room_of[path.name] = path.parent.name
    for path in files:
        room = path.parent.name
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "(.*)"', line)
            if not found:
                continue
            other = room_of.get(found[1])
            if other is None:
                yield f"{shown(path)}:{number}: \"{found[1]}\" is in no room"
            elif other != room and other not in rooms[room]:
                yield (f"{shown(path)}:{number}: \"{found[1]}\" is in {other}, which {room} may not "
                       "use; see rooms in plugin/meson.build")


def headers_included(files):
    return {path.name: set(re.findall(r'^#include "(.*)"', path.read_text(), re.M))
            for path in files if path.suffix == ".h"}


def files_called(build, rooms):
    """{file: {file that it calls: function}} of all libraries; and [(file, function that no library
    of ours has)]."""
    defined, wanted, foreign = {}, [], []
    for room in rooms:
        library = build / f"plugin/libcustom-gateway-{room}.a"
        for line in subprocess.run(["nm", "-A", library], capture_output=True, text=True,
                                   check=True).stdout.splitlines():
            place, kind, symbol = re.fullmatch(r"(.*?):?\s*[0-9a-f]*\s(\w)\s(\S+)", line).groups()
            name = f"{room}/" + re.search(r"([\w.-]+)\.o", place.rsplit(":", 1)[-1])[1].removeprefix(
                f"{room}_")
            if kind in "TDRB":
                defined[symbol] = name
            elif kind == "U":
                wanted.append((name, symbol))
    calls = {name: {} for name in defined.values()}
    for name, symbol in wanted:
        if symbol in defined:
            calls.setdefault(name, {})[defined[symbol]] = symbol
        else:
            foreign.append((name, symbol))
    return calls, foreign


def check_calls(rooms, calls):
    for name, others in calls.items():
        for other, symbol in others.items():
            room, there = name.split("/")[0], other.split("/")[0]
            if there != room and there not in rooms[room]:
                yield f"plugin/{name}: calls {symbol}() in {there}, which {room} may not use"


def check_pure(foreign):
    for name, symbol in foreign:
        if name.startswith("core/") and not PURE.match(symbol):
            yield f"plugin/{name}: calls {symbol}(), and core is pure"


def find_circle(graph):
    """The first circle in {one: others}, as a list that ends as it begins; or None."""
    done = set()

    def walk(one, way):
        if one in way:
            return [*way[way.index(one):], one]
        if one in done:
            return None
        for other in sorted(graph.get(one, ())):
            circle = walk(other, [*way, one])
            if circle:
                return circle
        done.add(one)
        return None

    return next(filter(None, (walk(one, []) for one in sorted(graph))), None)


def shown(path):
    return path.relative_to(PLUGIN.parent)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: rooms.py BUILD-DIRECTORY")
    rooms = read_rooms()
    files = sorted(path for path in PLUGIN.glob("*/*") if path.suffix in (".c", ".h"))
    calls, foreign = files_called(pathlib.Path(sys.argv[1]), rooms)
    faults = [*check_table(rooms), *check_includes(rooms, files), *check_calls(rooms, calls),
              *check_pure(foreign)]
    for what, graph in (("include", headers_included(files)), ("call", calls)):
        circle = find_circle(graph)
        if circle:
            faults.append(f"these files {what} each other: " + " -> ".join(circle))
    print(*faults, sep="\n", end="\n" if faults else "")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
