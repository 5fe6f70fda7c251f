"""A guest's life as its host sees it, with a program of this machine in the guest's place."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest.kinds import UML, Kind, leashed
from tests.guest.machine import Machine
from tests.guest.running import EVENTS, GuestError
from tests.lab.daemon import command_line
from tests.lab.waiting import wait_until

TEST = "tests/vm/test_guest.py::test_x[uml]"


def kind(script: str, boot_limit: float = 10) -> Kind:
    """A guest that is a shell script; $1 is its directory."""

    def command(directory: Path) -> list[str]:
        return leashed("bash", "-c", script, "guest", str(directory))

    return dataclasses.replace(UML, boot_limit=boot_limit, command=command)


def said(*events: dict[str, str]) -> str:
    """The shell command that reports these."""
    lines = "\n".join(json.dumps(event) for event in events)
    return f"printf '%s\\n' '{lines}' >>$1/{EVENTS}"


def test_reports_come_in_order_up_to_the_teardown() -> None:
    """Those of another test in between wait for being asked for."""
    reports = [{"nodeid": TEST, "when": when} for when in ("setup", "call", "teardown")]
    other = {"nodeid": "another", "when": "setup"}
    machine = Machine(kind(said(*reports[:1], other, *reports[1:])), [TEST], [])

    assert list(machine.reports(TEST)) == reports
    machine.stop()
    machine.remove()


def test_a_guest_that_ends_early_is_told_with_its_last_words() -> None:
    """What is on the console is what a kernel or pytest died of."""
    machine = Machine(kind("echo Kernel panic; exit 3"), [TEST], [])

    with pytest.raises(GuestError, match=r"(?s)ended, status 3.*console.log:\nKernel panic"):
        machine.wait_for_boot()
    machine.remove()


def test_a_silent_guest_is_ended() -> None:
    """Nothing of it runs afterwards, not even what it started."""
    stray = "(setsid bash -c 'sleep 1000; :' stray $1 &)"
    machine = Machine(kind(f"{stray}; sleep 1000; :", boot_limit=0.5), [TEST], [])

    with pytest.raises(GuestError, match=r"was silent for 0\.5 s"):
        machine.wait_for_boot()
    assert running(machine.directory) == []
    machine.remove()


def test_a_guest_ends_with_the_pytest_that_started_it(tmp_path: Path) -> None:
    """However that ends: kill -9 leaves no time to do it. The next guest clears up after it."""
    program = [sys.executable, "-c", _STANDING_GUEST, str(tmp_path)]
    runner = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert runner.stdout
    directory = Path(runner.stdout.readline().strip())
    wait_until(lambda: len(running(directory)) == 2, "a guest")
    runner.send_signal(signal.SIGKILL)
    runner.communicate()

    wait_until(lambda: not running(directory), "its end")
    assert directory.exists()
    following = Machine(kind("true"), [TEST], [])
    following.stop()
    following.remove()
    assert not directory.exists()


def running(directory: Path) -> list[int]:
    """The processes whose command names a directory."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if str(directory) in command_line(pid)]


_STANDING_GUEST = """
from tests.guest.machine import Machine
from tests.e2e.test_guest_machine import TEST, kind
machine = Machine(kind("sleep 1000 & wait"), [TEST], [])
print(machine.directory, flush=True)
machine.wait_for_boot()
"""
