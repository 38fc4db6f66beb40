# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard's programs and maps in the kernel, looked at by bpftool(8): how they come, stay, change and go.
A flood by the confined tries to get out meanwhile."""

import re
import struct

import pytest
from guard import (CGROUPS, HOOKS, PINS, confine, dropped, entries, escape, flood, flush_rules,
                   gateway_status, held_uids, is_well, map_id, pins, programs, reasons, tables)
from lab import CONFINED, HERE, OTHER, OTHER_PORT, PYTHON, Tunnel, wait_until
from test_guard_ways import FORMS

MAPS = {"cg_self", "cg_drops", "cg_uids", "cg_gateways", "cg_bypasses", "cg_servers", "cg_ports",
        "cg_addresses"}
SECOND = CONFINED + 10


@pytest.fixture
def tunnel(lab):
    """A gateway whose tunnel is up, with its guard."""
    made = Tunnel(lab, 0)
    made.up()
    confine(lab)
    lab.cg("reapply")
    return made


def stands_once(lab):
    """One program of ours at each hook."""
    return [hook for hook, _ in sorted(programs(lab))] == sorted(HOOKS)


def way(lab, name="wg0"):
    table = gateway_status(lab, name)["table"]
    return next(entry["value"]["ifindex"] for entry in entries(lab, "cg_gateways") if entry["key"] == table)


def is_gone(lab, kind, number):
    return lab.run("host", "bpftool", kind, "show", "id", str(number), check=False).returncode != 0


# What stands

def test_what_stands_when_up_when_down_and_when_removed(lab, tunnel):
    assert stands_once(lab)
    before = programs(lab)
    ifindex = gateway_status(lab)["ifindex"]
    assert way(lab) == [ifindex, ifindex]
    assert held_uids(lab) == [(CONFINED, 32)]
    names = {path.rsplit("/", 1)[1] for path in pins(lab)}
    assert names == MAPS | {f"cg_{hook}" for hook in HOOKS}
    assert gateway_status(lab)["guard"]["state"] == "bpf"

    tunnel.delete()
    lab.cg("reapply")
    assert way(lab) == [0, 0]
    assert programs(lab) == before, "what stands is not loaded anew"
    tunnel.up()
    lab.cg("reapply")
    assert way(lab) == [gateway_status(lab)["ifindex"]] * 2

    maps = [map_id(lab, name) for name in MAPS - {"cg_self", "cg_servers"}]
    lab.cg("remove")
    assert not programs(lab)
    assert not pins(lab)
    wait_until("the end of the maps", lambda: all(is_gone(lab, "map", number) for number in maps))
    assert escape(lab, "SO_BINDTODEVICE") == "sent"


def test_without_a_guard_no_program_is_loaded(lab):
    """It costs others something."""
    confine(lab, "Guard=no")
    Tunnel(lab, 0).up()
    lab.cg("reapply")
    assert not programs(lab)
    assert not pins(lab)


def test_programs_of_others_are_left_alone(lab):
    """systemd has some for IPAddressDeny=, at the same hooks."""
    load(lab, OTHER_VERSION, "other", namespace=1)
    attach(lab, "other")
    others = programs(lab)
    confine(lab)
    lab.cg("reapply")
    assert set(others) < set(programs(lab))
    lab.cg("remove")
    assert programs(lab) == others


@pytest.mark.parametrize("files", ["umount --lazy /sys/fs/bpf", f"rm -r {PINS}"],
                         ids=["unmounted", "removed"])
def test_without_its_pins_it_holds_and_the_next_run_adopts_it(lab, tunnel, files):
    before = programs(lab)
    lab.sh("host", files)
    with lab.capture() as capture:
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    assert capture.leaks == 0
    with flood(lab) as counts:
        assert is_well(lab)
        tunnel.delete()
        confine(lab, users=f"{CONFINED} {SECOND}")
        lab.cg("reapply")
    assert programs(lab) == before
    assert counts.tried > 100
    assert counts.sent == 0
    assert way(lab) == [0, 0]
    assert escape(lab, "SO_BINDTODEVICE", SECOND) == "EPERM"
    assert is_well(lab)
    lab.cg("remove")
    assert not programs(lab)


@pytest.mark.parametrize("name", ["cg_uids", "cg_self", "cg_egress"])
def test_nor_does_it_need_each_of_them(lab, tunnel, name):
    before = programs(lab)
    lab.sh("host", f"rm {PINS}/*/*/{name}")
    with flood(lab) as counts:
        assert is_well(lab)
        tunnel.delete()
        lab.cg("reapply")
        assert is_well(lab)
    assert way(lab) == [0, 0]
    assert programs(lab) == before
    assert counts.tried > 100
    assert counts.sent == 0


@pytest.mark.usefixtures("tunnel")
def test_of_two_of_one_version_one_goes(lab):
    """As a run leaves them that is killed when the pins were lost. The pins are of the one that stays."""
    version = int(pins(lab)[0].split("/")[-2])
    lab.sh("host", f"rm -r {PINS}")
    load(lab, version, "other")
    attach(lab, "other")
    assert len(programs(lab)) == 2 * len(HOOKS)
    assert lab.cg("status", check=False).returncode == 3
    with flood(lab) as counts:
        lab.cg("reapply")
        assert stands_once(lab)
        assert is_well(lab)
    assert counts.sent == 0
    assert len(pins(lab)) == len(MAPS) + len(HOOKS)
    before = programs(lab)
    assert with_net_admin_alone(lab, "status").returncode == 0
    assert with_net_admin_alone(lab, "reapply").returncode == 0
    assert programs(lab) == before


@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize("has_pins", [True, False], ids=["pinned", "without pins"])
@pytest.mark.parametrize("hooks", [*([hook] for hook in HOOKS), HOOKS], ids=" and ".join)
def test_a_program_that_was_detached_is_noticed_and_comes_back(lab, hooks, has_pins):
    for hook in hooks:
        [number] = programs(lab, hook)
        lab.sh("host", f"bpftool cgroup detach {CGROUPS} {hook} id {number}")
    if not has_pins:
        lab.sh("host", f"rm -r {PINS}")
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert stands_once(lab)
    assert is_well(lab)
    assert len(pins(lab)) == len(MAPS) + len(HOOKS)
    with lab.capture() as capture:
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
        assert lab.ask(CONFINED) == "wg0"
    assert capture.leaks == 0


@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize("name,change", [
    ("cg_uids", "delete id {} key hex 20 00 00 00 00 00 f0 3c"),
    ("cg_uids", "update id {} key hex 20 00 00 00 00 00 f0 40 value hex 01 00 00 00"),
    ("cg_ports", "update id {} key hex 09 00 00 00 value hex 00 00 00 00"),
    ("cg_gateways", "update id {} key hex 01 00 00 00 value hex 01 00 00 00 01 00 00 00 00 00 00 00")])
def test_an_entry_that_another_program_changed_is_noticed_and_mended(lab, name, change):
    before = entries(lab, name)
    lab.sh("host", "bpftool map " + change.format(map_id(lab, name)))
    assert entries(lab, name) != before
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert entries(lab, name) == before
    assert is_well(lab)


# Guards of other versions

OTHER_VERSION = 4242


def cookie(lab):
    return int(lab.run("host", PYTHON, "-c", "import socket; sock = socket.socket(socket.AF_UNIX); print("
                       "int.from_bytes(sock.getsockopt(1, 71, 8), 'little'))").stdout)


def with_self(image, value):
    """The ELF file with another content of its section .rodata.self (elf(5))."""
    table, = struct.unpack_from("<Q", image, 40)
    size, count, names = struct.unpack_from("<HHH", image, 58)
    headers = [struct.unpack_from("<IIQQQQ", image, table + i * size) for i in range(count)]
    for header in headers:
        start = headers[names][4] + header[0]
        if image[start:image.index(b"\0", start)] == b".rodata.self":
            return image[:header[4]] + value + image[header[4] + header[5]:]
    raise AssertionError("no section .rodata.self")


def load(lab, version, name, namespace=None):
    """Loads the guard as another version of this program would, pinned in a place of the test's, attached to
    nothing."""
    [built] = lab.stage.glob("lib/**/custom-gateway/guard.bpf.o")
    image = with_self(built.read_bytes(), struct.pack("<QII", namespace or cookie(lab), version, 0))
    (lab.run_dir / f"{name}.o").write_bytes(image)
    lab.sh("host", f"bpftool prog loadall /run/{name}.o /sys/fs/bpf/{name} pinmaps /sys/fs/bpf/{name}-maps")


def attach(lab, name):
    for hook in HOOKS:
        lab.sh("host", f"bpftool cgroup attach {CGROUPS} {hook} pinned /sys/fs/bpf/{name}/cg_{hook} multi")


def put_another_version(lab):
    """A guard that holds CONFINED in a gateway whose tunnel is closed."""
    table = gateway_status(lab)["table"].to_bytes(4, "little").hex(" ")
    load(lab, OTHER_VERSION, "other")
    lab.sh("host", "cd /sys/fs/bpf/other-maps",
           f"bpftool map update pinned cg_uids key hex 20 00 00 00 {CONFINED.to_bytes(4, 'big').hex(' ')} "
           f"value hex {table}",
           f"bpftool map update pinned cg_gateways key hex {table} value hex {bytes(12).hex(' ')}")
    attach(lab, "other")


def take_away(lab, which):
    """Those programs, and all pins."""
    for hook, number in which:
        lab.sh("host", f"bpftool cgroup detach {CGROUPS} {hook} id {number}")
    lab.sh("host", f"rm -r {PINS}")


@pytest.mark.usefixtures("tunnel")
def test_a_guard_of_another_version_is_replaced_without_an_instant_without_one(lab):
    before = programs(lab)
    with lab.capture() as capture:
        with flood(lab) as counts:
            put_another_version(lab)
            take_away(lab, before)
            theirs = programs(lab)
            assert stands_once(lab)
            assert lab.cg("status", check=False).returncode == 3
            lab.cg("reapply")
            assert stands_once(lab)
            assert not set(theirs) & set(programs(lab))
    assert counts.tried > 1000
    assert counts.sent == capture.leaks == 0
    assert is_well(lab)
    assert lab.ask(CONFINED) == "wg0"


@pytest.mark.usefixtures("tunnel")
def test_a_guard_of_another_version_beside_ours_goes(lab):
    """Both have to let a packet pass."""
    before = programs(lab)
    with flood(lab) as counts:
        put_another_version(lab)
        assert lab.ask(CONFINED) == "EPERM"
        assert lab.cg("status", check=False).returncode == 3
        lab.cg("reapply")
    assert counts.sent == 0
    assert programs(lab) == before
    assert lab.ask(CONFINED) == "wg0"


@pytest.mark.usefixtures("tunnel")
def test_pins_of_another_version_that_holds_nothing_are_taken_away(lab):
    """It was cut off before it was attached. What is not a version is none of ours."""
    load(lab, OTHER_VERSION, "other")
    lab.sh("host", f"cd {PINS}/*; mkdir {OTHER_VERSION} notes",
           *(f"bpftool prog pin pinned /sys/fs/bpf/other/cg_{hook} $(pwd)/{OTHER_VERSION}/cg_{hook}"
             for hook in HOOKS),
           f"bpftool map pin pinned /sys/fs/bpf/other-maps/cg_uids $(pwd)/{OTHER_VERSION}/cg_uids")
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert is_well(lab)
    assert not lab.sh("host", f"ls {PINS}/*").count(str(OTHER_VERSION))
    assert "notes" in lab.sh("host", f"ls {PINS}/*")
    assert stands_once(lab)


# Killed

CHANGES = re.compile(r"bpf\((BPF_MAP_CREATE|BPF_PROG_LOAD|BPF_MAP_UPDATE_ELEM|BPF_MAP_DELETE_ELEM|"
                     "BPF_OBJ_PIN|BPF_PROG_ATTACH|BPF_PROG_DETACH)")


def changing_calls(lab, *words):
    """The numbers of a run's calls of bpf(2) that change something, and of the one behind the last."""
    log = lab.run_dir / "trace"
    lab.run("host", "strace", "-f", "-qq", "-o", "/run/trace", "-e", "trace=bpf", lab.binary, "-q", *words)
    lines = [line for line in log.read_text().splitlines() if "bpf(" in line]
    return [number for number, line in enumerate(lines, 1) if CHANGES.search(line)]


