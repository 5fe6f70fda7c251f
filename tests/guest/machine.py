"""A guest that runs tests: start it, read its reports as they come, end it."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.guest.kinds import Kind
from tests.guest.running import Event, Guest

#: Name in the directory that a guest shares with its host.
TESTS: Final = "tests"
#: For the console, and because the checkout is read-only.
_OPTIONS: Final = ("-v", "--color=no", "-p", "no:cacheprovider")
#: Seconds for all tests of a guest. Ten times what they take: a guest that goes on for ever.
TIME_LIMIT: Final = 3 * 3600.0
#: On top of a test's own limit, until a guest that says nothing is given up. Seconds.
_GRACE: Final = 60.0


def remains_of(nodeid: str) -> str:
    """Where in that directory the captures and outputs of a failed test are."""
    return re.sub(r"[^\w.-]+", "-", nodeid.partition("::")[2])


class Machine(Guest):
    """A guest of `kind`, running pytest over `nodeids` with `options`, from the constructor on."""

    def __init__(self, kind: Kind, nodeids: Sequence[str], options: Iterable[str]) -> None:
        super().__init__(kind)
        self._reports: dict[str, list[Event]] = {}
        (self.directory / TESTS).write_text("\n".join(nodeids))
        files = list(dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids))
        words = [sys.executable, "-m", "pytest", *_OPTIONS, *options, *files]
        self.start(words, {"CI": os.environ["CI"]} if os.environ.get("CI") else {})

    def wait_for_boot(self) -> None:
        """Wait until its pytest has started. Raises GuestError."""
        while self.boot_time is None:
            self._listen()

    def reports(self, nodeid: str) -> Iterator[Event]:
        """The reports of a test, in order, each as soon as it is there. Raises GuestError."""
        when = None
        while when != "teardown":
            while not self._reports.get(nodeid):
                self._listen()
            report = self._reports[nodeid].pop(0)
            when = report["when"]
            yield report

    def _listen(self) -> None:
        """Take the reports that are there, or wait for a moment. Raises GuestError."""
        for event in self.listen(self.kind.test_limit + _GRACE, TIME_LIMIT):
            self._reports.setdefault(event.get("nodeid", ""), []).append(event)
