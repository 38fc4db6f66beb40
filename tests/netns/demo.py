# SPDX-License-Identifier: GPL-2.0-or-later
"""demo.py STAGE: the main job, shown. In two throwaway namespaces: a machine, and a world with a VPN
server and a server that answers with the source address it sees."""

import pathlib
import sys

from lab import CONFINED, CONFINED_PORT, HERE, OTHER, PYTHON, Lab, Tunnel

BOLD, GREEN, RED, PLAIN = ("\033[1m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else [""] * 4
WAYS = {"lan": "by the LAN", "wg0": "through the tunnel", "EACCES": "nowhere (EACCES)",
        "sent": "by the LAN", "EPERM": "nowhere (EPERM)"}


class Demo:
    def __init__(self, lab):
        self.lab = lab
        self.right = True

    def title(self, text):
        print(f"\n{BOLD}{text}{PLAIN}")

    def ask(self, who, uid, *expected):
        """Prints by which way each family's question left, and whether that is as it should be."""
        for family in (4, 6):
            self.tell(who, f"IPv{family}", self.lab.ask(uid, family), *expected)

    def tell(self, who, what, way, *expected):
        good = way in expected
        self.right = self.right and good
        mark = f"{GREEN}ok{PLAIN}" if good else f"{RED}WRONG{PLAIN}"
        print(f"  {who:<14} {what}: {WAYS.get(way, way):<20} {mark}")

    def escape(self, expected):
        """A program binds its socket to the LAN's interface, past all rules."""
        way = self.lab.run("host", PYTHON, HERE / "escape.py", CONFINED, "SO_BINDTODEVICE", CONFINED_PORT)
        self.tell("confined user", "SO_BINDTODEVICE eth0", way.stdout.strip(), expected)

    def both(self, confined):
        self.ask("confined user", CONFINED, confined)
        self.ask("other user", OTHER, "lan")

    def hook(self, action):
        print(f"  $ 50-custom-gateway wg0 {action}")
        for line in self.lab.nm("wg0", action).stderr.splitlines():
            print(f"    {line}")

    def run(self):
        tunnel = Tunnel(self.lab, 0)
        kind = "the kernel" if self.lab.kernel_wireguard else "wireguard-go"
        print(f"A machine with a LAN (192.0.2.2) and a WireGuard tunnel wg0 (10.64.0.2, by {kind}).\n"
              f"Its user {CONFINED} is to be confined to the tunnel:\n")
        config = self.lab.config("wg0", f"Users={CONFINED}\nGuard=yes")
        print("  /etc/custom-gateway/wg0.conf")
        print("".join(f"    {line}\n" for line in config.read_text().splitlines()), end="")

        self.title("Before: nobody is confined")
        self.both("lan")
        self.escape("sent")

        self.title("The tunnel comes up; NetworkManager runs the hook")
        tunnel.up()
        self.hook("pre-up")
        self.hook("up")
        self.both("wg0")
        print("\n  $ ip rule; ip route show table all protocol 198")
        for line in self.lab.sh("host", "ip rule", "ip route show table all protocol 198").splitlines():
            print(f"    {line}")

        self.title("A program of the confined user picks its own way: the guard, in nftables")
        self.escape("EPERM")

        self.title("The tunnel is deleted, and nobody has told us yet")
        tunnel.delete()
        self.both("EACCES")

        self.title("The hook runs")
        self.hook("down")
        self.both("EACCES")

        self.title("The tunnel is back")
        tunnel.up()
        self.hook("pre-up")
        self.both("wg0")

        self.title("The administrator removes it")
        print("  $ custom-gateway remove")
        self.lab.cg("remove")
        self.both("lan")
        left = "nothing of ours is left" if self.lab.nothing_is_left() else f"{RED}LEFTOVERS{PLAIN}"
        print(f"  in the kernel: {left}\n")
        self.right = self.right and self.lab.nothing_is_left()
        return self.right


def main():
    lab = Lab(pathlib.Path(sys.argv[1]).resolve())
    try:
        return 0 if Demo(lab).run() else 1
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