def cut(lab, number, *words):
    done = lab.run("host", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bpf", "-e",
                   f"inject=bpf:signal=SIGKILL:when={number}", lab.binary, "-q", *words, check=False)
    assert done.returncode in (-9, 137), f"it has fewer calls than {number}"


def assert_mended(lab):
    lab.cg("reapply")
    assert stands_once(lab)
    assert is_well(lab)
    assert len(pins(lab)) == len(MAPS) + len(HOOKS)


@pytest.mark.parametrize("story", ["up", "down", "other users", "another version"])
def test_killed_at_each_call_that_changes_it_nothing_gets_out(lab, tunnel, story):
    def before():
        confine(lab, users=f"{CONFINED} {SECOND}")
        lab.sh("host", "ip link set wg0 " + ("down" if story == "up" else "up"),
               *([] if story == "up" else addresses))
        lab.cg("reapply")
        after()

    def after():
        if story == "up":
            lab.sh("host", "ip link set wg0 up", *addresses)
        elif story == "down":
            lab.sh("host", "ip link set wg0 down")
        elif story == "other users":
            confine(lab, users=f"{CONFINED} {SECOND + 5}-{SECOND + 25}")
        else:
            ours = programs(lab)
            lab.sh("host", "rm -rf /sys/fs/bpf/other /sys/fs/bpf/other-maps")
            put_another_version(lab)
            take_away(lab, ours)

    addresses = [f"ip addr replace {tunnel.address[4]}/24 dev wg0",
                 f"ip addr replace {tunnel.address[6]}/64 dev wg0 nodad"]
    before()
    calls = changing_calls(lab, "reapply")
    assert len(calls) >= (20 if story == "another version" else 2)
    with lab.capture() as capture, flood(lab) as counts:
        for number in calls:
            before()
            cut(lab, number, "reapply")
            assert_mended(lab)
    assert counts.tried > 1000
    assert counts.sent == capture.leaks == 0


