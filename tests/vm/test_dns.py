# SPDX-License-Identifier: GPL-2.0-or-later
"""A service of a gateway with DNS= asks the gateway's servers for names, through the tunnel; and
whoever else could ask in its stead (systemd-resolved, nscd, avahi) it does not reach. Each test that
hears nothing on the LAN hears somebody else there."""

import pathlib

import pytest

import guest
import names
import people
from guest import sh, wait_until
from names import BY_RESOLV_CONF, BY_RESOLVED, LAN, OTHER, TUNNEL, answer, inside, new_name

RESOLV_CONF = pathlib.Path("/etc/resolv.conf")
OURS = pathlib.Path("/run/custom-gateway/dns/vpn0/resolv.conf")
STUB = "../run/systemd/resolve/stub-resolv.conf"
DAEMONS = "systemd-resolved nscd avahi-daemon.socket avahi-daemon"


def hosts(line: str) -> None:
    """Who is asked by programs that ask glibc, nsswitch.conf(5)."""
    sh(f"sed -i 's/^hosts:.*/hosts: {line}/' /etc/nsswitch.conf")


def resolv_conf(text: str) -> None:
    RESOLV_CONF.unlink(missing_ok=True)
    RESOLV_CONF.write_text(text, encoding="ascii")


def link_resolv_conf(target: str) -> None:
    RESOLV_CONF.unlink(missing_ok=True)
    RESOLV_CONF.symlink_to(target)


SERVERS_KNOWN = ["DNS=10.66.0.1", "Guard=yes"]


@pytest.fixture(scope="module")
def services(keys):
    """The LAN, which nobody manages; all that answers; the gateway; "asker", a service of it that
    runs; "bare", one of the same user without the drop-in; and "free", which is nobody's."""
    sh("systemctl stop NetworkManager systemd-networkd.socket systemd-networkd networkd-dispatcher",
       "ip link set eth0 up", "ip addr replace 192.0.2.2/24 dev eth0",
       "ip addr replace 2001:db8:1::2/64 dev eth0 nodad",
       "ip route replace default via 192.0.2.1", "ip -6 route replace default via 2001:db8:1::1")
    names.build_tunnel()
    guest.write("/run/systemd/resolved.conf.d/test.conf", "[Resolve]\nDNS=192.0.2.1\n")
    resolv_conf("nameserver 192.0.2.1\n")
    guest.gateway("vpn0", *SERVERS_KNOWN)
    sh("custom-gateway reapply")
    names.service("asker", people.CONFINED)
    names.service("bare", people.CONFINED)
    names.service("free", people.OTHER)
    names.bind("asker", "vpn0")
    sh("systemctl daemon-reload", "systemctl start asker bare free")
    with names.resolvers():
        yield
    sh("systemctl stop asker bare free", "ip link del vpn0", "ip addr flush dev eth0",
       f"cd {names.UNITS}", "rm -r asker.service* bare.service free.service", "systemctl daemon-reload")
    guest.no_gateways()
    assert guest.nothing_is_left()


@pytest.fixture(autouse=True)
def plain(services):
    """Names are looked up in files and by DNS alone, and the tunnel is up."""
    resolv_conf("nameserver 192.0.2.1\n")
    guest.gateway("vpn0", *SERVERS_KNOWN)
    sh("custom-gateway reapply", "systemctl restart asker")
    yield
    sh(f"systemctl stop {DAEMONS}", "ip link set vpn0 up")
    hosts("files dns")
    RESOLV_CONF.unlink(missing_ok=True)


def use_resolved() -> None:
    link_resolv_conf(STUB)
    hosts("resolve [!UNAVAIL=return] files dns")
    sh("systemctl start systemd-resolved", "systemctl restart systemd-resolved")


def use_nscd() -> None:
    sh("systemctl start nscd", "systemctl restart nscd")


def ask_all(lan: names.Lan, ways: dict[str, list[str]]) -> dict[str, str | None]:
    """What the service is told, by each way; nothing of it is heard on the LAN."""
    asked = {way: new_name() for way in ways}
    told = {way: answer("asker", command, asked[way]) for way, command in ways.items()}
    lan.wait_for(names.ask_by_lan())
    assert [way for way, name in asked.items() if lan.heard(name)] == []
    return told


def test_its_servers_are_asked(services):
    with names.listening() as lan:
        assert ask_all(lan, BY_RESOLV_CONF) == dict.fromkeys(BY_RESOLV_CONF, TUNNEL)


