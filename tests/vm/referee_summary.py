"""A pytest plug-in: prints the referee's table at the end of the run.

Nothing but test_referee.py names it, so that pytest is the first that imports it.
"""

import pytest

from tests.vm.referee_table import rows, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, below the failures."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    if found := rows(reports):
        terminalreporter.section("the kernel's engine and pe-nfq")
        terminalreporter.write_line(table(found))
