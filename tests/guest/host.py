"""The host's end: pytest here has a guest run the tests of tests/vm and reports them as its own."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.guest.kinds import KINDS, Kind
from tests.guest.machine import Machine, remains_of
from tests.guest.running import CONSOLE, Event, GuestError

#: The fixture whose parameter names the kind of guest that a test runs in.
FIXTURE: Final = "guest"


def kind_of(item: pytest.Item) -> Kind | None:
    """The kind of guest that a test is for; None for the others."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("vm"):
        return KINDS[str(item.callspec.params[FIXTURE])]
    return None


class Host:
    """Boots a guest of a kind at its first test, and ends it with the session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._machines: dict[str, Machine] = {}
        self._broken: dict[str, str] = {}
        self._has_failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Report what the guest reports. A guest that is missing is told by the test's set-up."""
        kind = kind_of(item)
        if kind is None or kind.missing():
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item, kind):
            if report.failed:
                self._has_failed.add(kind.name)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> bool | None:
        """A test's time is taken inside, where it runs."""
        return True if kind_of(item) else None

    def pytest_sessionfinish(self) -> None:
        """End all guests; what one wrote stays where a test has failed in it."""
        for name, machine in self._machines.items():
            machine.stop()
            if name not in self._has_failed:
                machine.remove()

    def _reports(self, item: pytest.Item, kind: Kind) -> Iterator[pytest.TestReport]:
        if kind.name in self._broken:
            yield _failure(item, self._broken[kind.name])
            return
        try:
            machine = self._machine(item.session, kind)
            for data in machine.reports(item.nodeid):
                yield self._received(data, machine)
        except GuestError as error:
            self._broken[kind.name] = f"the {kind.name} guest is gone: see the first failure"
            yield _failure(item, str(error))

    def _machine(self, session: pytest.Session, kind: Kind) -> Machine:
        if machine := self._machines.get(kind.name):
            return machine
        nodeids = [item.nodeid for item in session.items if kind_of(item) is kind]
        machine = self._machines[kind.name] = Machine(kind, nodeids, self._options())
        machine.wait_for_boot()
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            line = f"{kind.name} guest: {len(nodeids)} tests, up after {machine.boot_time:.1f} s"
            reporter.ensure_newline()
            reporter.write_line(line)
        return machine

    def _options(self) -> list[str]:
        """The options of this run that matter where a test runs."""
        options = [f"--tb={self._config.option.tbstyle}"]
        return [*options, "--showlocals"] if self._config.option.showlocals else options

    def _received(self, data: Event, machine: Machine) -> pytest.TestReport:
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])  # of a skip; JSON has no tuples
        hook = self._config.hook
        report = hook.pytest_report_from_serializable(config=self._config, data=data)
        assert isinstance(report, pytest.TestReport)
        if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
            report.outcome = "failed"
            report.longrepr = f"vm tests must not be skipped in CI: {report.longrepr}"
        if report.failed:
            files = f"{machine.directory}: {CONSOLE}, {remains_of(report.nodeid)}"
            report.sections.append((f"{machine.kind.name} guest", files))
        return report


def _failure(item: pytest.Item, text: str) -> pytest.TestReport:
    return pytest.TestReport(
        item.nodeid, item.location, dict(item.keywords), "failed", text, "call"
    )
