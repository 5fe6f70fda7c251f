"""A crew grows, shrinks and is replaced: with stand-ins for workers, which need no queue."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.errors import PeNfqError
from pe_nfq.heartbeat import STANDBY, Cell, Heartbeats, State
from pe_nfq.supervisor import processes
from pe_nfq.supervisor.crew import Crew
from pe_nfq.supervisor.watchdog import CALM_TICK, TICK
from pe_nfq.templates import boottime_ms

#: Serves until SIGTERM, as a worker does; where its slot is listed in `broken` it fails.
STAND_IN = """
import signal, sys, threading
from pathlib import Path
from pe_nfq.code_stamp import code_stamp
from pe_nfq.heartbeat import Cell, Heartbeats, State, claim
import os
words = dict(zip(sys.argv[3::2], sys.argv[4::2]))
state_dir, slot = Path(words["--state-dir"]), int(words["--slot"])
broken = state_dir / "broken"
if broken.exists() and str(slot) in broken.read_text().split():
    sys.exit(1)
leave = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: leave.set())
cells = Heartbeats(state_dir).slot(slot)
claim(cells, os.getpid(), int(words["--queue"]))
cells[Cell.CODE] = code_stamp()
cells[Cell.STATE] = State.SERVING
leave.wait()
cells[Cell.STATE] = State.NONE
"""
QUEUES = {STANDBY: 5059, 1: 5060, 2: 5061}


class Log:
    """What a crew told; and at each event, which slots served."""

    def __init__(self, state_dir: Path) -> None:
        self.events: list[tuple[str, str]] = []
        self.serving: list[set[int]] = []
        self._heartbeats = Heartbeats(state_dir)

    def tell(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts.get("worker", "")))
        slots = range(len(QUEUES))
        states = {slot: self._heartbeats.slot(slot)[Cell.STATE] for slot in slots}
        self.serving.append({slot for slot, state in states.items() if state == State.SERVING})

    def of(self, name: str) -> list[str]:
        return [worker for event, worker in self.events if event == name]


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have crews start stand-ins; the state directory."""
    code, program = tmp_path / "stand_in.py", tmp_path / "python"
    code.write_text(STAND_IN)
    root = Path(__file__).parents[3]
    program.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} {code} "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path


def live(
    state_dir: Path, queues: dict[int, int], life: Callable[[Crew, Log], Awaitable[None]]
) -> Log:
    """A crew from its start to its end."""
    log = Log(state_dir)

    async def run() -> None:
        crew = Crew(state_dir, queues, False, log.tell, lambda: None)
        await crew.adopt()
        await crew.start()
        try:
            await life(crew, log)
        finally:
            await crew.stop()

    asyncio.run(run())
    return log


def test_it_grows_and_shrinks(stand_ins: Path) -> None:
    """`resize` returns when all that it should have serve, and nobody else does."""

    async def resize(crew: Crew, log: Log) -> None:
        assert crew.serving() == 1
        await crew.resize(QUEUES)
        assert crew.serving() == 2
        await crew.resize({STANDBY: 5059, 1: 5060})
        assert crew.serving() == 1
        assert Heartbeats(stand_ins).slot(2)[Cell.STATE] == State.NONE

    log = live(stand_ins, {STANDBY: 5059, 1: 5060}, resize)
    assert log.of("worker-started") == ["standby", "1", "2"]
    assert log.of("worker-died") == []


def test_one_that_cannot_serve_is_taken_back(stand_ins: Path) -> None:
    """All is as before, and it is not tried again."""
    (stand_ins / "broken").write_text("2")

    async def resize(crew: Crew, log: Log) -> None:
        with pytest.raises(PeNfqError, match="worker 2 cannot serve"):
            await crew.resize(QUEUES)
        assert crew.serving() == 1
        tried = len(log.of("worker-started"))
        await asyncio.sleep(0.3)  # longer than its first pauses
        assert len(log.of("worker-started")) == tried

    live(stand_ins, {STANDBY: 5059, 1: 5060}, resize)


def test_who_has_left_keeps_no_watchdog_awake(stand_ins: Path) -> None:
    """Each look takes time of a processor that a worker may need."""

    async def shrink(crew: Crew, log: Log) -> None:
        for slot in (STANDBY, 1):
            Heartbeats(stand_ins).slot(slot)[Cell.BEAT] = boottime_ms() + 60_000
        assert crew.check() == TICK  # the other has never had a heartbeat
        await crew.resize({STANDBY: 5059, 1: 5060})
        assert crew.check() == CALM_TICK

    live(stand_ins, QUEUES, shrink)


