# SPDX-License-Identifier: GPL-2.0-or-later
"""A firewall's own check of the reverse path, and WireGuard in the kernel. Its shapes are in tests/netns."""

import subprocess

import pytest

import guest
from guest import sh
from people import ask, CONFINED

# One line each, as they are typed into "nft -i".
CHECK = ("table inet {table} {{ {flags} chain {chain} {{ type filter hook prerouting priority 10; "
         "policy {policy}; {rule}; }}; }}")
NIXOS = CHECK.format(table="nixos-fw", flags="", chain="rpfilter", policy="drop",
                     rule="fib saddr . mark . iif oif exists accept")
# as since firewalld 2.1: nobody but its owner, who stays, may change the table
FIREWALLD = CHECK.format(table="firewalld", flags="flags owner;", chain="filter_PREROUTING",
                         policy="accept", rule="meta nfproto ipv6 fib saddr . mark . iif oif missing drop")


def take_way_back(family: int) -> None:
    """The rule from the tunnel's address, by which the check finds the tunnel."""
    [rule] = [rule for rule in guest.all_rules(family) if rule["src"] != "all"]
    sh(f"ip -{family} rule del priority {rule['priority']} from {rule['src']}")


@pytest.mark.parametrize("rules,table,checked", [(NIXOS, "nixos-fw", (4, 6)), (FIREWALLD, "firewalld", (6,))],
                         ids=["nixos", "firewalld"])
def test_the_tunnels_answers_pass(wg0, rules, table, checked):
    with subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, text=True) as owner:
        try:
            owner.stdin.write(f"{rules}\n")
            owner.stdin.flush()
            guest.wait_until("the table", lambda: table in sh("nft list tables"))
            for family in checked:
                assert ask(CONFINED, family) == "wg0"  # by the way back
                take_way_back(family)
                assert ask(CONFINED, family) == "silence"
            sh("custom-gateway reapply")
            for family in (4, 6):
                assert ask(CONFINED, family) == "wg0"
        finally:
            owner.stdin.write(f"delete table inet {table}\n")
            owner.stdin.close()
