# SPDX-License-Identifier: GPL-2.0-or-later
import os
import pathlib
import signal

import pytest
from lab import Lab


def pytest_addoption(parser):
    parser.addoption("--stage", type=pathlib.Path, required=True,
                     help='where "meson install" has put the project')


def pytest_configure(config):
    # so that what a test has made goes away with it then, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def stage(request) -> pathlib.Path:
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root", returncode=2)
    return request.config.getoption("--stage").resolve()


@pytest.fixture
def lab(stage):
    """A laboratory without tunnels."""
    made = Lab(stage)
    yield made
    made.close()
