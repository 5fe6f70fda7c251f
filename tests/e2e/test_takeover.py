"""A supervisor that comes after another: what it finds may be half started, hung or foreign."""

import os
import signal
import sys

import pytest

from pe_nfq.heartbeat import Cell, Heartbeats
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.e2e


def run(daemon: PeNfq, lab: Lab, *python: str) -> None:
    """Start the daemon, by a Python program if one is given, and go on at once."""
    command = [sys.executable, *(python or ("-m", "pe_nfq")), "run", "-c", str(daemon.config)]
    daemon.process = lab.director.start(command)


def pids(lab: Lab, *slots: int) -> list[int]:
    """Who serves these slots."""
    heartbeats = Heartbeats(lab.directory / "state")
    return [int(heartbeats.slot(slot)[Cell.PID]) for slot in slots]


def test_a_hung_holder_of_the_write_lock_does_not_keep_a_supervisor_from_starting() -> None:
    """The watchdog is on before the table is opened, which waits for that lock."""
    with Lab(servers=1) as lab:
        daemon = PeNfq(lab)
        daemon.start()
        daemon.process.stop(signal.SIGKILL)
        hung = lab.director.start(
            [sys.executable, "-c", _HANG_WITH_THE_LOCK, str(lab.directory / "state")]
        )
        hung.wait_for_output("held")
        daemon.start()

        [event] = daemon.events("worker-hung")
        assert event["why"].startswith("held the write lock")
        assert hung.wait(5) == -signal.SIGKILL


def test_workers_of_a_table_that_is_gone_are_replaced() -> None:
    """They would decide by marks that mean other servers in the new table."""
    with Lab(servers=1) as lab:
        daemon = PeNfq(lab)
        daemon.start()
        before = pids(lab, 0, 1)
        daemon.process.stop(signal.SIGKILL)
        (lab.directory / "state" / "templates" / "identity").write_text("of another version")
        daemon.start()

        assert len(daemon.events("table-moved-aside")) == 1
        assert [event["pid"] for event in daemon.events("worker-replaced")] == before
        assert not set(pids(lab, 0, 1)) & set(before)
        daemon.stop()


def test_a_supervisor_that_cannot_go_on_leaves_its_workers_at_work() -> None:
    """Its failure is as its death: the workers serve, the exit status says that it was none."""
    with Lab(servers=1) as lab:
        daemon = PeNfq(lab)
        run(daemon, lab, "-c", _FAIL)
        assert daemon.process.wait(20) == 2

        assert len(daemon.events("supervisor-error")) == 1
        assert daemon.events("stop") == []
        assert "workers go on" in daemon.process.err.read_text()
        assert daemon.queued().keys() == {5059, 5060}
        daemon.start()
        assert len(daemon.events("worker-adopted")) == 2
        daemon.stop()


def test_a_reload_asked_for_during_the_start_follows_it() -> None:
    """SIGHUP would end a process that has not said yet what to do with it."""
    with Lab(servers=1) as lab:
        daemon = PeNfq(lab)
        run(daemon, lab)
        daemon.process.wait_for_output('"event": "start"')
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: daemon.events("reloaded"), "the reload", 20)

        names = [event["event"] for event in daemon.events()]
        assert names.index("ready") < names.index("reloaded")
        daemon.stop()


#: Takes the place of worker 1, then the table's write lock, and stops.
_HANG_WITH_THE_LOCK = """
import os, signal, sys
from pathlib import Path
from pe_nfq.heartbeat import Cell, Heartbeats, State, claim
from pe_nfq.templates import Table, boottime_ms
state_dir = Path(sys.argv[1])
slot = Heartbeats(state_dir).slot(1)
os.kill(slot[Cell.PID], signal.SIGKILL)
table = Table.attach(state_dir, slot[Cell.LOCK_STATE : Cell.LOCK_SINCE + 1])
claim(slot, os.getpid(), 5060)
slot[Cell.STATE], slot[Cell.BEAT] = State.SERVING, boottime_ms()
with table.write():
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""

#: pe-nfq whose events from the kernel fail soon after the start.
_FAIL = """
import sys, time
from pe_nfq.cli import main
from pe_nfq.steering.route import RouteSteering
def wait_event(self, timeout):
    time.sleep(timeout)
    raise OSError(12, "no memory")
RouteSteering.wait_event = wait_event
sys.exit(main())
"""
