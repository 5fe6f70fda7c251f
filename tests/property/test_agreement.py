"""Workers agree: never two live dests for one key, under any interleaving and any delay.

Several directors share a table. Hypothesis draws what happens, and what
happens in between: at every step of an operation at which a process can be
descheduled, others run. A step is where the operation is about to begin a
transaction (in `match`: after the epoch was read), where it has begun it,
where it holds the write lock and is about to commit, and where a transaction
has ended and its result is not used yet. While a lock is held others can do what needs no lock; a
worker that needs it has then not got its datagram yet. At each step the
process may also be killed, or stand still for some time.

Stated window. Let D1 and D2 be datagrams of one key, D1 decided to dest A
before D2 arrived, no third decided in between, and D2 decided to B != A. What
a real server sends is decided to it, unless it leaves the template alone (a
response of another server than the template's). Then between D1's arrival and
D2's decision

* A was not valid at some moment (not in the newest committed snapshot, or down, or at
  weight 0 with `expire_quiescent`), or
* A was purged, or
* one whole timeout had passed since the key's last datagram, or
* a request that B sent was in a worker's hands: it takes the template, or
* one that another server sent was, and that server was purged or not valid since: the template
  that it took is gone, or moves on, or
* D1 was placed without a record (the table was full) and a dest was added,
  removed or re-weighted, or anything that B sent was in a worker's hands.

Half of the runs have one timer for all, half have calls of which the engine
takes note: no life is shorter there than the timeout that the window speaks of.

Only datagrams that are in a worker's hands at the same moment may differ
without such a cause. The assumption: no worker sits on a clock reading for
longer than the timeout; of that the reading may be old by `CLOCK_SLACK` when
the datagram arrives, and the deadline is still not early.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from pe_nfq.deciding import Deciding
from pe_nfq.director import Director
from pe_nfq.lifetime import Lifetimes
from pe_nfq.marks import Marks
from pe_nfq.model import (
    Decision,
    Method,
    RealServer,
    Reason,
    Snapshot,
    Standing,
    VirtualService,
)
from pe_nfq.templates import Ask, Ids, Settled, Table, layout, settle
from pe_nfq.templates.layout import CLOCK_SLACK, silent_until
from pe_nfq.templates.publish import touch
from pe_nfq.templates.table import Match
from pe_nfq.templates.upkeep import purging, sweep
from tests.packets import CLIENT, sip, udp
from tests.tables import MARK_BASE, VIP, audit, dest, open_table, publish_services

WORKERS = range(3)
KEYS = range(3)
DESTS = (1, 2, 3)
TIMEOUT = 8
#: In the place of a weight.
DOWN, DRAINED = -1, -2
STANDINGS = {DOWN: Standing.DOWN, DRAINED: Standing.DRAINING}
TAGS = b"From: <sip:a@x>;tag=f\r\nTo: <sip:b@x>;tag=t\r\n"
#: What a client sends, by key: first the request that begins a call, then what changes its life.
PACKETS = [
    [
        udp(sip(b"call-%d" % key)),
        udp(sip(b"call-%d" % key, b"ACK", TAGS).replace(b"z9hG4bK1", b"z9hG4bK2")),
        udp(sip(b"call-%d" % key, b"BYE", TAGS)),
        udp(sip(b"call-%d" % key, b"INVITE", TAGS)),
        udp(sip(b"call-%d" % key).replace(b"z9hG4bK1", b"z9hG4bK3")),
    ]
    for key in KEYS
]
#: None of them is shorter than -p.
LIVES = Lifetimes(early=TIMEOUT, dialog=5 * TIMEOUT, ending=TIMEOUT, one_shot=TIMEOUT)
#: An ended dialog lives for eight times this, as `layout.MAX_CACHED` says.
MAX_CACHED = TIMEOUT * 1000 // 8
#: What server N sends to the client, by key, N, and whether it asks.
SENT = {
    (key, number, asks): udp(
        payload if asks else b"SIP/2.0 200 OK" + payload[payload.index(b"\r\n") :],
        dest(number).endpoint,
        CLIENT,
    )
    for key in KEYS
    for payload in [sip(b"call-%d" % key)]
    for number in DESTS
    for asks in (True, False)
}
RETURNING = Marks(MARK_BASE).returning(f"udp {VIP}")
#: Why a server's datagram leaves and says nothing of its template.
LEAVES = {Reason.OTHER_SERVER, Reason.QUIESCED, Reason.TABLE_FULL}
#: A supervisor has a table of its own, as a worker has.
SUPERVISOR = -1


class Killed(BaseException):
    """The process that is at this step is gone. No code under test may catch it."""


class Blocked(BaseException):
    """The process needs the write lock, which another holds."""


class SteppedTable(Table):
    """A process's table that stops at every step and lets `at_step(locked)` run others."""

    at_step: Callable[[bool], None]
    is_locked: Callable[[], bool]

    def _begin(self, *, write: bool) -> Any:
        if write and self.is_locked():
            raise Blocked
        self.at_step(self.is_locked())
        txn = super()._begin(write=write)
        try:
            self.at_step(write or self.is_locked())
        except BaseException:
            txn.abort()
            raise
        return txn

    @contextlib.contextmanager
    def write(self) -> Iterator[Any]:
        with super().write() as txn:
            yield txn
            self.at_step(True)

    def match(self, key: bytes, now: int) -> Match:
        match = super().match(key, now)
        self.at_step(self.is_locked())
        return match

    def settle(self, asks: Sequence[Ask]) -> list[Settled | Exception]:
        settled = super().settle(asks)
        self.at_step(self.is_locked())
        return settled


