"""What holds for every test: where lab or guest cannot be, tests are skipped, in CI they fail."""

import os
import signal

import pytest
from hypothesis import settings

from tests.guest import host, inside
from tests.guest.kinds import UML
from tests.lab import requirements

# What a shell starts in the background ignores SIGINT, and all that it starts would: programs under
# test among them (execve(2)).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Machines that run tests are busy: how long an example takes says nothing about the code.
settings.register_profile("pe-nfq", deadline=None)
settings.load_profile("pe-nfq")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--share N/M`, of e2e and of vm tests: those of the N-th of M shares of their files."""
    parser.addoption("--share", default="1/1", metavar="N/M", help="of tests/e2e and of tests/vm")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ask what an e2e or vm test needs, and say why it is not run."""
    if reason := _missing(item):
        if os.environ.get("CI") == "true":
            pytest.fail(f"e2e and vm tests must not be skipped in CI: {reason}", pytrace=False)
        pytest.skip(reason)


def _missing(item: pytest.Item) -> str | None:
    if (kind := host.kind_of(item)) and not inside.kind():
        return kind.missing()
    if item.get_closest_marker("boots") and (reason := UML.missing()):
        return reason
    return requirements.missing() if kind or item.get_closest_marker("e2e") else None
