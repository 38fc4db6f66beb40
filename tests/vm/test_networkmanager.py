# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkManager sets a WireGuard tunnel of the kernel up and down, and our hook follows."""

import datetime
import json
import time

import pytest

import guest
import nm
from guest import must_be_blocked, must_be_up, sh
from people import alice_sends

FAMILIES = pytest.mark.parametrize("families", [(4,), (4, 6)], ids=["ipv4", "ipv4-and-ipv6"])


@FAMILIES
def test_up_and_down(networkmanager, clean, families):
    nm.load_wg0(networkmanager, families)
    guest.gateway("wg0")
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh("nmcli connection up wg0")
        must_be_up(families=families)
        sh("nmcli connection down wg0")
        must_be_blocked()


def announced(cursor: str) -> float:
    """When NetworkManager said, since that place in the journal, that the device is activated."""
    lines = sh(f"journalctl -o json --after-cursor='{cursor}' -u NetworkManager").splitlines()
    return next(int(entry["_SOURCE_REALTIME_TIMESTAMP"]) / 1e6 for entry in map(json.loads, lines)
                if "(wg0): state change: secondaries -> activated" in entry["MESSAGE"])


def test_routes_stand_before_the_connection_is_announced(networkmanager, clean, record_property):
    nm.load_wg0(networkmanager)
    guest.gateway("wg0")
    with guest.monitor() as monitor:
        cursor = sh("journalctl -n 0 --show-cursor").split("cursor: ")[1].strip()
        sh("nmcli connection up wg0")
        must_be_up()
        sh("journalctl --sync")
    sh("nmcli connection down wg0")
    # [2026-01-31T12:34:56.123456] default dev wg0 ...
    last = monitor.lines[-1]
    stands = datetime.datetime.fromisoformat(last[1:last.index("]")] + "+00:00").timestamp()
    early = f"{(stands - announced(cursor)) * 1000:+.1f} ms"
    print("from activated to the last of our routes:", early)
    record_property("from activated to the last of our routes", early)
    assert early.startswith("-")


def test_released_when_the_file_says_so(networkmanager, clean):
    nm.load_wg0(networkmanager)
    guest.gateway("wg0", "OnDown=release")
    sh("nmcli connection up wg0")
    must_be_up()
    sh("nmcli connection down wg0")
    before = time.monotonic()
    guest.wait_until("the release", guest.nothing_is_left)
    print(f"released {time.monotonic() - before:.2f} s after nmcli came back")
    guest.must_be_released()


def test_reapply_of_the_device_takes_nothing_away(wg0):
    with alice_sends(), guest.monitor() as monitor:
        sh("nmcli device reapply wg0")
        must_be_up()
    assert monitor.lost == []


def test_reapply_of_the_device_without_ipv6_and_with_it_again(wg0):
    with alice_sends():
        sh("nmcli connection modify wg0 ipv6.method disabled ipv6.addresses ''",
           "nmcli device reapply wg0")
        guest.wait_until("IPv6 blocked", lambda: not guest.is_up(families=(6,)))
        must_be_up(families=(4,))
        sh("nmcli connection modify wg0 ipv6.method manual ipv6.addresses fd00:64:a0::2/64",
           "nmcli device reapply wg0")
        guest.wait_until("IPv6 up", guest.is_up)
        must_be_up()


def test_restart_of_networkmanager_takes_nothing_away(wg0):
    with alice_sends(), guest.monitor() as monitor:
        sh("systemctl restart NetworkManager", "nm-online --quiet --timeout 60")
        guest.wait_until("wg0 activated again", lambda: "activated" in sh(
            "nmcli -g GENERAL.STATE connection show wg0"))
        must_be_up()
    assert monitor.lost == []


def test_the_tunnel_disappears(wg0):
    with alice_sends():
        sh("ip link del wg0")
        must_be_blocked()
        sh("nmcli connection up wg0")
        must_be_up()


def test_twenty_quick_ups_and_downs(wg0):
    with alice_sends():
        begun = 0
        for _ in range(20):
            # NetworkManager refuses some, while it is busy with those before
            begun += "yes" in sh("nmcli --wait 0 connection up wg0 && echo yes || true")
            sh("nmcli --wait 0 connection down wg0 || true")
        print(begun, "ups were begun")
        assert begun >= 10
        sh("nmcli connection up wg0")
        must_be_up()
        sh("nmcli connection down wg0")
        must_be_blocked()
    # the events that NetworkManager has queued; none of them may change anything any more
    guest.wait_until("the last hook", lambda: guest.no_process_is_left() and not sh(
        "pgrep -P $(pgrep -x nm-dispatcher)", check=False))
    must_be_blocked()
    sh("custom-gateway status")  # would exit 3 at any difference
    assert not sh("ls /run/custom-gateway/rp_filter 2>/dev/null", check=False)
