"""What holds for vm tests: each is run in a guest, by the kind that its marks ask for."""

from pathlib import Path
from typing import Final

import pytest

from tests import shares
from tests.guest import tier

#: What the longest files take in user-mode Linux, whose guest uses one processor: two runs with a
#: share each take half the time.
_SECONDS: Final = {
    "test_check": 500,
    "test_adm": 300,
    "test_adopt": 300,
    "test_calls": 300,
    "test_takeover": 300,
    "test_lab": 270,
    "test_referee": 250,
    "test_sick_ipvs": 250,
    "test_rules_ipvs": 200,
    "test_check_before": 150,
    "test_steering_ipvs": 120,
    "": 60,
}


def pytest_configure(config: pytest.Config) -> None:
    tier.configure(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    tier.choose_kinds(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tier.mark(items, Path(__file__).parent)
    shares.take(config, items, Path(__file__).parent, _SECONDS)


@pytest.fixture(autouse=True, scope="session")
def guest(request: pytest.FixtureRequest) -> str:
    """The kind of guest that the test runs in: `uml` or `qemu`."""
    name: str = request.param
    return name
