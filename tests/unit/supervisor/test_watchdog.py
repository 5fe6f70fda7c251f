"""Which worker hangs? Heartbeats and queue lengths in, verdicts out."""

from dataclasses import dataclass, field

from pe_nfq.supervisor.watchdog import (
    BEAT_LIMIT,
    CALM_TICK,
    HANG_LIMIT,
    TICK,
    Reading,
    Watchdog,
)
from pe_nfq.templates.table import HOLDING, IDLE, WAITING


@dataclass
class Worker:
    """A worker as its heartbeat shows it. By default it serves well."""

    slot: int
    queued: int = 0
    verdicts: int = 0
    beat: int = 0
    lock_state: int = IDLE
    lock_since: int = 0
    stopped: bool = False
    runnable: bool = False
    cpu: int = 0

    def reading(self, now: int) -> Reading:
        if not self.stopped:
            self.beat = now
            self.verdicts += 1
        return Reading(
            self.slot,
            self.beat,
            self.verdicts,
            self.queued,
            self.lock_state,
            self.lock_since,
        )

    def lock(self, state: int, since: int) -> None:
        self.lock_state, self.lock_since = state, since


@dataclass
class Crew:
    """Workers under a watchdog, tick by tick."""

    workers: list[Worker]
    now: int = 100_000
    watchdog: Watchdog = field(init=False)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(self._scheduling)

    def _scheduling(self, slot: int) -> tuple[bool, int]:
        worker = next(worker for worker in self.workers if worker.slot == slot)
        return worker.runnable, worker.cpu

    def tick(self, ms: int = TICK, *, ours: bool = False) -> dict[int, str]:
        self.now += ms
        readings = [w.reading(self.now) for w in self.workers]
        return self.watchdog.judge(self.now, readings, lock_is_ours=ours)

    def until_guilty(self, limit: int = 5000) -> tuple[int, dict[int, str]]:
        """After how many ms somebody is to be killed, and who."""
        began = self.now
        while self.now - began < limit:
            if guilty := self.tick():
                return self.now - began, guilty
        return limit, {}


def crew(count: int = 3) -> Crew:
    crew = Crew([Worker(slot) for slot in range(1, count + 1)])
    for _ in range(5):
        assert crew.tick() == {}
    return crew


def test_nobody_is_killed_for_serving() -> None:
    """Nor for having an empty or a full queue while verdicts are given."""
    some = crew()
    some.workers[0].queued = 8192
    assert some.until_guilty() == (5000, {})


def test_a_stopped_worker_with_datagrams_is_killed_soon() -> None:
    some = crew()
    some.workers[0].stopped = True
    some.workers[0].queued = 1
    after, guilty = some.until_guilty()
    assert list(guilty) == [1]
    assert HANG_LIMIT < after <= HANG_LIMIT + 2 * TICK


def test_a_stopped_idle_worker_is_killed_by_its_heartbeat() -> None:
    some = crew()
    some.workers[1].stopped = True
    after, guilty = some.until_guilty()
    assert list(guilty) == [2]
    assert BEAT_LIMIT < after <= BEAT_LIMIT + HANG_LIMIT + 2 * TICK


def test_a_slow_worker_is_not_killed() -> None:
    """One verdict in time forgives all before it."""
    some = crew()
    slow = some.workers[0]
    slow.stopped, slow.queued = True, 5000
    for tick in range(100):
        slow.verdicts += tick % 5 == 0
        slow.beat = some.now
        assert some.tick() == {}


def test_a_stopped_lock_holder_is_killed_and_not_its_victims() -> None:
    """They wait, give no verdict, and have datagrams in their queues: not their fault."""
    some = crew()
    holder, *victims = some.workers
    holder.stopped = True
    holder.lock(HOLDING, some.now)
    for victim in victims:
        victim.stopped, victim.queued = True, 100
        victim.lock(WAITING, some.now + 1)
    after, guilty = some.until_guilty()
    assert guilty == {1: f"held the write lock for {after} ms"}
    assert HANG_LIMIT < after <= HANG_LIMIT + 2 * TICK


