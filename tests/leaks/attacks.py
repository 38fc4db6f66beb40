# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done to the tunnel, the rules and the program while the confined user sends in all ways. An
attack is a function that is called again and again; it returns how often it changed the tunnel."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from lab import CONFINED

from contenders import (Contender, Ours, PostUp, Seed, WithoutGuard, WithoutOrder, WithoutProhibit)
from field import (ADDRESS, BYPASS, BYPASSES, KERNEL, LEAVING, OWN, VXLAN, Field, Veth, Vxlan,
                   WireGuard, add_leaving)

# The moment in which nobody has been told yet, in milliseconds.
UNTOLD = 3
# For as long as another program's table stands, in milliseconds.
OTHERS = 50
# Until the kernel repeats what it has to say for an orphan, in seconds.
ORPHANS = 2

Others = tuple[type[Contender], ...]
SCRIPTS: Others = (Seed, PostUp)


# The tunnel


def undisturbed(lab: Field, contender: Contender) -> int:
    lab.wait(20)
    return 0


def deleted(lab: Field, contender: Contender) -> int:
    [tunnel] = lab.tunnels
    tunnel.delete()
    lab.wait(UNTOLD)
    contender.went()
    tunnel.up()
    contender.came()
    lab.wait(UNTOLD)
    return 2


def created_anew(lab: Field, contender: Contender) -> int:
    """Deleted and there again, with the same name, before anybody is told."""
    [tunnel] = lab.tunnels
    tunnel.delete()
    tunnel.up()
    lab.wait(UNTOLD)
    contender.came()
    lab.wait(UNTOLD)
    return 2


def set_down(lab: Field, contender: Contender) -> int:
    [tunnel] = lab.tunnels
    lab.host.do("ip link set wg0 down")
    lab.wait(UNTOLD)
    contender.went()
    tunnel.open()
    contender.came()
    lab.wait(UNTOLD)
    return 2


def renamed(lab: Field, contender: Contender) -> int:
    [tunnel] = lab.tunnels
    lab.host.do("ip link set wg0 down", "ip link set wg0 name gone", "ip link set gone up")
    lab.wait(UNTOLD)
    contender.went()
    lab.host.do("ip link set gone down", "ip link set gone name wg0")
    tunnel.open()
    contender.came()
    lab.wait(UNTOLD)
    return 2


def moved(lab: Field, contender: Contender) -> int:
    [tunnel] = lab.tunnels
    lab.host.do(f"ip link set wg0 netns {lab.world.pid}")
    lab.wait(UNTOLD)
    contender.went()
    lab.world.do(f"ip link set wg0 netns {lab.host.pid}")
    tunnel.open()
    contender.came()
    lab.wait(UNTOLD)
    return 2


# What others take away


def flush_rules(lab: Field) -> None:
    """And others' rules put back, so that there is a way out."""
    for family in ("-4", "-6"):
        lab.host.do(f"ip {family} rule flush", f"ip {family} rule add lookup main priority 32766")


def rules_flushed(lab: Field, contender: Contender) -> int:
    flush_rules(lab)
    lab.wait(UNTOLD)
    contender.mend()
    return 0


def routes_flushed(lab: Field, contender: Contender) -> int:
    for family in ("-4", "-6"):
        lab.host.do(f"ip {family} route flush table {contender.table}")
    lab.wait(UNTOLD)
    contender.mend()
    return 0


def nft_flushed(lab: Field, contender: Contender) -> int:
    lab.host.do("nft flush ruleset")
    lab.wait(UNTOLD)
    contender.mend()
    return 0


def rule_in_front(lab: Field, contender: Contender) -> int:
    """What ip(8) and wg-quick add without a priority comes before all others'."""
    lab.host.do("ip rule add lookup main priority 100", "ip -6 rule add lookup main priority 100")
    lab.wait(UNTOLD)
    contender.came()
    lab.host.do("ip rule del priority 100", "ip -6 rule del priority 100")
    lab.wait(UNTOLD)
    return 0