def test_all_are_replaced_one_after_the_other(stand_ins: Path) -> None:
    """The standby first; while one is away all others serve."""

    async def renew(crew: Crew, log: Log) -> None:
        assert await crew.renew() == 0
        crew.make_old()
        assert [member.slot for member in crew.old()] == [0, 1, 2]
        assert await crew.renew() == 3
        assert crew.old() == []

    log = live(stand_ins, QUEUES, renew)
    assert log.of("worker-replaced") == ["standby", "1", "2"]
    assert log.of("worker-died") == []
    replaced = [
        serving
        for (event, _), serving in zip(log.events, log.serving, strict=True)
        if event == "worker-replaced"
    ]
    assert replaced == [{0, 1, 2}] * 3
    started = [
        serving
        for (event, _), serving in zip(log.events, log.serving, strict=True)
        if event == "worker-started"
    ]
    assert started[3:] == [{1, 2}, {0, 2}, {0, 1}]


def test_a_broken_one_ends_the_replacing(stand_ins: Path) -> None:
    """What does not work for one is not done to the others."""

    async def renew(crew: Crew, log: Log) -> None:
        crew.make_old()
        (stand_ins / "broken").write_text("1")
        with pytest.raises(PeNfqError, match="worker 1 does not serve"):
            await crew.renew()
        assert [member.slot for member in crew.old()] == [2]

    log = live(stand_ins, QUEUES, renew)
    assert log.of("worker-replaced") == ["standby", "1"]


def test_one_that_dies_late_is_followed_by_another(
    stand_ins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine stands still, or the process does in the kernel, and nobody waits any more."""

    async def renew(crew: Crew, log: Log) -> None:
        standby = Heartbeats(stand_ins).slot(STANDBY)
        before = standby[Cell.PID]
        with monkeypatch.context() as limited:
            limited.setattr(processes, "LEAVE_LIMIT", -1.0)
            crew.make_old()
            # Whether it has died by then is a matter of luck; the first one is the standby.
            with contextlib.suppress(PeNfqError):
                await crew.renew()

        def is_new() -> bool:
            return bool(standby[Cell.PID] != before and standby[Cell.STATE] == State.SERVING)

        assert await processes.until(is_new, 20)

    live(stand_ins, QUEUES, renew)


def test_the_next_supervisor_replaces_what_runs_other_code(stand_ins: Path) -> None:
    """One that runs the same is adopted and stays; children of a process that has executed
    itself anew are reaped like any other.
    """
    first, second = Log(stand_ins), Log(stand_ins)
    crews: list[Crew] = []

    async def leave_behind() -> None:
        crews.append(Crew(stand_ins, QUEUES, False, first.tell, lambda: None))
        await crews[0].start()

    async def succeed() -> None:
        successor = Crew(stand_ins, QUEUES, False, second.tell, lambda: None)
        await successor.adopt()
        await successor.start()
        assert await successor.renew() == 1
        await successor.stop()

    asyncio.run(leave_behind())
    Heartbeats(stand_ins).slot(1)[Cell.CODE] ^= 1
    asyncio.run(succeed())
    assert second.of("worker-adopted") == ["standby", "1", "2"]
    assert second.of("worker-replaced") == ["1"]
    assert second.of("worker-died") == []
    for member in crews[0]._roster:
        assert member.process is not None
        # Its end was met by the successor: nothing is left to wait for.
        with pytest.raises(ChildProcessError):
            os.waitpid(member.process.pid, os.WNOHANG)
        member.process.wait()


def test_workers_leave_the_home_directory_alone(tmp_path: Path) -> None:
    """It need not be theirs, nor be there: scapy keeps its cache in the state directory."""
    home, state_dir = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    state_dir.mkdir()
    environment = processes.worker_environment(state_dir) | {"HOME": str(home)}
    command = [sys.executable, "-c", "import pe_nfq.packet.sip"]
    subprocess.run(command, env=environment, check=True)
    assert list(home.iterdir()) == []
    assert (state_dir / "scapy").is_dir()
