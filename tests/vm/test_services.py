# SPDX-License-Identifier: GPL-2.0-or-later
"""Services under the real systemd: who is confined, and what happens to them with the tunnel."""

import json

import guest
import people
import services
from guest import must_be_blocked, must_be_released, must_be_up, sh, wait_until
from services import SEND, SENDER, STEP, nothing_on_the_lan, settled, state, wait_for

ALICE = people.CONFINED


def test_services_stop_and_start_with_the_tunnel(no_units):
    """foo is enabled, bar was started by hand, baz was stopped by hand."""
    for name in ("foo", "bar", "baz"):
        services.unit(f"{name}.service", "ExecStart=sleep infinity")
    services.unit("foo.service", SENDER)
    sh("systemctl enable foo baz")
    services.gateway("wg0", "Services=foo bar.service baz")
    must_be_blocked()
    assert services.complaint("systemctl start foo")[0] == 1  # at once, without a tunnel
    with nothing_on_the_lan():
        services.tunnel_up(no_units)
        wait_for("foo", "active")
        wait_for("baz", "active")
        must_be_up()
        sh("systemctl start bar", "systemctl stop baz")

        services.tunnel_down()
        settled()
        assert [state(name) for name in ("foo", "bar", "baz")] == ["inactive"] * 3
    must_be_released(guest.nobody_is_confined)
    with nothing_on_the_lan():
        services.tunnel_again()
        wait_for("foo", "active")
        wait_for("bar", "active")
        assert state("baz") == "inactive"

        sh("ip link del wg0")  # and nobody tells us
        wait_for("custom-gateway@wg0", "inactive")
        assert state("foo") == state("bar") == "inactive"
        assert guest.nobody_is_confined()
        sh("systemctl disable foo")
        services.tunnel_up(no_units)
        wait_for("bar", "active")
        settled()
        assert state("foo") == state("baz") == "inactive"
        must_be_up()


def test_a_service_that_is_slow_to_stop_is_confined_to_its_last_packet(no_units):
    slow = f'trap end=1 TERM; n=0; while [ $n -lt 20 ]; do [ -z "$end" ] || n=$((n+1)); {STEP}; done'
    services.unit("slow.service", f"ExecStart=/bin/bash -c '{slow}'".replace("$", "$$"), "KillMode=process")
    services.watch_the_tunnel()
    services.gateway("wg0", "Services=slow")
    services.tunnel_up(no_units)
    wait_for("custom-gateway@wg0", "active")
    sh("systemctl start slow")
    with nothing_on_the_lan():
        sh("systemctl stop --no-block custom-gateway@wg0")
        wait_for("slow", "deactivating")
        before = services.left_by_tunnel()
        seen = 0
        while state("slow") != "inactive":
            assert services.confined_uids() == {people.uid(ALICE)} or state("slow") == "inactive"
            seen += 1
        assert seen > 0
        wait_for("custom-gateway@wg0", "inactive")
        assert services.left_by_tunnel() > before
    settled()
    must_be_released(guest.nobody_is_confined)
    # what the administrator has stopped stays so, until he starts it
    sh("custom-gateway reapply")
    settled()
    assert state("custom-gateway@wg0") == "inactive"
    sh("systemctl start custom-gateway@wg0")
    wait_for("slow", "active")
    must_be_up()
    sh("systemctl kill -s KILL slow")


# Two connections in the tunnel, in whose midst the service ends
TALKER = ("ExecStart=/bin/bash -c 'exec 3<>/dev/tcp/203.0.113.1/7000 4<>/dev/tcp/2001:db8:ffff::1/7000;"
          " sleep infinity'")
# What has the tunnel's addresses and is on its way to the LAN, before the guard and behind it
ADDRESSES = """
    oifname eth0 ip saddr 10.64.0.2 counter
    oifname eth0 ip6 saddr fd00:64:a0::2 counter"""
LAST_PACKETS = f"""table inet last {{
  chain tried {{
    type filter hook output priority 299{ADDRESSES}
  }}
  chain left {{
    type filter hook postrouting priority 299{ADDRESSES}
  }}
}}"""


def last_packets(chain):
    listed = json.loads(sh(f"nft -j list chain inet last {chain}"))["nftables"]
    return [entry["rule"]["expr"][-1]["counter"]["packets"] for entry in listed if "rule" in entry]


