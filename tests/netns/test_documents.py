# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents name is there: tests, keys, options, files, environment variables."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECURITY = (ROOT / "doc/security.md").read_text()
ARCHITECTURE = (ROOT / "doc/architecture.md").read_text()
MANUAL = (ROOT / "man/custom-gateway.8").read_text()
CONF_MANUAL = (ROOT / "man/custom-gateway.conf.5").read_text()
EXAMPLE = (ROOT / "conf/example.conf").read_text()
COMPLETION = (ROOT / "conf/bash-completion/custom-gateway").read_text()
MAIN = (ROOT / "plugin/cli/main.c").read_text()
KEYS = re.findall(r'^    \{"(\w+)", parse_\w+\},$', (ROOT / "plugin/config/gateway-keys.c").read_text(), re.M)
OPTIONS = re.findall(r'^      \{"([a-z-]+)", ', MAIN, re.M)
COMMANDS = set(re.findall(r'^    \{"(\w+)", cg_command_', MAIN, re.M))


def named_tests():
    """(file, test) for each that doc/security.md names; the test is empty where the file alone is."""
    for part in re.split(r"[;|]", SECURITY):
        files = re.findall(r"`((?:netns|vm|unit|fuzz)/[\w-]+\.(?:py|c))`", part)
        if files and "below `tests/`" not in part:
            yield from ((files[0], test) for test in re.findall(r"`(test_\w+)`", part) or [""])


@pytest.mark.parametrize("file,test", sorted(set(named_tests())))
def test_a_test_that_is_named_is_there(file, test):
    text = (ROOT / "tests" / file).read_text()
    assert not test or f"\ndef {test}(" in text


def test_all_tests_that_are_named_were_looked_for():
    assert set(re.findall(r"`(test_\w+)`", SECURITY)) == {test for _, test in named_tests()} - {""}


def test_keys():
    assert KEYS
    assert re.findall(r"^\.It Cm (\w+)= ", CONF_MANUAL, re.M) and \
        set(re.findall(r"^\.It Cm (\w+)= ", CONF_MANUAL, re.M)) == set(KEYS)
    assert set(re.findall(r"^#?(\w+)=", EXAMPLE, re.M)) == set(KEYS)


def test_options():
    assert OPTIONS
    options = MANUAL.split(".Sh OPTIONS")[1].split(".Sh ")[0]
    assert set(re.findall(r"Fl -([a-z-]+)", options)) == set(OPTIONS)
    assert set(re.findall(r"--([a-z-]+)", re.search("options='(.*)'", COMPLETION)[1])) == set(OPTIONS)


def test_commands():
    assert COMMANDS
    commands = MANUAL.split(".Sh COMMANDS")[1].split(".Sh ")[0]
    assert set(re.findall(r"^\.It Cm (\w+)", commands, re.M)) == COMMANDS
    assert set(re.search(r"'\) names=\((.*)\)", COMPLETION)[1].split()) == COMMANDS | {"help"}


def test_rooms():
    table = re.search(r"^rooms = \{\n(.*?)^\}", (ROOT / "plugin/meson.build").read_text(), re.M | re.S)[1]
    rooms = re.findall(r"'(\w+)': \[(.*)\]", table)
    told = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", ARCHITECTURE, re.M)
    assert [room for room, _ in told] == [room for room, _ in rooms]
    for (_, below), (_, words) in zip(rooms, told):
        assert words in ("nothing", "all of these", "all but `generator`") or \
            re.findall(r"`(\w+)`", words) == re.findall(r"'(\w+)'", below)


def test_files_of_the_architecture():
    for name in re.findall(r"`((?:\w+/)+[\w.-]+)`", ARCHITECTURE):
        assert (ROOT / name).exists() or (ROOT / "plugin" / name).exists(), name


def test_units():
    there = {path.name.removesuffix(".in") for path in (ROOT / "conf/systemd").iterdir()} - {
        "hardening.conf", "sandbox.conf"}
    text = re.sub(r" Ns Ar \w+ Ns Li ", "", MANUAL).replace("\\", "")
    for unit in there - {"custom-gateway-resolvconf.service"}:  # which its .path starts
        assert unit in text, unit


def test_environment():
    sources = "".join(path.read_text() for path in (ROOT / "plugin").rglob("*.c"))
    read = set(re.findall(r'getenv \("([A-Z_]+)"\)', sources)) | set(
        re.findall(r'"((?:VPN|CONNECTION|IP4|IP6)_[A-Z0-9_]+)"', sources))
    environment = MANUAL.split(".Sh ENVIRONMENT")[1].split(".Sh ")[0]
    told = set(re.findall(r"\b[A-Z][A-Z0-9]*_?[A-Z0-9_]{3,}\b", environment))
    assert read <= told
