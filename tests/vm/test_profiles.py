# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration in NetworkManager's profile itself: written by hand, by attach, and by others."""

import pathlib

import pytest

import guest
import nm
import services
from guest import must_be_blocked, must_be_released, must_be_up, sh
from people import alice_sends

USR = "/usr/lib/NetworkManager/system-connections"
KEYFILE = pathlib.Path(f"{nm.ETC}/wg0.nmconnection")
ATTACHED = pathlib.Path("/etc/custom-gateway/profiles/wg0.conf")
WANTED_AT_BOOT = pathlib.Path("/run/systemd/generator/sysinit.target.wants/custom-gateway.service")
USER = "\n[user]\ncustom-gateway.users=alice\ncustom-gateway.dns=auto\n"


@pytest.fixture
def profile(networkmanager, clean):
    """wg0 without user data, and with what somebody else keeps there."""
    nm.load("wg0", nm.wg0(networkmanager) + "\n[user]\nother.program=keep me\n")
    yield
    sh("nmcli connection down wg0 || true", f"rm -f {USR}/*", "nmcli connection reload")
    nm.load_wg0(networkmanager)


def edit(*commands: str) -> None:
    sh(f"sed -i {' '.join(f'-e {command!r}' for command in commands)} {KEYFILE}",
       f"nmcli connection load {KEYFILE}")


def test_attach_and_detach(profile):
    sh("custom-gateway attach wg0 Users=alice DNS=auto OnDown=block")
    must_be_blocked()
    with alice_sends():
        sh("nmcli connection up wg0")
        must_be_up()  # with its private key, then
    assert guest.status("wg0")["dns"]["servers"] == ["10.64.0.1"]
    text = KEYFILE.read_text(encoding="utf-8")
    for line in ("custom-gateway.users=alice", "custom-gateway.dns=auto", "custom-gateway.on-down=block",
                 "other.program=keep me"):
        assert line in text.splitlines()
    assert ATTACHED.read_text(encoding="utf-8") == (
        f"[Gateway]\nConnection={nm.WG0_UUID}\nDNS=auto\nOnDown=block\nUsers=alice\n")
    assert guest.warnings() == ""

    # by UUID, and instead of what was there
    sh(f"custom-gateway attach {nm.WG0_UUID} Users=alice,bob")
    assert len(guest.rules(4)) == 1  # their uids are neighbours
    assert "on-down" not in KEYFILE.read_text(encoding="utf-8")

    sh("custom-gateway detach wg0")
    must_be_released()
    text = KEYFILE.read_text(encoding="utf-8")
    assert "custom-gateway" not in text and "other.program=keep me" in text
    assert not ATTACHED.exists()


BAD = {
    "wg0 Users=nobody-of-that-name": "no such user",
    "wg0 Colour=red": "unknown key",
    "wg0 Users=alice Users=bob": "given twice",
    "wg0 Interface=wg0": "the profile itself says",
    "wg0 DNS=auto": "confines nobody",
    "wg0 Users": "no KEY=VALUE",
    "wg0": "give KEY=VALUE",
    "no-such-connection Users=alice": "no connection",
    "": "usage",
}


def test_bad_input_changes_nothing(profile):
    before = KEYFILE.read_text(encoding="utf-8")
    for words, says in BAD.items():
        said = sh(f"custom-gateway attach {words} 2>&1 && echo done || echo failed with $?")
        assert says in said
        assert said.endswith("failed with 2\n")
    # NetworkManager takes no value longer than 8 KiB
    uids = ",".join(str(uid) for uid in range(20000, 24000, 2))
    assert sh(f"custom-gateway attach wg0 Users={uids} 2>&1 || echo failed with $?").endswith(" 1\n")
    assert KEYFILE.read_text(encoding="utf-8") == before
    assert not ATTACHED.exists()
    must_be_released()


def test_by_hand_where_networkmanager_only_reads(profile, networkmanager):
    KEYFILE.unlink()
    nm.load("wg0", nm.wg0(networkmanager) + USER, USR)
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh("nmcli connection up wg0")
        must_be_up()
        sh("nmcli connection down wg0")
        must_be_blocked()
    assert guest.warnings() == ""
    sh(f"rm {USR}/wg0.nmconnection", "custom-gateway reapply")
    must_be_released()


