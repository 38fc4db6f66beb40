# SPDX-License-Identifier: GPL-2.0-or-later
"""The copy of the guards that belongs to a monitor: nobody else can take it away. Where that is tried
the monitor is stopped, so that nothing that it repairs can help."""

import json
import signal

import pytest
from lab import CONFINED, CONFINED_PORT, HERE, OTHER, PYTHON, Tunnel, wait_until
from monitor import Monitor


def escape(lab, uid=CONFINED, port=CONFINED_PORT):
    return lab.run("host", PYTHON, HERE / "escape.py", uid, "SO_BINDTODEVICE", port).stdout.strip()


def tables(lab):
    """As text: what nft(8) 1.0.6 says as JSON of a table that has an owner is none."""
    return sorted(line.split()[-1] for line in lab.sh("host", "nft list tables").splitlines())


def owned(lab):
    return [name for name in tables(lab) if "/owned-" in name]


def guard_in_status(lab):
    done = lab.cg("status", "--json", check=False)
    return json.loads(done.stdout)["gateways"][0]["guard"]


@pytest.fixture
def tunnel(lab):
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    made = Tunnel(lab, 0)
    made.up()
    return made


@pytest.fixture
def monitor(lab, tunnel):  # pylint: disable=unused-argument
    made = Monitor(lab)
    wait_until("the copy", lambda: len(owned(lab)) == 1)
    return made


def test_it_stays_when_others_flush_all(lab, monitor):
    [copy] = owned(lab)
    monitor.signal(signal.SIGSTOP)
    lab.sh("host", "nft flush ruleset")
    assert tables(lab) == [copy]
    with lab.capture() as capture:
        assert escape(lab) == "EPERM"
        assert lab.ask(CONFINED) == "wg0"
        assert escape(lab, OTHER, 7001) == "sent"
    assert capture.leaks == 0
    monitor.signal(signal.SIGCONT)
    wait_until("the guard", lambda: tables(lab) == ["custom-gateway-wg0", copy])


def test_the_guard_stays_when_it_goes_with_the_monitor(lab, monitor):
    """And without either the datagram does get out."""
    monitor.signal(signal.SIGKILL)
    monitor.wait()
    wait_until("the end of the copy", lambda: tables(lab) == ["custom-gateway-wg0"])
    with lab.capture() as capture:
        assert escape(lab) == "EPERM"
    assert capture.leaks == 0
    lab.sh("host", "nft flush ruleset")
    with lab.capture() as capture:
        assert escape(lab) == "sent"
    assert capture.leaks > 0


def test_nobody_else_can_change_it(lab, monitor):
    [copy] = owned(lab)
    monitor.signal(signal.SIGSTOP)
    for command in (f"delete table inet {copy}", f"flush table inet {copy}",
                    f"flush set inet {copy} uids"):
        assert "Operation not permitted" in lab.run("host", "nft", command, check=False).stderr
    assert escape(lab) == "EPERM"


def test_one_can_do_without(lab, tunnel):  # pylint: disable=unused-argument
    Monitor(lab, words=["--no-copy"])
    assert tables(lab) == ["custom-gateway-wg0"]
    assert lab.cg("reapply", "--no-copy", check=False).returncode == 2


def test_it_follows_the_configuration(lab, monitor):
    [before] = owned(lab)
    lab.config("wg0", f"Users={OTHER}\nGuard=yes")
    wait_until("a new copy", lambda: len(owned(lab)) == 1 and owned(lab) != [before])
    monitor.signal(signal.SIGSTOP)
    lab.sh("host", "nft flush ruleset")
    assert escape(lab, OTHER, 7001) == "EPERM"
    assert escape(lab) == "sent"


def test_it_follows_the_tunnel(lab, tunnel, monitor):
    """Its addresses are in it."""
    [before] = owned(lab)
    lab.sh("host", "ip addr add 10.64.0.77/32 dev wg0")
    wait_until("a new copy", lambda: len(owned(lab)) == 1 and owned(lab) != [before])
    assert "10.64.0.77" in lab.sh("host", f"nft list table inet {owned(lab)[0]}")
    tunnel.delete()
    monitor.settle()
    assert len(owned(lab)) == 1


