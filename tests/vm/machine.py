# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that boots under qemu, without a network to the outside and without KVM, which is not to
be had everywhere. What it has to tell comes by serial ports of virtio, each into a file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

from image import Image

PORTS = ["output", "journal", "junit"]

# What costs an emulated processor much more than a real one. The clock: the kernel would not trust two
# emulated processors to count alike, and then each look at the clock is a system call and an access to
# an emulated chip; they count by the host's own counter. And the detours around the faults of real
# processors.
CHEAP = "tsc=reliable mitigations=off"
# Copies of memory byte by byte, which are the fastest way on a real one.
CPU = "max,-erms,-fsrm"


class Machine:
    def __init__(self, directory: pathlib.Path, process: subprocess.Popen):
        self.directory = directory
        self._process = process
        self._shown = 0

    def text(self, port: str) -> str:
        return (self.directory / port).read_text(encoding="utf-8", errors="replace")

    def _show(self) -> None:
        """What the guest has said since the last look."""
        with open(self.directory / "output", "rb") as output:
            output.seek(self._shown)
            news = output.read()
        self._shown += len(news)
        sys.stderr.write(news.decode(errors="replace"))
        sys.stderr.flush()

    def watch(self, seconds: float) -> bool:
        """Shows the guest's output until it powers off; false if it does not within that time."""
        end = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < end:
            self._show()
            time.sleep(0.2)
        self._show()
        return self._process.poll() is not None


@contextlib.contextmanager
def booted(image: Image, project: pathlib.Path, directory: pathlib.Path) -> Iterator[Machine]:
    """Boots the image with the archive as second disk; the machine ends with the block."""
    command = [
        # however this program ends, the guest does not outlive it
        "setpriv", "--pdeathsig", "KILL",
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2", "-m", "1024",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-net", "none",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", f"root=/dev/vda rw console=ttyS0 quiet panic=-1 init=/sbin/tests-init {CHEAP} "
                   "systemd.wants=tests.service systemd.wants=tests-journal.service",
        "-serial", f"file:{directory}/console",
        # snapshot: what the guest writes goes into a file that has no name and vanishes with qemu
        "-drive", f"file={image.disk},if=virtio,format=raw,snapshot=on",
        "-drive", f"file={project},if=virtio,format=raw,readonly=on",
        "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    for port in PORTS:
        (directory / port).touch()
        command += ["-chardev", f"file,id={port},path={directory}/{port}",
                    "-device", f"virtserialport,chardev={port},name={port}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr,
                          env={**os.environ, "TMPDIR": str(directory)}) as process:
        try:
            yield Machine(directory, process)
        finally:
            process.kill()