def test_services_of_a_profile_are_bound_like_those_of_a_file(profile):
    services.unit("foo.service", services.SENDER)
    try:
        sh("systemctl daemon-reload", "custom-gateway attach wg0 Services=foo")
        assert "foo.service is not bound" in guest.warnings()
        sh("systemctl daemon-reload")
        assert "bound" not in guest.warnings()
        assert WANTED_AT_BOOT.is_symlink()
        assert services.complaint("systemctl start foo")[0] == 1  # at once, without a tunnel
        with services.nothing_on_the_lan():
            sh("nmcli connection up wg0")
            services.wait_for("custom-gateway@wg0", "active")
            sh("systemctl start foo")
            assert guest.is_up()
            sh("nmcli connection down wg0")
            services.wait_for("foo", "inactive")
            services.settled()
        assert guest.nobody_is_confined()
    finally:
        sh("systemctl stop foo", f"rm {services.UNITS}/foo.service", "custom-gateway detach wg0",
           "systemctl daemon-reload")
    assert not WANTED_AT_BOOT.is_symlink()


def test_known_before_networkmanager_runs(profile):
    sh("custom-gateway attach wg0 Users=alice", "systemctl stop NetworkManager",
       "custom-gateway remove")
    try:
        sh("custom-gateway reapply")
        assert guest.standing() == {4: ["prohibit"], 6: ["prohibit"]}
    finally:
        sh("systemctl start NetworkManager", "nm-online --quiet --timeout 60")


def test_by_hand_where_others_may_write_it_waits_for_root(profile, networkmanager):
    nm.load("wg0", nm.wg0(networkmanager) + USER)
    sh("nmcli connection up wg0", "custom-gateway reapply")
    must_be_released()
    assert "wg0.nmconnection" in guest.warnings() and "custom-gateway attach" in guest.warnings()
    sh("custom-gateway attach wg0")
    must_be_up()
    assert guest.warnings() == ""


def test_what_others_write_later_is_not_in_force(profile):
    """Whom polkit lets change profiles: on Debian group netdev."""
    sh("custom-gateway attach wg0 Users=alice", "nmcli connection up wg0")
    edit("s/^custom-gateway.users=.*/custom-gateway.users=bob/")
    sh("custom-gateway reapply")
    must_be_up()
    assert "no longer those that were attached" in guest.warnings()
    edit("/^custom-gateway/d")
    sh("custom-gateway reapply")
    must_be_up()
    assert "no profile has the user data" in guest.warnings()
    sh("nmcli connection down wg0", "nmcli connection delete wg0")
    must_be_blocked()
    sh(f"custom-gateway detach {nm.WG0_UUID}")
    must_be_released()


def test_a_profile_of_single_users_is_refused(profile, networkmanager):
    nm.load("wg0", nm.wg0(networkmanager).replace("id=wg0", "id=wg0\npermissions=user:bob:;") + USER)
    said = sh("custom-gateway attach wg0 2>&1 || echo failed with $?")
    assert "connection.permissions" in said and said.endswith("failed with 2\n")
    assert "connection.permissions" in guest.warnings()
    must_be_released()


def test_a_profile_in_memory_is_refused(profile, networkmanager):
    KEYFILE.unlink()
    nm.load("wg0", nm.wg0(networkmanager) + USER, "/run/NetworkManager/system-connections")
    said = sh("custom-gateway attach wg0 2>&1 || echo failed with $?")
    assert "in memory only" in said and said.endswith("failed with 2\n")
    assert "in memory only" in guest.warnings()
    sh("nmcli connection up wg0", "custom-gateway reapply")
    must_be_released()
    sh("nmcli connection delete wg0")


def test_a_file_wins(profile):
    sh("custom-gateway attach wg0 Users=bob", "nmcli connection up wg0")
    for line in ("Interface=wg0", "Connection=wg0", f"Connection={nm.WG0_UUID}"):
        guest.gateway("other", line)  # alice
        sh("custom-gateway reapply")
        assert guest.standing() == {4: ["wg0", "prohibit"], 6: ["wg0", "prohibit"]}
        assert "the file other.conf is in force" in guest.warnings()
    must_be_up()
