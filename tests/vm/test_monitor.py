# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor as a unit of a real systemd: it follows tunnels that no hook tells of, and repairs what
systemd-networkd throws away. The hooks are switched off here, or they would help."""

import pathlib
import re
import subprocess

import pytest

import guest
import test_by_hand
import test_networkd
import test_openvpn
from guest import is_up, must_be_blocked, must_be_up, nothing_is_left, sh, wait_until
from people import CONFINED, PORTS, SERVER, alice_sends, send_from

UNIT = "custom-gateway-monitor.service"

# pylint: disable=unused-argument
networkd = test_networkd.networkd

WG_QUICK = "\n".join(line for line in test_by_hand.WG_QUICK.splitlines()
                     if not line.startswith("Post"))

OPENVPN = f"""client
dev tun7
proto udp
remote 192.0.2.1 1194
ca {test_openvpn.PKI}/ca.crt
cert {test_openvpn.PKI}/client.crt
key {test_openvpn.PKI}/client.key
remote-cert-tls server
pull-filter ignore redirect-gateway
"""


def show(*properties: str) -> dict[str, str]:
    lines = sh(f"systemctl show {UNIT} " + " ".join(f"-p {name}" for name in properties))
    return dict(line.split("=", 1) for line in lines.splitlines())


def main_pid() -> int:
    return int(show("MainPID")["MainPID"])


@pytest.fixture
def monitor(clean):
    """The unit, started as its administrator would; a gateway that is blocked."""
    guest.gateway("wg0")
    sh("systemctl stop networkd-dispatcher || true", f"systemctl enable --now {UNIT}")
    # started means that it stands
    must_be_blocked()
    yield
    print(sh(f"journalctl -b -u {UNIT} -o cat --no-pager | tail -n 30"))
    sh(f"systemctl --no-reload disable --now {UNIT}")
    assert show("Result")["Result"] == "success"


def test_the_unit_is_in_order():
    path = sh(f"systemctl show -p FragmentPath --value {UNIT}").strip()
    assert sh(f"systemd-analyze verify --man=no {path} 2>&1") == ""
    rating = sh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1").strip()
    print(rating)
    assert float(re.search(r"([0-9.]+) OK", rating).group(1)) < 2.5


def test_wg_quick_without_hooks(lan, monitor):
    guest.write("/etc/wireguard/wg0.conf", WG_QUICK.format(keys=lan), 0o600)
    with alice_sends():
        sh("wg-quick up wg0")
        wait_until("up", is_up)
        must_be_up()
        sh("wg-quick down wg0")
        wait_until("down", lambda: not is_up())
        must_be_blocked()


def test_openvpn_by_hand(lan, monitor):
    sh(test_openvpn.CERTIFICATES)
    guest.write("/run/openvpn-server.conf", test_openvpn.SERVER)
    guest.write("/run/openvpn-client.conf", OPENVPN)
    guest.gateway("wg0", "Interface=tun7")
    sh(f"systemctl reload {UNIT}")
    server = subprocess.Popen(guest.world("systemd-cat", "openvpn", "--config",
                                          "/run/openvpn-server.conf"))
    client = subprocess.Popen(["systemd-cat", "openvpn", "--config", "/run/openvpn-client.conf"])
    try:
        with alice_sends():
            wait_until("up", lambda: is_up("tun7"))
            must_be_up("tun7", way="vpn")
            client.terminate()
            client.wait()
            wait_until("down", lambda: not is_up("tun7"))
            must_be_blocked()
    finally:
        client.kill()
        server.terminate()  # killed, it may leave its interface in the world
        client.wait()
        server.wait()


def test_the_reverse_path_filter_and_the_guard_from_within_the_unit(lan, monitor):
    """What its confinement could forbid: to write a sysctl, and to load and use libnftables."""
    guest.write("/etc/wireguard/wg0.conf", WG_QUICK.format(keys=lan), 0o600)
    sh("wg-quick up wg0")
    wait_until("up", is_up)
    sh("sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    wait_until("the filter", lambda: sh("sysctl -n net.ipv4.conf.wg0.rp_filter").strip() == "2")
    guest.gateway("wg0", "Guard=yes")
    sh(f"systemctl reload {UNIT}")
    wait_until("the guard's table", lambda: "inet custom-gateway" in tables())
    sh("nft delete table inet custom-gateway")
    wait_until("the guard's table", lambda: "inet custom-gateway" in tables())
    sh("wg-quick down wg0")


def test_killed_it_is_started_again(lan, monitor):
    before = main_pid()
    sh(f"systemctl kill -s KILL --kill-whom=main {UNIT}", "ip rule del priority 500")
    wait_until("another process", lambda: main_pid() not in (0, before))
    wait_until("the repair", lambda: guest.rules(4))
    must_be_blocked()


def test_the_watchdog_ends_one_that_hangs(lan, monitor):
    directory = pathlib.Path(f"/run/systemd/system/{UNIT}.d")
    guest.write(f"{directory}/short.conf", "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
    try:
        sh("systemctl daemon-reload", f"systemctl restart {UNIT}")
        before = main_pid()
        sh("sleep 5")
        assert main_pid() == before, "it answers"
        sh(f"kill -STOP {before}")
        wait_until("another process", lambda: main_pid() not in (0, before))
        wait_until("its start", lambda: show("ActiveState")["ActiveState"] == "active")
        must_be_blocked()
    finally:
        (directory / "short.conf").unlink()
        sh("systemctl daemon-reload", f"systemctl restart {UNIT}")


def tables() -> str:
    return sh("nft list tables")


def test_the_guard_stands_whatever_others_flush(lan, monitor):
    """The monitor sleeps, and rules and nftables are gone: what is in BPF holds."""
    guest.make_wg0(lan)
    try:
        wait_until("up", is_up)
        watch = sh("nft list table netdev watch")  # by which other tests count packets
        sh(f"systemctl kill -s STOP --kill-whom=main {UNIT}", "nft flush ruleset")
        guest.write("/run/watch.nft", watch)
        sh("nft -f /run/watch.nft")
        assert "inet custom-gateway" not in tables()
        assert send_from(0, SERVER[4], PORTS[CONFINED]) == "EPERM"
        must_be_up()
        sh(f"systemctl kill -s CONT --kill-whom=main {UNIT}")
        wait_until("the guard's table", lambda: "inet custom-gateway" in tables())
    finally:
        sh(f"systemctl kill -s CONT --kill-whom=main {UNIT} || true", "ip link del wg0")


def test_stopped_it_leaves_everything_standing(lan, monitor):
    sh(f"systemctl stop {UNIT}")
    must_be_blocked()
    assert not nothing_is_left()
    sh(f"systemctl enable --now {UNIT}")


def test_what_it_takes(lan, monitor):
    for _ in range(50):
        sh("ip rule del priority 500")
        wait_until("the repair", lambda: guest.rules(4))
    status = dict(line.split(":", 1) for line in
                  pathlib.Path(f"/proc/{main_pid()}/status").read_text(encoding="ascii").splitlines())
    print("resident:", status["VmRSS"].strip(), "of it anonymous:", status["RssAnon"].strip(),
          "of the whole unit:", show("MemoryCurrent")["MemoryCurrent"])
    assert int(status["VmRSS"].split()[0]) < 4096


def test_networkd_without_our_snippet(networkd, monitor):
    test_networkd.write_wg0(networkd)
    snippet = test_networkd.SNIPPET
    snippet.parent.mkdir(exist_ok=True)
    snippet.symlink_to("/dev/null")
    try:
        sh("networkctl reload")
        wait_until("up", is_up)
        with guest.monitor() as events:
            sh("systemctl stop networkd-dispatcher", "systemctl restart systemd-networkd")
            wait_until("a loss", lambda: events.lost)
            wait_until("the repair", is_up)
            wait_until("configured",
                       lambda: "configured" in sh("networkctl --no-legend list wg0"))
        wait_until("the repair", is_up)
        must_be_up()
    finally:
        snippet.unlink()
        for name in ("wg0.netdev", "wg0.network"):
            (test_networkd.FILES / name).unlink(missing_ok=True)
        sh("systemctl restart systemd-networkd", "ip link del wg0 || true")
