"""The data plane: a process that reads one netfilter queue, decides, marks, gives the verdict.

Started by the supervisor as ``python -m pe_nfq.worker``, and independent of
it afterwards: it runs on its last snapshot when the supervisor is gone. It
does no DNS, no synchronous network, no netlink but its queue, and renders no
log line. Everything is imported before the queue is bound.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

# What the sip engine imports at its first use; here nothing is imported once the queue is bound.
import pe_nfq.packet.sip  # noqa: F401
from pe_nfq.budget import TimeBudget
from pe_nfq.code_stamp import code_stamp
from pe_nfq.deciding import Deciding
from pe_nfq.director import Director
from pe_nfq.errors import PeNfqError
from pe_nfq.events import EventWriter
from pe_nfq.flow import Queued
from pe_nfq.garbage import Garbage
from pe_nfq.heartbeat import COUNTERS, Cell, Heartbeats, State, claim, worker_options
from pe_nfq.model import Decision
from pe_nfq.nfqueue import Queue, queue_lengths
from pe_nfq.stages import KNOWN, SETTLE, VERDICT, Stages
from pe_nfq.tally import TELL_EVERY
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.verdicts import Verdicts

#: How long an idle worker sleeps: its heartbeat and a new snapshot wait no longer (ms).
IDLE_WAIT: Final = 50
#: Engines may take 5 % of the time to tell facts of new dialogs, and no more than 1 ms at once:
#: so much (ns) in each period (ms).
FACTS_TIME: Final = 1_000_000
FACTS_PERIOD: Final = 20
#: How long a leaving worker works off its queue at most (ms).
DRAIN_LIMIT: Final = 1000
#: Datagrams that are settled together at most: what a transaction costs is spread thin by then,
#: and the write lock is held for less than a millisecond.
MAX_KEPT: Final = 32
#: So long (ns) they may take to ask the table; then those that have asked are settled before the
#: others ask. A service's first dialog fills a Maglev table, 20 ms: the watchdog would take a
#: worker that does it 32 times, without a verdict between, for one that hangs.
ASK_TIME: Final = 20_000_000

#: Of a datagram that raised: it goes on to the standby worker, and by its fallback mark.
_UNDECIDED: Final = Decision(0, "passed")

Begin = Callable[[bytes, int, Queued], Decision | Deciding]


class Worker:
    """One queue, one director, one slot of the heartbeats."""

    def __init__(self, state_dir: Path, slot: int, queue: int, verbose: bool) -> None:
        """Attach to the table and the queue. Raises PeNfqError or OSError."""
        self._slot = Heartbeats(state_dir).slot(slot)
        self._take_slot(queue)
        self._slot[Cell.CODE] = code_stamp(*worker_options(verbose=verbose))
        self._events = EventWriter(state_dir, "standby" if slot == 0 else str(slot))
        lock_cells = self._slot[Cell.LOCK_STATE : Cell.LOCK_SINCE + 1]
        self._table = Table.attach(state_dir, lock_cells)
        facts = TimeBudget(FACTS_TIME, FACTS_PERIOD, time.perf_counter_ns)
        self._director = Director(self._table, self._events.emit, facts.within)
        self._director.follow()
        self._now = self._counted = boottime_ms()
        self._plain_begin: Begin = self._tell_matches if verbose else self._director.begin
        self._begin: Begin = self._plain_begin
        self._kept: list[tuple[int, Deciding]] = []
        self._ask_until = self._uncounted = 0
        self._stopping = False
        self._slot[Cell.SNAPSHOT] = self._director.snapshot_number
        self._garbage = Garbage()  # before the queue is bound: it takes its time
        self._queue = Queue(queue, self._take)
        self._verdicts = Verdicts(self._queue.socket.socket, queue)
        self._give = self._verdicts.give
        self._tally = self._director.tally
        self._told = self._now
        self._stages = Stages(self._tally)
        self._is_timed = False
        self._slot[Cell.STATE] = State.SERVING

    def _take_slot(self, queue: int) -> None:
        claim(self._slot, os.getpid(), queue)
        for cell in range(Cell.BEAT, Cell.PASSED_ON):
            self._slot[cell] = 0
        self._slot[Cell.BEAT] = boottime_ms()

    def _take(self, packet: Any) -> None:
        """Decide one packet, or keep it for `_settle`."""
        try:
            answer = self._begin(packet.get_payload(), self._now, packet)
        except Exception as error:
            answer = self._fault(error)
        if isinstance(answer, Decision):
            self._give(packet.id, answer)
            return
        self._kept.append((packet.id, answer))
        if len(self._kept) >= MAX_KEPT:
            self._settle()

    def _settle(self) -> None:
        """Decide what was kept. Whatever happens all get a verdict: without one they are stuck."""
        kept, self._kept = self._kept, []
        while kept:
            sent = self._verdicts.flush()  # what is decided need not wait for the table
            began = time.monotonic_ns()
            self._ask_until = began + ASK_TIME
            try:
                decisions = self._director.finish([asking for _, asking in kept], self._in_time)
            except Exception as error:
                decisions = [self._fault(error)] * len(kept)
            if self._is_timed:
                took = time.monotonic_ns() - began
                self._stages.took(SETTLE, took // len(decisions), len(decisions))
            for (packet_id, _), decision in zip(kept, decisions, strict=False):
                self._give(packet_id, decision)
            del kept[: len(decisions)]
            if kept and sent:
                self._count_verdicts(len(decisions))

    def _in_time(self) -> bool:
        return time.monotonic_ns() < self._ask_until

    def _count_verdicts(self, given: int) -> None:
        """Count them before the round ends, at which all that it took are counted."""
        self._uncounted -= given
        self._slot[Cell.VERDICTS] += given
        self._slot[Cell.BEAT] = boottime_ms()

    def _fault(self, error: Exception) -> Decision:
        self._director.counts["errors"] += 1
        self._events.emit("worker-error", {"error": f"{error!r}"})
        return _UNDECIDED

    def _tell_matches(self, packet: bytes, now: int, queued: Queued) -> Decision:
        """As `Director.decide`, and tell of every match (verbosity 9)."""
        decision = self._director.decide(packet, now, queued)
        if decision.outcome == "match":
            facts = {"dest_id": decision.dest_id, "mark": decision.mark}
            self._events.emit("match", {**self._director.describe(packet, now, queued), **facts})
        return decision

    def run(self) -> None:
        """Serve until `stop` is called; then leave the queue without losing a datagram."""
        while not self._stopping:
            self._queue.wait(IDLE_WAIT)
            self._round()
            self._garbage.look(self._now, idle=not self._queue.socket.taken)
        self._leave()

    def stop(self, *_: Any) -> None:
        """Ask `run` to end (a signal handler)."""
        self._stopping = True

    def _round(self) -> None:
        self._now = self._events.now = now = boottime_ms()
        self._follow()
        self._queue.run_batch()
        if self._kept:
            self._settle()
        slot = self._slot
        self._uncounted += self._queue.socket.taken
        if self._verdicts.flush():  # else nothing goes on, and the watchdog is to see that
            slot[Cell.VERDICTS] += self._uncounted
            self._uncounted = 0
        slot[Cell.BEAT] = now
        if now != self._counted:  # once a millisecond: rounds can be as short as a datagram
            self._publish_counts()
            self._time_some(now)
            if now - self._told >= TELL_EVERY:
                self._tell(now)
        self._events.flush()

    def _follow(self) -> None:
        try:
            if self._director.follow():
                self._slot[Cell.SNAPSHOT] = self._director.snapshot_number
        except PeNfqError as error:
            self._events.emit("worker-error", {"error": str(error)})

    def _publish_counts(self) -> None:
        self._counted = self._now
        counts = self._director.counts
        counts["events-lost"] = self._events.lost
        for number, name in enumerate(COUNTERS, Cell.FIRST_COUNTER):
            self._slot[number] = counts[name]
        marks = self._verdicts.marks
        self._tally.count_marks(marks)
        marks.clear()

    def _time_some(self, now: int) -> None:
        """Time the stages from now (ms) until asked again, if that is due."""
        is_due = not self._is_timed and self._stages.is_due(now)
        if is_due == self._is_timed:
            return
        self._is_timed = is_due
        self._begin = self._timed_begin if is_due else self._plain_begin
        self._verdicts.watch(partial(self._stages.took, VERDICT) if is_due else None)

    def _timed_begin(self, packet: bytes, now: int, queued: Queued) -> Decision | Deciding:
        began = time.monotonic_ns()
        answer = self._plain_begin(packet, now, queued)
        if isinstance(answer, Decision):
            self._stages.took(KNOWN, time.monotonic_ns() - began)
        return answer

    def _tell(self, now: int) -> None:
        if not self._tally.tell(self._events.source, self._events.write):
            self._told = now

    def _leave(self) -> None:
        self._slot[Cell.STATE] = State.DRAINING
        self._queue.refuse_more()
        until = boottime_ms() + DRAIN_LIMIT
        while queue_lengths().get(self._queue.number) and boottime_ms() < until:
            self._round()
        self._round()
        self._publish_counts()
        self._tally.tell(self._events.source, self._events.write, most=None)
        self._queue.close()
        self._slot[Cell.STATE] = State.NONE


def main() -> int:
    """Entry of the worker process."""
    parser = argparse.ArgumentParser(prog="pe-nfq worker")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--queue", type=int, required=True)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is the supervisor's to handle
    try:
        worker = Worker(args.state_dir, args.slot, args.queue, args.verbose)
    except (PeNfqError, OSError) as error:
        print(f"pe-nfq worker: queue {args.queue}: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, worker.stop)
    # A supervisor that makes way for the next one holds its signals, and its children inherit that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