def test_killed_while_it_is_loaded_for_the_first_time(lab):
    """Nothing stood before. What it left does not keep the next run from holding."""
    confine(lab)
    calls = changing_calls(lab, "reapply")
    assert len(calls) >= 20
    lab.cg("remove")
    for number in calls:
        cut(lab, number, "reapply")
        assert_mended(lab)
        assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
        lab.cg("remove")
        assert not programs(lab) and not pins(lab)


@pytest.mark.usefixtures("tunnel")
def test_killed_while_it_goes(lab):
    calls = changing_calls(lab, "remove")
    assert len(calls) >= len(HOOKS)
    for number in calls:
        lab.cg("reapply")
        cut(lab, number, "remove")
        lab.cg("remove")
        assert not programs(lab) and not pins(lab)
        assert lab.nothing_is_left()


# Other network namespaces

CONTAINER = """
ip link set lo up
ip link add eth0 type veth peer name far
ip addr add 198.51.100.2/24 dev eth0
ip link set eth0 up
ip link set far up
ip route add default via 198.51.100.1
ip neigh replace 198.51.100.1 lladdr 02:00:00:00:00:01 dev eth0
exec "$@"
"""
SEND = """
import os, socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.sendto(b"1", ("203.0.113.1", 7000))
print("sent by", os.getuid())
"""