@dataclass
class Decided:
    """One decision. `began` and `ended` count steps; `arrived` and `done` are true times (ms)."""

    key: int
    began: int
    arrived: int
    ended: int = 0
    done: int = 0
    dest: int = 0
    recorded: bool = True


@dataclass
class Purged:
    """A purge; every moment of it counts, as its transactions commit one by one."""

    dest: int
    began: int
    ended: float = math.inf


@dataclass
class Sent:
    """A server's datagram, as long as a worker has it."""

    key: int
    dest: int
    asks: bool
    began: int
    ended: float = math.inf


@dataclass
class History:
    """All that happened, in the order in which it took effect."""

    tick: int = 0
    decided: list[Decided] = field(default_factory=list)
    #: From this tick on, these dests are valid.
    valid: list[tuple[int, frozenset[int]]] = field(default_factory=lambda: [(0, frozenset())])
    #: When a snapshot with other dests or weights was published.
    changed: list[int] = field(default_factory=list)
    purged: list["Purged"] = field(default_factory=list)
    sent: list["Sent"] = field(default_factory=list)

    def next(self) -> int:
        self.tick += 1
        return self.tick

    def check(self, new: Decided) -> None:
        """The new decision against all that precede it immediately."""
        before = [d for d in self.decided if d.key == new.key and d.ended < new.began]
        latest = max((d.began for d in before), default=0)
        for old in before:
            if old.ended >= latest and old.dest != new.dest:
                assert self._cause(old, new), f"{old} then {new}"
        self.decided.append(new)

    def _cause(self, old: Decided, new: Decided) -> bool:
        return (
            self._was_lost(old.dest, old.began, new)
            or new.done >= self._last_arrival(new) + TIMEOUT * 1000
            or (not old.recorded and any(old.began < at <= new.ended for at in self.changed))
            or any(
                sent.dest == new.dest or self._was_lost(sent.dest, sent.began, new)
                for sent in self._sent_between(old, new)
                if sent.asks or not old.recorded
            )
        )

    def _sent_between(self, old: Decided, new: Decided) -> Iterator[Sent]:
        """What servers sent of the key, in a worker's hands at some moment between the two."""
        for sent in self.sent:
            if sent.key == new.key and sent.began <= new.ended and sent.ended > old.began:
                yield sent

    def _was_lost(self, dest: int, since: int, new: Decided) -> bool:
        """Whether a dest was purged, or not valid, at some moment since then."""
        if any(purged.dest == dest and purged.ended > since for purged in self.purged):
            return True
        in_force = [(at, valid) for at, valid in self.valid if at <= new.ended]
        at_first = max(at for at, _ in in_force if at <= since)
        return any(dest not in valid for at, valid in in_force if at >= at_first)

    def _last_arrival(self, new: Decided) -> int:
        """Of those that were decided by then: who is still in a worker's hands re-arms later."""
        return max(d.arrived for d in self.decided if d.key == new.key and d.ended < new.began)


