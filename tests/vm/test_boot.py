# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine did when it booted, with two gateways and without a tunnel: tests/vm/root has the
files. The first test of all, since others begin with a machine that has no gateways."""

import json
import pathlib
import pwd

import guest
import services
from guest import sh, wait_until


def when(unit: str, moment: str) -> int:
    """In microseconds since the kernel started; 0 for never."""
    return int(sh(f"systemctl show --value -p {moment}TimestampMonotonic {unit}"))


def test_a_service_that_starts_before_the_network_finds_its_rules():
    services.wait_for("tests-early", "inactive")
    rules = json.loads(pathlib.Path("/run/tests-early.json").read_text(encoding="ascii"))
    games = pwd.getpwnam("games").pw_uid
    assert [rule["uid_start"] for rule in rules if rule.get("protocol") in guest.OURS].count(games) == 1


def test_all_gateways_are_blocked_before_the_network():
    assert 0 < when("custom-gateway", "ActiveEnter") <= when("network-pre.target", "ActiveEnter")
    assert services.confined_uids() == {pwd.getpwnam(user).pw_uid for user in ("games", "news")}
    assert set(guest.ways(guest.routes(4))) == {"prohibit"}


def test_an_enabled_service_without_its_tunnel_failed_and_nobody_waited():
    assert services.state("tests-boot") == "inactive"
    assert "Dependency failed for tests-boot.service" in sh("journalctl -b -o cat")
    assert "device" not in sh("systemctl list-jobs --no-legend")
    print(f"multi-user.target after {when('multi-user.target', 'ActiveEnter') / 1e6:.1f} s")


def test_the_tunnel_comes_later_and_the_service_starts(lan):
    services.tunnel_up(lan)
    try:
        services.wait_for("tests-boot", "active")
        assert guest.ways([route for route in guest.routes(4) if route["dst"] == "default"])[0] == "wg0"
    finally:
        sh("ip link del wg0")
    services.wait_for("tests-boot", "inactive")
    news = pwd.getpwnam("news").pw_uid
    wait_until("the release", lambda: news not in services.confined_uids())
