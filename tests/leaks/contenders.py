# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is attacked: custom-gateway as it is meant to run, custom-gateway with one defence taken out, and
what else does its work. All confine the same user, and are told the same at the same moments."""

from __future__ import annotations

import subprocess

from lab import CONFINED, wait_until

from field import Field

BOTH = "for f in -4 -6; do {}; done"

# Added once, whoever is told how often: a second one like it would outlive the first.
RULE = (f"ip $f rule | grep -q {CONFINED}-{CONFINED} || "
        f"ip $f rule add uidrange {CONFINED}-{CONFINED} table {{table}}")


class Contender:
    """What the machine would run, and when."""

    title = ""
    table = 1000

    def __init__(self, field: Field):
        self.field = field

    def confine(self) -> None:
        """The administrator sets it up; the tunnel stands."""
        raise NotImplementedError

    def went(self) -> None:
        """The tunnel is gone, and whoever looks after the network says so."""

    def came(self) -> None:
        """The tunnel is there again, and whoever looks after the network says so."""
        raise NotImplementedError

    def mend(self) -> None:
        """Somebody took rules, routes or tables away; time has passed, and it is repaired."""
        self.came()


class Ours(Contender):
    title = "custom-gateway"
    guard = True

    def __init__(self, field: Field):
        super().__init__(field)
        self.binary = field.lab.binary
        self.hook = field.lab.nm_hooks / "50-custom-gateway"
        self.has_monitor = self.guard
        self.monitor: subprocess.Popen | None = None
        self.lines: tuple[str, ...] = ()  # that the gateway's file has, too

    def config(self, *lines: str, gateway: str = "wg0") -> None:
        table = self.table + int(gateway[-1])
        self.field.lab.config(gateway, "\n".join(
            [*lines, f"Table={table}", f"Guard={'yes' if self.guard else 'no'}"]))

    def confine(self) -> None:
        self.config(f"Users={CONFINED}", *self.lines)
        self.look()
        self.start_monitor()

    def start_monitor(self) -> None:
        if self.has_monitor:
            # whom it fights with is known here
            self.monitor = self.field.lab.popen("host", self.binary, "-q", "monitor",
                                                stderr=subprocess.DEVNULL)
            self.field.running["the monitor"] = self.monitor

    def look(self, prefix: str = "") -> int:
        """A whole reapply, by way of a program that disturbs it; its exit status."""
        return self.field.host.status(f"{prefix} {self.binary} -q reapply")

    def _event(self, action: str) -> None:
        self.field.host.do(f"export NM_DISPATCHER_ACTION={action}", f"{self.hook} wg0 {action} 2>&1")

    def went(self) -> None:
        self._event("down")

    def came(self) -> None:
        self._event("up")

    def mend(self) -> None:
        if self.has_monitor:
            wait_until("the monitor to repair it", lambda: self.field.host.do(
                f"{self.binary} -q status >/dev/null && echo right", check=False) == "right")
        else:
            self.look()


class WithoutGuard(Ours):
    title = "Guard=no"
    guard = False


class WithoutProhibit(WithoutGuard):
    """Nothing behind the tunnel's route."""

    title = "no prohibit route"

    def _strip(self) -> None:
        self.field.host.do(BOTH.format(
            f"ip $f route flush type prohibit table {self.table} 2>/dev/null || true"))

    def confine(self) -> None:
        super().confine()
        self._strip()

    def _event(self, action: str) -> None:
        super()._event(action)
        self._strip()


class WithoutOrder(Ours):
    """Takes all away and puts it up anew, as a script does that is to reload."""

    title = "removed, then put up anew"

    def __init__(self, field: Field):
        super().__init__(field)
        self.has_monitor = False

    def look(self, prefix: str = "") -> int:
        self.field.host.do(f"{self.binary} -q remove")
        return super().look(prefix)


class Seed(Contender):
    """The script of the NixOS module that this project goes back to: a route, a prohibit route for
    IPv6, a rule for each user. Its stop is never run here: systemd stops the services first."""

    title = "the NixOS module's script"
    table = 42

    def confine(self) -> None:
        self.field.host.do("echo 2 >/proc/sys/net/ipv4/conf/wg0/rp_filter || true")
        self.came()

    def came(self) -> None:
        self.field.host.do(
            f"ip route replace table {self.table} default dev wg0 || true",
            f"ip -6 route replace table {self.table} prohibit default || true",
            BOTH.format(RULE.format(table=self.table)))


class PostUp(Contender):
    """The two lines that people copy into wg-quick's file, for both families."""

    title = "`PostUp` rule"
    table = 42

    def confine(self) -> None:
        self.came()

    def came(self) -> None:
        self.field.host.do(BOTH.format(
            f"ip $f route replace default dev wg0 table {self.table} || true; "
            + RULE.format(table=self.table)))
