"""The crew's watch over workers that start, serve and leave."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pe_nfq.heartbeat import Cell, Heartbeats, State, process_start
from pe_nfq.supervisor import crew
from pe_nfq.supervisor.crew import Crew

QUEUE = 5060
SLOT = 1
#: A process that does what a worker may do for a while: nothing.
IDLE = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(IDLE) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.STARTING, ["worker-adopted", "worker-hung", "worker-died"]),
        (State.DRAINING, ["worker-adopted"]),
        (State.NONE, ["worker-adopted"]),
    ],
    ids=["starting", "draining", "done with its queue"],
)
def test_only_a_worker_that_does_not_start_is_killed_for_not_serving(
    state: State,
    told: list[str],
    tmp_path: Path,
    process: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is asked to leave works off its queue: a kill would lose what waits there."""
    cells = Heartbeats(tmp_path).slot(SLOT)
    cells[Cell.PID], cells[Cell.STARTED] = process.pid, process_start(process.pid)
    cells[Cell.STATE], cells[Cell.QUEUE] = state, QUEUE
    # As if it had lived for longer than a start may take.
    monkeypatch.setattr(crew, "_START_LIMIT", -1)
    events: list[str] = []

    async def watch() -> None:
        watched = Crew(
            tmp_path, {SLOT: QUEUE}, False, lambda event, **_: events.append(event), lambda: None
        )
        await watched.adopt()
        watched.check()
        await _until(lambda: events == told)

    asyncio.run(watch())
    assert events == told


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
