# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkManager's OpenVPN plugin and a real OpenVPN server in the world: vpn-up and vpn-down."""

import datetime
import json
import pathlib
import subprocess
import time

import pytest

import guest
import nm
from guest import must_be_blocked, must_be_up, sh, wait_until
from people import alice_sends

PKI = "/run/pki"
CERTIFICATES = f"""mkdir -p {PKI}; cd {PKI}
new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
$new -x509 -subj /CN=ca -keyout ca.key -out ca.crt
for end in server client; do
  $new -subj /CN=$end -keyout $end.key -out $end.csr
  printf 'keyUsage=digitalSignature\nextendedKeyUsage=%sAuth\n' $end >$end.ext
  openssl x509 -req -in $end.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile $end.ext -out $end.crt
done"""

# It asks its clients, as commercial servers do, to lead everything into the tunnel.
SERVER = f"""dev tun0
proto udp
port 1194
topology subnet
server 10.65.0.0 255.255.255.0
server-ipv6 fd00:65:a0::/64
ca {PKI}/ca.crt
cert {PKI}/server.crt
key {PKI}/server.key
dh none
keepalive 10 60
push "redirect-gateway def1 ipv6"
push "dhcp-option DNS 10.65.0.1"
"""

# Who is not confined keeps the ordinary routes, whatever the server says: never-default=true refuses
# its default route, and ignore-auto-routes=true what "redirect-gateway ipv6" comes as: routes to
# 2000::/3 and others.
OFFICE_UUID = "9d2f8dc4-8e0c-4a3b-9a3e-0f3b2f7c1a55"
OFFICE = f"""[connection]
id=office
uuid={OFFICE_UUID}
type=vpn
autoconnect=false

[vpn]
service-type=org.freedesktop.NetworkManager.openvpn
connection-type=tls
remote=192.0.2.1:1194
ca={PKI}/ca.crt
cert={PKI}/client.crt
key={PKI}/client.key
cert-pass-flags=4
remote-cert-tls=server

[ipv4]
method=auto
never-default=true
ignore-auto-routes=true

[ipv6]
method=auto
never-default=true
ignore-auto-routes=true
"""


@pytest.fixture(scope="module")
def office(networkmanager):
    """The server, and the connection to it."""
    sh(CERTIFICATES)
    guest.write("/run/openvpn-server.conf", SERVER)
    server = subprocess.Popen(guest.world("systemd-cat", "--identifier", "openvpn-server", "openvpn",
                                          "--config", "/run/openvpn-server.conf"))
    nm.load("office", OFFICE)
    yield
    server.terminate()
    server.wait()


@pytest.fixture
def gateway(office, clean):
    guest.gateway("office", "Connection=office", "DNS=auto")
    sh("custom-gateway reapply")
    must_be_blocked()
    yield
    sh("nmcli connection down office || true", "for i in 0 1 2; do ip link del tun$i || true; done")


def must_be_up_by(interface: str) -> None:
    must_be_up(interface, way="vpn")


def occupy(name: str) -> None:
    """The next tunnel must have another name."""
    sh(f"ip tuntap add dev {name} mode tun")


def wait_for_the_end_of(interface: str) -> None:
    wait_until(f"the end of {interface}",
               lambda: not sh(f"ip link show {interface} 2>/dev/null", check=False))


def test_the_tunnel_has_another_name_each_time(gateway):
    with alice_sends():
        for number, connection in enumerate(["office", OFFICE_UUID]):
            guest.gateway("office", f"Connection={connection}")
            sh("nmcli connection up office")
            must_be_up_by(f"tun{number}")
            sh("nmcli connection down office")
            # nmcli does not wait for the plugin, and as long as the tunnel is there it is alice's way
            wait_for_the_end_of(f"tun{number}")
            must_be_blocked()
            occupy(f"tun{number}")


