"""What holds for vm tests: each is run in a guest, by the kind that its marks ask for."""

from pathlib import Path

import pytest

from tests.guest import tier


def pytest_configure(config: pytest.Config) -> None:
    tier.configure(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    tier.choose_kinds(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tier.mark(items, Path(__file__).parent)
    tier.take_share(config, items, Path(__file__).parent)


@pytest.fixture(autouse=True, scope="session")
def guest(request: pytest.FixtureRequest) -> str:
    """The kind of guest that the test runs in: `uml` or `qemu`."""
    name: str = request.param
    return name