def as_networkd_starts(lab: Field, contender: Contender) -> int:
    """Each rule and each route that is not its own, one after the other, as systemd-networkd does it
    unless ManageForeignRoutingPolicyRules= and ManageForeignRoutes= say no. The tunnel goes down and
    comes up with it. The real one is in tests/vm."""
    lab.host.do(*[f"while ip {f} rule del uidrange {CONFINED}-{CONFINED} 2>/dev/null; do :; done; "
                  f"ip {f} route flush table {contender.table}" for f in ("-4", "-6")])
    return set_down(lab, contender)


def monitor_killed(lab: Field, contender: Ours) -> int:
    """Killed first, so that nobody repairs what is flushed then."""
    if contender.monitor:
        del lab.running["the monitor"]
        contender.monitor.kill()
        contender.monitor.wait()
    flush_rules(lab)
    lab.wait(UNTOLD)
    if contender.monitor:
        contender.start_monitor()
    contender.mend()
    return 0


# What others do to packets on their way

# Any number that no gateway has: in front of all of ours.
THEIR_PRIORITY = 50
NFT_MARK = "table inet other { chain o { type route hook output priority mangle; meta mark set 5; }; }"
NFT_DSCP = ("table inet other { chain o { type route hook output priority mangle; "
            "ip dscp set 4; ip6 dscp set 4; }; }")
NFT_DNAT = ("table inet other { chain o { type nat hook output priority -100; "
            "ip daddr 203.0.113.1 dnat ip to 192.0.2.1; "
            "ip6 daddr 2001:db8:ffff::1 dnat ip6 to 2001:db8:1::1; }; }")
NFT_REDIRECT = ("table inet other { chain o { type nat hook output priority -100; "
                "udp dport 53 redirect to :19953; }; }")  # wire.h


def by_table(table: str, fwmark: bool | None = None) -> Callable[[Field, Contender], int]:
    """Another program's table, and a rule for what it has changed in packets, come and go. fwmark: whether
    that is the mark, or the DSCP; None: neither."""
    which = {None: "", True: "fwmark 5", False: "tos 0x10"}[fwmark]

    def again(lab: Field, contender: Contender) -> int:
        rules = [f"ip {family} rule VERB priority {THEIR_PRIORITY} {which} lookup main"
                 for family in ("-4", "-6") if which]
        lab.host.do(*(rule.replace("VERB", "add") for rule in rules), f"nft '{table}'")
        lab.wait(OTHERS)
        lab.host.do("nft delete table inet other", *(rule.replace("VERB", "del") for rule in rules))
        return 0

    return again


def marked_by_iptables(lab: Field, contender: Contender) -> int:
    rules = [f"{tool} -t mangle -VERB OUTPUT -j MARK --set-mark 5" for tool in ("iptables", "ip6tables")]
    for family in ("-4", "-6"):
        lab.host.do(f"ip {family} rule add priority {THEIR_PRIORITY} fwmark 5 lookup main")
    lab.host.do(*(rule.replace("VERB", "A") for rule in rules))
    lab.wait(OTHERS)
    lab.host.do(*(rule.replace("VERB", "D") for rule in rules))
    for family in ("-4", "-6"):
        lab.host.do(f"ip {family} rule del priority {THEIR_PRIORITY}")
    return 0


# Addresses, and how the machine answers


def down(lab: Field, contender: Contender) -> int:
    """Set down once, and left so."""
    if lab.host.do("cat /sys/class/net/wg0/operstate") != "down":
        lab.host.do("ip link set wg0 down")
        contender.went()
    lab.wait(20)
    return 0


def address_goes(lab: Field, contender: Contender) -> int:
    """With connections of both ends here; what is left of them is repeated for a while."""
    lab.host.do(*[f"ip addr del {address} dev eth0" for address in LEAVING])
    lab.wait(700)
    lab.host.do(*add_leaving())
    lab.wait(300)
    return 0


def lan_gets_tunnels_address(lab: Field, contender: Contender) -> int:
    """As DHCP or a router may give it."""
    own = [f"{address} dev eth0" for address in lab.tunnels[0].address.values()]
    lab.host.do(*[f"ip addr add {address}" for address in own])
    lab.wait(UNTOLD)
    contender.came()
    lab.wait(20)
    lab.host.do(*[f"ip addr del {address}" for address in own])
    contender.came()
    return 0


