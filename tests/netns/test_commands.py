# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what each command says, prints and returns."""

import json
import os
import stat

import pytest
from lab import CONFINED, Tunnel

USERS = f"Users={CONFINED}"


def test_dry_run_prints_what_reapply_does_and_does_nothing(lab):
    """The lines, run by a shell, lead to the very kernel state that reapply leads to."""
    lab.config("wg0", f"{USERS} 70000-70010\nBypass=192.0.2.0/24 fd00::/8\nIPv6=route\nGuard=yes")
    Tunnel(lab, 0).up()
    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    lines = lab.cg("reapply", "--dry-run").stdout
    assert lab.nothing_is_left()
    assert not (lab.run_dir / "custom-gateway").exists()

    # the guard's programs are not for a shell to load
    lab.sh("host", *(line for line in lines.splitlines() if not line.startswith("bpftool ")))
    by_shell = [lab.rules(f) + lab.routes(f) for f in (4, 6)]
    guard_by_shell = lab.sh("host", "nft list ruleset")
    filter_by_shell = lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter")
    lab.sh("host", *lab.cg("remove", "--dry-run").stdout.splitlines())
    assert lab.nothing_is_left()
    assert not (lab.run_dir / "custom-gateway").exists()

    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    lab.cg("reapply")
    assert [lab.rules(f) + lab.routes(f) for f in (4, 6)] == by_shell
    assert lab.sh("host", "nft list ruleset") == guard_by_shell != ""
    assert lab.sh("host", "sysctl -n net.ipv4.conf.wg0.rp_filter") == filter_by_shell == "2\n"


def test_dry_run_of_a_guard_that_stands_leads_a_shell_there(lab):
    lab.config("wg0", f"{USERS} 70000-70010\nBypass=192.0.2.0/24 fd00::/8\nGuard=yes")
    lab.cg("reapply")
    lab.config("wg0", f"{USERS} 70005-70020\nBypass=198.51.100.0/24\nDNS=10.64.0.1\nGuard=yes")
    Tunnel(lab, 0).up()
    lines = lab.cg("reapply", "--dry-run").stdout.splitlines()
    assert {line.split()[2] for line in lines if line.startswith("bpftool map ")} == {"update", "delete"}
    lab.sh("host", *(line for line in lines if line.startswith("bpftool map ")))
    left = lab.cg("reapply", "--dry-run").stdout
    assert left and "bpftool" not in left


def test_dry_run_quotes_a_hostile_interface_name(lab):
    name = "$(reboot)`;'"
    lab.config("vpn", f"Interface={name}\n{USERS}\nGuard=yes")
    lab.run("host", "ip", "link", "add", name, "type", "veth", "peer", "name", "other")
    lab.run("host", "ip", "link", "set", name, "up")
    lab.run("host", "ip", "addr", "add", "10.9.9.9/24", "dev", name)
    lab.run("host", "sh", "-c", 'echo 1 > "/proc/sys/net/ipv4/conf/$1/rp_filter"', "sh", name)
    lines = lab.cg("reapply", "--dry-run").stdout.splitlines()
    lab.sh("host", *(line for line in lines if not line.startswith("bpftool ")))
    assert any(route.get("dev") == name for route in lab.routes())


def test_status_tells_should_from_is(lab):
    tunnel = Tunnel(lab, 0)
    lab.config("wg0", f"{USERS}\nOnDown=block")

    def states():
        done = lab.cg("status", "--json", check=False)
        [gateway] = json.loads(done.stdout)["gateways"]
        return gateway["ipv4"]["state"], gateway["ipv4"]["should"], done.returncode

    assert states() == ("released", "blocked", 3)
    lab.cg("reapply")
    assert states() == ("blocked", "blocked", 0)
    tunnel.up()
    assert states() == ("blocked", "up", 3)
    lab.cg("reapply")
    assert states() == ("up", "up", 0)
    lab.sh("host", "ip rule del uidrange 61500-61500")
    assert states() == ("partial", "up", 3)


