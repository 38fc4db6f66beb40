# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd-networkd sets a WireGuard tunnel up and down, and networkd-dispatcher runs our hook."""

import pathlib
import time

import pytest

import guest
from guest import is_up, must_be_blocked, must_be_up, sh, wait_until
from people import CONFINED, OTHER, alice_sends, ask

LAN = """[Match]
Name=eth0

[Network]
Address=192.0.2.2/24
Gateway=192.0.2.1
Address=2001:db8:1::2/64
Gateway=2001:db8:1::1
IPv6AcceptRA=no
"""

# Without RouteTable= networkd makes no routes from AllowedIPs=, and who is not confined keeps his.
WG0_NETDEV = """[NetDev]
Name=wg0
Kind=wireguard

[WireGuard]
PrivateKey={keys.guest}
ListenPort=51900

[WireGuardPeer]
PublicKey={keys.server_public}
Endpoint=192.0.2.1:51820
AllowedIPs=0.0.0.0/0, ::/0
"""

WG0_NETWORK = """[Match]
Name=wg0

[Network]
Address=10.64.0.2/24
Address=fd00:64:a0::2/64
DNS=10.64.0.1
DNS=fd00:64:a0::1
"""

FILES = pathlib.Path("/etc/systemd/network")
SNIPPET = pathlib.Path("/etc/systemd/networkd.conf.d/50-custom-gateway.conf")


def write_wg0(keys) -> None:
    guest.write(f"{FILES}/wg0.netdev", WG0_NETDEV.format(keys=keys), 0o640)
    sh(f"chgrp systemd-network {FILES}/wg0.netdev")
    guest.write(f"{FILES}/wg0.network", WG0_NETWORK)


@pytest.fixture(scope="module")
def networkd(keys):
    """systemd-networkd has the machine, as on a server."""
    sh("systemctl stop NetworkManager", "ip link set eth0 up")
    guest.write(f"{FILES}/lan.network", LAN)
    sh("systemctl start systemd-networkd", "systemctl restart networkd-dispatcher")
    wait_until("the LAN", lambda: "routable" in sh("networkctl --no-legend list eth0"))
    yield keys
    (FILES / "lan.network").unlink()
    sh("systemctl stop systemd-networkd.socket systemd-networkd", "ip addr flush dev eth0")


@pytest.fixture
def files(networkd, clean):
    """A tunnel that is about to be set up, and its gateway, which is blocked until then."""
    guest.gateway("wg0")
    sh("custom-gateway reapply")
    must_be_blocked()
    write_wg0(networkd)
    yield
    for name in ("wg0.netdev", "wg0.network"):
        (FILES / name).unlink(missing_ok=True)
    sh("networkctl reload", "ip link del wg0 || true")


@pytest.fixture
def wg0(files):
    sh("networkctl reload")
    wait_until("the tunnel", is_up)
    must_be_up()
    # until networkd is done with it, and the hook of its last event has run
    wait_until("configured", lambda: "configured" in sh("networkctl --no-legend list wg0"))


def test_up_and_down(files):
    with alice_sends():
        sh("networkctl reload")
        wait_until("the new tunnel", is_up)
        must_be_up()
        sh("networkctl down wg0")
        wait_until("down", lambda: not is_up())
        must_be_blocked()
        sh("networkctl up wg0")
        wait_until("up again", is_up)
        must_be_up()
        sh("networkctl delete wg0")
        must_be_blocked()


@pytest.mark.parametrize("command", ["systemctl restart systemd-networkd", "networkctl reload"])
def test_nothing_is_lost_by(wg0, command):
    (FILES / "wg0.network").touch()  # else there is nothing to reload
    with alice_sends(), guest.monitor() as monitor:
        sh(command)
        wait_until("configured", lambda: "configured" in sh("networkctl --no-legend list wg0"))
        must_be_up()
    assert monitor.lost == []


def test_reconfigure(wg0):
    with alice_sends():
        sh("networkctl reconfigure wg0")
        wait_until("the tunnel", is_up)
        must_be_up()


def test_servers_of_a_link(wg0):
    guest.gateway("wg0", "DNS=auto")
    assert guest.status("wg0")["dns"]["servers"] == ["10.64.0.1", "fd00:64:a0::1"]


@pytest.fixture
def without_the_snippet(wg0):
    SNIPPET.parent.mkdir(exist_ok=True)
    SNIPPET.symlink_to("/dev/null")
    sh("systemctl restart systemd-networkd")
    wait_until("configured", lambda: "configured" in sh("networkctl --no-legend list wg0"))
    sh("custom-gateway reapply")
    must_be_up()
    yield
    SNIPPET.unlink()
    sh("systemctl restart systemd-networkd")


def test_without_the_snippet_what_a_reload_loses_comes_back(without_the_snippet):
    """By the hook, and so after a while. What a reload of the changed file takes away is printed."""
    (FILES / "wg0.network").touch()
    with guest.monitor() as monitor:
        sh("networkctl reload")
        wait_until("configured", lambda: "configured" in sh("networkctl --no-legend list wg0"))
        wait_until("the last hook", lambda: guest.no_process_is_left() and is_up())
        time.sleep(1)
        wait_until("the last hook", lambda: guest.no_process_is_left() and is_up())
    print("lost by the reload:", *monitor.lost, sep="\n  ")
    must_be_up()


def test_without_the_snippet_networkd_throws_away_what_is_ours(wg0):
    """Why the snippet is there. If this fails one day, networkd has changed its mind."""
    SNIPPET.parent.mkdir(exist_ok=True)
    SNIPPET.symlink_to("/dev/null")
    sh("systemctl stop networkd-dispatcher")  # it would put things right again, after a while
    try:
        sh("systemctl restart systemd-networkd")
        wait_until("the loss of the rules", lambda: not guest.rules(4) and not guest.rules(6))
        # which networkd sets up anew, too, and without it there is nothing to be held from
        wait_until("the LAN", lambda: ask(OTHER) == "lan")
        assert ask(CONFINED) == "EPERM", "the guard alone still holds"
    finally:
        SNIPPET.unlink()
        sh("systemctl restart systemd-networkd", "systemctl start networkd-dispatcher")
    # what was lost all the same comes back with the events
    wait_until("the tunnel", is_up)
    must_be_up()
