# SPDX-License-Identifier: GPL-2.0-or-later
"""Running what is timed, and what is not."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120


class BenchError(Exception):
    """The bench could not measure. A contender that is merely slow is no error."""


def run(*argv: str, stdin: bytes | None = None) -> bytes:
    """Runs what is not timed, and returns its output."""
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=TIMEOUT_S,
                          check=False)
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


def write(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
