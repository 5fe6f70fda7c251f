"""What a worker does beside deciding: it tells its tallies, also with its last breath."""

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pe_nfq.director import Director
from pe_nfq.events import EventReader, EventWriter
from pe_nfq.heartbeat import COUNTERS, Cell, State
from pe_nfq.nfqueue import BATCH_DATAGRAMS
from pe_nfq.stages import KNOWN, SETTLE, SUM, VERDICT, Stages
from pe_nfq.tally import CREATED, MARK
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.verdicts import Verdicts
from pe_nfq.worker import Worker, main
from tests.packets import sip, udp
from tests.tables import by_number, open_table, publish_services, services
from tests.unit.test_tally import grown

NOT_BOUND = 1 << 20


class Packet:
    """As the library hands it over."""

    def __init__(self, payload: bytes) -> None:
        self.id = 1
        self._payload = payload

    def get_payload(self) -> bytes:
        return self._payload

    def get_mark(self) -> int:
        return 0


class Queue:
    """A netfilter queue of which each batch takes all that wait."""

    number = NOT_BOUND

    def __init__(self, worker: Worker) -> None:
        self.waiting: list[Packet] = []
        self.socket = SimpleNamespace(taken=0)
        self._worker = worker

    def run_batch(self) -> None:
        taken, self.waiting = self.waiting[:BATCH_DATAGRAMS], self.waiting[BATCH_DATAGRAMS:]
        self.socket.taken = len(taken)
        for packet in taken:
            self._worker._take(packet)

    def refuse_more(self) -> None:
        """Nothing comes anyway."""

    def close(self) -> None:
        """Nothing is bound."""


class Bench:
    """A worker on a real table and pipe; the kernel's end of its queue is ours."""

    def __init__(self, table: Table, state_dir: Path) -> None:
        publish_services(table, services(by_number(1), timeout=60, scheduler="rr"))
        self.reader = EventReader(state_dir)
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.worker = worker = Worker.__new__(Worker)
        worker._slot = [0] * (Cell.FIRST_COUNTER + len(COUNTERS))
        worker._events = EventWriter(state_dir, "1")
        worker._director = Director(table, worker._events.emit, lambda now, work: None)
        worker._director.follow()
        worker._plain_begin = worker._begin = worker._director.begin
        worker._tally = worker._director.tally
        worker._stages = Stages(worker._tally)
        worker._is_timed = worker._stopping = False
        worker._kept = []
        worker._uncounted = worker._ask_until = worker._counted = 0
        worker._now = worker._told = boottime_ms()
        self.queue = Queue(worker)
        worker._queue = self.queue  # type: ignore[assignment]
        worker._verdicts = Verdicts(self._ours, NOT_BOUND & 0xFFFF)
        worker._give = worker._verdicts.give

    def gets(self, *keys: bytes) -> None:
        self.queue.waiting += [Packet(udp(sip(key))) for key in keys]

    def told(self) -> Counter[tuple[str, int]]:
        records: list[dict[str, Any]] = []
        self.reader.read(records.append)
        return grown([record for record in records if record["event"] == "tally"])

    def close(self) -> None:
        self.reader.close()
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_table() as table:
        found = Bench(table, tmp_path)
        yield found
        found.close()


def test_a_leaving_worker_tells_what_it_has_counted(bench: Bench) -> None:
    """What still waited in its queue included."""
    bench.gets(b"a", b"a", b"b")
    bench.worker._leave()
    told = bench.told()

    assert bench.worker._slot[Cell.STATE] == State.NONE
    assert sum(amount for (word, _), amount in told.items() if word == MARK) == 3
    assert sum(amount for (word, _), amount in told.items() if word == CREATED) == 2


def test_samples_are_taken_now_and_then(bench: Bench) -> None:
    """Of all stages while a sample is taken, of none else."""
    stages = {KNOWN, SETTLE, VERDICT}
    worker = bench.worker
    worker._time_some(boottime_ms())
    bench.gets(b"a")
    bench.queue.run_batch()
    worker._settle()
    bench.gets(b"a")
    bench.queue.run_batch()
    worker._verdicts.flush()
    worker._time_some(boottime_ms())
    bench.gets(b"a", b"b")
    bench.queue.run_batch()
    worker._settle()
    worker._verdicts.flush()
    worker._tell(boottime_ms())
    samples: Counter[str] = Counter()
    for (word, number), amount in bench.told().items():
        if word in stages and number != SUM:
            samples[word] += amount

    assert samples == {KNOWN: 1, SETTLE: 1, VERDICT: 1}


class Asked:
    """Serves until it is asked to leave, by a signal that was there before it began."""

    def __init__(self, *_: object) -> None:
        self.stopped = False

    def stop(self, *_: object) -> None:
        self.stopped = True

    def run(self) -> None:
        assert self.stopped


def test_it_leaves_when_asked_though_its_supervisor_held_its_signals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that makes way for the next supervisor does, and what it starts then inherits that."""
    monkeypatch.setattr("pe_nfq.worker.Worker", Asked)
    monkeypatch.setattr(
        "sys.argv", ["worker", "--state-dir", "/nowhere", "--slot", "1", "--queue", "1"]
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert main() == 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_IGN)  # what still waits is gone
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
