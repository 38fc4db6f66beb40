# SPDX-License-Identifier: GPL-2.0-or-later
"""Connection= and DNS=auto with NetworkManager's WireGuard, and what becomes of them without it."""

import contextlib

import pytest

import guest
import nm
from guest import must_be_blocked, must_be_up, sh
from people import alice_sends

MONITOR = "custom-gateway-monitor.service"
LIBNM = "/usr/lib/x86_64-linux-gnu/libnm.so.0"


@pytest.fixture
def tunnel(networkmanager, clean):
    nm.load_wg0(networkmanager)
    guest.gateway("home", "Connection=wg0", "DNS=auto")
    yield
    sh("nmcli connection down wg0 || true")


@pytest.mark.parametrize("connection", ["wg0", nm.WG0_UUID], ids=["by-id", "by-uuid"])
def test_up_and_down(tunnel, connection):
    guest.gateway("home", f"Connection={connection}", "DNS=auto")
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh("nmcli connection up wg0")
        must_be_up()
        assert guest.status("home")["dns"]["servers"] == ["10.64.0.1"]
        sh("nmcli connection down wg0")
        must_be_blocked()
    assert guest.status("home")["dns"]["servers"] == []


def test_reapply_alone(tunnel):
    sh("systemctl mask --runtime --now NetworkManager-dispatcher")
    try:
        sh("nmcli connection up wg0", "custom-gateway reapply")
        must_be_up()
        sh("nmcli connection down wg0", "custom-gateway reapply")
        must_be_blocked()
    finally:
        sh("systemctl unmask --runtime NetworkManager-dispatcher")


def test_restart_of_networkmanager_takes_nothing_away(tunnel):
    sh("nmcli connection up wg0")
    must_be_up()
    with alice_sends(), guest.monitor() as monitor:
        sh("systemctl restart NetworkManager", "nm-online --quiet --timeout 60")
        guest.wait_until("wg0 activated again", lambda: "activated" in sh(
            "nmcli -g GENERAL.STATE connection show wg0"))
        sh("custom-gateway reapply")
        must_be_up()
    assert monitor.lost == []


def test_servers_change_with_the_profile(tunnel):
    sh("nmcli connection up wg0")
    sh("nmcli connection modify wg0 ipv4.dns 10.64.0.1,10.64.0.53", "nmcli device reapply wg0")
    servers = ["10.64.0.1", "10.64.0.53"]
    guest.wait_until("the new servers", lambda: guest.status("home")["dns"]["servers"] == servers)


def test_servers_of_an_interface(networkmanager, clean):
    nm.load_wg0(networkmanager)
    guest.gateway("wg0", "DNS=auto")
    sh("nmcli connection up wg0")
    assert guest.status("wg0")["dns"]["servers"] == ["10.64.0.1"]
    sh("nmcli connection down wg0")


def test_without_networkmanager_it_is_down(tunnel):
    sh("nmcli connection up wg0")
    must_be_up()
    sh("systemctl stop NetworkManager")
    try:
        with alice_sends():
            sh("custom-gateway reapply")
            must_be_blocked()
            assert "NetworkManager does not run" in guest.warnings()
    finally:
        sh("systemctl start NetworkManager", "nm-online --quiet --timeout 60")


def test_what_is_not_known_sets_nobody_free(networkmanager, clean):
    nm.load_wg0(networkmanager)
    guest.gateway("home", "Connection=wg0", "OnDown=release")
    sh("nmcli connection up wg0")
    must_be_up()
    sh("systemctl stop NetworkManager")
    try:
        with alice_sends():
            sh("custom-gateway reapply")
            must_be_blocked()
    finally:
        sh("systemctl start NetworkManager", "nm-online --quiet --timeout 60")
    sh("nmcli connection down wg0 || true", "custom-gateway reapply")
    guest.must_be_released()


@contextlib.contextmanager
def without_libnm():
    sh(f"mount --bind /dev/null $(readlink -f {LIBNM})")
    try:
        yield
    finally:
        sh(f"umount $(readlink -f {LIBNM})", "systemctl reset-failed NetworkManager-dispatcher || true")


def test_without_libnm_it_is_said_if_a_gateway_asks(networkmanager, clean):
    nm.load_wg0(networkmanager)
    guest.gateway("wg0")
    with without_libnm():
        sh("custom-gateway reapply")
        assert "libnm" not in guest.warnings()
        guest.gateway("wg0", "Connection=wg0")
        said = sh("custom-gateway reapply 2>&1")
        assert "libnm" in said + guest.warnings()
        must_be_blocked()


def hook(action: str) -> None:
    """What NetworkManager's dispatcher does; without libnm it cannot run itself."""
    place = "pre-up.d/" if action == "pre-up" else ""
    sh(f"CONNECTION_ID=wg0 CONNECTION_UUID={nm.WG0_UUID} IP4_NAMESERVERS=10.64.0.1"
       f" CONNECTION_FILENAME={nm.ETC}/wg0.nmconnection"
       f" /usr/lib/NetworkManager/dispatcher.d/{place}50-custom-gateway wg0 {action}")


@pytest.mark.parametrize("action", ["pre-up", "up"])
def test_without_libnm_the_hook_knows(tunnel, action):
    sh("systemctl mask --runtime --now NetworkManager-dispatcher")
    try:
        sh("custom-gateway reapply", "nmcli connection up wg0")
        must_be_blocked()
        with without_libnm():
            hook(action)
            must_be_up()
    finally:
        sh("systemctl unmask --runtime NetworkManager-dispatcher")


def test_networkmanager_that_hangs_holds_nobody_up(tunnel):
    sh("nmcli connection up wg0")
    must_be_up()
    sh("systemctl kill --signal STOP NetworkManager")
    try:
        with alice_sends():
            sh("timeout 15 custom-gateway reapply")
            must_be_blocked()
            assert "has not answered for 5 seconds" in guest.warnings()
    finally:
        sh("systemctl kill --signal CONT NetworkManager")
    sh("custom-gateway reapply")
    must_be_up()


@pytest.fixture
def monitor(tunnel):
    sh("nmcli connection up wg0", f"systemctl start {MONITOR}")
    must_be_up()
    sh(f"systemctl reload {MONITOR}")  # it has asked when this returns
    yield
    print(sh(f"journalctl -b -u {MONITOR} -o short-precise --no-pager | tail -n 30"))
    sh(f"systemctl stop {MONITOR}")


def test_a_loss_while_networkmanager_hangs(monitor):
    """The rules do not wait for its answer; the tunnel counts as down only without one, and as up when
    there is one again."""
    sh("systemctl kill --signal STOP NetworkManager")
    try:
        with alice_sends(), guest.monitor() as events:
            sh("ip rule del priority 500", "ip -6 rule del priority 500")
            guest.wait_until("the end of the monitor's patience", lambda: not guest.is_up())
            must_be_blocked()
            lines = [line.partition("] ")[2] for line in events.lines]
    finally:
        sh("systemctl kill --signal CONT NetworkManager")
    way_gone = next(i for i, line in enumerate(lines) if line.startswith("Deleted default dev wg0"))
    assert len([line for line in lines[:way_gone] if line.startswith("500:")]) == 2, lines
    guest.wait_until("up again", guest.is_up)
    must_be_up()


def test_a_profile_in_memory_is_not_used(tunnel):
    sh("nmcli connection modify --temporary wg0 ipv4.dns 10.64.0.9", "nmcli connection up wg0")
    must_be_blocked()
    assert "in memory only" in guest.warnings()
    sh("nmcli connection down wg0", "rm /run/NetworkManager/system-connections/wg0.nmconnection",
       "nmcli connection reload")
