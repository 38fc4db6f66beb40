# SPDX-License-Identifier: GPL-2.0-or-later
"""What the generator makes of a configuration. What systemd makes of that, tests/vm looks at."""

import os
import pathlib
import shutil
import statistics
import subprocess
import time

import pytest


class Generator:
    def __init__(self, stage: pathlib.Path, directory: pathlib.Path):
        self.program = stage / "lib/systemd/system-generators/custom-gateway-generator"
        self.config, self.made = directory / "config", directory / "made"
        self.root = directory / "root"  # of NetworkManager's profiles
        self.state = directory / "state"
        self.config.mkdir(mode=0o755)

    def write(self, name: str, *lines: str, mode: int = 0o644) -> None:
        path = self.config / f"{name}.conf"
        path.write_text("\n".join(["[Gateway]", *lines]) + "\n")
        path.chmod(mode)

    def attach(self, name: str, *lines: str) -> None:
        """As "custom-gateway attach" keeps it."""
        (self.config / "profiles").mkdir(mode=0o755, exist_ok=True)
        self.write(f"profiles/{name}", *lines)

    def profile(self, directory: str, uuid: str, *user: str) -> None:
        path = self.root / directory / "NetworkManager/system-connections/a.nmconnection"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["[connection]", "id=Work", f"uuid={uuid}", "[user]", *user]) + "\n")
        path.chmod(0o600)

    def run(self) -> str:
        """What it says; it never fails."""
        done = subprocess.run([self.program, self.made, "/nowhere", "/nowhere", self.config, self.root,
                               self.state], capture_output=True, text=True, check=True, timeout=20)
        return done.stderr

    def files(self) -> set[str]:
        return {str(path.relative_to(self.made)) for path in self.made.rglob("*")
                if path.is_symlink() or path.is_file()}


@pytest.fixture
def generator(stage, tmp_path):
    tmp_path.chmod(0o755)
    return Generator(stage, tmp_path)


def test_drop_ins_and_links(generator, stage):
    generator.write("wg-home", "Interface=wg-0", "Services=foo bar@x", "Users=nobody-knows-this-user")
    assert generator.run() == ""
    device = r"sys-subsystem-net-devices-wg\x2d0.device.wants"
    assert generator.files() == {
        "foo.service.d/50-custom-gateway.conf", "bar@x.service.d/50-custom-gateway.conf",
        "custom-gateway@wg-home.service.d/50-interface.conf",
        f"{device}/custom-gateway-settle@wg-home.service", "sysinit.target.wants/custom-gateway.service"}
    links = {path.name: path.readlink() for path in generator.made.rglob("*") if path.is_symlink()}
    units = stage / "lib/systemd/system"
    assert links == {"custom-gateway.service": units / "custom-gateway.service",
                     "custom-gateway-settle@wg-home.service": units / "custom-gateway-settle@.service"}
    assert all(path.exists() for path in links.values())


def test_with_a_unit_of_the_interface(generator):
    generator.write("wg0", "Services=foo", "InterfaceUnit=wg-quick@wg0.service")
    generator.run()
    assert generator.files() == {
        "foo.service.d/50-custom-gateway.conf", "custom-gateway@wg0.service.d/50-interface.conf",
        "custom-gateway-settle@wg0.service.d/50-interface.conf",
        "wg-quick@wg0.service.wants/custom-gateway-settle@wg0.service",
        "sysinit.target.wants/custom-gateway.service"}


def test_without_gateways_it_makes_nothing(generator):
    assert generator.run() == ""
    assert not generator.made.exists()
    generator.config.rmdir()
    assert generator.run() == ""
    assert not generator.made.exists()


def test_a_bad_file_costs_its_gateway_alone_and_its_services_must_ask(generator):
    generator.write("a", "Services=foo")
    generator.write("b", "Services=bar", "Nonsense=1")
    generator.write("c", "Services=baz", mode=0o666)
    said = generator.run().splitlines()
    assert [line.split(": ")[1] for line in said] == ["b.conf", "c.conf"]
    assert {name for name in generator.files() if name.endswith("gateway.conf") or "error" in name} == {
        "foo.service.d/50-custom-gateway.conf", "bar.service.d/49-custom-gateway-error.conf"}
    asks = (generator.made / "bar.service.d/49-custom-gateway-error.conf").read_text()
    assert "event service start %n" in asks
    assert "Requires=" not in asks


@pytest.mark.parametrize("text", [
    "[Gateway]\nServices=foo bar.service\nUsers 1500\n", "Services=foo, bar\n",
    "\ufeff[Gateway]\nServices=foo bar\n", "\0[Gateway]\nServices=foo bar\n",
    "[Gateway\nServices=foo;bar\n", "[Gateway]\nServices=foo a.socket bar\n",
    "[Gateway]\nservices = \"foo\" bar\r\n", "[Gateway]\nServices=foo\nServices=bar\n",
    "[Gateway]\nServices=foo bar # baz\n",
], ids=["a line", "no group", "byte order mark", "NUL", "group", "word", "quotes", "twice", "remark"])
def test_services_must_ask_wherever_in_the_file_the_error_is(generator, text):
    """What no parser takes names services all the same; at boot nothing else would hold them."""
    (generator.config / "wg0.conf").write_text(text, encoding="utf-8")
    assert "wg0.conf: " in generator.run()
    assert dropins(generator) == {f"{name}.service.d/49-custom-gateway-error.conf" for name in ("foo", "bar")}


