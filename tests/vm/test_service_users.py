# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a service runs as, by what systemd says of its unit; and what is wrong with a unit."""

import json

import pytest

import guest
import people
import services
from guest import sh
from services import complaint, confined_uids

ALICE, BOB = people.CONFINED, people.OTHER


def test_names_of_one_unit_and_instances(no_units):
    """An alias and an instance of a template lead to the same drop-in and the same user."""
    services.unit("foo.service", "ExecStart=sleep infinity", more="Alias=nick.service")
    services.unit("each@.service", "ExecStart=sleep infinity", user="User=%i")
    sh("systemctl enable foo")
    services.gateway("wg0", f"Services=nick each@{BOB}", "OnDown=block")
    assert confined_uids() == {people.uid(ALICE), people.uid(BOB)}
    for unit in ("foo", f"each@{BOB}"):
        assert "event service start" in sh(f"systemctl cat {unit}")
    sh("systemctl start nick", f"systemctl start each@{BOB}")


def test_a_unit_that_is_root_or_missing_is_an_error_and_costs_nobody_else(no_units):
    services.unit("foo.service", "ExecStart=sleep infinity")
    services.unit("super.service", "ExecStart=sleep infinity", user="")
    services.gateway("wg0", "Services=foo super missing")
    status, said = complaint("custom-gateway reapply")
    assert status == 2
    assert "wg0.conf: [Gateway] Services: root cannot be confined, and runs 'super.service'; give" in said
    assert "wg0.conf: [Gateway] Services: no such unit 'missing.service'; install it" in said
    assert confined_uids() == {people.uid(ALICE)}
    # it appears
    services.unit("missing.service", "ExecStart=sleep infinity", user=f"User={BOB}")
    sh("systemctl daemon-reload", "custom-gateway reapply || true")
    assert confined_uids() == {people.uid(ALICE), people.uid(BOB)}


def test_two_services_of_one_user(no_units):
    """Fine in one gateway, an error over two."""
    for name in ("foo", "bar", "baz"):
        services.unit(f"{name}.service", "ExecStart=sleep infinity")
    services.gateway("wg0", "Services=foo bar")
    assert complaint("custom-gateway reapply") == (0, "")
    services.gateway("wg1", "Services=baz")
    status, said = complaint("custom-gateway reapply")
    assert status == 2
    uid = people.uid(ALICE)
    assert f"wg1.conf: [Gateway] Services: gateway 'wg0' already has uid '{uid}'; remove it" in said
    assert confined_uids() == {uid}


def test_a_user_who_is_removed_is_not_set_free(no_units):
    sh("useradd --no-create-home carol")
    carol = people.uid("carol")
    services.unit("foo.service", "ExecStart=sleep infinity", user="User=carol")
    services.gateway("wg0", "Services=foo")
    assert confined_uids() == {carol}
    sh("userdel carol")
    status, said = complaint("custom-gateway reapply")
    assert status == 2
    assert "wg0.conf: [Gateway] Services: no such user as that of foo.service: 'carol'; create" in said
    assert confined_uids() == {carol}


def test_without_systemd_nobody_is_set_free(no_units):
    services.unit("foo.service", "ExecStart=sleep infinity")
    services.gateway("wg0", "Services=foo", f"Users={BOB}")
    both = {people.uid(ALICE), people.uid(BOB)}
    assert confined_uids() == both
    status, said = complaint(
        "unshare --mount sh -c 'mount -t tmpfs none /run/systemd; custom-gateway reapply'")
    assert (status, "nobody can tell whom Services= confines" in said) == (0, True)
    assert confined_uids() == both


def test_status_shows_whom_a_service_runs_as_and_what_is_not_bound(no_units):
    services.unit("foo.service", "ExecStart=sleep infinity")
    services.unit("bar.service", "ExecStart=sleep infinity", user="DynamicUser=yes")
    services.gateway("wg0", "Services=foo bar", "OnDown=block")
    sh("systemctl start foo")
    status = json.loads(sh("custom-gateway status --json"))
    assert guest.warnings() == ""
    static, dynamic = status["gateways"][0]["services"]
    assert static == {"name": "foo.service", "unit": "foo.service", "load": "loaded", "state": "active",
                      "user": ALICE, "uid": people.uid(ALICE), "dynamic": False, "bound": True}
    assert (dynamic["state"], dynamic["uid"]) == ("inactive", -1)
    assert dynamic["dynamic"] is dynamic["bound"] is True
    rows = [line.split() for line in sh("custom-gateway status").splitlines()]
    assert ["foo.service", "wg0", ALICE, str(people.uid(ALICE)), "yes", "active"] in rows
    # a service that runs, and of which systemd does not know yet that it is the gateway's
    services.unit("baz.service", "ExecStart=sleep infinity")
    sh("systemctl start baz")
    services.gateway("wg0", "Services=foo bar baz", "OnDown=block", reload=False)
    warnings = json.loads(sh("custom-gateway status --json"))["warnings"]
    assert len(warnings) == 1 and warnings[0].startswith("wg0: baz.service runs, and is not bound")


@pytest.mark.parametrize("key", ["Service=", "Servces=", "Units=", "services=", "Services:="])
def test_a_service_whose_key_is_misspelt_does_not_start(no_units, key):
    """Wherever in the file the error is, the services that it names must ask first."""
    services.unit("foo.service", "ExecStart=sleep infinity")
    guest.write("/etc/custom-gateway/wg0.conf", f"[Gateway]\n{key}foo.service\n")
    sh("systemctl daemon-reload")
    assert complaint("systemctl start foo")[0] == 1
    assert services.state("foo") == "failed"
    services.gateway("wg0", "Services=foo", "OnDown=block")
    sh("systemctl start foo")
    assert confined_uids() == {people.uid(ALICE)}