def test_what_stopped_services_still_had_to_say_does_not_leave_by_the_lan(no_units):
    """The kernel repeats the end of a connection for minutes, and it belongs to nobody."""
    services.unit("foo.service", TALKER)
    sh("systemctl enable foo")
    services.gateway("wg0", "Services=foo")
    services.tunnel_up(no_units)
    wait_for("foo", "active")
    wait_until("its connections", lambda: len(sh("ss -Htn state established dport 7000").split("\n")) == 3)
    guest.write("/run/last.nft", LAST_PACKETS)
    try:
        services.tunnel_down()
        settled()
        must_be_released(guest.nobody_is_confined)
        sh("nft -f /run/last.nft")
        wait_until("another try, by both families", lambda: all(last_packets("tried")), 120)
        assert last_packets("left") == [0, 0]
        assert guest.status("wg0")["guard"]["state"] == "idle"
        sh("custom-gateway status", "custom-gateway remove wg0")
        assert guest.nothing_is_left()
    finally:
        sh("nft delete table inet last || true")
    services.tunnel_again()
    wait_for("foo", "active")
    must_be_up()


def test_block_and_release_let_services_run(no_units):
    services.unit("foo.service", SENDER)
    services.gateway("wg0", "Services=foo", "OnDown=block")
    with nothing_on_the_lan():
        sh("systemctl start foo")
        must_be_blocked()
        services.tunnel_up(no_units)
        must_be_up()
        services.tunnel_down()
        must_be_blocked()
        assert state("foo") == "active"
    services.gateway("wg0", "Services=foo", "OnDown=release")
    must_be_released()
    assert state("foo") == "active"
    services.tunnel_again()
    must_be_up()


def test_a_dynamic_user_is_confined_from_its_first_instruction_to_its_last(no_units):
    services.unit("dyn.service", SENDER, "Restart=always", "RestartSec=100ms", user="DynamicUser=yes")
    services.gateway("wg0", "Services=dyn", "OnDown=block")
    assert services.confined_uids() == set()
    with nothing_on_the_lan():
        sh("systemctl start dyn")
        uid = int(sh("systemctl show --value -p UID dyn"))
        assert services.confined_uids() == services.confined_uids(6) == {uid}
        for _ in range(3):  # a crash loop
            sh("systemctl kill -s KILL dyn", "sleep 0.3")
        wait_for("dyn", "active")
        uid = int(sh("systemctl show --value -p UID dyn"))
        sh("systemctl daemon-reload")
        assert services.confined_uids() == {uid}
        sh("systemctl stop dyn")
        wait_until("the release", lambda: services.confined_uids() == set())


def test_a_service_that_cannot_be_confined_does_not_start(no_units):
    services.unit("dyn.service", SENDER, user="DynamicUser=yes")
    services.gateway("wg0", "Services=dyn", "OnDown=block")
    guest.write("/etc/custom-gateway/wg0.conf", "[Gateway]\nServices=dyn\nNonsense=1\n")
    with nothing_on_the_lan():
        assert services.complaint("systemctl start dyn")[0] == 1
        assert state("dyn") == "failed"
        sh("systemctl daemon-reload")  # the generator, too, sees the bad file
        assert services.complaint("systemctl start dyn")[0] == 1


def test_crash_loop_while_the_tunnel_flaps(no_units):
    services.unit("foo.service", f"ExecStart=/bin/bash -c 'for i in 1 2 3; do {STEP}; done; exit 1'",
                  "Restart=always", "RestartSec=100ms")
    services.unit("bar.service", "ExecStart=sleep infinity", "ExecStop=sleep 1")
    sh("systemctl enable foo bar")
    services.gateway("wg0", "Services=foo bar")
    with nothing_on_the_lan():
        services.tunnel_up(no_units)
        for _ in range(3):
            wait_for("bar", "active")
            services.tunnel_down()
            services.tunnel_again()  # before all has stopped
            sh("systemctl daemon-reload")
        wait_for("bar", "active")
        settled()
        wait_until("foo", lambda: state("foo") in ("active", "activating"))
        must_be_up()


def test_children_and_sockets(no_units):
    """What a service forks has its uid; what a socket starts is confined like any other."""
    services.unit("foo.service", f"ExecStart=/bin/bash -c '{SEND} & {SEND} & wait'")
    guest.write(f"{services.UNITS}/foo.socket", "[Socket]\nListenStream=/run/foo.socket\n")
    services.watch_the_tunnel()
    services.gateway("wg0", "Services=foo", "OnDown=block")
    sh("systemctl start foo.socket")
    with nothing_on_the_lan():
        assert state("foo") == "inactive"
        sh("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/foo.socket\")'")
        wait_for("foo", "active")
        services.tunnel_up(no_units)
        wait_until("traffic", lambda: services.left_by_tunnel() > 0)
    sh("systemctl stop foo.socket foo")
