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


# The pages for people, held against the repository

PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in
         [*map(ROOT.joinpath, ("README.md", "HACKING.md", "SECURITY.md", "doc/packaging.md")),
          *(ROOT / "doc/setups").glob("*.md")]}
DEV = (ROOT / "dev").read_text()
FILES = {path.name for folder in ("plugin", "dispatcher", "conf", "man", "doc", "tests")
         for path in (ROOT / folder).rglob("*")} | {path.name for path in ROOT.glob("*")}
VM = "".join(path.read_text() for path in (ROOT / "tests/vm").glob("*.py"))

each_page = pytest.mark.parametrize("page", sorted(PAGES))


def code_lines(page):
    """The lines of code blocks, without what stands in front of them."""
    return [line.strip() for line in PAGES[page].splitlines() if line.startswith("    ")]


def gateways(page):
    """The gateways' files in a page: [Gateway], and the lines up to an empty one."""
    return ["\n".join(line.strip() for line in text.splitlines()) + "\n"
            for text in re.findall(r"^ {4,}\[Gateway\]\n(?:^ {4,}\S+=.*\n)+", PAGES[page], re.M)]


@each_page
def test_a_file_that_a_page_names_is_there(page):
    text = re.sub(r"^ {4}.*$", "", PAGES[page], flags=re.M)
    words = re.findall(r"`([\w*./-]+)`", text) + re.findall(r"\]\(([\w./-]+)\)", text)
    paths = [word for word in words if re.match(r"(plugin|dispatcher|conf|man|doc|tests)/\w", word)]
    paths += [f"tests/{word}" for word in words if re.match(r"(unit|fuzz|netns|leaks|vm|bench)/\w", word)]
    missing = [path for path in paths if not list(ROOT.glob(path))]
    names = [word for word in words if re.fullmatch(r"[\w-]+\.(c|h|py|md)", word) and "NAME" not in word]
    assert missing + [name for name in names if name not in FILES] == []


@each_page
def test_a_command_that_a_page_names_is_there(page):
    calls = [call for line in [*code_lines(page), *re.findall(r"`([^`\n]+)`", PAGES[page])]
             for call in re.findall(r"^(?:sudo |PostUp = )?(?:custom-gateway|cg) ([^#;`]*)", line)]
    for call in calls:
        options = re.findall(r"--([a-z-]+)", call)
        command = next((word for word in call.split() if re.match(r"[a-z]", word)), None)
        assert not set(options) - set(OPTIONS), call
        assert not command or command in COMMANDS, call
    parts = set(re.search(r"of (unit, .*, vm);", DEV)[1].split(", "))
    for command, arguments in re.findall(r"\./dev ([a-z]+)((?: +['a-z@:_]+)*)", PAGES[page]):
        assert re.search(rf"^{command}\)", DEV, re.M), command
        if command == "test":
            assert {word.strip("'").split(":")[0].split("@")[0] for word in arguments.split()[:1]} <= parts


@each_page
def test_a_gateway_in_a_page_is_good(lab, page):
    for text in gateways(page):
        (lab.config_dir / "page.conf").write_text(text.replace("alice", "1500"))
        lab.cg("check")


@pytest.mark.parametrize("page", sorted(page for page in PAGES if "setups" in page))
def test_a_tunnel_in_a_page_is_set_up_as_in_the_tests(page):
    """Names of settings, of files like wg-quick's."""
    for line in "\n".join(code_lines(page)).splitlines():
        setting = re.match(r"([A-Za-z0-9-]+) ?=", line)
        if setting and setting[1] not in KEYS:
            assert re.search(rf'^"?{setting[1]} ?=', VM, re.M), line


def test_what_the_readme_installs_is_what_dev_installs():
    [line] = [line for line in code_lines("README.md") if line.startswith("sudo apt install ")]
    known = set(re.search(r"packages=\((.*?)\n\)", DEV, re.S)[1].split())
    assert set(line.split()[3:]) <= known


def test_each_setup_has_its_link():
    assert {f"doc/setups/{path.name}" for path in (ROOT / "doc/setups").iterdir()} == \
        set(re.findall(r"\]\((doc/setups/[\w-]+\.md)\)", PAGES["README.md"]))
