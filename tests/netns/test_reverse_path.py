# SPDX-License-Identifier: GPL-2.0-or-later
"""The reverse path filter of the kernel: relaxed while the tunnel needs it, and put back."""

import pytest
from lab import CONFINED, Tunnel


def set_filter(lab, interface, value):
    lab.sh("host", f"sysctl -qw net.ipv4.conf.{interface}.rp_filter={value}")


def get_filter(lab, interface="wg0"):
    return int(lab.sh("host", f"sysctl -n net.ipv4.conf.{interface}.rp_filter"))


@pytest.fixture
def tunnel(lab):
    made = Tunnel(lab, 0)
    set_filter(lab, "all", 0)
    set_filter(lab, "default", 0)
    made.up()
    lab.config("wg0", f"Users={CONFINED}\nOnDown=release")
    return made


@pytest.mark.parametrize("of_all,of_interface,while_up", [
    # the kernel goes by the larger of the two; only an effective 1 is in our way
    (0, 0, 0), (0, 1, 2), (0, 2, 2), (1, 0, 2), (1, 1, 2), (1, 2, 2), (2, 0, 0), (2, 1, 1), (2, 2, 2),
])
def test_strict_becomes_loose_while_up(lab, tunnel, of_all, of_interface, while_up):
    set_filter(lab, "all", of_all)
    set_filter(lab, "wg0", of_interface)
    lab.cg("reapply")
    assert get_filter(lab) == while_up
    lab.cg("reapply")
    assert get_filter(lab) == while_up

    lab.sh("host", "ip link set wg0 down")
    lab.nm("wg0", "down")
    assert get_filter(lab) == of_interface
    assert get_filter(lab, "all") == of_all


def test_real_answers_are_dropped_by_a_strict_filter(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.config("wg0", f"Users={CONFINED}\nReversePathFilter=keep")
    lab.cg("reapply")
    assert get_filter(lab) == 1
    assert lab.ask(CONFINED) == "silence"

    lab.config("wg0", f"Users={CONFINED}\nReversePathFilter=loose")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"


def test_remove_puts_it_back(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.cg("reapply")
    assert get_filter(lab) == 2
    lab.cg("remove")
    assert get_filter(lab) == 1


def test_what_somebody_else_wrote_since_is_kept(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.cg("reapply")
    set_filter(lab, "wg0", 0)
    lab.cg("remove")
    assert get_filter(lab) == 0


def test_what_was_kept_before_that_is_forgotten(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.cg("reapply")
    set_filter(lab, "wg0", 0)
    lab.cg("reapply")
    set_filter(lab, "wg0", 2)  # now it is somebody else's
    lab.cg("remove")
    assert get_filter(lab) == 2


def test_a_new_interface_of_the_same_name_does_not_get_the_old_ones_value(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.cg("reapply")
    tunnel.delete()
    tunnel.up()
    set_filter(lab, "wg0", 2)
    lab.cg("remove")
    assert get_filter(lab) == 2


def test_it_stays_loose_while_another_gateway_on_the_interface_needs_it(lab, tunnel):
    set_filter(lab, "wg0", 1)
    lab.config("other", f"Interface=wg0\nUsers={CONFINED + 10}")
    lab.cg("reapply")
    lab.cg("remove", "other")
    assert get_filter(lab) == 2
    lab.cg("remove", "wg0")
    assert get_filter(lab) == 1


def test_an_interface_with_a_dot_in_its_name(lab):
    lab.config("vpn", f"Interface=wg0.7\nUsers={CONFINED}")
    Tunnel(lab, 0).up()
    lab.sh("host", "ip link set wg0 down", "ip link set wg0 name wg0.7", "ip link set wg0.7 up",
           "sysctl -qw net/ipv4/conf/wg0.7/rp_filter=1", "ip addr add 10.64.0.2/24 dev wg0.7 || true")
    lab.cg("reapply")
    assert lab.sh("host", "cat /proc/sys/net/ipv4/conf/wg0.7/rp_filter").strip() == "2"
