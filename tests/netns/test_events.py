# SPDX-License-Identifier: GPL-2.0-or-later
"""Events only say "look again": late, doubled, in the wrong order, at once, or about somebody else."""

import fcntl
import random
import subprocess

import pytest
from guard import programs
from lab import CONFINED, PYTHON, Tunnel

NM_ACTIONS = ["pre-up", "up", "vpn-pre-up", "vpn-up", "pre-down", "down", "vpn-pre-down", "vpn-down",
              "dhcp4-change", "dhcp6-change", "dns-change", "reapply"]
OTHER_CONFINED = 61600
OTHER_ACTIONS = ["hostname", "connectivity-change", "device-add", ""]
STATES = ["missing", "off", "no-carrier", "dormant", "degraded-carrier", "carrier", "degraded",
          "enslaved", "routable", "pending", "initialized", "configuring", "configured", "unmanaged",
          "failed", "linger"]


@pytest.fixture
def tunnel(lab):
    lab.config("wg0", f"Users={CONFINED}")
    return Tunnel(lab, 0)


@pytest.mark.parametrize("action", NM_ACTIONS)
def test_each_action_of_networkmanager_leads_to_the_state_of_the_tunnel(lab, tunnel, action):
    lab.nm("wg0", action)
    assert lab.ask(CONFINED) == "EACCES"
    tunnel.up()
    lab.nm("wg0", action)
    assert lab.ask(CONFINED) == "wg0"


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_networkd_leads_to_the_state_of_the_tunnel(lab, tunnel, state):
    tunnel.up()
    lab.networkd("wg0", state)
    assert lab.ask(CONFINED) == "wg0"


def test_a_guard_that_is_right_is_left_alone(lab, tunnel):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    lab.nm("wg0", "up")
    before = lab.sh("host", "nft -a list ruleset")  # handles too: a rule written anew has another
    loaded = programs(lab)
    assert "custom-gateway" in before
    assert loaded
    lab.nm("wg0", "up")
    assert lab.sh("host", "nft -a list ruleset") == before
    assert programs(lab) == loaded


@pytest.mark.parametrize("action", OTHER_ACTIONS)
def test_other_actions_change_nothing(lab, tunnel, action):
    lab.nm("wg0", action)
    assert lab.nothing_is_left()


def test_a_late_up_after_the_tunnel_went_down_again(lab, tunnel):
    tunnel.up()
    lab.nm("wg0", "up")
    tunnel.delete()
    lab.nm("wg0", "down")
    lab.nm("wg0", "up")
    assert lab.ask(CONFINED) == "EACCES"


def test_a_late_down_after_the_tunnel_came_up_again(lab, tunnel):
    tunnel.up()
    lab.nm("wg0", "up")
    lab.nm("wg0", "down")
    assert lab.ask(CONFINED) == "wg0"


def test_doubled_events_change_nothing_the_second_time(lab, tunnel):
    tunnel.up()
    lab.nm("wg0", "up")
    before = [lab.rules(f) + lab.routes(f) for f in (4, 6)]
    assert lab.nm("wg0", "up").stderr == ""
    assert [lab.rules(f) + lab.routes(f) for f in (4, 6)] == before


def test_any_order_ends_in_the_same_state(lab, tunnel):
    lab.cg("reapply")
    chance = random.Random(198)
    is_up = False
    for _ in range(30):
        if chance.random() < 0.3:
            (tunnel.delete if is_up else tunnel.up)()
            is_up = not is_up
        lab.nm("wg0", chance.choice(NM_ACTIONS))
        assert lab.ask(CONFINED) == ("wg0" if is_up else "EACCES")


def test_many_at_once_are_serialised(lab, tunnel):
    tunnel.up()
    runs = [lab.popen("host", lab.binary, *arguments, stderr=subprocess.PIPE, text=True)
            for arguments in [("event", "nm", "wg0", "up"), ("reapply",), ("remove",)] * 8]
    for process in runs:
        assert process.wait(timeout=30) == 0, process.stderr.read()
    lab.cg("reapply")
    assert lab.cg("status", check=False).returncode == 0
    assert len(lab.rules()) == 1


