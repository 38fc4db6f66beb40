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
WG0_UUID = "0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10"
WG0 = f"""[connection]
id=wg0
uuid={WG0_UUID}
type=wireguard
interface-name=wg0
autoconnect=false

[wireguard]
private-key={{keys.guest}}
peer-routes=false

[wireguard-peer.{{keys.server_public}}]
endpoint=192.0.2.1:51820
allowed-ips=0.0.0.0/0;::/0;

[ipv4]
method=manual
address1=10.64.0.2/24
dns=10.64.0.1;

[ipv6]
{{ipv6}}
"""

ETC = "/etc/NetworkManager/system-connections"


def load(name: str, text: str, directory: str = ETC) -> None:
    path = f"{directory}/{name}.nmconnection"
    write(path, text, 0o600)
    sh(f"nmcli connection load {path}")


def wg0(keys: Keys, families: tuple[int, ...] = (4, 6)) -> str:
    return WG0.format(
        keys=keys,
        ipv6="method=manual\naddress1=fd00:64:a0::2/64" if 6 in families else "method=disabled")


def load_wg0(keys: Keys, families: tuple[int, ...] = (4, 6)) -> None:
    load("wg0", wg0(keys, families))
