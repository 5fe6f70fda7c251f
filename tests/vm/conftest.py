"""What holds for vm tests: each is run in a guest, by the kind that its marks ask for."""

from pathlib import Path

import pytest

from tests.guest import host, inside
from tests.guest.kinds import KINDS, QEMU, UML


def pytest_configure(config: pytest.Config) -> None:
    """Be one end or the other."""
    config.pluginmanager.register(inside.Inside(config) if inside.kind() else host.Host(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`nft` needs the stock kernel, `stock` wants it too, everything else runs where it is fast."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    kinds = [UML] if "nft" not in marks else []
    kinds += [QEMU] if marks & {"nft", "stock"} else []
    names = [kind.name for kind in kinds]
    metafunc.parametrize(host.FIXTURE, names, indirect=True, scope="session")


@pytest.fixture(autouse=True, scope="session")
def guest(request: pytest.FixtureRequest) -> str:
    """The kind of guest that the test runs in: `uml` or `qemu`."""
    name: str = request.param
    return name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; a test's own time limit, for this machine, is stretched."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.vm)
        kind = KINDS[inside.kind() or UML.name]
        own = item.get_closest_marker("timeout")
        limit = own.args[0] * kind.slowness if own else kind.test_limit
        item.add_marker(pytest.mark.timeout(limit), append=False)