class Agreement(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        expire=st.booleans(), max_templates=st.sampled_from([1, 2, 3, 3]), lives=st.booleans()
    )
    def start(self, expire: bool, max_templates: int, lives: bool = False) -> None:
        self.context = contextlib.ExitStack()
        for module in (layout, settle):
            self.context.enter_context(mock.patch.object(module, "MAX_CACHED", MAX_CACHED))
        self.lifetimes = LIVES if lives else None
        self.table = self.context.enter_context(open_table())
        self.history = History()
        self.clock = 1000
        self.plan: list[tuple[Any, ...]] = []
        self.locked = False
        self.busy: set[int] = set()
        self.weights: dict[int, int | None] = dict.fromkeys(DESTS, 1)
        self.key = 0
        self.expire = expire
        self.max_templates = max_templates
        self.supervisor = self._table()
        self.workers: dict[int, Director] = {}
        self._publish({})
        for worker in WORKERS:
            self._start_worker(worker)

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.context.close()

    # -- processes ---------------------------------------------------------------

    def _table(self) -> SteppedTable:
        table = SteppedTable(self.table.environment, self.table.epoch)
        table.at_step = self._step
        table.is_locked = lambda: self.locked
        return table

    def _start_worker(self, worker: int) -> None:
        self.workers[worker] = Director(
            self._table(), lambda event, facts: None, lambda now, work: work()
        )
        with self._undisturbed():
            self.workers[worker].follow()

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        plan, self.plan = self.plan, []
        yield
        self.plan = plan

    def _step(self, locked: bool) -> None:
        """Let the next planned operation run here."""
        self.history.next()
        if not self.plan:
            return
        verb, *arguments = self.plan.pop(0)
        if verb == "kill":
            raise Killed
        was_locked, self.locked = self.locked, locked
        try:
            getattr(self, f"_{verb}")(*arguments)
        finally:
            self.locked = was_locked

    @contextlib.contextmanager
    def _process(self, number: int) -> Iterator[bool]:
        """Run as one process, which does one thing at a time; whether it is free to."""
        free = number not in self.busy
        self.busy.add(number)
        try:
            yield free
        except Blocked:
            pass
        except Killed:
            if number != SUPERVISOR:
                self._start_worker(number)
        finally:
            if free:
                self.busy.discard(number)

    # -- what can happen ---------------------------------------------------------

    def _pass(self) -> None:
        """Nothing, so that a later step is disturbed."""

    def _same_call(self, worker: int, offset: int, lag: int) -> None:
        """A datagram of the key that the rule is about, or of one beside it."""
        self._datagrams(worker, [(self.key + offset) % len(KEYS)], lag)

    def _same_calls(self, worker: int, lag: int) -> None:
        """Two datagrams of the key that the rule is about and one of the next, together."""
        self._datagrams(worker, [self.key, (self.key + 1) % len(KEYS), self.key], lag)

    def _datagrams(self, worker: int, keys: Sequence[int], lag: int) -> None:
        """What a worker decides together; what it answers at once it has answered by then."""
        with self._process(worker) as free:
            if not free:
                return
            director = self.workers[worker]
            known = director.snapshot_number
            kept: list[tuple[Decided, Deciding]] = []
            for key in keys:
                new = Decided(key, self.history.next(), self.clock)
                answer = director.begin(self._packet(key), self.clock - lag)
                if isinstance(answer, Decision):
                    self._has_decided(new, answer, known)
                else:
                    kept.append((new, answer))
            decisions = director.finish([undecided for _, undecided in kept])
            for (new, _), decision in zip(kept, decisions, strict=True):
                self._has_decided(new, decision, known)

    def _has_decided(self, new: Decided, decision: Decision, known: int) -> None:
        new.ended, new.done = self.history.next(), self.clock
        self._check(new, decision, known)

    def _packet(self, key: int) -> bytes:
        """Where lives differ, any message of the call: which, follows from what has happened."""
        sent = PACKETS[key]
        return sent[self.history.tick % len(sent)] if self.lifetimes else sent[0]

    def _check(self, new: Decided, decision: Decision, known: int) -> None:
        assert decision.reason is not Reason.TABLE_ERROR
        if not decision.mark:
            assert decision.reason is Reason.NO_DEST
            return
        new.dest, new.recorded = decision.dest_id, decision.outcome != "unrecorded"
        assert decision.mark == MARK_BASE + new.dest
        self._check_dest(new, known)

    def _check_dest(self, new: Decided, known: int) -> None:
        at, valid = self.history.valid[-1]
        if at < new.began and known == self.table.snapshot_number:
            assert new.dest in valid, "a worker that knows better chose a dest that is gone"
        self.history.check(new)

    def _server_sends(self, worker: int, offset: int, number: int, asks: bool, lag: int) -> None:
        """A server's datagram to the client, of the key that the rule is about or one beside it."""
        key = (self.key + offset) % len(KEYS)
        with self._process(worker) as free:
            if not free:
                return
            director = self.workers[worker]
            sent = Sent(key, self.ids[number], asks, self.history.next())
            self.history.sent.append(sent)
            new = Decided(key, sent.began, self.clock, dest=sent.dest)
            known = director.snapshot_number
            try:
                decision = director.decide(SENT[key, number, asks], self.clock - lag)
            finally:
                new.ended, new.done = self.history.next(), self.clock
                sent.ended = new.ended
            if decision.outcome == "passed":
                self._check_leaving(decision, asks)
                return
            assert (decision.mark, decision.dest_id) == (RETURNING, sent.dest)
            self._check_dest(new, known)

    def _check_leaving(self, decision: Decision, asks: bool) -> None:
        """In the service's name all the same, unless its server is not known (any more)."""
        if decision.reason is not Reason.NO_SERVICE:
            assert decision.mark == RETURNING
            assert decision.reason in LEAVES
            assert not (asks and decision.reason is Reason.OTHER_SERVER)

    def _follow(self, worker: int) -> None:
        with self._process(worker) as free:
            if free:
                self.workers[worker].follow()

    def _publish(self, change: dict[int, int | None]) -> None:
        """Change weights; None removes a dest, a number adds it (again). Or see `STANDINGS`."""
        with self._process(SUPERVISOR) as free:
            if not free:
                return
            weights = {**self.weights, **change}
            publish_services(self.supervisor, self._build(weights), self.clock)
            if weights != self.weights:
                self.history.changed.append(self.history.next())
            self.weights = weights
            has_takers = any((w or 0) > 0 for w in weights.values())
            usable = {d for d, w in weights.items() if self._may_keep(w, has_takers=has_takers)}
            self.history.valid.append((self.history.next(), frozenset(self._ids(usable))))

    def _may_keep(self, weight: int | None, *, has_takers: bool) -> bool:
        if weight is None:
            return False
        if weight == DOWN:
            return not has_takers
        return weight > 0 or weight == DRAINED or not self.expire

    def _build(self, weights: dict[int, int | None]) -> Callable[[int, Ids], Snapshot]:
        def build(number: int, ids: Ids) -> Snapshot:
            self.ids = {n: ids.dest_id("udp", str(dest(n).endpoint)) for n in weights}
            dests = tuple(
                RealServer(
                    self.ids[n],
                    dest(n).endpoint,
                    max(w, 0),
                    method=Method.MASQ,
                    standing=STANDINGS.get(w, Standing.UP),
                    withheld=int(w in STANDINGS),
                )
                for n, w in weights.items()
                if w is not None
            )
            # Round robin: two claims of one key hardly ever choose alike.
            service = VirtualService(
                id=ids.service_id("udp"),
                endpoint=VIP,
                dests=dests,
                scheduler="rr",
                timeout=TIMEOUT,
                expire_quiescent=self.expire,
                lifetimes=self.lifetimes,
            )
            return Snapshot(number, MARK_BASE, self.max_templates, (service,))

        return build

    def _ids(self, numbers: set[int]) -> set[int]:
        return {self.ids[number] for number in numbers}

    def _sweep(self) -> None:
        with self._process(SUPERVISOR) as free:
            if free:
                sweep(self.supervisor, self.clock)

    def _purge(self, number: int) -> None:
        with self._process(SUPERVISOR) as free:
            if not free:
                return
            purged = Purged(self.ids[number], self.history.next())
            self.history.purged.append(purged)
            try:
                sum(purging(self.supervisor, purged.dest))
            finally:
                purged.ended = self.history.next()

    def _touch(self) -> None:
        with self._process(SUPERVISOR) as free:
            if free:
                touch(self.supervisor)

    def _wait(self, ms: int) -> None:
        self.clock += ms

    # -- rules -------------------------------------------------------------------

    workers_ = st.sampled_from(WORKERS)
    lags = st.sampled_from([0, 0, 5, CLOCK_SLACK])
    keys = st.sampled_from(KEYS)
    changes = st.dictionaries(
        st.sampled_from(DESTS),
        st.sampled_from([None, 0, DOWN, DRAINED, 1, 1, 2]),
        min_size=1,
        max_size=2,
    )
    same_call = st.tuples(st.just("same_call"), workers_, st.sampled_from([0, 0, 0, 1]), lags)
    server_sends_ = st.tuples(
        st.just("server_sends"),
        workers_,
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from(DESTS),
        st.booleans(),
        lags,
    )
    others = st.one_of(
        same_call,
        same_call,
        st.tuples(st.just("same_calls"), workers_, lags),
        server_sends_,
        st.tuples(st.just("publish"), changes),
        st.tuples(st.just("follow"), workers_),
        st.tuples(st.just("purge"), st.sampled_from(DESTS)),
        st.tuples(st.sampled_from(["sweep", "kill"])),
        st.tuples(st.just("wait"), st.integers(1, 500)),
    )
    #: What happens at which step: so many undisturbed ones, then this.
    plans = st.lists(st.tuples(st.integers(0, 4), others), max_size=3).map(
        lambda items: [op for skip, other in items for op in ([("pass",)] * skip + [other])]
    )
    gaps = st.sampled_from([0, 0, 0, 1, 999 + CLOCK_SLACK, TIMEOUT * 1000 - 1])

    @rule(
        key=keys,
        hops=st.lists(st.tuples(gaps, workers_, lags, plans), min_size=1, max_size=4),
    )
    def call(self, key: int, hops: list[tuple[int, int, int, list[tuple[Any, ...]]]]) -> None:
        """Some datagrams of one key, less than a timeout apart, at any workers."""
        self.key = key
        for gap, worker, lag, plan in hops:
            self.clock += gap
            self.plan = plan[:]
            self._datagrams(worker, [key], lag)

    @rule(key=keys, gap=gaps, worker=workers_, lag=lags, plan=plans)
    def calls(self, key: int, gap: int, worker: int, lag: int, plan: list[tuple[Any, ...]]) -> None:
        """Datagrams of two keys that a worker settles in one transaction."""
        self.key = key
        self.clock += gap
        self.plan = plan[:]
        self._same_calls(worker, lag)

    @rule(
        key=keys,
        gap=gaps,
        worker=workers_,
        number=st.sampled_from(DESTS),
        asks=st.booleans(),
        lag=lags,
        plan=plans,
    )
    def server_sends(
        self,
        key: int,
        gap: int,
        worker: int,
        number: int,
        asks: bool,
        lag: int,
        plan: list[tuple[Any, ...]],
    ) -> None:
        """A server, the dialog's or another, sends the client a request or a response."""
        self.key = key
        self.clock += gap
        self.plan = plan[:]
        self._server_sends(worker, 0, number, asks, lag)

    @rule(key=keys, weight=st.sampled_from([None, 0, DOWN]), worker=workers_, plan=plans)
    def lose(self, key: int, weight: int | None, worker: int, plan: list[tuple[Any, ...]]) -> None:
        """Let the dest that has the key go, the others are there; one worker knows."""
        holder = next((d.dest for d in reversed(self.history.decided) if d.key == key), None)
        self.key = key
        self.plan = plan[:]
        self._publish({n: weight if id_ == holder else 1 for n, id_ in self.ids.items()})
        self._follow(worker)

    @rule(change=changes, plan=plans)
    def publish(self, change: dict[int, int | None], plan: list[tuple[Any, ...]]) -> None:
        self.plan = plan[:]
        self._publish(change)

    @rule(number=st.sampled_from(DESTS), plan=plans)
    def purge(self, number: int, plan: list[tuple[Any, ...]]) -> None:
        self.plan = plan[:]
        self._purge(number)

    @rule(plan=plans)
    def sweep(self, plan: list[tuple[Any, ...]]) -> None:
        self.plan = plan[:]
        self._sweep()

    @rule(worker=workers_)
    def follow(self, worker: int) -> None:
        self.plan = []
        self._follow(worker)

    @rule(worker=workers_)
    def replace_worker(self, worker: int) -> None:
        self.plan = []
        self._start_worker(worker)

    @rule(max_templates=st.integers(1, len(KEYS)))
    def resize(self, max_templates: int) -> None:
        self.plan = []
        self.max_templates = max_templates
        self._publish({})

    @rule()
    def clean_up_after_death(self) -> None:
        self.plan = []
        self._touch()

    @rule(ms=st.sampled_from([1, 300, 980, 2000, TIMEOUT * 1000 - 1, silent_until(0, TIMEOUT)]))
    def wait(self, ms: int) -> None:
        self._wait(ms)

    @invariant()
    def the_table_is_sound(self) -> None:
        if hasattr(self, "table"):
            audit(self.table)


