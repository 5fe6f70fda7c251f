"""The crew's watch over workers that start, serve and leave."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.heartbeat import Cell, Heartbeats, State, process_start
from pe_nfq.supervisor import crew, member
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


def test_a_worker_that_never_served_waits_before_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that fails slowly is a failure too: it is not repeated without a pause."""
    monkeypatch.setattr(member, "HEALTHY_LIFE", 0)
    events = Events()

    async def start() -> None:
        # There is no table in this directory, so the worker ends by itself.
        await Crew(tmp_path, {SLOT: QUEUE}, False, events.tell, lambda: None).start()

    asyncio.run(start())
    assert events.names == ["worker-started", "worker-died"]
    assert events.facts[1]["restart_in"] > 0


def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory, no process, a program that is being replaced: all of that passes."""
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    events = Events()

    async def start() -> None:
        await Crew(tmp_path, {SLOT: QUEUE}, False, events.tell, lambda: None).start()
        monkeypatch.setattr(sys, "executable", python)
        await _until(lambda: "worker-started" in events.names)
        await _until(lambda: events.names[-1] == "worker-died")

    asyncio.run(start())
    assert events.names == ["worker-died", "worker-started", "worker-died"]
    assert events.facts[0]["why"] == "cannot be started: No such file or directory"


def test_a_worker_is_adopted_before_it_can_speak_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that dies while its workers start leaves them to the next, not beside them."""
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(mute))
    monkeypatch.setattr(crew, "_START_LIMIT", 0)
    first, second = Events(), Events()

    async def start() -> None:
        await Crew(tmp_path, {SLOT: QUEUE}, False, first.tell, lambda: None).start()
        successor = Crew(tmp_path, {SLOT: QUEUE}, False, second.tell, lambda: None)
        await successor.adopt()
        await successor.start()
        await successor.stop()
        await _until(lambda: "worker-died" in first.names)

    asyncio.run(start())
    assert first.names[:2] == ["worker-started", "worker-died"]
    assert second.names == ["worker-adopted"]
    assert second.facts[0]["pid"] == first.facts[0]["pid"]


class Events:
    """What a crew told: names and facts, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.facts: list[dict[str, Any]] = []

    def tell(self, event: str, **facts: Any) -> None:
        self.names.append(event)
        self.facts.append(facts)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
