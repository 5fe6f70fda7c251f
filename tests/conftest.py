"""What holds for every test: where the lab cannot be, e2e tests are skipped, in CI they fail."""

import os

import pytest
from hypothesis import settings

from tests.lab import requirements

#: Machines that run tests are busy: how long an example takes says nothing about the code.
settings.register_profile("pe-nfq", deadline=None)
settings.load_profile("pe-nfq")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ask what an e2e test needs, and say why it is not run."""
    if item.get_closest_marker("e2e") and (reason := requirements.missing()):
        if os.environ.get("CI") == "true":
            pytest.fail(f"e2e tests must not be skipped in CI: {reason}", pytrace=False)
        pytest.skip(reason)
