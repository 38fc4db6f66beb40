# SPDX-License-Identifier: GPL-2.0-or-later
"""The resolv.conf of a gateway's own: what it says, when it changes, and that a service which has it
bound over /etc/resolv.conf sees the change. That services ask nobody else is shown in tests/vm."""

import json
import threading

import pytest
from fake_systemd import Systemd
from lab import CONFINED, OTHER, SERVER, Tunnel

USERS = f"Users={CONFINED}"


def path(lab, name="wg0"):
    return lab.run_dir / "custom-gateway" / "dns" / name / "resolv.conf"


def servers(lab, name="wg0"):
    return [line.split()[1] for line in path(lab, name).read_text().splitlines()
            if line.startswith("nameserver")]


def systems_servers():
    with open("/etc/resolv.conf", encoding="ascii") as file:
        return [line.split()[1] for line in file if line.startswith("nameserver")][:3]


def test_it_names_the_first_three_servers(lab):
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1 fd00:64:a0::1, 10.64.0.3 10.64.0.4")
    lab.cg("reapply")
    assert servers(lab) == ["10.64.0.1", "fd00:64:a0::1", "10.64.0.3"]  # resolv.conf(5): MAXNS
    assert path(lab).stat().st_mode & 0o777 == 0o644


def test_while_no_server_is_known_it_leads_nowhere(lab):
    lab.config("wg0", f"{USERS}\nDNS=auto")
    lab.cg("reapply")
    # one that names none would mean 127.0.0.1
    assert servers(lab) == ["255.255.255.255"]


def test_it_stays_the_file_that_services_have_bound(lab):
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1 10.64.0.2 10.64.0.3")
    lab.cg("reapply")
    bound = path(lab).stat()
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.9")
    lab.cg("reapply")
    assert servers(lab) == ["10.64.0.9"]
    after = path(lab).stat()
    assert after.st_ino == bound.st_ino
    assert after.st_mtime_ns > bound.st_mtime_ns, "programs read again what is newer"


def test_a_reader_never_finds_it_without_a_server(lab):
    ways = [{"10.64.0.1", "10.64.0.2", "10.64.0.3"}, {"fd00:64:a0::99"}]

    def change(index):
        lab.config("wg0", f"{USERS}\nDNS={' '.join(ways[index])}")
        lab.cg("reapply")

    found, going = set(), True

    def read():
        while going:
            found.add(frozenset(servers(lab)))

    change(0)
    reader = threading.Thread(target=read)
    reader.start()
    for i in range(100):
        change((i + 1) % 2)
    going = False
    reader.join()
    assert found == set(map(frozenset, ways))


def test_what_others_write_is_noticed_and_mended(lab):
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lab.cg("reapply")
    path(lab).write_text("nameserver 127.0.0.53\n", encoding="ascii")
    done = lab.cg("status", "--json", check=False)
    assert done.returncode == 3
    [gateway] = json.loads(done.stdout)["gateways"]
    [difference] = gateway["differences"]
    assert "10.64.0.1" in difference
    lab.sh("host", difference)
    assert servers(lab) == ["10.64.0.1"]
    assert lab.cg("status").stdout.splitlines()[1].split()[-2] == "10.64.0.1"


def test_dry_run_writes_none(lab):
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lines = lab.cg("reapply", "--dry-run").stdout.splitlines()
    assert not path(lab).exists()
    lab.sh("host", *lines)
    assert servers(lab) == ["10.64.0.1"]
    assert lab.cg("reapply", "--dry-run").stdout == ""


def test_released_by_the_tunnels_end(lab):
    tunnel = Tunnel(lab, 0)
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1\nOnDown=release")
    lab.cg("reapply")
    assert servers(lab) == systems_servers()
    tunnel.up()
    lab.cg("reapply")
    assert servers(lab) == ["10.64.0.1"]
    tunnel.delete()
    lab.cg("reapply")
    assert servers(lab) == systems_servers()


@pytest.mark.parametrize("command", ["remove wg0", "remove"])
def test_released_by_remove(lab, command):
    """Not taken away: a service that is started now would not find it."""
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lab.cg("reapply")
    bound = path(lab).stat().st_ino
    lab.cg(*command.split())
    assert (servers(lab), path(lab).stat().st_ino) == (systems_servers(), bound)
    lab.cg("reapply")
    assert (servers(lab), path(lab).stat().st_ino) == (["10.64.0.1"], bound)


def test_of_a_gateway_that_is_no_more(lab):
    file = lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lab.cg("reapply")
    file.unlink()
    lab.cg("reapply")
    assert servers(lab) == systems_servers()
    assert lab.cg("status").returncode == 0


def run_with(lab, resolv_conf, *command):
    return lab.run("host", "unshare", "--mount", "sh", "-ec",
                   'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"', "sh",
                   resolv_conf, lab.binary, *command, check=False)


def test_of_services_that_run_when_the_systems_is_replaced(lab):
    """Each gets its own back, and no bus is needed for it: there is none here."""
    systemd = Systemd(lab)
    systemd.service("foo.service", CONFINED)
    systemd.service("bar.service", OTHER)
    lab.config("wg0", "Services=foo bar\nOnDown=block\nDNS=10.64.0.1")
    other = lab.directory / "resolv.conf"
    other.write_text("nameserver 192.0.2.7\n")
    lab.cg("reapply")
    assert not systemd.bound
    for _ in range(2):
        done = run_with(lab, other, "reapply")
        assert (done.returncode, "replaced" in done.stderr) == (0, False)
        assert sorted(systemd.bound) == ["bar.service", "foo.service"], "and once only"
    systemd.close()


