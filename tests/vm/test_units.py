# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own units: what they may do, and what systemd thinks of them."""

import guest
import services
from guest import must_be_blocked, must_be_up, sh
from services import state, wait_for
from test_by_hand import WG_QUICK

OURS = ["custom-gateway.service", "custom-gateway@wg0.service", "custom-gateway-settle@wg0.service",
        "custom-gateway-after@foo.service.service"]


def test_systemd_finds_nothing_wrong_and_little_exposed(no_units, record_property):
    services.unit("foo.service", "ExecStart=sleep infinity")
    services.gateway("wg0", "Services=foo", "InterfaceUnit=wg-quick@wg0.service")
    said = sh(f"systemd-analyze verify --man=no --generators=yes {' '.join(OURS)} foo.service 2>&1")
    assert not [line for line in said.splitlines() if "custom-gateway" in line or "foo" in line]
    for unit in OURS:
        rating = sh(f"systemd-analyze security --no-pager {unit}").splitlines()
        print(unit, rating[-1], *[line for line in rating if "✗" in line], sep="\n")
        record_property(unit, rating[-1])


def test_the_units_may_do_all_that_is_to_be_done(no_units):
    """Hardened, they still write routes, rules, a guard and a sysctl."""
    services.unit("foo.service", "ExecStart=sleep infinity")
    services.gateway("wg0", "Services=foo", "Guard=required", reload=False)
    sh("sysctl -qw net.ipv4.conf.all.rp_filter=1", "systemctl daemon-reload")
    try:
        sh("systemctl restart custom-gateway.service")
        services.tunnel_up(no_units)
        wait_for("custom-gateway@wg0", "active")
        sh("ip rule flush", "nft delete table inet custom-gateway",
           "sysctl -qw net.ipv4.conf.wg0.rp_filter=1",
           "ip rule add pref 32766 lookup main", "ip rule add pref 32767 lookup default")
        # once more if another program's change of nftables came in between: we then write anew
        sh("systemctl reload custom-gateway@wg0",
           "custom-gateway status || systemctl reload custom-gateway@wg0")
        assert sh("sysctl -n net.ipv4.conf.wg0.rp_filter").strip() == "2"
        sh("custom-gateway status")
    finally:
        sh("sysctl -qw net.ipv4.conf.all.rp_filter=0")


def test_wg_quick_as_the_unit_of_the_interface(no_units):
    """The service brings the tunnel up, and goes before it."""
    guest.write("/etc/wireguard/wg0.conf", WG_QUICK.format(keys=no_units), 0o600)
    services.unit("foo.service", services.SENDER)
    services.gateway("wg0", "Services=foo", "InterfaceUnit=wg-quick@wg0.service")
    must_be_blocked()
    with services.nothing_on_the_lan():
        sh("systemctl start foo")
        must_be_up()
        sh("systemctl stop wg-quick@wg0")
        assert state("foo") == "inactive"
        services.settled()
        assert guest.nobody_is_confined()
        sh("systemctl start wg-quick@wg0")
        wait_for("foo", "active")
        must_be_up()
        sh("systemctl stop wg-quick@wg0")
