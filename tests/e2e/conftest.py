"""What holds for e2e tests: they are marked, and each is bounded in time."""

from pathlib import Path
from typing import Final

import pytest

from tests import shares

#: What the longest files take: much of it is waiting, so that two runs with a share each, at once,
#: take little more than half the time.
_SECONDS: Final = {"": 20}
#: Seconds. A whole lab comes and goes in one; calls take the rest, and the machine may be busy.
_TIMEOUT: Final = 120


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; a test's own time limit stands."""
    shares.take(config, items, Path(__file__).parent, _SECONDS)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(_TIMEOUT))