@pytest.mark.usefixtures("tunnel")
def test_a_container_with_a_user_of_that_number_is_not_held(lab):
    """Its network is another one, and its cgroup is below the root, as all are."""
    done = lab.run("host", "unshare", "--net", "sh", "-ec", CONTAINER, "sh", PYTHON,
                   HERE / "escape.py", CONFINED, "SO_BINDTODEVICE", 7000)
    assert done.stdout == "sent\n"
    assert dropped(lab) == 0


@pytest.mark.usefixtures("tunnel")
def test_nor_is_one_whose_user_has_that_number_in_a_namespace_of_users(lab):
    """BPF gets the number as that namespace has it. Here it is root's."""
    done = lab.run("host", "unshare", "--user", f"--map-user={CONFINED}", "--keep-caps", "--net", "sh", "-ec",
                   CONTAINER, "sh", PYTHON, "-c", SEND)
    assert done.stdout == f"sent by {CONFINED}\n"
    assert dropped(lab) == 0
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


class Namespace:
    """A network namespace beside the machine's, in the same cgroup and with the same /sys/fs/bpf."""

    def __init__(self, lab):
        self._lab = lab
        self._process = lab.popen("host", "unshare", "--net", "sh", "-ec", CONTAINER, "sh", "sh", "-c",
                                  "echo $$; exec cat", stdin=-1, stdout=-1, text=True)
        self._pid = self._process.stdout.readline().strip()
        self.options = ["--config-dir", "/run/second-etc", "--runtime-dir", "/run/second-run"]
        lab.sh("host", "mkdir -m 755 /run/second-etc /run/second-run")

    def run(self, *arguments, check=True):
        return self._lab.run("host", "nsenter", "--net", "--target", self._pid, *arguments, check=check)

    def cg(self, *arguments, check=True):
        return self.run(self._lab.binary, *self.options, *arguments, check=check)

    def escape(self, uid):
        return self.run(PYTHON, HERE / "escape.py", uid, "SO_BINDTODEVICE", 7000).stdout.strip()


