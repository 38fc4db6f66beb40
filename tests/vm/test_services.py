# SPDX-License-Identifier: GPL-2.0-or-later
import pathlib

import pytest

import guest
import people
import services
from guest import sh, wait_until
from services import nothing_on_the_lan, settled, state, wait_for

ALICE = people.CONFINED


def test_explore(lan, clean):
    services.watch_the_tunnel()
    services.unit("foo.service", services.SENDER)
    services.unit("dyn.service", services.SENDER, user="DynamicUser=yes")
    services.gateway("wg0", "Services=foo.service dyn.service")
    print(sh("systemctl cat foo || true; cat /run/custom-gateway/* 2>/dev/null || true"))
    print(services.complaint("custom-gateway -v reapply"), services.confined_uids())
    print(services.complaint("systemctl start foo"))
    with nothing_on_the_lan():
        sh("systemctl enable foo dyn")
        services.tunnel_up(lan)
        wait_until("x", lambda: state("foo") == "active")
        wait_until("x", lambda: state("dyn") == "active")
        print(services.confined_uids(), sh("systemctl show -p UID,MainPID,User,ExecCondition,ControlGroup dyn foo"))
        print(sh("custom-gateway status || true"), services.left_by_tunnel())
        settled()
        services.tunnel_down()
        settled()
        print(state("foo"), state("dyn"), services.confined_uids(), guest.routes(4))
        print(sh("systemctl show -p UID,MainPID,User,ControlGroup,InactiveExitTimestampMonotonic dyn foo; find /run/custom-gateway -type f | xargs tail -n +1"))
        services.tunnel_again()
        settled()
        print(state("foo"), state("dyn"), services.confined_uids())
        sh("ip link del wg0")
        wait_for("foo", "inactive")
        settled()
        print(state("foo"), state("dyn"), services.confined_uids(), guest.routes(4))
        services.tunnel_up(lan)
        settled()
        print(state("foo"), state("dyn"), services.confined_uids())
        sh("systemctl stop foo")
        services.tunnel_down()
        services.tunnel_again()
        settled()
        print("admin stopped foo:", state("foo"), state("dyn"))
        sh("systemctl stop custom-gateway@wg0")
        print("by hand", state("foo"), state("dyn"), services.confined_uids())
        sh("custom-gateway reapply")
        settled()
        print("by hand", state("foo"), state("dyn"), services.confined_uids())
        sh("systemctl start custom-gateway@wg0")
        settled()
        print("by hand start", state("foo"), state("dyn"), services.confined_uids())
    print(sh("systemd-analyze verify custom-gateway.service custom-gateway@wg0.service custom-gateway-settle@wg0.service foo.service dyn.service 2>&1 || true"))
    for u in ("custom-gateway.service", "custom-gateway@wg0.service", "custom-gateway-settle@wg0.service"):
        print(sh(f"systemd-analyze security --no-pager {u} | tail -3; systemd-analyze security --no-pager {u} | grep '✗'"))
    sh("systemctl disable --now foo dyn", "ip link del wg0")
    print(sh("journalctl -b -o short-monotonic -u 'custom-gateway*' -u foo -u dyn -n 300 | tail -150"))
