# SPDX-License-Identifier: GPL-2.0-or-later
"""The reverse path filter of the kernel: relaxed while the tunnel needs it, and put back."""

import pytest
from lab import CONFINED, OTHER, Tunnel


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


@pytest.mark.parametrize("word,value", [("keep", 1), ("loose", 2)])
def test_answers_come_in_whatever_the_filter(lab, tunnel, word, value):
    set_filter(lab, "wg0", 1)
    lab.config("wg0", f"Users={CONFINED}\nReversePathFilter={word}")
    lab.cg("reapply")
    assert get_filter(lab) == value
    assert lab.ask(CONFINED) == "wg0"
    assert lab.cg("status").returncode == 0
    lab.take_ways_back()
    assert lab.ask(CONFINED) == ("silence" if word == "keep" else "wg0")
    assert lab.cg("status", check=False).returncode == 3


@pytest.mark.parametrize("main", ["ip route del default", "ip route replace blackhole default"])
def test_answers_come_in_where_the_main_table_leads_nowhere(lab, tunnel, main):
    """A loose filter still wants some way to the sender, and asks for that as root."""
    set_filter(lab, "wg0", 2)
    lab.sh("host", main)
    lab.cg("reapply")
    for kind in ("udp", "tcp"):
        assert lab.ask(CONFINED, 4, kind) == "wg0"
    lab.take_ways_back()
    assert lab.ask(CONFINED) == "silence"
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    lab.cg("remove")
    assert lab.nothing_is_left()


def test_ways_back_follow_the_tunnels_addresses(lab, tunnel):
    lab.cg("reapply")
    lab.sh("host", "ip addr add fd00:64:a0::9/64 dev wg0 nodad",
           f"ip addr del {tunnel.address[6]}/64 dev wg0")
    lab.nm("wg0", "dhcp6-change")
    assert [rule["src"] for rule in lab.ways_back(6)] == ["fd00:64:a0::9"]
    assert [rule["src"] for rule in lab.ways_back(4)] == [tunnel.address[4]]
    tunnel.delete()
    lab.nm("wg0", "down")
    assert not lab.ways_back(4) and not lab.ways_back(6)


def test_ways_back_are_no_way_for_other_users(lab, tunnel):
    """Neither for those that are free, nor for those of another gateway, whatever they bind to."""
    Tunnel(lab, 1).up()
    lab.config("wg1", f"Users={CONFINED + 10}")
    lab.cg("reapply")
    for uid, dev in ((OTHER, "eth0"), (CONFINED, "wg0"), (CONFINED + 10, "wg1"), (0, "wg0")):
        [route] = lab.ip("-6", "route", "get", "2001:db8:ffff::1", "from", tunnel.address[6],
                         "uid", str(uid))
        assert route["dev"] == dev


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
