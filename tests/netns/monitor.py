# SPDX-License-Identifier: GPL-2.0-or-later
"""A monitor for tests."""

import os
import time

from lab import wait_until

LOOKING = "custom-gateway: looking"


class Monitor:
    """A monitor that runs, and what it says."""

    def __init__(self, lab, env=None, words=()):
        self._path = lab.directory / f"monitor-{time.monotonic_ns()}.log"
        with open(self._path, "wb") as log:
            self._process = lab.popen("host", lab.binary, "-v", "monitor", *words, stderr=log,
                                      env={**os.environ, "LC_ALL": "C", **(env or {})})
        wait_until("the first run", lambda: self.runs > 0)
        self.settle()

    @property
    def said(self) -> str:
        return self._path.read_text(encoding="utf-8")

    @property
    def runs(self) -> int:
        return self.said.count(LOOKING)

    @property
    def pid(self) -> int:
        """What the lab starts becomes the program itself."""
        return self._process.pid

    def settle(self) -> None:
        """Until it has had nothing more to do for a while that is longer than any of its delays."""
        seen, since = None, time.monotonic()
        end = since + 20
        while time.monotonic() < min(since + 0.4, end):
            if self.said != seen:
                seen, since = self.said, time.monotonic()
            time.sleep(0.02)

    def signal(self, number) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        return self._process.wait(timeout=10)