def test_systemd_resolved_is_not_asked(services):
    """Which starts, and starts again, while the service runs."""
    link_resolv_conf(STUB)
    sh("systemctl restart asker")
    use_resolved()
    with names.listening() as lan:
        for way, command in BY_RESOLVED.items():
            name = new_name()
            assert answer("free", command, name) == LAN, way
            lan.wait_for(name)
        assert ask_all(lan, BY_RESOLV_CONF | BY_RESOLVED) == {
            **dict.fromkeys(BY_RESOLV_CONF, TUNNEL), **dict.fromkeys(BY_RESOLVED)}


def test_nscd_is_not_asked(services):
    use_nscd()
    with names.listening() as lan:
        assert ask_all(lan, BY_RESOLV_CONF) == dict.fromkeys(BY_RESOLV_CONF, TUNNEL)


@pytest.mark.parametrize("use, ways", [(use_resolved, ["getent hosts", "resolvectl"]),
                                       (use_nscd, ["getent hosts"])])
def test_without_the_drop_in_others_ask_in_its_stead(services, use, ways):
    """Why the drop-in is there. The guard sees packets, not who asked for them."""
    use()
    with names.listening() as lan:
        for way in ways:
            name = new_name()
            assert answer("bare", {**BY_RESOLV_CONF, **BY_RESOLVED}[way], name) == LAN
            lan.wait_for(name)


def test_avahi_is_out_of_reach(services):
    hosts("files mdns4_minimal [NOTFOUND=return] dns")
    sh("systemctl start avahi-daemon", "systemctl restart avahi-daemon.socket avahi-daemon")
    with names.listening() as lan:
        hidden, heard = new_name("local"), new_name("local")
        inside("asker", "getent", "hosts", hidden)
        inside("bare", "getent", "hosts", heard)
        lan.wait_for(heard)
        assert not lan.heard(hidden)
    assert inside("bare", "ls", "/run/avahi-daemon/socket")
    assert not inside("asker", "ls", "/run/avahi-daemon/socket")


def test_a_service_that_needs_the_bus_can_have_it_back(services):
    guest.write(str(names.UNITS / "asker.service.d/60-bus.conf"),
                "[Service]\nBindPaths=/run/dbus/system_bus_socket\n")
    listing = ("busctl", "--no-legend", "list")
    assert "org.freedesktop.DBus" not in inside("asker", *listing)
    sh("systemctl daemon-reload", "systemctl restart asker")
    assert "org.freedesktop.DBus" in inside("asker", *listing)
    (names.UNITS / "asker.service.d/60-bus.conf").unlink()
    sh("systemctl daemon-reload")


def test_a_command_of_a_user_with_the_gateways_servers(services):
    """As custom-gateway.conf(5) has it."""
    said = sh(f"systemd-run --quiet --uid={people.CONFINED} --pipe --wait"
              f" -p BindReadOnlyPaths={OURS}:/etc/resolv.conf"
              " -p 'TemporaryFileSystem=/run/nscd:ro /run/systemd/resolve:ro /run/avahi-daemon:ro"
              " /run/dbus:ro'"
              f" getent hosts {new_name()}")
    assert TUNNEL in said


def test_whatever_stands_at_etc_resolv_conf(services):
    for make in (lambda: resolv_conf("nameserver 127.0.0.53\n"), lambda: link_resolv_conf(STUB),
                 lambda: link_resolv_conf("../run/NetworkManager/resolv.conf"),
                 lambda: link_resolv_conf("/etc/resolv.conf.real"), RESOLV_CONF.unlink):
        make()
        sh("systemctl restart asker")
        assert inside("asker", "cat", "/etc/resolv.conf") == OURS.read_text(encoding="ascii")
    sh("rm -f /run/NetworkManager/resolv.conf /etc/resolv.conf.real")


def test_no_service_starts_without_the_file(services):
    kept = OURS.rename("/run/kept")
    sh("! systemctl restart asker || ! systemctl is-active asker")
    kept.rename(OURS)
    sh("systemctl start asker", "systemctl is-active asker")


