"""The guest's end: pytest inside runs the tests that the host asks for and tells it of each."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guest.machine import TESTS, remains_of
from tests.guest.running import KIND_VARIABLE, shared_directory, tell
from tests.lab import leftovers


def kind() -> str | None:
    """The name of the kind of guest that this is; None on a host."""
    return os.environ.get(KIND_VARIABLE)


class Inside:
    """Writes a line for every report, and what the labs of a failed test left."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._directory = shared_directory()
        self._wanted = set((self._directory / TESTS).read_text().splitlines())
        self._has_failed = False
        self._copy_files: Callable[[Path], None]
        tell({"event": "started"})

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what the host asks for; both collect the same files, so names are the same."""
        items[:] = [item for item in items if item.nodeid in self._wanted]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """Keep the files of labs until it is known whether the test has failed."""
        self._has_failed = False
        with leftovers.files_kept() as self._copy_files:
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell the host; after the last word of a test it may end this guest at any time."""
        self._has_failed |= report.failed
        if report.when == "teardown" and self._has_failed:
            self._copy_files(self._directory / remains_of(report.nodeid))
        hook = self._config.hook
        tell(hook.pytest_report_to_serializable(config=self._config, report=report))
