# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the guard share: to confine, to get out, and to look at the guard in the kernel."""

import contextlib
import json

from lab import CONFINED, CONFINED_PORT, HERE, PYTHON, LabError

HOOKS = ("egress", "ingress", "sock_create", "setsockopt")
CGROUPS = "/sys/fs/cgroup"
PINS = "/sys/fs/bpf/custom-gateway"
TABLE = "inet custom-gateway"


def confine(lab, *more, name="wg0", users=CONFINED):
    """Writes the gateway's file; with the guard unless it says otherwise."""
    text = "\n".join([f"Users={users}", *more])
    lab.config(name, text if "Guard=" in text else f"{text}\nGuard=yes")


def escape(lab, way, uid=CONFINED, port=CONFINED_PORT):
    return lab.run("host", PYTHON, HERE / "escape.py", uid, way, port).stdout.strip()


def flush_rules(lab):
    for family in (4, 6):
        lab.sh("host", f"ip -{family} rule flush", f"ip -{family} rule add lookup main priority 32766")


# Before a script of a test: the process becomes that user, for good.
BECOME = """
import errno, os, socket, struct, sys
def become(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
become(int(sys.argv.pop(1)))
"""


def as_user(lab, uid, script, *arguments, check=True):
    """Runs the Python script in the machine under test; what it printed, a line an element."""
    return lab.run("host", PYTHON, "-c", BECOME + script, uid, *arguments,
                   check=check).stdout.splitlines()


def start_as_user(lab, uid, script, *arguments):
    return lab.popen("host", PYTHON, "-c", BECOME + script, str(uid), *map(str, arguments),
                     stdin=-1, stdout=-1, text=True)


# In the kernel

def programs(lab, hook=None):
    """Our programs at the root of the machine's cgroups, as bpftool(8) shows them: (hook, id) pairs, or the
    ids of one hook."""
    shown = json.loads(lab.sh("host", f"bpftool -j cgroup show {CGROUPS}").strip() or "[]")
    found = [(entry["attach_type"].removeprefix("cgroup_").removeprefix("inet_"), entry["id"])
             for entry in shown if entry["name"].startswith("cg_")]
    return found if hook is None else [number for name, number in found if name == hook]


def pins(lab):
    """The files below our directory of pins."""
    return lab.sh("host", f"find {PINS} -type f 2>/dev/null || true").splitlines()


def map_id(lab, name, hook="egress"):
    """Of the map of that name of the first of our programs at the hook."""
    [program, *_] = programs(lab, hook)
    numbers = json.loads(lab.sh("host", f"bpftool -j prog show id {program}"))["map_ids"]
    for number in numbers:
        if json.loads(lab.sh("host", f"bpftool -j map show id {number}"))["name"] == name:
            return number
    raise LabError(f"no map {name}")


def entries(lab, name, hook="egress"):
    """What is in the map, by its types: {"key": ..., "value": ...} each."""
    dump = json.loads(lab.sh("host", f"bpftool -j map dump id {map_id(lab, name, hook)}"))
    return [entry.get("formatted", entry) for entry in dump]


def held_uids(lab):
    """The first uid of each prefix that the guard holds, and how many bits it has."""
    found = []
    for entry in entries(lab, "cg_uids"):
        uid = int.from_bytes(bytes(int(str(byte), 0) for byte in entry["key"]["uid"]), "big")
        found.append((uid, entry["key"]["length"]))
    return sorted(found)


def tables(lab):
    """The tables of nftables, by their names."""
    listed = json.loads(lab.sh("host", "nft -j list tables"))["nftables"]
    return sorted(entry["table"]["name"] for entry in listed if "table" in entry)


def table(lab):
    return lab.sh("host", f"nft list table {TABLE}")


def table_dropped(lab):
    """What the guard's table in nftables has dropped."""
    listed = json.loads(lab.sh("host", f"nft -j list counter {TABLE} dropped"))["nftables"]
    return listed[-1]["counter"]["packets"]


# What status says

def gateway_status(lab, name="wg0"):
    gateways = json.loads(lab.cg("status", "--json", check=False).stdout)["gateways"]
    return next(gateway for gateway in gateways if gateway["name"] == name)


def dropped(lab, name="wg0"):
    return gateway_status(lab, name)["guard"]["dropped"]


def reasons(lab, name="wg0"):
    """Why it dropped what it dropped, without what it never did."""
    return {word: count for word, count in gateway_status(lab, name)["guard"]["reasons"].items() if count}


def is_well(lab):
    return lab.cg("status", check=False).returncode == 0


# A program that tries to get out all the time

FLOOD = """
import itertools, signal
sockets = []
for family, server in ((socket.AF_INET, "203.0.113.1"), (socket.AF_INET6, "2001:db8:ffff::1")):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    sockets.append((sock, (server, int(sys.argv[1]))))
tried = sent = 0
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print("flooding", flush=True)
for sock, server in itertools.cycle(sockets):
    if not going:
        break
    tried += 1
    try:
        sock.sendto(b"1", server)
        sent += 1
    except OSError:
        pass
print(tried, sent)
"""


class Flood:
    tried = 0
    sent = 0


@contextlib.contextmanager
def flood(lab, uid=CONFINED):
    """That user sends by the LAN all the time, past the rules, in both families; read .tried and .sent
    behind the block. What its kernel took for sent need not be on the LAN: for that see capture()."""
    process = start_as_user(lab, uid, FLOOD, CONFINED_PORT)
    if process.stdout.readline() != "flooding\n":
        raise LabError("the flood did not start")
    counts = Flood()
    yield counts
    process.terminate()
    counts.tried, counts.sent = map(int, process.communicate(timeout=10)[0].split())