def test_status_as_json(lab):
    lab.config("wg0", "Users=61500 61502-61504\nPriority=600\nTable=1234")
    lab.config("broken", "Users=0")
    Tunnel(lab, 0).up()
    done = lab.cg("status", "--json", check=False)
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert set(told) == {"gateways", "table", "differences", "bad_files", "warnings", "errors"}
    [gateway] = told["gateways"]
    assert set(gateway) == {"name", "interface", "ifindex", "table", "priority", "uids", "connection",
                            "services", "ipv4", "ipv6", "rp_filter", "guard", "dns", "differences"}
    assert gateway["name"] == gateway["interface"] == "wg0"
    [link] = lab.ip("link", "show", "wg0")
    assert gateway["ifindex"] == link["ifindex"]
    assert (gateway["table"], gateway["priority"]) == (1234, 600)
    assert gateway["uids"] == [[61500, 61500], [61502, 61504]]
    assert gateway["ipv6"] == {"state": "released", "should": "up"}
    assert gateway["differences"] == lab.cg("reapply", "--dry-run", "wg0").stdout.splitlines()
    assert len(told["errors"]) == 1 and told["errors"][0].startswith("broken.conf:")


def test_status_for_people(lab):
    lab.config("wg0", f"{USERS}\nGuard=yes")
    lab.cg("reapply")
    lines = lab.cg("status").stdout.splitlines()
    assert lines[0].split() == ["GATEWAY", "INTERFACE", "TABLE", "IPV4", "IPV6", "GUARD", "DNS",
                                "CONFINED", "UIDS"]
    assert lines[1].split()[3:] == ["blocked", "blocked", "bpf,", "0", "dropped", "system", "61500"]
    assert "\033" not in "".join(lines)