def test_of_a_gateway_that_is_no_more_while_the_system_gets_other_servers(lab):
    """status has nothing to say of it; a reapply brings it up to date for services that still run."""
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lab.cg("reapply")
    (lab.config_dir / "wg0.conf").unlink()
    other = lab.directory / "resolv.conf"
    other.write_text("nameserver 192.0.2.7\n")
    other.chmod(0o644)

    def with_other(*command):
        return run_with(lab, other, *command)

    assert lab.cg("status", check=False).returncode == 3, "it names the tunnel's servers"
    lab.cg("reapply")
    assert lab.cg("status").returncode == with_other("status").returncode == 0
    assert json.loads(with_other("status", "--json").stdout)["differences"] == []
    assert servers(lab) == systems_servers()
    assert with_other("reapply").returncode == 0
    assert servers(lab) == ["192.0.2.7"]


def test_a_bad_file_sets_nobodys_questions_free(lab):
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    lab.cg("reapply")
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1\nNonsense=1")
    lab.cg("reapply", check=False)
    assert servers(lab) == ["10.64.0.1"]


def test_what_is_in_the_way_is_said_and_holds_up_nothing_else(lab):
    path(lab).parent.mkdir(parents=True)
    other = lab.directory / "other"
    other.write_text("of somebody else\n", encoding="ascii")
    path(lab).symlink_to(other)
    lab.config("wg0", f"{USERS}\nDNS=10.64.0.1")
    done = lab.cg("reapply", check=False)
    assert done.returncode == 1
    assert str(path(lab).relative_to(lab.run_dir)) in done.stderr
    assert other.read_text(encoding="ascii") == "of somebody else\n"
    assert lab.rules(4) and lab.rules(6)


NETWORKS = "203.0.113.0/24 2001:db8:ffff::/48"
SERVERS = f"{SERVER[4]} {SERVER[6]}"


@pytest.mark.parametrize("guard", ["yes", "no"])
def test_a_bypass_does_not_swallow_the_tunnels_servers(lab, guard):
    """"All private networks" holds the server that the VPN gives, too (10.2.0.1, 10.64.0.1)."""
    tunnel = Tunnel(lab, 0)
    tunnel.up()
    lab.config("wg0", f"{USERS}\nOnDown=block\nGuard={guard}\nBypass={NETWORKS}\nDNS={SERVERS}")
    done = lab.cg("reapply")
    for family in (4, 6):
        assert f"covers the name server {SERVER[family]}, which is reached" in done.stderr
    with lab.capture() as capture:
        for family in (4, 6):
            for kind in ("udp", "tcp"):
                assert lab.ask(CONFINED, family, kind) == "wg0"
        lab.sh("host", "ip link set wg0 down")
        for family in (4, 6):
            assert lab.ask(CONFINED, family) not in ("lan", "wg0"), "no run since"
        lab.nm("wg0", "down")
        for family in (4, 6):
            assert lab.ask(CONFINED, family) not in ("lan", "wg0")
    assert capture.leaks == 0
    lab.config("wg0", f"{USERS}\nOnDown=block\nGuard={guard}\nBypass={NETWORKS}")
    lab.cg("reapply")
    for family in (4, 6):
        assert lab.ask(CONFINED, family) == "lan", "the bypass is none, so this shows nothing"
    lab.cg("remove")
    assert lab.nothing_is_left()


@pytest.mark.parametrize("guard", ["yes", "no"])
def test_a_server_that_the_bypass_names_itself_is_asked_by_it(lab, guard):
    Tunnel(lab, 0).up()
    lab.config("wg0", f"{USERS}\nGuard={guard}\nBypass={NETWORKS} {SERVERS}\nDNS={SERVERS}")
    done = lab.cg("reapply")
    for family in (4, 6):
        assert f"past the tunnel: Bypass= names the server {SERVER[family]}" in done.stderr
        assert lab.ask(CONFINED, family) == "lan"


def test_check_says_which_servers_a_bypass_covers(lab):
    file = lab.config("wg0", f"{USERS}\nBypass=10.0.0.0/8\nDNS=10.2.0.1")
    for arguments in ((), (file,)):
        done = lab.cg("check", *arguments)
        assert "wg0.conf: good" in done.stderr
        assert "Bypass=10.0.0.0/8 covers the name server 10.2.0.1" in done.stderr


@pytest.mark.parametrize("server,said", [
    ("192.0.2.2", "192.0.2.2, on this machine"), ("10.64.0.2", "10.64.0.2, on this machine"),
    ("192.0.2.1", "192.0.2.1, of the local network 192.0.2.0/24"),
    ("2001:db8:1::1", "2001:db8:1::1, of the local network 2001:db8:1::/64"),
    ("198.51.100.7", "198.51.100.7, to which Bypass=198.51.100.0/24 leads"),
    ("fe80::1%eth0", "fe80::1%eth0, of one interface alone"), ("10.64.0.1", None), ("9.9.9.9", None)])
def test_without_dns_the_systems_servers_are_told_of(lab, server, said):
    """Those that names are asked of by another way than the tunnel, and those that it does not reach."""
    Tunnel(lab, 0).up()
    lab.config("wg0", f"{USERS}\nBypass=198.51.100.0/24")
    lab.cg("reapply")
    other = lab.directory / "resolv.conf"
    other.write_text(f"nameserver {server}\n")
    warnings = json.loads(run_with(lab, other, "status", "--json").stdout)["warnings"]
    assert len(warnings) == (1 if said else 0)
    assert all(said in warning and warning.endswith("; give DNS=") for warning in warnings)


def test_a_resolv_conf_that_is_a_pipe_hangs_nobody(lab):
    lab.config("wg0", USERS)
    lab.sh("host", "mkfifo /run/pipe")
    assert run_with(lab, "/run/pipe", "reapply").returncode == 0
