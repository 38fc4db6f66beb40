# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are bad when the machine boots: no user that they name is free, or may start."""

import json
import shutil

import pytest
from lab import CONFINED, OTHER, Tunnel, wait_until
from monitor import Monitor

USERS = f"Users={CONFINED}"
SECOND = CONFINED + 10
# how a line that names a user can go wrong
MISSPELT = ["User=", "users=", "Usres=", "Users:=", "Uids="]


@pytest.fixture
def tunnel(lab):
    made = Tunnel(lab, 0)
    made.up()
    return made


def boot(lab):
    """What a boot leaves: nothing in the kernel and below /run, and what is on the disk."""
    for family in (4, 6):
        lab.sh("host", f"ip -{family} rule flush protocol 198",
               f"ip -{family} route flush table all protocol 198")
    lab.sh("host", "nft flush ruleset")
    shutil.rmtree(lab.run_dir / "custom-gateway")
    assert lab.nothing_is_left()


def reapply(lab, *arguments):
    """A run that finds a bad file, and what it says."""
    done = lab.cg("reapply", *arguments, check=False)
    assert done.returncode == 2
    return done.stderr


def uids(lab, family=4):
    """What rules of ours hold: the first uid of each."""
    return sorted(rule["uid_start"] for rule in lab.rules(family))


def told(lab):
    done = lab.cg("status", "--json", check=False)
    assert done.returncode == 2
    return json.loads(done.stdout)


def test_after_a_boot_the_last_good_file_is_in_force(lab, tunnel):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", "Users=nobody-of-this-name")
    boot(lab)
    with lab.capture() as capture, lab.sender(OTHER):
        said = reapply(lab)
        assert "no such user 'nobody-of-this-name'" in said
        assert "wg0: stays in force as it was before" in said
        assert lab.ask(CONFINED) == "wg0"
        tunnel.delete()
        lab.nm("wg0", "down", check=False)
        assert lab.ask(CONFINED) == "EACCES"
        tunnel.up()
        lab.nm("wg0", "up", check=False)
        assert lab.ask(CONFINED) == lab.ask(CONFINED, 6) == "wg0"
    assert capture.leaks == 0
    lab.config("wg0", f"Users={SECOND}")
    lab.cg("reapply")
    assert uids(lab) == uids(lab, 6) == [SECOND]


def test_what_an_event_put_in_force_is_kept_too(lab, tunnel):
    lab.config("wg0", USERS)
    lab.nm("wg0", "up")
    lab.config("wg0", "Nonsense")
    boot(lab)
    reapply(lab)
    assert lab.ask(CONFINED) == "wg0"


def test_what_a_monitor_put_in_force_is_kept_too(lab, tunnel):
    lab.config("wg0", USERS)
    monitor = Monitor(lab)
    monitor.signal(15)
    monitor.wait()
    lab.config("wg0", "Nonsense")
    boot(lab)
    monitor = Monitor(lab)
    assert "wg0: stays in force as it was before" in monitor.said
    assert lab.ask(CONFINED) == "wg0"


