# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's disk: a Debian with all that the tests want except the project. It is made once for each
release and kept under a name that changes with everything that goes into it."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# Debian's releases, the one that the project is built on first, and what is called otherwise in each.
# The sonames of the project's libraries are the same in all, so what is built on the oldest runs there.
RELEASES = {
    "bookworm": ["libglib2.0-0"],
    "trixie": ["libglib2.0-0t64"],
    "forky": ["libglib2.0-0t64"],
}
PACKAGES = [
    # a machine that boots; initramfs-tools by name, because the newest would take dracut
    "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools",
    # the project's libraries
    "libmnl0", "libnm0", "libnftables1", "libbpf1",
    # what sets tunnels up
    "network-manager", "network-manager-openvpn", "openvpn", "networkd-dispatcher", "wireguard-tools",
    # what answers for names, and whoever else asks in a program's stead
    "dnsmasq-base", "systemd-resolved", "libnss-resolve", "nscd", "avahi-daemon", "libnss-mdns",
    # what the tests use
    "bind9-dnsutils", "bpftool", "iproute2", "nftables", "openssl", "procps", "python3", "python3-pytest",
    "tcpdump",
]
# Nobody reads manuals there, and a third of the files makes a faster disk.
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"]
# Those would start something by themselves, in the middle of a test, or nobody needs them.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
          "e2scrub_reap.service", "fstrim.timer", "openvpn.service", "getty@tty1.service",
          "serial-getty@ttyS0.service", "systemd-logind.service"]
# Those a test starts that wants them: names are looked up in files and by DNS alone, as without them.
DISABLED = ["systemd-resolved.service", "nscd.service", "avahi-daemon.service", "avahi-daemon.socket"]
# systemd runs all generators at each of the many daemon-reloads. These have nothing to do there.
GENERATORS = ["openvpn-generator"] + [f"systemd-{name}-generator" for name in (
    "bless-boot", "cryptsetup", "factory-reset", "getty", "gpt-auto", "hibernate-resume", "import",
    "integritysetup", "rc-local", "run", "ssh", "system-update", "sysv", "tpm2", "veritysetup")]
PLAIN_NAMES = [
    'chroot "$1" systemctl disable --quiet ' + " ".join(DISABLED),
    "sed -i 's/^hosts:.*/hosts: files dns/' \"$1/etc/nsswitch.conf\"",
    'rm -f "$1/etc/resolv.conf"',
    'ln -s /dev/null "$1/etc/tmpfiles.d/systemd-resolve.conf"',  # would make it a link, at boot
]
# All that the initrd has to find is the disk; Debian's own choice takes ten seconds more to boot.
INITRD_MODULES = ["virtio_pci", "virtio_blk", "ext4", "crc32c_generic"]


class Image:
    """The files that a machine boots from."""

    def __init__(self, directory: pathlib.Path):
        self.disk = directory / "disk"
        self.kernel = directory / "kernel"
        self.initrd = directory / "initrd"


def _name(release: str) -> str:
    recipe = hashlib.sha256()
    for path in (pathlib.Path(__file__), HERE / "init"):
        recipe.update(path.read_bytes())
    return f"image-{release}-{recipe.hexdigest()[:16]}"


def _build(directory: pathlib.Path, release: str) -> None:
    root = directory / "root"
    initramfs = directory / "initramfs"
    (initramfs / "etc/initramfs-tools/conf.d").mkdir(parents=True)
    (initramfs / "etc/initramfs-tools/conf.d/tests").write_text("MODULES=list\n", encoding="ascii")
    (initramfs / "usr/share/initramfs-tools/modules.d").mkdir(parents=True)
    (initramfs / "usr/share/initramfs-tools/modules.d/tests").write_text(
        "\n".join(INITRD_MODULES) + "\n", encoding="ascii")
    # In namespaces of its own, so that nothing of it stays mounted or running if we are killed.
    subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
         "mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES + RELEASES[release]),
         # a mirror that has stood still for weeks, as a snapshot does, has all that is wanted here
         '--aptopt=Acquire::Check-Valid-Until "false"',
         *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
         f"--essential-hook=copy-in {initramfs}/etc {initramfs}/usr /",
         *(f"--customize-hook={line}" for line in PLAIN_NAMES), release, str(root)],
        check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    shutil.copy(HERE / "init", root / "sbin" / "tests-init")
    for place, names in (("system", MASKED), ("system-generators", GENERATORS)):
        (root / "etc" / "systemd" / place).mkdir(exist_ok=True)
        for name in names:
            (root / "etc" / "systemd" / place / name).symlink_to("/dev/null")
    (root / "etc" / "fstab").write_text("/dev/vda / ext4 rw 0 1\n", encoding="ascii")
    (root / "etc" / "hostname").write_text("guest\n", encoding="ascii")

    image = Image(directory)
    for kept, pattern in ((image.kernel, "vmlinuz-*"), (image.initrd, "initrd.img-*")):
        shutil.copy(next((root / "boot").glob(pattern)), kept)
    with open(image.disk, "wb") as disk:
        disk.truncate(2 << 30)
    # no journal: the disk is thrown back to this state after each run
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-d", root, image.disk], check=True)
    shutil.rmtree(root)
    shutil.rmtree(initramfs)


def get(cache: pathlib.Path, release: str) -> Image:
    """That release's image for the recipe as it is now; what older recipes made of it is removed."""
    ready = cache / _name(release)
    if not ready.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"building the disk of a guest with {release}, once; this takes some minutes",
              file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as building:
            made = pathlib.Path(building) / "image"
            made.mkdir()
            _build(made, release)
            for old in cache.glob(f"image-{release}-*"):
                shutil.rmtree(old, ignore_errors=True)
            made.rename(ready)
    return Image(ready)
