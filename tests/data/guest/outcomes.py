"""Tests of every outcome, run in a guest by tests/e2e/test_guest.py."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.namespace import Namespace
from tests.lab.network import Lab


def test_passes() -> None:
    assert Path("/proc/cpuinfo").read_text().count("User Mode Linux") == 1


def test_fails_with_a_lab() -> None:
    with Lab(servers=1) as lab:
        lab.client.start(["echo", "said in the lab"]).wait(5)
    assert lab.name == "on purpose"


def test_is_skipped() -> None:
    pytest.skip("for a reason")


@pytest.mark.xfail
def test_fails_as_expected() -> None:
    raise AssertionError


@pytest.fixture
def broken() -> Iterator[None]:
    yield
    raise LookupError("in the teardown")


@pytest.mark.usefixtures("broken")
def test_fails_afterwards() -> None:
    pass


@pytest.mark.timeout(0.5)
def test_takes_too_long(tmp_path: Path) -> None:
    Namespace("sleeper", tmp_path).run(["sleep", "60"])


def test_ends_the_guest() -> None:
    subprocess.run(["busybox", "halt", "-f"], check=True)


def test_is_never_reached() -> None:
    pass
