# SPDX-License-Identifier: GPL-2.0-or-later
"""A changed configuration, or another tunnel: from the old to the new without an open instant."""

import pytest
from lab import CONFINED, OTHER, SERVER, Tunnel

SECOND = CONFINED + 10
LAN_SERVER = "192.0.2.1"

# name, the files before, the files after
CHANGES = [
    ("another table", {"wg0": f"Users={CONFINED}\nTable=1000"},
     {"wg0": f"Users={CONFINED}\nTable=2000"}),
    ("another priority, earlier", {"wg0": f"Users={CONFINED}\nPriority=600"},
     {"wg0": f"Users={CONFINED}\nPriority=400"}),
    ("another priority, later", {"wg0": f"Users={CONFINED}\nPriority=400"},
     {"wg0": f"Users={CONFINED}\nPriority=600"}),
    ("one more user", {"wg0": f"Users={CONFINED}"}, {"wg0": f"Users={CONFINED} {SECOND}"}),
    ("one user fewer", {"wg0": f"Users={CONFINED} {SECOND}"}, {"wg0": f"Users={CONFINED}"}),
    ("one bypass more", {"wg0": f"Users={CONFINED}"},
     {"wg0": f"Users={CONFINED}\nBypass=198.51.100.0/24 2001:db8:7::/64"}),
    ("one bypass fewer", {"wg0": f"Users={CONFINED}\nBypass=198.51.100.0/24"},
     {"wg0": f"Users={CONFINED}"}),
    ("IPv6 no longer", {"wg0": f"Users={CONFINED}"}, {"wg0": f"Users={CONFINED}\nIPv6=block"}),
    ("IPv6 too", {"wg0": f"Users={CONFINED}\nIPv6=block"}, {"wg0": f"Users={CONFINED}"}),
    ("another name", {"old": f"Users={CONFINED}\nInterface=wg0"},
     {"new": f"Users={CONFINED}\nInterface=wg0"}),
    ("another tunnel", {"wg0": f"Users={CONFINED}"},
     {"wg0": f"Users={CONFINED}\nInterface=wg1"}),
    ("from one gateway to the other", {"wg0": f"Users={CONFINED}", "wg1": f"Users={SECOND}"},
     {"wg0": f"Users={SECOND}", "wg1": f"Users={CONFINED}"}),
    ("two gateways swap their tables",
     {"wg0": f"Users={CONFINED}\nTable=1000", "wg1": f"Users={SECOND}\nTable=2000"},
     {"wg0": f"Users={CONFINED}\nTable=2000", "wg1": f"Users={SECOND}\nTable=1000"}),
]


@pytest.fixture
def tunnels(lab):
    made = [Tunnel(lab, number) for number in (0, 1)]
    for tunnel in made:
        tunnel.up()
    return made


def write(lab, files):
    for path in lab.config_dir.glob("*.conf"):
        path.unlink()
    for name, text in files.items():
        lab.config(name, text)


def kernel_routing_differs(lab):
    """Whether anything but the guard does: one that we did not write ourselves is written anew."""
    return [line for line in lab.cg("reapply", "--dry-run").stdout.splitlines()
            if not line.startswith("nft ")]


def interface_of(files):
    """The tunnel that the confined user belongs to."""
    for name, text in files.items():
        if str(CONFINED) in text:
            return dict(line.split("=") for line in text.splitlines()).get("Interface", name)
    raise AssertionError("nobody is confined")


@pytest.mark.parametrize("before,after", [change[1:] for change in CHANGES],
                         ids=[change[0] for change in CHANGES])
def test_under_constant_traffic(lab, tunnels, before, after):
    write(lab, before)
    lab.cg("reapply")
    with lab.capture() as capture, lab.sender(CONFINED) as sender:
        for files in (after, before, after):
            write(lab, files)
            lab.cg("reapply")
    assert capture.leaks == 0
    assert sender.answered >= {tunnels[int(interface_of(after)[2])].address[4]}
    assert lab.cg("status", check=False).returncode == 0