def test_what_stays_the_same_is_not_made_anew(lab, monitor):
    before = owned(lab)
    lab.sh("host", "ip rule del priority 500", "ip link set wg0 down", "ip link set wg0 up")
    lab.sh("host", "nft flush ruleset")
    monitor.settle()
    lab.cg("reapply")
    monitor.settle()
    assert owned(lab) == before


def test_it_goes_with_its_gateway(lab, monitor):
    lab.config("wg1", f"Users={OTHER}\nGuard=yes")
    wait_until("two", lambda: len(owned(lab)) == 2)
    lab.cg("remove", "wg1")
    wait_until("one", lambda: len(owned(lab)) == 1)
    assert escape(lab, OTHER, 7001) == "sent"
    lab.config("wg0", f"Users={CONFINED}\nGuard=no")
    wait_until("none", lambda: not owned(lab))
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    wait_until("one", lambda: len(owned(lab)) == 1)
    lab.cg("remove")
    wait_until("none", lambda: not tables(lab))
    monitor.settle()
    assert lab.nothing_is_left()


def test_whom_it_alone_holds_is_not_let_go_while_somebody_may_be_missing(lab):
    """A file is bad, so who stands in none may stand in that one. Others take away all that they can."""
    lab.config("wg0", f"Users={CONFINED} {OTHER}\nGuard=yes")
    lab.cg("reapply")
    lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
    lab.config("wg1", "Users=")
    monitor = Monitor(lab)
    wait_until("the copy", lambda: len(owned(lab)) == 1)
    monitor.signal(signal.SIGSTOP)
    lab.sh("host", "nft flush ruleset", "ip -4 rule flush", "ip -6 rule flush",
           "ip -4 rule add lookup main priority 32766", "ip -6 rule add lookup main priority 32766")
    assert escape(lab, OTHER, 7001) == "EPERM"
    monitor.signal(signal.SIGCONT)
    wait_until("the guard", lambda: "custom-gateway-wg0" in tables(lab))
    monitor.settle()
    assert escape(lab, OTHER, 7001) == "EPERM"
    lab.sh("host", "nft flush ruleset")
    assert escape(lab, OTHER, 7001) == "EPERM"


def test_one_gateway_that_fails_does_not_freeze_the_copies_of_others(lab, monitor):
    """Here its resolv.conf cannot be written."""
    (lab.run_dir / "custom-gateway" / "dns" / "wg1" / "resolv.conf").mkdir(parents=True)
    lab.config("wg1", f"Users={OTHER}\nGuard=yes\nDNS=10.64.0.1")
    wait_until("a failure", lambda: "wg1/resolv.conf" in monitor.said)
    lab.cg("remove", "wg0", check=False)
    wait_until("its end", lambda: not any("wg0" in table for table in tables(lab)))
    assert escape(lab) == "sent"


def test_status_counts_what_it_dropped(lab, monitor):
    """Whichever of the two a packet meets first."""
    assert guard_in_status(lab) == {"state": "on", "dropped": 0, "owned": True}
    escape(lab)
    assert guard_in_status(lab)["dropped"] == 1
    lab.sh("host", "nft flush ruleset")
    monitor.settle()
    escape(lab)
    assert guard_in_status(lab)["dropped"] == 2
    monitor.signal(signal.SIGTERM)
    monitor.wait()
    wait_until("the end of the copy", lambda: not owned(lab))
    assert guard_in_status(lab)["owned"] is False


def test_a_monitor_that_comes_again_makes_its_own(lab, monitor):
    before = owned(lab)
    monitor.signal(signal.SIGKILL)
    monitor.wait()
    Monitor(lab)
    wait_until("its copy", lambda: len(owned(lab)) == 1 and owned(lab) != before)