def test_what_is_only_planned_is_not_kept(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply", "--dry-run")
    lab.cg("check")
    lab.cg("status", check=False)
    assert not list(lab.state_dir.iterdir())


@pytest.mark.parametrize("line", MISSPELT)
def test_without_a_last_good_file_the_users_that_it_names_are_blocked(lab, tunnel, line):
    lab.config("wg0", f"{line}{CONFINED}\nBypass=192.0.2.0/24")
    with lab.capture() as capture:
        said = reapply(lab)
        assert f"the users that it names are blocked until it is mended: uid {CONFINED}" in said
        for family in (4, 6):
            assert lab.ask(CONFINED, family) == "EACCES"
            assert uids(lab, family) == [CONFINED]
        assert lab.ask(OTHER) == "lan"
        reapply(lab)
        lab.nm("wg0", "up", check=False)
        assert lab.ask(CONFINED) == "EACCES"
    assert capture.leaks == 0
    lab.config("wg0", USERS)
    lab.cg("reapply")
    assert lab.ask(CONFINED) == "wg0"
    assert lab.cg("status", check=False).returncode == 0


def test_a_monitor_blocks_them_too(lab, tunnel):
    lab.config("wg0", f"User={CONFINED}")
    Monitor(lab)
    assert lab.ask(CONFINED) == "EACCES"
    lab.sh("host", f"ip -6 rule del uidrange {CONFINED}-{CONFINED}")
    wait_until("the repair", lambda: uids(lab, 6) == [CONFINED])
    lab.config("wg0", USERS)
    wait_until("the mended file", lambda: lab.ask(CONFINED) == "wg0")


def test_root_is_never_blocked(lab):
    lab.config("wg0", f"Users=0 root 0-100 {CONFINED}")
    reapply(lab)
    assert uids(lab) == [CONFINED]
    assert lab.ask(0, port=7001) == "lan"


def test_words_that_only_happen_to_be_users_are_no_users(lab):
    lab.config("wg0", "Mode=backup\nType=daemon\nMTU=1420\nTable=nobody\nUsers=no-such-user")
    reapply(lab)
    assert lab.nothing_is_left()


def test_what_stands_stays(lab, tunnel):
    """Blocking is for users that nothing holds: a slip of the pen does not cut off the others."""
    lab.config("wg0", f"{USERS}\nTable=77")
    lab.cg("reapply")
    for kept in lab.state_dir.iterdir():
        kept.unlink()
    lab.config("wg0", f"User={CONFINED} {SECOND}\nTable=77")
    for _ in range(2):
        reapply(lab)
        assert lab.ask(CONFINED) == "wg0"
        assert lab.ask(SECOND) == "EACCES"


def test_status_tells_what_holds_for_a_bad_file(lab, tunnel):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", f"User={CONFINED}")
    assert told(lab)["bad_files"] == [{"name": "wg0", "in_force": "last-good", "uids": [[CONFINED] * 2]}]
    assert "wg0: its file is bad; the last good one is in force" in lab.cg("status", check=False).stdout
    for kept in lab.state_dir.iterdir():
        kept.unlink()
    assert told(lab)["bad_files"] == [{"name": "wg0", "in_force": "standing", "uids": [[CONFINED] * 2]}]
    shown = lab.cg("status", check=False).stdout
    assert "no gateway is in force" not in shown
    assert f"bad; what stands stays, and holds uids that no good file names: {CONFINED}" in shown
    boot(lab)
    [gateway] = told(lab)["gateways"]
    assert (gateway["ipv4"]["state"], gateway["ipv4"]["should"]) == ("released", "blocked")
    assert told(lab)["bad_files"] == [{"name": "wg0", "in_force": "blocked", "uids": [[CONFINED] * 2]}]
    lab.config("wg0", "Users=0")
    assert told(lab)["bad_files"] == [{"name": "wg0", "in_force": "nothing", "uids": []}]
    assert lab.cg("status", check=False).stdout.startswith("no gateway is in force\n")


def test_remove_releases_whom_a_bad_file_holds_and_forgets_the_good_one(lab, tunnel):
    lab.config("wg0", USERS)
    lab.config("wg1", f"Users={SECOND}")
    lab.cg("reapply")
    lab.config("wg0", "Nonsense")
    lab.cg("remove", "wg0", check=False)
    assert uids(lab) == [SECOND]
    assert [kept.name for kept in lab.state_dir.iterdir()] == ["wg1.conf"]
    reapply(lab)
    assert uids(lab) == [SECOND]
    lab.config("wg0", f"User={CONFINED}")
    reapply(lab)
    assert uids(lab) == [CONFINED, SECOND]
    lab.cg("remove", "wg0", check=False)
    assert uids(lab) == [SECOND]
    lab.cg("remove")
    assert not list(lab.state_dir.iterdir())


def test_to_remove_another_gateway_leaves_them_as_they_are(lab, tunnel):
    """Also one that has to do with theirs."""
    lab.config("wg0", f"{USERS} {SECOND + 1}")
    lab.config("wg1", f"Users={SECOND}")
    lab.cg("reapply")
    for kept in lab.state_dir.iterdir():
        kept.unlink()
    lab.config("wg0", f"User={CONFINED}")
    lab.config("wg1", f"Users={SECOND} {SECOND + 1}")
    lab.cg("remove", "wg1", check=False)
    assert lab.ask(CONFINED) == "wg0"


def test_a_file_that_is_gone_is_forgotten(lab):
    path = lab.config("wg0", USERS)
    lab.cg("reapply")
    path.unlink()
    lab.cg("reapply")
    assert not list(lab.state_dir.iterdir())


def test_a_state_directory_that_cannot_be_written_stops_nobody(lab):
    lab.config("wg0", USERS)
    done = lab.cg("--state-dir", "/proc/nowhere", "reapply")
    assert "wg0: its file is not kept for the case that it goes bad: /proc/nowhere" in done.stderr
    assert lab.ask(CONFINED) == "EACCES"


def test_what_others_could_write_is_not_used(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", f"User={SECOND}")
    (lab.state_dir / "wg0.conf").chmod(0o666)
    boot(lab)
    assert "wg0: its last good file cannot be used: " in reapply(lab)
    assert uids(lab) == [SECOND]


def test_a_misspelt_key_is_told_with_the_right_one(lab):
    path = lab.config("wg0", "Servces=a.service")
    assert "unknown key 'Servces'; did you mean Services=?" in lab.cg("check", path, check=False).stderr