@pytest.mark.usefixtures("tunnel")
def test_the_gateways_of_two_network_namespaces_do_not_meet(lab):
    second = Namespace(lab)
    (lab.run_dir / "second-etc" / "wg0.conf").write_text(f"[Gateway]\nUsers={SECOND}\nGuard=yes\n")
    before = programs(lab)
    second.cg("reapply")
    assert set(before) < set(programs(lab))
    assert len(programs(lab)) == 2 * len(HOOKS)
    assert is_well(lab)
    assert second.cg("status", check=False).returncode == 0
    assert [escape(lab, "SO_BINDTODEVICE", uid) for uid in (CONFINED, SECOND)] == ["EPERM", "sent"]
    assert [second.escape(uid) for uid in (CONFINED, SECOND)] == ["sent", "EPERM"]
    second.cg("remove")
    assert programs(lab) == before
    second.cg("reapply")
    lab.cg("remove")
    assert len(programs(lab)) == len(HOOKS)
    assert [escape(lab, "SO_BINDTODEVICE", uid) for uid in (CONFINED, SECOND)] == ["sent", "sent"]
    assert second.escape(SECOND) == "EPERM"
    second.cg("remove")


# Without privileges that only loading takes

def with_net_admin_alone(lab, *arguments):
    return lab.run("host", "setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", lab.binary,
                   *arguments, check=False)


def test_a_run_with_cap_net_admin_alone_writes_its_maps(lab, tunnel):
    """Its units have no more while the guard stands: it finds what is pinned."""
    before = programs(lab)
    tunnel.delete()
    assert with_net_admin_alone(lab, "status").returncode == 3
    done = with_net_admin_alone(lab, "reapply")
    assert done.returncode == 0
    assert re.fullmatch(r"custom-gateway: wg0: IPv4 blocked, IPv6 blocked \(.*\)\n", done.stderr)
    assert way(lab) == [0, 0]
    tunnel.up()
    confine(lab, users=f"{CONFINED} {SECOND}")
    assert with_net_admin_alone(lab, "reapply").returncode == 0
    assert way(lab) == [gateway_status(lab)["ifindex"]] * 2
    assert programs(lab) == before
    assert escape(lab, "SO_BINDTODEVICE", SECOND) == "EPERM"
    assert with_net_admin_alone(lab, "status").returncode == 0
    assert lab.ask(CONFINED) == "wg0"