@pytest.mark.parametrize("before,after", [change[1:] for change in CHANGES],
                         ids=[change[0] for change in CHANGES])
def test_cut_off_behind_every_operation(lab, tunnels, before, after):
    """Runs the lines of --dry-run one by one and looks at the way packets take after each of them."""
    write(lab, before)
    lab.cg("reapply")
    write(lab, after)
    lines = lab.cg("reapply", "--dry-run").stdout.splitlines()
    assert lines
    allowed = {interface_of(before), interface_of(after), "EACCES", "EPERM"}
    for line in lines:
        lab.sh("host", line)
        for family in (4, 6):
            assert lab.ask(CONFINED, family) in allowed, f"behind {line}"
    assert not kernel_routing_differs(lab)
    assert lab.ask(CONFINED) == interface_of(after)


TUNNEL_CHANGES = {
    "up": ([], ["ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0",
                "ip addr add fd00:64:a0::2/64 dev wg0 nodad"]),
    "down": (["ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0"], ["ip link set wg0 down"]),
    "its address removed": (["ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0"],
                            ["ip addr flush dev wg0"]),
    "renamed": (["ip link set wg0 up", "ip addr add 10.64.0.2/24 dev wg0"],
                ["ip link set wg0 name other || { ip link set wg0 down; ip link set wg0 name other; }"]),
}


@pytest.mark.parametrize("change", TUNNEL_CHANGES)
def test_the_tunnel_changes_and_the_run_is_cut_off(lab, change):
    first, then = TUNNEL_CHANGES[change]
    lab.config("wg0", f"Users={CONFINED}")
    Tunnel(lab, 0).create()
    if first:
        lab.sh("host", *first)
    lab.cg("reapply")
    lab.sh("host", *then)
    for line in [":"] + lab.cg("reapply", "--dry-run").stdout.splitlines():
        lab.sh("host", line)
        for family in (4, 6):
            assert lab.ask(CONFINED, family) in ("wg0", "EACCES", "EPERM", "silence"), f"behind {line}"
        assert lab.ask(OTHER) == "lan"
    assert not kernel_routing_differs(lab)


def test_leftovers_of_a_deleted_file_go_with_a_bare_reapply_only(lab):
    lab.config("wg0", f"Users={CONFINED}")
    gone = lab.config("gone", f"Users={SECOND}\nInterface=wg1")
    lab.cg("reapply")
    gone.unlink()
    lab.cg("reapply", "wg0")
    assert lab.ask(SECOND) == "EACCES"
    assert lab.cg("status", check=False).returncode == 3
    lab.cg("reapply")
    assert lab.ask(SECOND) == "lan"
    assert lab.ask(CONFINED) == "EACCES"


def test_a_named_reapply_clears_its_own_old_table_away(lab, tunnels):
    lab.config("wg0", f"Users={CONFINED}\nTable=1000")
    lab.cg("reapply")
    lab.config("wg0", f"Users={CONFINED}\nTable=2000\nBypass=203.0.113.1")
    lab.cg("reapply", "wg0")
    assert {rule["table"] for rule in lab.rules()} == {"2000"}
    assert lab.ask(CONFINED, server=SERVER[4]) == "lan"


def test_leftovers_stay_while_a_file_is_broken(lab):
    """Who knows whose they are: perhaps the broken file's."""
    lab.config("wg0", f"Users={CONFINED}")
    broken = lab.config("wg1", f"Users={SECOND}\nTable=77")
    lab.cg("reapply")
    broken.write_text("[Gateway]\nUsers=no-such-user-here\nTable=77\n")
    assert lab.cg("reapply", check=False).returncode == 2
    assert lab.ask(SECOND) == "EACCES"