def tunnels_address_changes(lab: Field, contender: Contender) -> int:
    [tunnel] = lab.tunnels
    lab.host.do("ip -4 addr flush dev wg0", "ip -6 addr flush dev wg0", "ip addr add 10.64.0.3/24 dev wg0",
                "ip addr add fd00:64:a0::3/64 dev wg0 nodad")
    lab.wait(UNTOLD)
    contender.came()
    lab.wait(20)
    lab.host.do("ip -4 addr flush dev wg0", "ip -6 addr flush dev wg0")
    tunnel.open()
    contender.came()
    lab.wait(20)
    return 2


def syn_cookies(lab: Field, contender: Contender) -> int:
    """The kernel answers each stranger without a socket."""
    lab.host.do("sysctl -qw net.ipv4.tcp_syncookies=2")
    lab.wait(100)
    lab.host.do("sysctl -qw net.ipv4.tcp_syncookies=1")
    lab.wait(UNTOLD)
    return 0


# The configuration


def user_moves(lab: Field, contender: Ours) -> int:
    """From one gateway to another, and back."""
    for mine, other in (("wg1", "wg0"), ("wg0", "wg1")):
        contender.config(f"Users={CONFINED + 10}", gateway=other)
        contender.config(f"Users={CONFINED}", gateway=mine)
        contender.look()
        lab.wait(UNTOLD)
    return 0


CONFIGURATIONS = itertools.cycle([
    (f"Users={CONFINED}", "Bypass=198.51.100.0/24"),
    (f"Users={CONFINED}", "Bypass=198.51.101.0/24 2001:db8:7::/64"),
    (f"Users={CONFINED - 100}-{CONFINED}", "OnDown=block"),
    (f"Users={CONFINED}-{CONFINED + 100}", "OnDown=stop", "Priority=600"),
    (f"Users={CONFINED}", "IPv6=block"),
])


def configuration_changes(lab: Field, contender: Ours) -> int:
    """Other bypasses, users beside it in the same rule, OnDown=, Priority= and IPv6=; half of the time
    with the tunnel down."""
    contender.config(*next(CONFIGURATIONS))
    contender.look()
    lab.wait(UNTOLD)
    lab.host.do("ip link set wg0 down")
    contender.config(*next(CONFIGURATIONS))
    contender.look()
    lab.wait(UNTOLD)
    lab.tunnels[0].open()
    contender.look()
    return 2


# The program


def disturbed(prefix: str, lab: Field, contender: Ours) -> int:
    """The tunnel goes and comes, and the program that should follow it is disturbed each time."""
    def look() -> None:
        status = contender.look(prefix)
        lab.killed += status == KILLED
        lab.failed += status not in (0, KILLED)
        lab.wait(UNTOLD)

    lab.host.do("ip link set wg0 down")
    look()
    lab.tunnels[0].open()
    look()
    contender.mend()
    return 2


KILLED = 128 + signal.SIGKILL
# What changes the kernel, or a file that is relied on: as in tests/netns/test_killed.py.
CALLS = ("bpf", "sendto", "sendmsg", "write", "rename", "mkdir", "unlink", "flock")
# more than any of the calls occurs
NUMBERS = range(1, 25)
KILLS = [f"strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=SIGKILL:when={number}"
         for number, call in itertools.product(NUMBERS, CALLS)]
# From too few to start at all to enough for all.
FILES = [f"prlimit --nofile={n}" for n in range(3, 15)]
MEMORY = [f"prlimit --as={n << 20}" for n in range(3, 40, 2)]


def by_turns(prefixes: list[str]) -> Callable[[Field, Contender], int]:
    turns = itertools.cycle(prefixes)
    return lambda lab, contender: disturbed(next(turns), lab, contender)


# All of them

ALL = "all"


