# SPDX-License-Identifier: GPL-2.0-or-later
"""What "meson install" puts where, with the owner, mode and links that the dispatchers insist on."""

import stat
import subprocess

import pytest

NETWORKD_STATES = ["missing", "off", "no-carrier", "dormant", "degraded-carrier", "carrier", "degraded",
                   "enslaved", "routable", "pending", "initialized", "configuring", "configured",
                   "unmanaged", "failed", "linger"]
HOOKS = ["NetworkManager/dispatcher.d", "NetworkManager/dispatcher.d/pre-up.d",
         "NetworkManager/dispatcher.d/pre-down.d"] + [f"networkd-dispatcher/{s}.d"
                                                      for s in NETWORKD_STATES]


@pytest.mark.parametrize("place", HOOKS)
def test_a_hook(stage, place):
    hook = stage / "lib" / place / "50-custom-gateway"
    found = hook.stat()  # of what a link leads to, as the dispatchers do it
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, 0o755)
    directory = hook.parent.lstat()
    assert (directory.st_uid, directory.st_gid, stat.S_IMODE(directory.st_mode)) == (0, 0, 0o755)


def test_links_lead_to_where_they_still_do_in_a_package(stage):
    for path in stage.rglob("*"):
        if path.is_symlink():
            assert not path.readlink().is_absolute(), path


@pytest.mark.parametrize("path", ["sbin/custom-gateway", "etc/iproute2/rt_protos.d/custom-gateway.conf",
                                  "lib/systemd/networkd.conf.d/50-custom-gateway.conf",
                                  "share/doc/custom-gateway/example.conf",
                                  "share/bash-completion/completions/custom-gateway",
                                  "share/man/man8/custom-gateway.8",
                                  "share/man/man5/custom-gateway.conf.5"])
def test_a_file(stage, path):
    assert (stage / path).stat().st_size > 0


def test_the_example_is_valid(lab, stage):
    example = (stage / "share/doc/custom-gateway/example.conf").read_text()
    (lab.config_dir / "example.conf").write_text(example)
    lab.cg("check")


def test_the_example_shows_every_key(stage):
    text = (stage / "share/doc/custom-gateway/example.conf").read_text()
    keys = {line.lstrip("#").split("=")[0] for line in text.splitlines()
            if "=" in line and " " not in line.split("=")[0]}
    assert keys == {"Interface", "Connection", "InterfaceUnit", "Services", "Users", "DNS", "IPv6",
                    "Bypass", "OnDown", "ReversePathFilter", "Guard", "Table", "Priority"}


def completed(stage, directory, *words):
    """What bash offers in the place of the last word."""
    script = (f"source {stage}/share/bash-completion/completions/custom-gateway; "
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _custom_gateway; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-euc", script, "bash", *words], cwd=directory, check=True,
                          capture_output=True, text=True)
    return sorted(done.stdout.split())


def test_bash_completes(stage, tmp_path):
    for name in ("wg0.conf", "wg1.conf", "work@home.conf", "other", "$(touch ran).conf"):
        (tmp_path / name).touch()
    where = ["--config-dir", str(tmp_path)]
    assert completed(stage, tmp_path, "custom-gateway", "re") == ["reapply", "remove"]
    assert completed(stage, tmp_path, "custom-gateway", "--dr") == ["--dry-run"]
    assert completed(stage, tmp_path, "custom-gateway", *where, "status", "") == \
        ["wg0", "wg1", "work@home"]
    assert completed(stage, tmp_path, "custom-gateway", *where, "reapply", "wg0", "wo") == ["work@home"]
    assert completed(stage, tmp_path, "custom-gateway", "check", "oth") == ["other"]
    assert not (tmp_path / "ran").exists(), "a file's name was run as a command"


def test_the_protocol_has_a_name(lab, stage):
    """With the snippet in place ip(8) shows our name."""
    lab.config("wg0", "Users=61500")
    lab.cg("reapply")
    snippet = (stage / "etc/iproute2/rt_protos.d/custom-gateway.conf").read_text()
    assert "198\tcustom-gateway\n" in snippet
    script = 'mount --bind "$1" /etc/iproute2 && exec ip rule'
    place = lab.directory / "iproute2"
    (place / "rt_protos.d").mkdir(parents=True)
    (place / "rt_protos.d" / "custom-gateway.conf").write_text(snippet)
    shown = lab.run("host", "unshare", "--mount", "sh", "-c", script, "sh", place).stdout
    assert "proto custom-gateway" in shown