def test_services_of_a_file_that_is_called_wrong_must_ask(generator):
    generator.write("my vpn", "Services=foo")
    generator.run()
    assert dropins(generator) == {"foo.service.d/49-custom-gateway-error.conf"}


@pytest.mark.parametrize("line", [
    "services=foo bar", "Service=foo bar", "Servces=foo bar", "Units=foo bar", "Services:=foo bar",
    "Services foo bar", "Daemons=foo.service bar.service", "foo.service bar.service",
    "Services=foo \\\n  bar", "Users=foo.service bar.service", "#\nServcies=foo,bar # baz.service",
])
def test_services_must_ask_whatever_their_key_is_called(generator, line):
    generator.write("wg0", line, "#Services=baz.service")
    generator.run()
    assert dropins(generator) == {f"{name}.service.d/49-custom-gateway-error.conf" for name in ("foo", "bar")}


def test_a_bad_file_holds_up_neither_the_tunnel_nor_us(generator):
    """Confined users would be free if it did: the unit that blocks them at boot is one of ours."""
    generator.write("wg0", "InterfaceUnit=wg-quick@wg0.service", "After=custom-gateway.service",
                    "Services=custom-gateway-monitor foo", "Nonsense=1")
    generator.run()
    assert dropins(generator) == {"foo.service.d/49-custom-gateway-error.conf"}


def test_services_of_the_last_good_file_must_ask_too(generator):
    """What is wrong may be that the file cannot be read."""
    generator.state.mkdir(mode=0o700)
    (generator.state / "wg0.conf").write_text(
        "# uids: 1500\n[Gateway]\nServices=foo\nUsers=nobody-knows-this-user\n")
    generator.write("wg0", "Services=bar", mode=0o666)
    generator.run()
    assert dropins(generator) == {"foo.service.d/49-custom-gateway-error.conf"}


UUID = "0c1b4dca-7c5e-4d1a-8b9e-2f0f7d3a9b10"
USER = ("custom-gateway.services=foo", "custom-gateway.users=nobody-knows-this-user")


def dropins(generator):
    return {name for name in generator.files() if name.endswith("gateway.conf") or "error" in name}


def test_profiles_that_were_attached(generator):
    generator.attach("Work", f"Connection={UUID}", "Services=foo bar", "DNS=auto")
    generator.profile("etc", UUID, "custom-gateway.services=bar")  # changed since: not in force
    assert generator.run() == ""
    assert generator.files() == {
        "foo.service.d/50-custom-gateway.conf", "bar.service.d/50-custom-gateway.conf",
        "sysinit.target.wants/custom-gateway.service"}
    text = (generator.made / "foo.service.d/50-custom-gateway.conf").read_text()
    assert "\nRequires=custom-gateway@Work.service\n" in text
    assert "/dns/Work/resolv.conf:/etc/resolv.conf\n" in text


def test_profiles_that_only_root_writes(generator):
    generator.profile("usr/lib", UUID, *USER)
    assert generator.run() == ""
    assert dropins(generator) == {"foo.service.d/50-custom-gateway.conf"}
    generator.config.rmdir()
    shutil.rmtree(generator.made)
    generator.run()
    assert dropins(generator) == {"foo.service.d/50-custom-gateway.conf"}


def test_profiles_that_nobody_has_attached_bind_nobody(generator):
    generator.profile("etc", UUID, *USER)
    generator.profile("run", UUID, *USER)
    generator.run()
    assert not generator.made.exists()


def test_a_bad_copy_of_a_profile_costs_its_gateway_alone(generator):
    generator.write("Work", "Interface=wg0", "Services=other")
    generator.attach("Work", f"Connection={UUID}", "Services=foo", "Nonsense=1")
    generator.attach("Home", "Connection=home", "Services=bar")
    assert "Work.conf: " in generator.run()
    assert dropins(generator) == {
        "other.service.d/50-custom-gateway.conf", "bar.service.d/50-custom-gateway.conf",
        "foo.service.d/49-custom-gateway-error.conf"}


def test_a_file_that_is_no_file_hangs_nobody(generator):
    (generator.config / "profiles").mkdir(mode=0o755)
    for path in ("wg0.conf", "profiles/wg1.conf"):
        os.mkfifo(generator.config / path)
    assert len(generator.run().splitlines()) == 2


def test_it_never_fails(generator):
    generator.write("wg0", "Services=foo")
    generator.made.write_text("in the way")
    assert generator.run() != ""


def test_it_is_fast(generator, record_property):
    for number in range(20):
        generator.write(f"wg{number}", f"Services=foo{number} bar{number}")
        generator.attach(f"vpn{number}", f"Connection=vpn{number}", f"Services=attached{number}")
    took = []
    for _ in range(20):
        begun = time.monotonic()
        generator.run()
        took.append((time.monotonic() - begun) * 1000)
    text = (f"{statistics.median(took):.1f} ms for 20 gateways of 2 services, and 20 in profiles,"
            " with the start of the process")
    print(text)
    record_property("generator", text)
