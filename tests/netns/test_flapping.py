# SPDX-License-Identifier: GPL-2.0-or-later
"""A tunnel that comes and goes under constant traffic of a confined user: no datagram on the LAN."""

import pytest
from lab import CONFINED, OTHER, Tunnel, wait_until

TIMES = 10


def up_and_delete(lab, tunnel):
    tunnel.up()
    lab.nm("wg0", "pre-up")
    lab.nm("wg0", "up")
    tunnel.delete()
    lab.nm("wg0", "down")


def link_down_and_up(lab, tunnel):
    lab.sh("host", "ip link set wg0 down")
    lab.networkd("wg0", "off")
    lab.sh("host", "ip link set wg0 up", "ip addr replace fd00:64:a0::2/64 dev wg0 nodad")
    lab.networkd("wg0", "routable")


def addresses_go_and_come(lab, tunnel):
    lab.sh("host", "ip addr flush dev wg0 scope global")
    lab.nm("wg0", "dhcp4-change")
    lab.sh("host", "ip addr add 10.64.0.2/24 dev wg0",
           "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
    lab.nm("wg0", "dhcp4-change")


def renamed_and_back(lab, tunnel):
    lab.sh("host", "ip link set wg0 down", "ip link set wg0 name gone", "ip link set gone up")
    lab.nm("wg0", "down")
    lab.sh("host", "ip link set gone down", "ip link set gone name wg0", "ip link set wg0 up",
           "ip addr replace fd00:64:a0::2/64 dev wg0 nodad")
    lab.nm("wg0", "up")


def moved_to_another_namespace(lab, tunnel):
    lab.move("wg0", "host", "world")
    lab.nm("wg0", "down")
    lab.move("wg0", "world", "host")
    lab.sh("host", "ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0",
           "ip addr add fd00:64:a0::2/64 dev wg0 nodad")
    lab.nm("wg0", "up")


@pytest.mark.parametrize("guard", ["Guard=no", "Guard=yes"])
@pytest.mark.parametrize("flap", [up_and_delete, link_down_and_up, addresses_go_and_come,
                                  renamed_and_back, moved_to_another_namespace])
def test_no_datagram_on_the_lan(lab, flap, guard):
    tunnel = Tunnel(lab, 0)
    lab.config("wg0", f"Users={CONFINED}\n{guard}")
    if flap is up_and_delete:
        lab.cg("reapply")
    else:
        tunnel.up()
        lab.nm("wg0", "up")
    with lab.capture() as capture, lab.sender(CONFINED) as confined, lab.sender(OTHER) as other:
        for _ in range(TIMES):
            flap(lab, tunnel)
        if flap is up_and_delete:
            tunnel.up()
            lab.nm("wg0", "up")
        for family in 4, 6:  # a busy machine loses some questions in the flood
            wait_until(f"the tunnel to lead again, IPv{family}",
                       lambda family=family: lab.ask(CONFINED, family) == "wg0")
    assert capture.leaks == 0
    assert confined.answered == {"10.64.0.2", "fd00:64:a0::2"}
    assert confined.counts["EACCES"] > 0, "the tunnel was never down while the user sent"
    assert other.answered == {"192.0.2.2", "2001:db8:1::2"}