def test_nobody_goes_free_while_a_file_is_broken(lab, tunnels):
    """The user may have been moved into the very file that is broken."""
    lab.config("wg0", f"Users={CONFINED} {SECOND}\nOnDown=release")
    lab.cg("reapply")
    lab.config("wg0", f"Users={CONFINED}\nOnDown=release")
    broken = lab.config("wg1", f"Users={SECOND} no-such-user-here")
    for arguments in ((), ("wg0",)):
        lab.cg("reapply", *arguments, check=False)
        assert lab.ask(SECOND) == "wg0"
    tunnels[0].delete()
    lab.nm("wg0", "down")
    assert lab.ask(CONFINED) == "lan", "a good file says so"
    assert lab.ask(SECOND) == "EACCES"

    broken.unlink()
    lab.cg("reapply")
    assert lab.ask(SECOND) == "lan"


def test_a_user_who_moved_is_never_free_when_the_old_gateway_comes_first(lab, tunnels):
    lab.config("wg0", f"Users={CONFINED} {SECOND}")
    lab.config("wg1", f"Users={SECOND + 1}")
    lab.cg("reapply")
    lab.config("wg0", f"Users={SECOND}")
    lab.config("wg1", f"Users={CONFINED} {SECOND + 1}")
    lab.nm("wg0", "up")
    assert lab.ask(CONFINED) == "wg1"


def test_several_bypasses_and_users_at_once(lab, tunnels):
    lab.config("wg0", "Users=" + " ".join(str(uid) for uid in range(70000, 70600, 2)))
    lab.cg("reapply")
    assert len(lab.rules(4)) == len(lab.rules(6)) == 300
    assert lab.ask(70598) == "wg0"
    assert lab.ask(70597, port=7001) == "lan"
    lab.cg("remove")
    assert lab.nothing_is_left()


def test_a_user_who_moved_is_moved_by_a_reapply_of_the_new_gateway_alone(lab, tunnels):
    """The old gateway's rule would stand in the way."""
    lab.config("wg0", f"Users={CONFINED} {SECOND}")
    lab.config("wg1", f"Users={SECOND + 1}")
    lab.cg("reapply")
    lab.config("wg0", f"Users={SECOND}")
    lab.config("wg1", f"Users={CONFINED} {SECOND + 1}")
    lab.cg("reapply", "wg1")
    assert lab.ask(CONFINED) == "wg1"
    assert lab.ask(SECOND) == "wg0"


def test_removing_a_gateway_sets_nobody_free_who_has_moved_to_one_that_stands(lab):
    """That has no rule yet, since nobody here can tell whom its service runs as."""
    lab.config("wg0", f"Users={CONFINED}")
    lab.config("wg1", "Services=foo")
    lab.cg("reapply")
    lab.config("wg0", f"Users={SECOND}")
    lab.config("wg1", f"Users={CONFINED}")
    lab.cg("remove", "wg0")
    assert lab.ask(CONFINED) == "EACCES"


def test_a_gateway_that_was_removed_does_not_come_back_with_the_end_of_another(lab):
    lab.config("wg0", f"Users={CONFINED}")
    lab.config("wg1", f"Users={SECOND}")
    lab.cg("reapply")
    lab.cg("remove", "wg1")
    lab.config("wg0", f"Users={SECOND}")
    lab.config("wg1", f"Users={CONFINED}")
    lab.cg("remove", "wg0")
    assert lab.nothing_is_left()


def test_removing_a_gateway_sets_nobody_free_whom_a_bad_file_may_have(lab):
    lab.config("wg0", f"Users={CONFINED}")
    lab.config("wg1", f"Users={SECOND} {SECOND + 1}")
    lab.cg("reapply")
    lab.config("wg0", f"Users={CONFINED} {SECOND}")  # on its way from wg1, which is broken just now
    lab.config("wg1", f"Users={SECOND + 1} no-such-user-here")
    lab.cg("remove", "wg0")
    assert lab.ask(CONFINED) == "lan"
    assert lab.ask(SECOND + 1) == "EACCES"