def test_a_change_of_servers_reaches_a_running_program(services):
    """One process, which read resolv.conf before."""
    guest.write("/run/ask-again.py", "\n".join([
        "import itertools, pathlib, socket, time",
        "for number in itertools.count():",
        "    try: said = socket.gethostbyname(f'again{number}.example')",
        "    except OSError as error: said = str(error)",
        "    pathlib.Path('/tmp/said').write_text(said)",
        "    time.sleep(0.2)"]))
    guest.write(str(names.UNITS / "asker.service.d/60-program.conf"),
                "[Service]\nExecStart=\nExecStart=python3 /run/ask-again.py\n")
    sh("rm -f /tmp/said", "systemctl daemon-reload", "systemctl restart asker")
    said = pathlib.Path("/tmp/said")
    pid = sh("systemctl show -P MainPID asker")
    wait_until("the first answer", lambda: said.exists() and said.read_text("ascii") == TUNNEL)
    guest.gateway("vpn0", "DNS=10.66.0.9", "Guard=yes")
    sh("custom-gateway reapply")
    wait_until("the other server's", lambda: said.read_text("ascii") == OTHER)
    guest.gateway("vpn0", "DNS=auto", "Guard=yes")  # nobody tells of a server for this tunnel
    sh("custom-gateway reapply")
    wait_until("no answer", lambda: "name resolution" in said.read_text("ascii"))
    guest.gateway("vpn0", "DNS=10.66.0.1", "Guard=yes")
    sh("custom-gateway reapply")
    wait_until("the first server's again", lambda: said.read_text("ascii") == TUNNEL)
    assert sh("systemctl show -P MainPID asker") == pid
    (names.UNITS / "asker.service.d/60-program.conf").unlink()
    sh("systemctl daemon-reload")


def test_nobody_is_asked_while_the_tunnel_is_down(services):
    use_resolved()
    sh("systemctl restart asker", "ip link set vpn0 down", "custom-gateway reapply")
    with names.listening() as lan:
        ways = {"getent hosts": BY_RESOLV_CONF["getent hosts"], **BY_RESOLVED}
        assert ask_all(lan, ways) == dict.fromkeys(ways)
        guest.gateway("vpn0", "DNS=auto", "Guard=yes")
        sh("custom-gateway reapply")
        assert ask_all(lan, ways) == dict.fromkeys(ways)


def test_a_resolv_conf_that_is_replaced_leads_to_no_other_server(services):
    """The kernel takes a mount away when what it lies on is replaced by rename(2): the service sees
    the new file then, and the guard drops what it asks."""
    sh("systemctl start systemd-resolved")
    guest.write("/etc/new", "nameserver 127.0.0.53\n")
    sh("mv /etc/new /etc/resolv.conf")
    assert "127.0.0.53" in inside("asker", "cat", "/etc/resolv.conf")
    with names.listening() as lan:
        name = new_name()
        assert answer("asker", BY_RESOLV_CONF["getent hosts"], name) is None
        lan.wait_for(names.ask_by_lan())
        assert not lan.heard(name)
    sh("systemctl restart asker")
    assert answer("asker", BY_RESOLV_CONF["getent hosts"], new_name()) == TUNNEL


def own_mounts() -> int:
    return inside("asker", "cat", "/proc/self/mountinfo").count("/dns/vpn0/resolv.conf")


def test_a_service_gets_its_file_back_when_another_was_replaced(services):
    guest.gateway("vpn0", *SERVERS_KNOWN, "Services=asker.service")
    sh("custom-gateway reapply", "systemctl start custom-gateway-resolvconf.path")
    ours = OURS.read_text(encoding="ascii")
    for text in ("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n"):
        guest.write("/etc/new", text)
        sh("mv /etc/new /etc/resolv.conf")
        wait_until("the gateway's again", lambda: inside("asker", "cat", "/etc/resolv.conf") == ours)
        wait_until("the end of the run", lambda: "inactive" in sh(
            "systemctl is-active custom-gateway-resolvconf.service", check=False))
    sh("systemctl stop custom-gateway-resolvconf.path")
    sh("custom-gateway reapply", "custom-gateway reapply")
    assert own_mounts() == 1
    # the next may be a link, into a directory that the service does not see
    link_resolv_conf(STUB)
    sh("systemctl start systemd-resolved", "custom-gateway reapply")
    assert inside("asker", "cat", "/etc/resolv.conf") == ours
    assert answer("asker", BY_RESOLV_CONF["getent hosts"], new_name()) == TUNNEL
    # who does not run needs nothing
    sh("systemctl stop asker")
    resolv_conf("nameserver 192.0.2.1\n")
    said = sh("custom-gateway reapply 2>&1")
    assert "was replaced" not in said and "restart it" not in said


def test_ipv4_comes_first_while_ipv6_is_blocked(services):
    """gai.conf(5) has nothing to do with it: getaddrinfo(3) finds that IPv6 has no way out."""
    first = BY_RESOLV_CONF["getaddrinfo"]
    assert inside("free", *first, names.BOTH) == "2001:db8:66::66\n"
    assert inside("asker", *first, names.BOTH) == f"{TUNNEL}\n"


def test_a_local_resolver_without_dns_is_warned_of(services):
    resolv_conf("nameserver 127.0.0.53\n")
    warning = "past the tunnel: /etc/resolv.conf names 127.0.0.53"
    assert warning not in sh("custom-gateway status vpn0")
    guest.gateway("vpn0", "Guard=yes")
    assert warning in sh("custom-gateway status vpn0", check=False)