def test_routes_stand_before_the_vpn_is_announced(gateway, record_property):
    match = "type=signal,interface=org.freedesktop.NetworkManager.VPN.Connection,member=VpnStateChanged"
    with guest.monitor() as monitor, open("/run/signals", "w", encoding="ascii") as signals, \
            subprocess.Popen(["busctl", "--json=short", f"--match={match}", "monitor"],
                             stdout=signals, stderr=subprocess.DEVNULL) as bus:
        time.sleep(1)  # until it listens
        sh("nmcli connection up office")
        must_be_up_by("tun0")
        bus.terminate()
    assert guest.status("office")["dns"]["servers"] == ["10.65.0.1"]  # as the other end has sent
    last = monitor.lines[-1]
    stands = datetime.datetime.fromisoformat(last[1:last.index("]")] + "+00:00").timestamp()
    messages = map(json.loads, pathlib.Path("/run/signals").read_text(encoding="ascii").splitlines())
    activated = next(message["timestamp-realtime"] / 1e6 for message in messages
                     if message["payload"]["data"][0] == 5)  # NM_VPN_CONNECTION_STATE_ACTIVATED
    early = f"{(stands - activated) * 1000:+.1f} ms"
    print("from the VPN's activated to the last of our routes:", early)
    record_property("from the VPN's activated to the last of our routes", early)
    assert early.startswith("-")


def test_reapply_alone_does_what_the_events_would_have_done(gateway):
    sh("systemctl mask --runtime --now NetworkManager-dispatcher")
    try:
        with alice_sends():
            occupy("tun0")
            sh("nmcli connection up office")
            must_be_blocked()  # nobody has told us
            sh("custom-gateway reapply")
            must_be_up_by("tun1")
            sh("nmcli connection down office")
            wait_for_the_end_of("tun1")
            sh("custom-gateway reapply")
            must_be_blocked()
    finally:
        sh("systemctl unmask --runtime NetworkManager-dispatcher")


def test_reapply_finds_a_vpn_that_is_not_up_yet(gateway):
    """What NetworkManager waits for: a script in pre-up.d, here before our own."""
    script = "/etc/NetworkManager/dispatcher.d/pre-up.d/10-reapply"
    # not as a child of the hook would run: without what the hook's environment tells
    guest.write(script, '#!/bin/sh\n[ "$2" = vpn-pre-up ] || exit 0\n'
                "env -i /usr/sbin/custom-gateway reapply\n"
                "ip route show table all protocol 198 >/run/at-pre-up\n", 0o755)
    try:
        sh("nmcli connection up office")
    finally:
        pathlib.Path(script).unlink()
    assert "default dev tun0" in pathlib.Path("/run/at-pre-up").read_text(encoding="ascii")
    must_be_up_by("tun0")


def test_the_openvpn_process_dies(gateway):
    sh("nmcli connection up office")
    must_be_up_by("tun0")
    with alice_sends():
        sh("pkill -KILL -u nm-openvpn -x openvpn")  # the server has another user
        wait_for_the_end_of("tun0")
        must_be_blocked()
        sh("nmcli connection up office")
        must_be_up_by("tun0")


def test_a_connection_of_that_name_that_belongs_to_a_user_is_not_used(gateway):
    """Any local user may make a profile for himself, and call it as he likes."""
    sh("nmcli connection add type tun mode tun con-name office ifname mine0 autoconnect no"
       " connection.permissions user:bob ipv4.method manual ipv4.addresses 10.65.0.2/24 ipv6.method disabled")
    mine = sh("nmcli -g NAME,UUID connection show | sed -n s/^office://p").split()
    mine.remove(OFFICE_UUID)
    try:
        with guest.monitor() as monitor:
            sh(f"nmcli connection up {mine[0]}", "custom-gateway reapply")
            must_be_blocked()
        assert not [line for line in monitor.lines if "mine0" in line]  # not for a moment
        assert "connection.permissions" in guest.warnings()
    finally:
        sh(f"nmcli connection delete {mine[0]}")
