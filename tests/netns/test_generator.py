# SPDX-License-Identifier: GPL-2.0-or-later
"""What the generator makes of a configuration. What systemd makes of that, tests/vm looks at."""

import pathlib
import statistics
import subprocess
import time

import pytest


class Generator:
    def __init__(self, stage: pathlib.Path, directory: pathlib.Path):
        self.program = stage / "lib/systemd/system-generators/custom-gateway-generator"
        self.config, self.made = directory / "config", directory / "made"
        self.config.mkdir(mode=0o755)

    def write(self, name: str, *lines: str, mode: int = 0o644) -> None:
        path = self.config / f"{name}.conf"
        path.write_text("\n".join(["[Gateway]", *lines]) + "\n")
        path.chmod(mode)

    def run(self) -> str:
        """What it says; it never fails."""
        done = subprocess.run([self.program, self.made, "/nowhere", "/nowhere", self.config],
                              capture_output=True, text=True, check=True)
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


def test_it_never_fails(generator):
    generator.write("wg0", "Services=foo")
    generator.made.write_text("in the way")
    assert generator.run() != ""


def test_it_is_fast(generator, record_property):
    for number in range(20):
        generator.write(f"wg{number}", f"Services=foo{number} bar{number}")
    took = []
    for _ in range(20):
        begun = time.monotonic()
        generator.run()
        took.append((time.monotonic() - begun) * 1000)
    text = f"{statistics.median(took):.1f} ms for 20 gateways of 2 services, with the start of the process"
    print(text)
    record_property("generator", text)