@dataclass
class Attack:
    name: str
    again: Callable[[Field, Contender], int]
    without: type[Contender]  # with its defence taken out
    others: Others = SCRIPTS
    counted: str = ALL  # the ways whose packets are leaks of ours
    elsewhere: str = KERNEL  # of the others: own ways leak there with no attack at all
    shows: str = ""  # each way of this group leaks without the defence
    config: tuple[str, ...] = ()  # lines of the gateway's file
    seconds: float = 0  # at least
    tunnel: Callable = Veth
    gateways: int = 1
    disturbs: str = ""  # "killed" or "failed": what becomes of the program's runs
    rounds: int = 1  # of ours at least, in a full run
    known: str = ""  # why it leaks, and that this is known
    takes_ways: bool = False  # what leads the user's packets is taken away: LATE in report.py
    known_answers: str = ""  # likewise of the kernel's own, from the tunnel's address
    results: dict = field(default_factory=dict)


TWO_FILES = ("between the changes of two files one of them is bad, and no gateway: the monitor may see that, "
             "and takes its guard away")

ATTACKS = [
    Attack("nothing is done", undisturbed, WithoutGuard, elsewhere=OWN, shows=OWN, seconds=ORPHANS),
    Attack("nothing is done, with bypasses", undisturbed, WithoutGuard, elsewhere=OWN, shows=BYPASS,
           config=(f"Bypass={BYPASSES}",)),
    Attack("nothing is done, the tunnel is a VXLAN", undisturbed, WithoutGuard, elsewhere=OWN, shows=VXLAN,
           tunnel=Vxlan),
    Attack("tunnel down", down, WithoutGuard, elsewhere=OWN, seconds=ORPHANS),
    Attack("tunnel deleted", deleted, WithoutProhibit, rounds=100),
    Attack("tunnel deleted, real WireGuard", deleted, WithoutProhibit, tunnel=WireGuard),
    Attack("tunnel created anew", created_anew, WithoutProhibit, rounds=100),
    Attack("tunnel set down", set_down, WithoutProhibit, rounds=100),
    Attack("tunnel renamed", renamed, WithoutProhibit, rounds=100),
    Attack("tunnel moved to another namespace", moved, WithoutProhibit, rounds=100),
    Attack("`ip rule flush`", rules_flushed, WithoutGuard, takes_ways=True),
    Attack("somebody's rule in front", rule_in_front, WithoutGuard, takes_ways=True),
    Attack("`ip route flush table`", routes_flushed, WithoutGuard, takes_ways=True),
    Attack("`nft flush ruleset`", nft_flushed, WithoutGuard, others=(), elsewhere=OWN, shows=OWN,
           seconds=ORPHANS),
    Attack("as networkd starts", as_networkd_starts, WithoutGuard, takes_ways=True),
    Attack("user moves to another gateway", user_moves, WithoutOrder, others=(), gateways=2,
           known_answers=TWO_FILES),
    Attack("configuration changes", configuration_changes, WithoutOrder, others=()),
    Attack("killed at each system call", by_turns(KILLS), WithoutOrder, others=(),
           rounds=len(KILLS), disturbs="killed"),
    Attack("out of file descriptors", by_turns(FILES), WithoutOrder, others=(),
           rounds=len(FILES), disturbs="failed"),
    Attack("out of memory", by_turns(MEMORY), WithoutOrder, others=(),
           rounds=len(MEMORY), disturbs="failed"),
    Attack("monitor killed, `ip rule flush`", monitor_killed, WithoutGuard, others=(),
           takes_ways=True),
    Attack("an address of the machine goes away", address_goes, WithoutGuard, elsewhere=OWN, shows=ADDRESS,
           seconds=2),
    Attack("the LAN gets the tunnel's address", lan_gets_tunnels_address, WithoutGuard, elsewhere=OWN),
    Attack("the tunnel's address changes", tunnels_address_changes, WithoutGuard, elsewhere=OWN),
    Attack("another program's marks, nftables", by_table(NFT_MARK, fwmark=True), WithoutGuard),
    Attack("another program's marks, iptables", marked_by_iptables, WithoutGuard),
    Attack("another program's DSCP", by_table(NFT_DSCP, fwmark=False), WithoutGuard),
    Attack("another program's DNAT to a host of the LAN", by_table(NFT_DNAT), WithoutGuard),
    Attack("another program's REDIRECT of names", by_table(NFT_REDIRECT), WithoutGuard,
           config=("DNS=10.64.0.1",)),
    Attack("SYN cookies", syn_cookies, WithoutGuard, elsewhere=OWN),
]
