# SPDX-License-Identifier: GPL-2.0-or-later
"""No dispatcher at all: wg-quick's PostUp and PostDown, and reapply by hand."""

import pytest

import guest
from guest import must_be_blocked, must_be_up, sh
from people import alice_sends

WG_QUICK = """[Interface]
Address = 10.64.0.2/24, fd00:64:a0::2/64
PrivateKey = {keys.guest}
Table = off
PostUp = custom-gateway reapply %i
PostDown = custom-gateway reapply %i

[Peer]
PublicKey = {keys.server_public}
Endpoint = 192.0.2.1:51820
AllowedIPs = 0.0.0.0/0, ::/0
"""


@pytest.mark.parametrize("up, down", [
    ("wg-quick up wg0", "wg-quick down wg0"),
    ("systemctl start wg-quick@wg0", "systemctl stop wg-quick@wg0"),
], ids=["called", "as-a-unit"])
def test_wg_quick(lan, clean, up, down):
    guest.write("/etc/wireguard/wg0.conf", WG_QUICK.format(keys=lan), 0o600)
    guest.gateway("wg0")
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh(up)
        must_be_up()
        sh(down)
        must_be_blocked()


def test_wg_quick_takes_the_tunnel_down_again_if_the_gateway_is_wrong(lan, clean):
    guest.write("/etc/wireguard/wg0.conf", WG_QUICK.format(keys=lan), 0o600)
    guest.gateway("wg0")
    sh("custom-gateway reapply")
    guest.gateway("wg0", "Priority=0")
    sh("! wg-quick up wg0", "! ip link show wg0")
    must_be_blocked()


def test_ip_and_reapply(lan, clean):
    guest.gateway("wg0")
    guest.write("/run/key", lan.guest, 0o600)
    sh("custom-gateway reapply")
    must_be_blocked()
    with alice_sends():
        sh("ip link add wg0 type wireguard",
           f"wg set wg0 private-key /run/key peer {lan.server_public} endpoint 192.0.2.1:51820"
           " allowed-ips 0.0.0.0/0,::/0",
           "ip addr add 10.64.0.2/24 dev wg0",
           "ip addr add fd00:64:a0::2/64 dev wg0",
           "ip link set wg0 up")
        must_be_blocked()
        sh("custom-gateway reapply wg0")
        must_be_up()
        sh("ip link set wg0 down")
        must_be_blocked()  # by the kernel alone
        sh("custom-gateway reapply wg0")
        must_be_blocked()
        sh("ip link del wg0", "custom-gateway reapply wg0")
        must_be_blocked()
    sh("custom-gateway remove wg0")
    guest.must_be_released()