def test_status_in_colour_on_a_terminal_alone(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    on_terminal = ["script", "-qec", f"{lab.binary} status", "/dev/null"]
    assert "\033[33mblocked" in lab.run("host", *on_terminal, env={"TERM": "xterm"}).stdout
    for plain in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert "\033" not in lab.run("host", *on_terminal, env=plain).stdout


def test_a_name_cannot_paint_a_terminal(lab):
    """Nor do half characters, which interfaces may have in their names, lead past the end of one."""
    path = lab.config("wg0", USERS)
    path.write_bytes(path.read_bytes() + b"Interface=wg\xf0\n")
    told = lab.cg("status", check=False).stdout.splitlines()
    assert told[1].split()[:2] == ["wg0", r"wg\xf0"]
    done = lab.cg("--config-dir", "/\033[2J", "reapply", check=False)
    assert r"/\x1b[2J: No such file" in done.stderr


def test_status_needs_no_privilege(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    done = lab.run("host", "setpriv", "--reuid=61501", "--clear-groups", lab.binary, "status",
                   check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown" in done.stdout, "whether there is a guard is for root alone to see"


def test_reapply_needs_privilege_and_says_so(lab):
    lab.config("wg0", USERS)
    done = lab.run("host", "setpriv", "--reuid=61501", "--clear-groups", lab.binary, "reapply",
                   check=False)
    assert done.returncode == 1
    assert "run this as root" in done.stderr


BAD_CALLS = [
    ([], "Usage:"), (["frobnicate"], "no such command 'frobnicate'"), (["--frobnicate"], "--frobnicate"),
    (["reapply", "wg7"], "no gateway 'wg7'"), (["remove", "wg7"], "no gateway 'wg7'"),
    (["status", "wg7"], "no gateway 'wg7'"), (["check", "--json"], "--json does not go with 'check'"),
    (["status", "--dry-run"], "--dry-run does not go with 'status'"),
    (["event"], "usage:"), (["event", "nm"], "usage:"), (["event", "nm", "wg0"], "usage:"),
    (["event", "nm", "wg0", "up", "more"], "usage:"), (["event", "else", "wg0", "up"], "usage:"),
    (["event", "networkd", "routable"], "IFACE"),
    (["attach"], "usage:"), (["detach"], "usage:"), (["attach", "wg0", "Users"], "'Users' is no KEY=VALUE"),
    (["--config-dir", "/nonexistent", "reapply"], "/nonexistent: No such file or directory; make it"),
    (["reapply", "wg0.conf"], "no gateway 'wg0.conf': no file in"), (["reapply", ""], "no gateway ''"),
    (["status", "../wg0"], "no gateway '../wg0'"), (["status", "--", "--json"], "no gateway '--json'"),
    (["--", "--version"], "no such command '--version'"), (["monitor", "wg0"], "usage:"),
    (["status", "--config-dir"], "Missing argument for --config-dir"),
]


@pytest.mark.parametrize("arguments,said", BAD_CALLS, ids=[" ".join(c[0]) for c in BAD_CALLS])
def test_bad_usage(lab, arguments, said):
    lab.config("wg0", USERS)
    done = lab.cg(*arguments, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert lab.nothing_is_left()


@pytest.mark.parametrize("call", ["status", "status --json", "remove --dry-run", "--help", "--version"])
@pytest.mark.parametrize("sink", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_data_that_went_nowhere_are_no_success(lab, call, sink):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    done = lab.run("host", "sh", "-c", f"exec {lab.binary} {call} {sink}", check=False)
    assert done.returncode == 1
    assert "standard output" in done.stderr


def test_what_is_opened_takes_the_place_of_no_standard_descriptor(lab):
    """Else a message would go to whatever file or socket has the number 2."""
    lab.config("wg0", USERS)
    trace = lab.directory / "trace"
    lab.run("host", "sh", "-c", f"exec strace -e trace=openat,socket,write -o {trace} {lab.binary} reapply "
                                "<&- >&- 2>&-")
    text = trace.read_text()
    assert "write(2, \"custom-gateway: wg0: IPv4" in text
    assert [line for line in text.splitlines() if line.startswith("write(2,") and "EBADF" not in line] == []
    assert len(lab.rules()) == 1


def test_help_names_every_command_and_option(lab):
    text = lab.cg("--help").stdout
    for word in ("reapply", "remove", "status", "check", "event nm", "event networkd", "--dry-run",
                 "--json", "--config-dir", "--runtime-dir", "--state-dir", "--verbose", "--quiet",
                 "--version"):
        assert word in text


def test_quiet_and_verbose(lab):
    lab.config("wg0", USERS)
    assert lab.cg("-q", "reapply").stderr == ""
    assert lab.cg("reapply").stderr == ""
    assert "nothing to do" in lab.cg("-v", "reapply").stderr
    assert "released" in lab.cg("remove").stderr


def test_check_touches_nothing(lab):
    good = lab.config("wg0", USERS)
    bad = lab.config("wg1", "Users=0")
    assert lab.cg("check", good).returncode == 0
    done = lab.cg("check", good, bad, check=False)
    assert done.returncode == 2
    assert "wg1.conf: [Gateway] Users: this is root, uid 0: '0';" in done.stderr
    assert lab.cg("check", check=False).returncode == 2
    assert lab.nothing_is_left()
    assert not (lab.run_dir / "custom-gateway").exists()


def test_check_says_when_there_is_nothing_to_check(lab):
    done = lab.cg("check")
    assert "no gateways: " in done.stderr
    assert done.stdout == ""


def test_status_does_not_say_that_there_is_no_gateway_when_its_file_is_bad(lab):
    assert lab.cg("status").stdout == "no gateway is in force\n"
    lab.config("wg0", USERS).chmod(0o600)
    done = lab.run("host", "setpriv", "--reuid=61501", "--clear-groups", lab.binary, "status", check=False)
    assert done.returncode == 2
    assert "wg0.conf: Permission denied; run this as root" in done.stderr


def test_one_bad_file_does_not_stop_the_others(lab):
    lab.config("aaa", "Users=0")
    lab.config("wg0", USERS)
    done = lab.cg("reapply", check=False)
    assert done.returncode == 2
    assert "aaa.conf" in done.stderr
    assert lab.ask(CONFINED) == "EACCES"
    assert lab.cg("reapply", "wg0").returncode == 0


def test_a_file_that_goes_bad_leaves_what_stands(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", "Users=0")
    assert lab.cg("reapply", check=False).returncode == 2
    assert lab.ask(CONFINED) == "EACCES"


@pytest.mark.parametrize("spoil,said", [
    (lambda path: os.chown(path, 1000, 0), "chown root"),
    (lambda path: path.chmod(0o664), "chmod go-w"), (lambda path: path.chmod(0o646), "chmod go-w"),
    (lambda path: path.parent.chmod(0o777), "chmod go-w"),
    (lambda path: os.chown(path.parent, 1000, 0), "chown root"),
], ids=["owner", "group", "others", "directory's mode", "directory's owner"])
def test_a_file_that_is_not_roots_alone_is_refused(lab, spoil, said):
    spoil(lab.config("wg0", USERS))
    done = lab.cg("reapply", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert lab.nothing_is_left()


def test_a_missing_directory_is_no_reason_to_release(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    assert lab.cg("--config-dir", "/nonexistent", "reapply", check=False).returncode == 2
    assert lab.ask(CONFINED) == "EACCES"


def test_a_user_who_is_removed_leaves_the_gateway_as_it_stands(lab):
    """alice's uid may be somebody else's soon, but nobody who was confined goes free by an error."""
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", f"{USERS} alice-who-left")
    done = lab.cg("reapply", check=False)
    assert done.returncode == 2
    assert "no such user 'alice-who-left'" in done.stderr
    assert lab.ask(CONFINED) == "EACCES"


def test_a_connection_that_nobody_knows_is_down(lab):
    """There is no NetworkManager here."""
    lab.config("office", f"{USERS}\nConnection=Work VPN\nOnDown=release")
    stderr = lab.cg("reapply").stderr
    assert "office: nobody can tell the interface of the connection 'Work VPN'" in stderr
    assert lab.ask(CONFINED) == "EACCES"


def test_a_gateway_that_does_not_ask_loads_no_library(lab):
    """libnm takes longer to load than all else takes to run."""
    lab.config("wg0", USERS)
    trace = lab.directory / "trace"
    command = ["strace", "-f", "-e", "trace=openat", "-o", trace, lab.binary, "reapply"]
    lab.run("host", *command)
    assert "libnm" not in trace.read_text()
    lab.config("wg0", f"{USERS}\nConnection=x")
    lab.run("host", *command)
    assert "libnm.so" in trace.read_text()


def test_without_systemd_services_are_nobody_and_nobody_is_set_free(lab):
    lab.config("wg0", f"{USERS} 61501\nServices=some.service")
    assert "nobody can tell whom Services= confines" in lab.cg("reapply").stderr
    lab.config("wg0", f"{USERS}\nServices=some.service")
    lab.cg("reapply")
    assert lab.ask(CONFINED) == lab.ask(61501) == "EACCES"
    told = json.loads(lab.cg("status", "--json").stdout)
    assert told["gateways"][0]["services"] == []
    assert "wg0: systemd does not say whom Services= confines" in told["warnings"][0]


def test_what_is_written_is_roots(lab):
    lab.config("wg0", USERS)
    Tunnel(lab, 0).up()
    lab.sh("host", "sysctl -qw net.ipv4.conf.wg0.rp_filter=1")
    lab.run("host", "sh", "-c", 'umask 000; exec "$0" reapply', lab.binary)
    for path in (lab.run_dir / "custom-gateway").rglob("*"):
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_what_was_remembered_of_a_gateway_goes_with_its_file(lab):
    """Not with a run over some, nor while a file is bad that may be the one."""
    marks = [lab.run_dir / "custom-gateway" / what / "gone" for what in ("stopped", "tunnel")]
    for mark in [*marks, marks[0].with_name("wg0")]:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("by-hand\n")
    lab.config("wg0", USERS)
    lab.cg("reapply", "wg0")
    bad = lab.config("gone", "Users=0")
    lab.cg("reapply", check=False)
    lab.cg("reapply", "--dry-run", check=False)
    assert all(mark.exists() for mark in marks)
    bad.unlink()
    lab.cg("reapply")
    assert not any(mark.exists() for mark in marks)
    assert marks[0].with_name("wg0").exists()


def test_remove_works_whatever_the_configuration(lab):
    lab.config("wg0", USERS)
    lab.cg("reapply")
    lab.config("wg0", "Users=0")
    assert lab.cg("--config-dir", "/nonexistent", "remove").returncode == 0
    assert lab.nothing_is_left()


def test_a_change_comes_to_its_end_whoever_listens(lab):
    """What it says of the bad file comes before anything is done."""
    lab.config("aaa", "Users=0")
    lab.config("wg0", USERS)
    told, nobody = os.pipe()
    os.close(told)
    reapply = lab.popen("host", lab.binary, "reapply", stderr=nobody)
    os.close(nobody)
    assert reapply.wait(60) == 2
    assert lab.ask(CONFINED) == "EACCES"


def test_help_is_no_error_if_asked_for(lab):
    asked, missing = lab.cg("help"), lab.cg(check=False)
    assert "Commands:" in asked.stdout
    assert "Commands:" in missing.stderr
    assert (asked.returncode, missing.returncode) == (0, 2)


@pytest.mark.parametrize("guard", ["yes", "required"])
def test_status_needs_no_root(lab, guard):
    """The guard is unknown then, which is no difference."""
    lab.config("wg0", f"{USERS}\nGuard={guard}")
    lab.cg("reapply")
    lab.directory.chmod(0o755)
    done = lab.run("host", "setpriv", "--reuid", "65534", "--clear-groups", lab.binary, "status",
                   "--json")
    [gateway] = json.loads(done.stdout)["gateways"]
    assert gateway["guard"]["state"] == "unknown"
    assert gateway["ipv4"] == {"state": "blocked", "should": "blocked"}
    assert gateway["differences"] == []
    assert "run this as root" in done.stdout
