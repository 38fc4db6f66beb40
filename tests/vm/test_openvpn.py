# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkManager's OpenVPN plugin and a real OpenVPN server in the world: vpn-up and vpn-down."""

import subprocess

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
"""

# Who is not confined keeps the ordinary routes, whatever the server says: never-default=true refuses
# its default route, and ignore-auto-routes=true what "redirect-gateway ipv6" comes as: routes to
# 2000::/3 and others.
OFFICE = f"""[connection]
id=office
type=vpn
autoconnect=false

[vpn]
service-type=org.freedesktop.NetworkManager.openvpn
connection-type=tls
remote=192.0.2.1:1194
dev=tun7
dev-type=tun
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
    guest.gateway("office", "Interface=tun7")
    yield
    sh("nmcli connection down office || true")


def wait_for_the_end_of_tun7() -> None:
    wait_until("the end of tun7", lambda: not sh("ip link show tun7 2>/dev/null", check=False))


def test_vpn_up_and_down(gateway):
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh("nmcli connection up office")
        must_be_up("tun7")
        sh("nmcli connection down office")
        # nmcli does not wait for the plugin, and as long as tun7 is there it is alice's only way
        wait_for_the_end_of_tun7()
        must_be_blocked()


def test_the_openvpn_process_dies(gateway):
    sh("nmcli connection up office")
    must_be_up("tun7")
    with alice_sends():
        sh("pkill -KILL -u nm-openvpn -x openvpn")  # the server has another user
        wait_for_the_end_of_tun7()
        must_be_blocked()
        sh("nmcli connection up office")
        must_be_up("tun7")
