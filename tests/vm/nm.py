# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkManager's profiles, as files; nmcli alone cannot make a WireGuard peer."""

from guest import Keys, sh, write

LAN = """[connection]
id=lan
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=192.0.2.2/24,192.0.2.1

[ipv6]
method=manual
address1=2001:db8:1::2/64,2001:db8:1::1
"""

# peer-routes=false: who is not confined keeps the ordinary routes, whatever allowed-ips says
WG0 = """[connection]
id=wg0
type=wireguard
interface-name=wg0
autoconnect=false

[wireguard]
private-key={keys.guest}
peer-routes=false

[wireguard-peer.{keys.server_public}]
endpoint=192.0.2.1:51820
allowed-ips=0.0.0.0/0;::/0;

[ipv4]
method=manual
address1=10.64.0.2/24

[ipv6]
{ipv6}
"""


def load(name: str, text: str) -> None:
    path = f"/etc/NetworkManager/system-connections/{name}.nmconnection"
    write(path, text, 0o600)
    sh(f"nmcli connection load {path}")


def load_wg0(keys: Keys, families: tuple[int, ...] = (4, 6)) -> None:
    load("wg0", WG0.format(
        keys=keys,
        ipv6="method=manual\naddress1=fd00:64:a0::2/64" if 6 in families else "method=disabled"))
