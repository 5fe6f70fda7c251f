"""The writer against real pipes: full, gone, slow, closed."""

import json
import os
import select
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pe_nfq.log import LogWriter, console_renderer
from pe_nfq.log.writer import MAX_WAITING

PLENTY = 1 << 20


class Pipe:
    """A real pipe; `lines` reads what was written to its end."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._logs: list[LogWriter] = []

    def log(self, **options: Any) -> LogWriter:
        """A writer to this pipe."""
        log = LogWriter(self.writer, **options)
        self._logs.append(log)
        return log

    def fill(self) -> int:
        """Write until it is full; how many bytes that took."""
        os.set_blocking(self.writer, False)
        size = 0
        try:
            while True:
                size += os.write(self.writer, b"\n" * 4096)
        except BlockingIOError:
            os.set_blocking(self.writer, True)
            return size

    def lines(self) -> list[dict[str, Any]]:
        """Everything up to the end, which comes when nobody has it open for writing."""
        os.close(self.writer)
        self.writer = -1
        with os.fdopen(os.dup(self.reader), "rb") as file:
            return [json.loads(line) for line in file if line != b"\n"]

    def close(self) -> None:
        # First the threads, also when a test failed: the number of a closed pipe is soon another's.
        for log in self._logs:
            log.close(0)
            log._thread.join(60)
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_events_arrive_in_order(pipe: Pipe) -> None:
    """Every line, whole, in the order of the calls."""
    log = pipe.log()
    for pid in range(100):
        log.emit("worker-started", worker="1", pid=pid)
    assert log.close(60)
    assert [line["pid"] for line in pipe.lines()] == list(range(100))


def test_verbosity_and_console(pipe: Pipe) -> None:
    """Quiet means trouble only; people get columns."""
    log = pipe.log(render=console_renderer(False), verbosity=0)
    log.emit("worker-started", worker="1")
    log.emit("worker-died", worker="1")
    assert log.close(60)
    os.close(pipe.writer)
    pipe.writer = -1
    (line,) = os.read(pipe.reader, PLENTY).splitlines()
    assert line.split()[1:] == [b"worker-died", b"worker=1"]


def test_a_full_pipe_holds_up_nobody(pipe: Pipe) -> None:
    """All calls return while the pipe takes nothing; what does not fit is counted, then told."""
    pipe.fill()
    log = pipe.log(rate=PLENTY)
    emitted = MAX_WAITING + 500
    for _ in range(emitted):
        log.emit("template-created", pe_data=b"x" * 300)
    assert log.lost >= emitted - MAX_WAITING - 1
    lost = log.lost
    # The reader wakes up: the writer must go on by itself.
    got = b""
    while got.count(b"template-created") < emitted - lost:
        got += os.read(pipe.reader, PLENTY)
    assert not log.close(60)
    lines = [json.loads(line) for line in got.splitlines() if line] + pipe.lines()
    told = sum(
        (Counter(line["counts"]) for line in lines if line["event"] == "suppressed"), Counter()
    )
    assert told == {"template-created": lost}
    assert Counter(line["event"] for line in lines)["template-created"] == emitted - lost


def test_closing_does_not_wait_for_a_full_pipe(pipe: Pipe) -> None:
    """The thread ends although nobody ever reads, and what was waiting is counted."""
    pipe.fill()
    log = pipe.log()
    for _ in range(50):
        log.emit("worker-died", worker="1")
    assert not log.close(0)
    log._thread.join(60)
    assert not log._thread.is_alive()
    assert log.lost == 50


def test_a_reader_that_is_gone_costs_lines_only(pipe: Pipe) -> None:
    """`pe-nfq run | head` must not end the daemon."""
    log = pipe.log()
    os.close(pipe.reader)
    pipe.reader = -1
    for _ in range(10):
        log.emit("worker-died", worker="1")
    assert not log.close(60)
    assert log.lost == 10


def test_a_non_blocking_output_is_waited_for(pipe: Pipe) -> None:
    """Whoever shares our stdout may have set O_NONBLOCK on it; lines stay whole."""
    pipe.fill()
    log = pipe.log(rate=PLENTY)
    os.set_blocking(pipe.writer, False)
    for pid in range(500):
        log.emit("worker-started", worker="1" * 200, pid=pid)
    got = b""
    while got.count(b"}\n") < 500:
        got += os.read(pipe.reader, PLENTY)
    assert log.close(60)
    pids = [json.loads(line)["pid"] for line in got.splitlines() if line]
    assert pids == list(range(500))


class AlwaysReady:
    """Stands for a poll that is outrun: another process fills the pipe between poll and write."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        self.asked.release()
        return [(0, select.POLLOUT)]


def outrun_writer(pipe: Pipe) -> LogWriter:
    """A writer with one line, which the full non-blocking pipe has refused at least once."""
    pipe.fill()
    os.set_blocking(pipe.writer, False)
    log = pipe.log()
    ready = AlwaysReady()
    log._poll = ready  # type: ignore[assignment]
    log.emit("worker-died", worker="1")
    for _ in range(2):
        assert ready.asked.acquire(timeout=60)
    return log


def test_a_line_that_is_refused_is_tried_again(pipe: Pipe) -> None:
    """It is written as soon as there is room."""
    log = outrun_writer(pipe)
    got = b""
    while b"worker-died" not in got:
        got += os.read(pipe.reader, PLENTY)
    assert log.close(60)


def test_an_output_that_goes_on_refusing_does_not_keep_the_thread(pipe: Pipe) -> None:
    """Closing ends it, and the line is counted."""
    log = outrun_writer(pipe)
    assert not log.close(0)
    log._thread.join(60)
    assert not log._thread.is_alive()
    assert log.lost == 1


def test_what_exceeds_the_budget_is_told_at_once_then_at_the_end(pipe: Pipe) -> None:
    """Lines and suppressed ones add up to what was emitted, the last second's included."""
    log = pipe.log(rate=1)
    for _ in range(3):
        log.emit("template-created")
    got = b""
    while b"suppressed" not in got:
        got += os.read(pipe.reader, PLENTY)
    for _ in range(10):
        log.emit("template-created")
    assert log.close(60)
    lines = [json.loads(line) for line in got.splitlines()] + pipe.lines()
    told = [line for line in lines if line["event"] == "suppressed"]
    assert {line["why"] for line in told} == {"rate"}
    suppressed = sum(line["counts"]["template-created"] for line in told)
    assert suppressed + len(lines) - len(told) == 13


def test_a_fact_that_cannot_be_shown_does_not_end_the_log(pipe: Pipe) -> None:
    """The line says so, and the next one is written as ever."""

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    log = pipe.log()
    log.emit("engine-error", error=Hostile())
    log.emit("stop", why="asked to")
    assert log.close(60)
    first, second = pipe.lines()
    assert first["error"] == "cannot be shown: RuntimeError"
    assert second["why"] == "asked to"
