# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor where somebody else has to be asked, and does not answer: what was taken away is back
before he does. It is the order of events that counts, not their time."""

import socket

import pytest
from fake_systemd import Systemd
from lab import CONFINED, OTHER, Tunnel, wait_until
from test_monitor import Monitor, is_up, table, ways

SERVICE = "Services=foo\nOnDown=block"


@pytest.fixture
def systemd(lab):
    """One that answers, until it is told to hang."""
    made = Systemd(lab)
    made.service("foo.service", CONFINED)
    yield made
    made.close()


@pytest.fixture
def monitor(lab, systemd):
    """It runs, and the tunnel of foo.service is up."""
    lab.config("wg0", SERVICE)
    Tunnel(lab, 0).up()
    made = Monitor(lab)
    assert is_up(lab)
    return made


def lose_rules(lab):
    lab.sh("host", "ip rule del priority 500", "ip -6 rule del priority 500")


def rules_are_back(lab):
    return all(lab.rules(family) for family in (4, 6))


def uids(lab, family=4):
    return sorted(rule["uid_start"] for rule in lab.rules(family))


def guard_stands(lab):
    return "custom-gateway" in lab.run("host", "nft", "list", "tables").stdout


def test_rules_are_back_while_systemd_hangs(lab, systemd, monitor):
    systemd.hang()
    lose_rules(lab)
    wait_until("the rules", lambda: rules_are_back(lab))
    wait_until("the question", lambda: systemd.waiting)
    assert is_up(lab)
    assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == "wg0"
    systemd.speak()
    monitor.settle()
    assert is_up(lab)
    assert lab.cg("status", check=False).returncode == 0


def test_the_last_word_of_a_table_is_back_and_its_way_waits(lab, systemd, monitor):
    """A way is put back when it is known that it is still the right one."""
    systemd.hang()
    lab.sh("host", f"ip route flush table {table(lab)}", f"ip -6 route flush table {table(lab)}")
    wait_until("the last words", lambda: ways(lab, 4) == ways(lab, 6) == ["prohibit"])
    wait_until("the question", lambda: systemd.waiting)
    assert lab.ask(CONFINED, 4) == lab.ask(CONFINED, 6) == "EACCES"
    systemd.speak()
    wait_until("the ways", lambda: is_up(lab))


def test_the_guard_is_back_while_systemd_hangs(lab, systemd):
    lab.config("wg0", f"{SERVICE}\nGuard=yes")
    Tunnel(lab, 0).up()
    monitor = Monitor(lab)
    systemd.hang()
    lab.sh("host", "nft flush ruleset")
    wait_until("the guard", lambda: guard_stands(lab))
    wait_until("the question", lambda: systemd.waiting)
    before = monitor.said.count("putting back")
    systemd.speak()
    monitor.settle()
    assert monitor.said.count("putting back") == before == 1
    assert lab.cg("status", check=False).returncode == 0


def test_what_changed_meanwhile_is_done_when_it_is_known(lab, systemd, monitor):
    systemd.hang()
    systemd.service("foo.service", OTHER)
    lose_rules(lab)
    wait_until("the rules", lambda: rules_are_back(lab))
    assert uids(lab) == uids(lab, 6) == [CONFINED]
    systemd.speak()
    wait_until("the other user", lambda: uids(lab) == uids(lab, 6) == [OTHER])


def test_a_loss_while_systemd_hangs_waits_for_nobody(lab, systemd, monitor):
    """The run that asks holds the lock as long as it waits; it is ended, and that is no failure."""
    systemd.hang()
    lab.sh("host", "ip addr add 10.64.0.99/24 dev wg0")  # a tunnel's event, and a run that asks
    wait_until("the question", lambda: systemd.waiting)
    lose_rules(lab)
    wait_until("the rules", lambda: rules_are_back(lab))
    assert "nobody can tell" not in monitor.said, "it waited until the question was given up"
    systemd.speak()
    monitor.settle()
    assert is_up(lab)
    assert "ended by a signal" not in monitor.said


def test_one_loss_is_one_run(lab, systemd, monitor):
    """What the first half changes wakes nobody, and is told of once."""
    before = monitor.runs, systemd.talks
    lab.sh("host", "ip rule del priority 500")
    wait_until("the rule", lambda: rules_are_back(lab))
    monitor.settle()
    assert (monitor.runs, systemd.talks) == (before[0] + 1, before[1] + 1)
    assert monitor.said.count("putting back") == 1


def test_a_user_whom_nobody_need_be_asked_about_waits_for_nobody(lab, systemd, monitor):
    lab.config("wg1", f"Users={OTHER}")
    wait_until("wg1", lambda: uids(lab) == [CONFINED, OTHER])
    monitor.settle()
    systemd.hang()
    lab.sh("host", f"ip rule del uidrange {OTHER}-{OTHER} priority 500")
    wait_until("the rule", lambda: uids(lab) == [CONFINED, OTHER])
    wait_until("the question", lambda: systemd.waiting)
    assert "nobody can tell" not in monitor.said


def test_what_was_released_by_hand_is_not_put_back(lab, systemd, monitor):
    lab.config("wg1", f"Users={OTHER}")
    wait_until("wg1", lambda: uids(lab) == [CONFINED, OTHER])
    lab.cg("remove", "wg1")
    monitor.settle()
    systemd.hang()
    lose_rules(lab)
    wait_until("the question", lambda: systemd.waiting)
    assert uids(lab) == uids(lab, 6) == [CONFINED]


def test_a_run_by_hand_knows_better(lab, systemd, monitor):
    """It asked later than the monitor did, so what it took away is no loss."""
    before = systemd.talks
    systemd.service("foo.service", OTHER)
    systemd.hang(behind=1)
    lab.cg("reapply")
    wait_until("the monitor's question", lambda: systemd.waiting)
    assert systemd.talks == before + 2
    assert uids(lab) == uids(lab, 6) == [OTHER]
    systemd.speak()
    monitor.settle()
    assert uids(lab) == uids(lab, 6) == [OTHER]


def test_after_silence_the_answers_from_before_count(lab, systemd, monitor):
    """A run that got no answer took nothing away, and the next one goes by the same answers."""
    systemd.hang()
    lab.sh("host", "ip addr add 10.64.0.99/24 dev wg0")  # a tunnel's event, and a run that asks
    wait_until("its end", lambda: "nobody can tell whom Services= confines" in monitor.said, 20)
    lose_rules(lab)
    wait_until("the rules", lambda: rules_are_back(lab))


def test_rules_are_back_while_networkmanager_hangs(lab):
    """Nobody takes the question from the bus."""
    lab.config("wg0", f"Users={CONFINED}\nDNS=auto")
    Tunnel(lab, 0).up()
    monitor = Monitor(lab)
    (lab.run_dir / "dbus").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bus:
        bus.bind(str(lab.run_dir / "dbus" / "system_bus_socket"))
        bus.listen()
        bus.settimeout(10)
        lose_rules(lab)
        bus.accept()[0].detach()  # it stays open, and silent
        assert rules_are_back(lab)
        assert "has not answered" not in monitor.said
    assert is_up(lab)


def test_a_gateway_that_is_attached_to_a_profile_stays(lab):
    """It is in no file of the directory itself."""
    place = lab.config_dir / "profiles"
    place.mkdir(mode=0o755)
    lab.config("profiles/home", f"Connection=0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10\nUsers={CONFINED}")
    monitor = Monitor(lab)
    assert uids(lab) == uids(lab, 6) == [CONFINED]
    before = monitor.runs
    lab.sh("host", f"ip route del prohibit default table {table(lab)} metric 4294967295")
    wait_until("a run", lambda: monitor.runs > before)
    monitor.settle()
    assert uids(lab) == uids(lab, 6) == [CONFINED]
    assert ways(lab, 4) == ways(lab, 6) == ["prohibit"]
