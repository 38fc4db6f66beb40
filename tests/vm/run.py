# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the tests of this directory inside a whole Debian that boots, with the real NetworkManager,
systemd-networkd and wg-quick.

The project is built for /usr, and goes with the tests into an archive that the guest unpacks before
its systemd starts. The guest's pytest reports by a JUnit file. If a test fails, the guest's journal is
kept beside that file; if the guest hangs, it is ended and what its console said is shown."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from xml.etree import ElementTree

import image
import machine

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
INSIDE = "opt/tests"
SERVER = HERE.parent / "netns" / "server.py"  # the laboratory of namespaces has the same


def install(build: pathlib.Path, destination: pathlib.Path) -> None:
    """The project as a package would put it there."""
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, PROJECT, "--prefix", "/usr", "-Dtests=false"],
                       check=True, stdout=sys.stderr)
    subprocess.run(["ninja", "-C", build], check=True, stdout=sys.stderr)
    subprocess.run(["meson", "install", "-C", build, "--quiet", "--no-rebuild"], check=True,
                   stdout=sys.stderr, env={**os.environ, "DESTDIR": str(destination)})


def pack(stage: pathlib.Path, archive: pathlib.Path, word: str) -> None:
    def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    tests = stage / INSIDE
    tests.mkdir(parents=True)
    for path in [*HERE.glob("*.py"), SERVER]:
        shutil.copy(path, tests)
    (tests / "word").write_text(word, encoding="utf-8")
    shutil.copytree(HERE / "root", stage, symlinks=True, dirs_exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for path in sorted(stage.iterdir()):  # not "." itself, whose mode would become that of /
            tar.add(path, path.name, filter=of_root)


def report(guest: machine.Machine, ended: bool, junitxml: pathlib.Path) -> bool:
    """Hands the results over; true if all is well. Otherwise says why not."""
    try:
        results = ElementTree.fromstring(guest.text("junit"))
    except ElementTree.ParseError:
        print("the guest powered off" if ended else "the guest was ended after the time limit",
              "without results; its console and the end of its journal:", file=sys.stderr)
        print(guest.text("console"), *guest.text("journal").splitlines()[-200:],
              sep="\n", file=sys.stderr)
        results, well = None, False
    else:
        ElementTree.ElementTree(results).write(junitxml, encoding="utf-8")
        cases = list(results.iter("testcase"))
        well = bool(cases) and not any(case.find(bad) is not None for case in cases
                                       for bad in ("failure", "error"))
    if not well:
        journal = junitxml.with_suffix(".journal")
        shutil.copy(guest.directory / "journal", journal)
        print(f"the guest's journal is in {journal}", file=sys.stderr)
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs tests/vm in a Debian under qemu; needs root.")
    parser.add_argument("--build-dir", type=pathlib.Path, required=True,
                        help="where the guest's disk is kept and the project is built for it")
    parser.add_argument("--junitxml", type=pathlib.Path, required=True)
    parser.add_argument("--release", choices=image.RELEASES, default=next(iter(image.RELEASES)),
                        help="of Debian, the guest's; the first is the default")
    parser.add_argument("-k", dest="word", default="", help="only tests whose names match, as pytest -k")
    parser.add_argument("--time-limit", type=float, default=4200, metavar="SECONDS")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root")
    # an exception, so that everything is taken down on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))

    build = arguments.build_dir.resolve()
    junitxml = arguments.junitxml.resolve()
    junitxml.unlink(missing_ok=True)
    disk = image.get(build, arguments.release)
    with tempfile.TemporaryDirectory(prefix="run-", dir=build) as name:
        directory = pathlib.Path(name)
        install(build / "guest", directory / "stage")
        pack(directory / "stage", directory / "project.tar", arguments.word)
        with machine.booted(disk, directory / "project.tar", directory) as guest:
            ended = guest.watch(arguments.time_limit)
        return 0 if report(guest, ended, junitxml) else 1


if __name__ == "__main__":
    sys.exit(main())