def test_it_waits_for_the_lock(lab, tunnel):
    lab.cg("reapply")
    tunnel.up()
    with open(lab.run_dir / "custom-gateway" / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = lab.popen("host", lab.binary, "reapply", stderr=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        assert lab.ask(CONFINED) == "EACCES"
    assert process.wait(timeout=10) == 0
    assert lab.ask(CONFINED) == "wg0"


def test_an_interface_that_no_gateway_names_costs_only_the_look(lab, tunnel):
    trace = lab.directory / "trace"
    lab.run("host", "strace", "-f", "-o", trace, lab.binary, "event", "nm", "eth0", "up")
    text = trace.read_text()
    assert "wg0.conf" in text  # the look
    for call in ("socket(", "sendto(", "flock(", "mkdir("):
        assert call not in text


def test_the_hook_loads_glib_and_libmnl_alone(lab, tunnel):
    """Only a run that must change the guard loads libnftables."""
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    lab.cg("reapply")
    trace = lab.directory / "trace"
    lab.run("host", "strace", "-f", "-e", "trace=openat", "-o", trace, lab.binary, "event", "nm",
            "wg0", "up")
    libraries = {line.split('"')[1].rsplit("/", 1)[1].split(".so")[0]
                 for line in trace.read_text().splitlines() if ".so" in line and " = -1 " not in line}
    assert libraries <= {"ld", "libc", "libm", "libmnl", "libglib-2.0", "libpcre2-8", "libpcre",
                         "libnss_files", "libnss_systemd"}


def test_another_gateways_broken_file_does_not_matter(lab, tunnel):
    lab.config("broken", "Users=0")
    tunnel.up()
    done = lab.nm("wg0", "up")
    assert done.stderr.count("\n") == 1
    assert lab.ask(CONFINED) == "wg0"


def test_a_broken_file_is_told_when_its_own_interface_is_meant(lab):
    lab.config("wg0", "Users=0")
    done = lab.nm("wg0", "up", check=False)
    assert done.returncode == 2
    assert "wg0.conf: [Gateway] Users:" in done.stderr


HOSTILE = ["", "none", "..", "../../etc", "a b", "x;reboot", "$(reboot)", "-h", "--version", "--help",
           "x" * 4000, "\u00a0", "all", "%s%n"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_interface_names_do_nothing(lab, tunnel, name):
    for done in (lab.nm(name, "up", check=False), lab.networkd(name, "routable", check=False)):
        assert done.returncode == 0
        assert done.stdout == ""
    assert lab.nothing_is_left()


@pytest.mark.parametrize("state", ["", "x;reboot", "-h", "s" * 4000], ids=range(4))
def test_hostile_states_do_nothing(lab, tunnel, state):
    done = lab.run("host", lab.networkd_hooks / "routable.d" / "50-custom-gateway", check=False,
                   env={"IFACE": "wg0", "STATE": state})
    assert done.returncode == 0
    assert lab.nothing_is_left()


@pytest.mark.parametrize("profile", [
    None, "/run/NetworkManager/system-connections/office.nmconnection",
    "/etc/NetworkManager/system-connections/../../../tmp/office.nmconnection",
    "/etc/NetworkManager/system-connections/", "x" * 100000], ids=range(5))
def test_a_connection_is_believed_only_with_a_profile_of_the_systems(lab, tunnel, profile):
    """Any user may make a connection and call it office; the environment does not tell whose it is."""
    lab.config("office", f"Users={OTHER_CONFINED}\nConnection=office")
    tunnel.up()
    environment = {"CONNECTION_ID": "office", "CONNECTION_UUID": "x", "DEVICE_IP_IFACE": "wg0"}
    if profile is not None:
        environment["CONNECTION_FILENAME"] = profile
    lab.run("host", lab.nm_hooks / "pre-up.d" / "50-custom-gateway", "wg0", "pre-up", env=environment)
    assert lab.ask(CONFINED) == "wg0"  # by Interface=
    assert lab.ask(OTHER_CONFINED) == "EACCES"


SEND_FROM = """
import errno, os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[2], 0))
try:
    sock.sendto(b"1 here", ("127.0.0.1", 9999))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def by_loopback_from(lab, address):
    return lab.run("host", PYTHON, "-c", SEND_FROM, CONFINED, address).stdout.strip()


@pytest.mark.parametrize("hook", ["nm", "networkd"])
def test_the_guard_learns_an_address_of_the_machine_by_the_event_of_any_interface(lab, hook):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    lab.cg("reapply")
    lab.sh("host", "ip addr add 192.0.2.77/24 dev eth0")
    assert by_loopback_from(lab, "192.0.2.77") == "EPERM"
    if hook == "nm":
        lab.nm("eth0", "dhcp4-change")
    else:
        lab.networkd("eth0", "configured")
    assert by_loopback_from(lab, "192.0.2.77") == "sent"


def test_an_event_of_another_interface_brings_no_gateway_back(lab):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    lab.cg("reapply")
    lab.cg("remove", "wg0")
    lab.nm("eth0", "up")
    assert lab.nothing_is_left()
    assert lab.ask(CONFINED) == "lan"