@pytest.mark.usefixtures("tunnel")
def test_a_run_that_may_not_see_the_guard_leaves_it(lab):
    """The pins are lost, and to ask the kernel takes more."""
    before = programs(lab)
    lab.sh("host", f"rm -r {PINS}")
    with flood(lab) as counts:
        with_net_admin_alone(lab, "reapply")
    assert counts.sent == 0
    assert programs(lab) == before
    lab.cg("reapply")
    assert is_well(lab)
    assert lab.ask(CONFINED) == "wg0"


# Changes of what it holds

def configure(lab, form, name="wg0"):
    confine(lab, name=name, users=" ".join(f"{first}-{last}" for first, last in form))


@pytest.mark.usefixtures("tunnel")
def test_a_change_of_its_users_lets_no_one_out_that_stays(lab):
    """From each form in which its map has them to each other one."""
    configure(lab, FORMS["one"])
    lab.cg("reapply")
    with flood(lab) as counts:
        for one in FORMS.values():
            for other in FORMS.values():
                for form in (one, other):
                    configure(lab, form)
                    lab.cg("reapply")
    assert counts.tried > 10000
    assert counts.sent == 0


def test_a_user_that_moves_between_two_gateways_is_held_by_one_of_them(lab):
    confine(lab)
    confine(lab, name="wg1", users=SECOND)
    lab.cg("reapply")
    with flood(lab) as counts:
        for number in range(200):
            here, there = ("wg0", "wg1") if number % 2 else ("wg1", "wg0")
            confine(lab, name=here)
            confine(lab, name=there, users=SECOND)
            lab.cg("reapply")
    assert counts.tried > 10000
    assert counts.sent == 0


def test_a_user_that_moves_while_its_rules_are_gone_is_not_set_free(lab):
    """The guard alone tells that it was confined."""
    confine(lab)
    confine(lab, name="wg1", users=SECOND)
    lab.cg("reapply")
    flush_rules(lab)
    confine(lab, users=SECOND + 1)
    confine(lab, name="wg1")
    with flood(lab) as counts:
        lab.cg("reapply", "wg0")
    assert counts.sent == 0
    table = gateway_status(lab, "wg1")["table"]
    [entry] = [entry for entry in entries(lab, "cg_uids")
               if bytes(int(str(byte), 0) for byte in entry["key"]["uid"]) == CONFINED.to_bytes(4, "big")]
    assert entry["value"] == table


def test_a_bad_file_does_not_set_free_a_user_that_only_the_guard_holds(lab):
    confine(lab)
    lab.cg("reapply")
    flush_rules(lab)
    lab.config("wg0", f"Users={SECOND}\nGuard=yes")
    lab.config("wg1", "Users=0")
    lab.cg("reapply", check=False)
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    lab.config("wg0", f"Users={SECOND}\nGuard=no")
    lab.cg("reapply", check=False)
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"
    lab.config("wg1", f"Users={SECOND + 1}")
    lab.cg("reapply")
    assert escape(lab, "SO_BINDTODEVICE") == "sent"


def test_the_guard_of_a_file_that_went_bad_stays(lab):
    confine(lab)
    confine(lab, name="wg1", users=SECOND)
    lab.cg("reapply")
    lab.config("wg0", "Users=0")
    lab.cg("reapply", check=False)
    assert held_uids(lab) == [(CONFINED, 32), (SECOND, 32)]
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_one_gateways_guard_goes_without_the_others(lab):
    confine(lab)
    confine(lab, name="wg1", users=SECOND)
    lab.cg("reapply")
    assert len(entries(lab, "cg_gateways")) == 2
    lab.cg("remove", "wg0")
    assert held_uids(lab) == [(SECOND, 32)]
    assert len(entries(lab, "cg_gateways")) == 1
    confine(lab, "Guard=no", name="wg1", users=SECOND)
    lab.cg("reapply", "wg1")
    assert escape(lab, "SO_BINDTODEVICE", SECOND) == "sent"
    (lab.config_dir / "wg0.conf").unlink()
    lab.cg("reapply")
    assert not programs(lab)
    assert not tables(lab)


