# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

pytest.register_assert_rewrite("guest", "people", "services")

import guest  # pylint: disable=wrong-import-position
import nm  # pylint: disable=wrong-import-position
import services  # pylint: disable=wrong-import-position
from guest import sh  # pylint: disable=wrong-import-position


def pytest_runtest_logreport(report):
    """At once, not at the end: a guest that hangs has no end."""
    if report.failed:
        print(f"\n{report.longreprtext}", flush=True)


@pytest.fixture(scope="session")
def keys() -> guest.Keys:
    """The world is there from here on."""
    return guest.build_world()


@pytest.fixture
def clean():
    """No gateway and no tunnel is left over from the test before; no gateway is left to the next one."""
    sh("ip link del wg0 || true")
    guest.no_gateways()
    assert guest.nothing_is_left()
    yield
    guest.no_gateways()
    guest.wait_until("the end of the last hook", guest.no_process_is_left)
    assert guest.nothing_is_left()


@pytest.fixture(scope="module")
def networkmanager(keys):
    """NetworkManager has the machine, as on a desktop."""
    sh("systemctl start NetworkManager")
    nm.load("lan", nm.LAN)
    sh("nmcli connection up lan")
    yield keys
    sh("nmcli connection down lan")
    sh("systemctl stop NetworkManager")


@pytest.fixture
def wg0(networkmanager, clean):
    """NetworkManager's tunnel, up for both families."""
    nm.load_wg0(networkmanager)
    guest.gateway("wg0")
    sh("nmcli connection up wg0")
    guest.must_be_up()
    yield
    sh("nmcli connection down wg0", check=False)


@pytest.fixture(scope="module")
def lan(keys):
    """Nobody manages the network; masked, because wg-quick@.service wants network-online.target and
    that would start NetworkManager."""
    sh("systemctl mask --runtime --now NetworkManager NetworkManager-wait-online",
       "systemctl stop systemd-networkd.socket systemd-networkd networkd-dispatcher",
       "ip link set eth0 up", "ip addr replace 192.0.2.2/24 dev eth0",
       "ip addr replace 2001:db8:1::2/64 dev eth0 nodad",
       "ip route replace default via 192.0.2.1", "ip -6 route replace default via 2001:db8:1::1")
    yield keys
    sh("ip addr flush dev eth0",
       "systemctl unmask --runtime NetworkManager NetworkManager-wait-online")


# as after a boot: what is remembered of units
FORGET = "cd /run/custom-gateway && rm -rf stopped resume tunnel"


@pytest.fixture
def no_units(lan, clean):
    """No unit of a test is left to the next one."""
    before = set(services.UNITS.glob("*"))
    sh(FORGET)
    yield lan
    made = [path for path in services.UNITS.glob("*") if path not in before]
    names = " ".join(path.name for path in made if path.suffix in (".service", ".socket"))
    # one reload for all, at the end: it takes a second or two here
    sh(f"systemctl --no-reload disable --now {names} 2>/dev/null || true", "systemctl stop 'each@*'",
       "ip link del wg0 2>/dev/null || true")
    for path in made:
        path.unlink(missing_ok=True)
    guest.no_gateways(reload=False)
    sh("systemctl stop 'custom-gateway@*'", "systemctl daemon-reload", "systemctl reset-failed",
       FORGET)
