# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is asked for names. The world answers at three places, each with an address of its own for
every name, so that an answer tells who was asked:

    192.0.2.1    on the LAN, the system's server
    10.66.0.1    behind vpn0, a tunnel that is a bare veth
    10.66.0.9    likewise

What is asked for on the LAN, by whomever, tcpdump writes down there."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import subprocess
from collections.abc import Iterator

import guest
import people
from guest import sh, wait_until

LAN, TUNNEL, OTHER = "198.51.100.1", "198.51.100.66", "198.51.100.99"
SERVERS = {"192.0.2.1": LAN, "10.66.0.1": TUNNEL, "10.66.0.9": OTHER}
BOTH = "both.example"  # has an IPv6 address too
UNITS = pathlib.Path("/run/systemd/system")
GENERATOR = "/usr/lib/systemd/system-generators/custom-gateway-generator"

_numbers = itertools.count()


def new_name(suffix: str = "example") -> str:
    """One that nobody has asked for yet, and no cache knows."""
    return f"q{next(_numbers)}z.{suffix}"


def build_tunnel() -> None:
    sh("ip link add vpn0 type veth peer name vpn0 netns world",
       "ip addr add 10.66.0.2/24 dev vpn0", "ip link set vpn0 up addrgenmode none",
       "ip -n world addr add 10.66.0.1/24 dev vpn0", "ip -n world addr add 10.66.0.9/24 dev vpn0",
       "ip -n world link set vpn0 up")


@contextlib.contextmanager
def resolvers() -> Iterator[None]:
    processes = []
    try:
        for address, answer in SERVERS.items():
            processes.append(subprocess.Popen(guest.world(
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--user=root", "--pid-file=", "--bind-interfaces", f"--listen-address={address}",
                f"--address=/#/{answer}", f"--address=/{BOTH}/{answer}",
                f"--address=/{BOTH}/2001:db8:66::66")))
            wait_until("the resolver", lambda address=address: sh(
                " ".join(guest.world("ss", "-Hlun", f"src {address}:53"))))
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


class Lan:
    """What is asked for on the LAN during the block, by DNS, mDNS or LLMNR."""

    def __init__(self, text: pathlib.Path):
        self._text = text

    def heard(self, name: str) -> bool:
        return name in self._text.read_text(encoding="ascii", errors="replace")

    def wait_for(self, name: str) -> None:
        wait_until(f"{name} on the LAN", lambda: self.heard(name))


@contextlib.contextmanager
def listening() -> Iterator[Lan]:
    text = pathlib.Path("/run/lan.txt")
    with open(text, "w", encoding="ascii") as file:
        process = subprocess.Popen(
            guest.world("tcpdump", "-l", "-n", "-i", "eth0", "port 53 or port 5353 or port 5355"),
            stdout=file, stderr=subprocess.PIPE, text=True)
    while "listening on" not in process.stderr.readline():
        assert process.poll() is None
    lan = Lan(text)
    try:
        yield lan
    finally:
        process.terminate()
        process.wait()


# Services, and asking from inside them

def service(name: str, user: str) -> None:
    # Type=exec: who has started it finds it among its own mounts, not on its way there
    guest.write(str(UNITS / f"{name}.service"),
                "\n".join(["[Unit]", "StartLimitIntervalSec=0", "[Service]", "Type=exec", f"User={user}",
                           "ExecStart=sleep infinity"]) + "\n")


def bind(name: str, gateway: str) -> None:
    """What DNS= of the gateway puts into the drop-in of a service, and nothing else of that."""
    place = pathlib.Path("/run/generated")
    text = pathlib.Path(f"/etc/custom-gateway/{gateway}.conf").read_text(encoding="ascii")
    guest.write(f"{place}/config/{gateway}.conf", f"{text}Services={name}\n")
    sh(f"{GENERATOR} {place} {place} {place} {place}/config {place}/nothing {place}/nothing")
    dropin = pathlib.Path(f"{name}.service.d/50-custom-gateway.conf")
    lines = [line for line in (place / dropin).read_text(encoding="ascii").splitlines()
             if line.startswith(("BindReadOnlyPaths=", "TemporaryFileSystem="))]
    assert lines
    guest.write(str(UNITS / dropin), "\n".join(["[Service]", *lines]) + "\n")


def inside(unit: str, *command: str) -> str:
    """What the command prints, run as the service's user among its mounts."""
    pid, user = sh(f"systemctl show --property=MainPID --property=User --value {unit}").split()
    uid = str(people.uid(user))
    done = subprocess.run(["nsenter", "--mount", "--target", pid, "--setuid", uid, "--setgid", uid,
                           *command], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def ask_by_lan() -> str:
    """Somebody who is not confined asks for a name; when that is heard, all before has been."""
    name = new_name()
    uid = people.uid(people.OTHER)
    assert sh(f"setpriv --reuid {uid} --clear-groups dig +short {name} @192.0.2.1").strip() == LAN
    return name


GETADDRINFO = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80)[0][4][0])"

# The ways in which a program asks, and whom: the servers of resolv.conf, or systemd-resolved
BY_RESOLV_CONF = {
    "getent hosts": ["getent", "hosts"],
    "getent ahosts": ["getent", "ahosts"],
    "getaddrinfo": ["python3", "-c", GETADDRINFO],
    "dig": ["dig", "+short", "+time=1", "+tries=1"],
}
BY_RESOLVED = {
    "resolvectl": ["resolvectl", "--legend=no", "query"],
    "dig 127.0.0.53": ["dig", "+short", "+time=1", "+tries=1", "@127.0.0.53"],
}


def answer(unit: str, command: list[str], name: str) -> str | None:
    """The address that was told, by which resolver it is."""
    said = inside(unit, *command, name)
    return next((address for address in SERVERS.values() if address in said.split()
                 or f"{address}\n" in said), None)