def test_a_gateway_whose_names_cannot_be_written_does_not_hold_up_the_others(lab):
    confine(lab)
    lab.cg("reapply")
    (lab.run_dir / "custom-gateway" / "dns" / "wg1" / "resolv.conf").mkdir(parents=True)
    confine(lab, "DNS=10.64.0.1", name="wg1", users=SECOND)
    assert lab.cg("reapply", check=False).returncode == 1
    assert escape(lab, "SO_BINDTODEVICE", SECOND) == "EPERM"
    lab.cg("remove", "wg0", check=False)
    assert held_uids(lab) == [(SECOND, 32)]
    assert escape(lab, "SO_BINDTODEVICE") == "sent"


def test_release_takes_it_away_and_up_brings_it_back(lab):
    confine(lab, "OnDown=release")
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.nm("wg0", "up")
    assert held_uids(lab) == [(CONFINED, 32)]
    tunnel.delete()
    lab.nm("wg0", "down")
    assert not programs(lab) or not held_uids(lab)
    assert escape(lab, "SO_BINDTODEVICE") == "sent"
    tunnel.up()
    lab.nm("wg0", "up")
    assert escape(lab, "SO_BINDTODEVICE") == "EPERM"


def test_what_it_counts_goes_with_its_gateway(lab):
    """Another one may have the table one day."""
    confine(lab, "Table=1000")
    confine(lab, "Table=1001", name="wg1", users=SECOND)
    lab.cg("reapply")
    escape(lab, "SO_BINDTODEVICE")
    assert reasons(lab) == {"out": 1}
    lab.cg("remove", "wg0")
    lab.cg("reapply")
    assert reasons(lab) == {}


def test_many_gateways_come_up_in_one_run(lab):
    """With a guard each: nftables has room for 1024 chains at a hook (NFT_JUMP_STACK_SIZE aside)."""
    count = 1100
    for number in range(count):
        lab.config(f"g{number}", f"Interface=no{number}\nUsers={70000 + number}\nGuard=yes")
    lab.cg("reapply")
    assert len(entries(lab, "cg_gateways")) == count
    assert len(held_uids(lab)) == count
    assert stands_once(lab)
    for uid in 70000, 70000 + count - 1:
        assert escape(lab, "SO_BINDTODEVICE", uid) == "EPERM"
    assert escape(lab, "SO_BINDTODEVICE", 70000 + count, OTHER_PORT) == "sent"
    assert lab.ask(OTHER) == "lan"
    assert is_well(lab)


FORGERIES = {
    "map": ("cg_uids", "bpftool map create {} type lpm_trie key 8 value 4 entries 9 name cg_uids flags 1"),
    "program": ("cg_egress", "bpftool prog pin id {ingress} {}"),
    "map-as-program": ("cg_egress", "bpftool map create {} type hash key 4 value 4 entries 9 name cg_uids")}


@pytest.mark.parametrize("name,command", FORGERIES.values(), ids=FORGERIES)
def test_a_pin_of_another_hand_takes_no_pins_place(lab, name, command):
    """What is written there would hold nothing, and what is attached from there would hold something else."""
    confine(lab)
    lab.cg("reapply")
    pin = next(path for path in pins(lab) if path.endswith(name))
    lab.sh("host", f"rm {pin}", command.format(pin, ingress=programs(lab, "ingress")[0]))
    confine(lab, users=f"{CONFINED} {CONFINED + 9}")
    lab.cg("reapply")
    assert escape(lab, "SO_BINDTODEVICE") == escape(lab, "SO_BINDTODEVICE", CONFINED + 9) == "EPERM"
    assert is_well(lab)