Agreement.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAgreement = Agreement.TestCase


def gap(ms: int, worker: int, *plan: tuple[Any, ...], lag: int = 0) -> Any:
    """One hop of a call."""
    return ms, worker, lag, list(plan)


def sends(key: int, worker: int, number: int, *plan: Any, asks: bool = True) -> dict[str, Any]:
    """What server `number` sends, at any worker."""
    facts = {"key": key, "gap": 0, "worker": worker, "number": number}
    return {**facts, "asks": asks, "lag": 0, "plan": list(plan)}


WAIT = ("pass",)
#: What hypothesis would find by patience: one history for each rule that keeps workers agreed.
#: The steps of a first datagram: 1 about to read, 2 reading, 3 read; 4 about to lock, 5 locked,
#: 6 about to commit, 7 committed.
HISTORIES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "a move ends what others have cached": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("lose", {"key": 0, "weight": None, "worker": 1, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1), gap(0, 0)]}),
    ],
    "a move that is not committed yet cannot be missed by who reads meanwhile": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("lose", {"key": 0, "weight": None, "worker": 1, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 1, *[WAIT] * 5, ("same_call", 0, 0, 0)), gap(0, 0)]}),
    ],
    "a move right after the record was read cannot be missed": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("lose", {"key": 0, "weight": None, "worker": 1, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 0, WAIT, ("same_call", 1, 0, 0)), gap(0, 0)]}),
    ],
    "a mover killed before its commit has moved nothing": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("lose", {"key": 0, "weight": None, "worker": 1, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 1, *[WAIT] * 5, ("kill",)), gap(0, 0), gap(0, 1)]}),
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 2), gap(0, 0)]}),
    ],
    "a worker with an old snapshot does not refresh what it does not know": [
        ("publish", {"change": {3: None}, "plan": []}),
        *[("follow", {"worker": worker}) for worker in WORKERS],
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("publish", {"change": {1: None, 2: None, 3: 1}, "plan": []}),
        ("follow", {"worker": 1}),
        ("call", {"key": 0, "hops": [gap(0, 1), gap(1100, 0), gap(0, 1)]}),
    ],
    "a snapshot is followed although its publisher had not told of it": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("publish", {"change": {3: None}, "plan": [*[WAIT] * 2, ("kill",)]}),
        ("publish", {"change": {2: None}, "plan": []}),
        ("call", {"key": 1, "hops": [gap(0, 0), gap(0, 1), gap(0, 2)]}),
    ],
    "a cached answer ends when the refresh is due": [
        ("call", {"key": 0, "hops": [gap(0, 0), gap(7999, 0), gap(2000, 1)]}),
    ],
    "an old reading of the clock ends no template early": [
        ("call", {"key": 0, "hops": [gap(0, 0, lag=10), gap(999, 0, lag=10), gap(7999, 0)]}),
    ],
    "a purge ends what others have cached": [
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 0)]}),
        ("purge", {"number": 1, "plan": []}),
        ("purge", {"number": 2, "plan": []}),
        ("purge", {"number": 3, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 1), gap(0, 0)]}),
    ],
    "who was placed without a record is claimed where it was placed": [
        ("resize", {"max_templates": 1}),
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("call", {"key": 1, "hops": [gap(0, 0)]}),
        ("call", {"key": 2, "hops": [gap(0, 1)]}),
        ("resize", {"max_templates": 3}),
        ("call", {"key": 2, "hops": [gap(0, 2), gap(0, 0)]}),
        ("call", {"key": 1, "hops": [gap(0, 1), gap(0, 0)]}),
    ],
    "who waits for the lock meanwhile claims where it was placed": [
        ("resize", {"max_templates": 1}),
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        *[
            step
            for key in (1, 2)
            for step in (
                (
                    "call",
                    {
                        "key": key,
                        "hops": [
                            gap(
                                9000,
                                1,
                                *[WAIT] * 3,
                                ("same_call", 0, 0, 0),
                                *[WAIT] * 6,
                                ("sweep",),
                            ),
                            gap(0, 2),
                        ],
                    },
                ),
                ("call", {"key": 0, "hops": [gap(9000, 0)]}),
            )
        ],
    ],
    "a server's request takes the dialog from what others have cached": [
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1)]}),
        *[
            step
            for number in DESTS
            for step in (
                ("server_sends", sends(0, 2, number)),
                ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1), gap(0, 2), gap(0, 0)]}),
            )
        ],
    ],
    "what a server takes and has not committed yet cannot be missed by who reads meanwhile": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        *[
            step
            for number in DESTS
            for step in (
                ("server_sends", sends(0, 1, number, *[WAIT] * 5, ("same_call", 0, 0, 0))),
                ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1)]}),
            )
        ],
    ],
    "what other servers answer moves nothing": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        *[("server_sends", sends(0, worker, n, asks=False)) for n in DESTS for worker in WORKERS],
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1)]}),
    ],
    "two servers' first answers at once make one template": [
        (
            "server_sends",
            sends(0, 0, 1, *[WAIT] * 2, ("server_sends", 1, 0, 2, False, 0), WAIT, asks=False),
        ),
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1), gap(0, 2)]}),
        *[("server_sends", sends(0, worker, n, asks=False)) for n in DESTS for worker in WORKERS],
        ("call", {"key": 0, "hops": [gap(0, 2), gap(0, 1), gap(0, 0)]}),
    ],
    "what a server takes from who is cached as its own is taken": [
        ("server_sends", sends(0, 0, 1)),
        ("server_sends", sends(0, 1, 2)),
        ("server_sends", sends(0, 0, 1)),
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1), gap(0, 2)]}),
    ],
    "what is about to be taken is not remembered as the server's own": [
        ("server_sends", sends(0, 0, 1)),
        ("server_sends", sends(0, 1, 2, *[WAIT] * 5, ("server_sends", 0, 0, 1, False, 0))),
        ("server_sends", sends(0, 0, 1)),
        ("call", {"key": 0, "hops": [gap(0, 0), gap(0, 1), gap(0, 2)]}),
    ],
    "a quiesced dest loses its templates when it is to": [
        ("call", {"key": 0, "hops": [gap(0, 0)]}),
        ("lose", {"key": 0, "weight": 0, "worker": 1, "plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 1), gap(0, 0)]}),
    ],
    "a template that was refreshed is not swept": [
        ("call", {"key": 0, "hops": [gap(0, 0), gap(7999, 1)]}),
        ("wait", {"ms": 2000}),
        ("sweep", {"plan": []}),
        ("call", {"key": 0, "hops": [gap(0, 1), gap(0, 2)]}),
    ],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_known_history_keeps_workers_agreed(name: str) -> None:
    """The machine's own checks, on a history made by hand."""
    machine = Agreement()
    machine.start(expire=True, max_templates=3)
    try:
        for verb, arguments in HISTORIES[name]:
            getattr(machine, verb)(**arguments)
            machine.the_table_is_sound()
    finally:
        machine.teardown()