def test_when_all_seem_to_wait_the_first_of_them_is_killed() -> None:
    """It was stopped after it got the lock and before it could say so."""
    some = crew()
    for worker, since in zip(some.workers, (20, 3, 40), strict=True):
        worker.stopped = True
        worker.lock(WAITING, some.now + since)
    _, guilty = some.until_guilty()
    assert list(guilty) == [2]


def test_who_waits_while_another_works_is_not_killed() -> None:
    """The lock changes hands: somebody holds it, each time since another moment."""
    some = crew()
    some.workers[0].stopped, some.workers[0].queued = True, 9
    some.workers[0].lock(WAITING, some.now)
    for _ in range(50):
        some.workers[1].lock(HOLDING, some.now)
        assert some.tick() == {}


def test_a_busy_lock_is_no_held_lock() -> None:
    """A worker that takes the lock again and again is seen to hold it at every tick."""
    some = crew()
    for _ in range(50):
        some.workers[0].lock(HOLDING, some.now)
        assert some.tick() == {}


def test_a_pause_of_the_whole_machine_is_nobodys_fault() -> None:
    """The clock runs on, nobody moves; then all go on: holders, victims and the idle."""
    some = crew()
    holder, victim, _ = some.workers
    holder.lock(HOLDING, some.now)
    victim.lock(WAITING, some.now)
    for worker in some.workers:
        worker.stopped, worker.queued = True, 50
    assert some.tick(60_000) == {}
    assert some.tick() == {}
    for worker in some.workers:
        worker.stopped = False
        worker.lock(IDLE, 0)
    assert some.until_guilty() == (5000, {})


def test_a_holder_that_stays_stopped_after_a_pause_is_killed() -> None:
    some = crew()
    some.workers[0].lock(HOLDING, some.now)
    some.workers[0].stopped = True
    assert some.tick(60_000) == {}
    after, guilty = some.until_guilty()
    assert list(guilty) == [1]
    assert after <= HANG_LIMIT + TICK


def test_a_new_process_begins_without_a_record() -> None:
    """The strikes of the one that was killed in its slot are not its own."""
    some = crew()
    worker = some.workers[0]
    worker.stopped, worker.queued = True, 1
    some.until_guilty()
    some.watchdog.forget(1)
    for _ in range(HANG_LIMIT // TICK):
        assert some.tick() == {}
    assert list(some.until_guilty()[1]) == [1]


def test_two_can_hang_at_once() -> None:
    some = crew()
    for worker in some.workers[:2]:
        worker.stopped, worker.queued = True, 1
    assert sorted(some.until_guilty()[1]) == [1, 2]


def test_a_worker_that_gets_no_processor_is_left_alone() -> None:
    """Runnable, and its CPU time stands still: killing it would only lose its queue."""
    crew_ = crew()
    starved = crew_.workers[0]
    starved.stopped, starved.runnable, starved.queued = True, True, 500

    assert crew_.until_guilty() == (5000, {})


def test_a_worker_that_runs_in_circles_is_killed() -> None:
    """Runnable, and its CPU time grows, but no verdict comes of it."""
    crew_ = crew()
    busy = crew_.workers[0]
    busy.stopped, busy.runnable, busy.queued = True, True, 500
    guilty: dict[int, str] = {}
    for _ in range(20):
        busy.cpu += 1_000_000
        guilty |= crew_.tick()

    assert list(guilty) == [busy.slot]


def test_nobody_is_killed_for_a_lock_that_the_supervisor_holds() -> None:
    """Neither while it does, nor right after: those who waited get it one after the other."""
    crew_ = crew()
    for worker in crew_.workers:
        worker.lock(WAITING, crew_.now)
        worker.stopped, worker.queued = True, 10
    assert not any(crew_.tick(ours=True) for _ in range(40))
    assert crew_.tick() == {}
    assert crew_.until_guilty()[1].keys() == {crew_.workers[0].slot}


def test_the_judge_looks_more_often_once_something_looks_bad() -> None:
    some = crew()
    assert some.watchdog.tick == CALM_TICK
    some.workers[0].stopped, some.workers[0].queued = True, 1
    some.tick()
    assert some.watchdog.tick == TICK
