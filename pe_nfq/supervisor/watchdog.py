"""Which worker hangs? A pure judge over heartbeats and queue lengths; the supervisor kills.

A worker that is stopped or stuck keeps its queue's datagrams, and, when it
holds the table's write lock, everybody's new dialogs. Killing it gives both
back at once: the lock is robust, and its queue's traffic goes on to the
standby worker.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from pe_nfq.templates.table import HOLDING, WAITING

#: How often the judge is asked while something looks bad (ms).
TICK: Final = 50
#: And else: each look takes 0.3 ms of a processor, perhaps the one that a worker runs on.
CALM_TICK: Final = 100
#: A worker may go without a verdict while datagrams wait, or hold the write lock, so long (ms).
HANG_LIMIT: Final = 250
#: An idle worker that hangs is found by this (ms); its loop comes round every 50 ms.
BEAT_LIMIT: Final = 1000
#: So many bad ticks in a row: one long pause of the whole machine is nobody's fault.
_STRIKES: Final = HANG_LIMIT // TICK


#: Of a slot's process: whether it runs or waits for a processor, and its CPU time so far (ns).
#: Asked only of what looks bad: to ask all, 20 times a second, took 2 % of a processor.
Scheduling = Callable[[int], tuple[bool, int]]


class Reading(NamedTuple):
    """What a serving worker's heartbeat and its queue say; times in ms of boottime."""

    slot: int
    beat: int
    verdicts: int
    queued: int
    lock_state: int
    lock_since: int


class Watchdog:
    """Remembers how often in a row each worker looked bad, or was in one state of the lock."""

    def __init__(self, scheduling: Scheduling) -> None:
        self._scheduling = scheduling
        self._verdicts: dict[int, int] = {}
        self._cpu: dict[int, int] = {}
        self._strikes: dict[int, int] = {}
        #: (since, ticks) of the lock state, by slot.
        self._lock: dict[int, tuple[int, int]] = {}

    @property
    def tick(self) -> int:
        """How soon the judge is to be asked again (ms)."""
        return TICK if self._lock or any(self._strikes.values()) else CALM_TICK

    def forget(self, slot: int) -> None:
        """A new process serves this slot."""
        for memory in (self._verdicts, self._cpu, self._strikes, self._lock):
            memory.pop(slot, None)

    def judge(
        self, now: int, readings: Iterable[Reading], *, lock_is_ours: bool = False
    ) -> dict[int, str]:
        """The slots to kill, with the reason.

        `lock_is_ours`: the supervisor itself holds the write lock, to publish a large
        configuration perhaps; all who wait for it are innocent.
        """
        readings = list(readings)
        if lock_is_ours:
            self._lock.clear()
        guilty = {} if lock_is_ours else self._lock_holders(now, readings)
        # Who waits for the lock is the victim of whoever holds it.
        waiting = {r.slot for r in readings if r.lock_state == WAITING}
        for reading in readings:
            bad = reading.slot not in waiting and self._looks_bad(now, reading)
            self._verdicts[reading.slot] = reading.verdicts
            self._strikes[reading.slot] = self._strikes.get(reading.slot, 0) + 1 if bad else 0
            if self._strikes[reading.slot] > _STRIKES:
                guilty.setdefault(reading.slot, "no verdict while datagrams wait, or no heartbeat")
        return guilty

    def _looks_bad(self, now: int, reading: Reading) -> bool:
        silent = reading.queued > 0 and self._verdicts.get(reading.slot) == reading.verdicts
        if not silent and now - reading.beat <= BEAT_LIMIT:
            self._cpu.pop(reading.slot, None)
            return False
        return not self._gets_no_processor(reading.slot)

    def _gets_no_processor(self, slot: int) -> bool:
        """Whether it has wanted to run since the last bad tick, and did not (half a second, seen).

        Another worker would get no processor either, and what waits in the queue would be lost.
        """
        runnable, cpu = self._scheduling(slot)
        before, self._cpu[slot] = self._cpu.get(slot), cpu
        return runnable and before == cpu

    def _lock_holders(self, now: int, readings: list[Reading]) -> dict[int, str]:
        """Who holds the write lock too long.

        A worker can be stopped after it got the lock and before it could say
        so: then all seem to wait, and it is the one that has waited longest.
        """
        late = [r for r in readings if self._is_late(now, r)]
        holders = [r for r in late if r.lock_state == HOLDING]
        if not holders and not any(r.lock_state == HOLDING for r in readings):
            holders = sorted(late, key=lambda r: r.lock_since)[:1]
        return {r.slot: f"held the write lock for {now - r.lock_since} ms" for r in holders}

    def _is_late(self, now: int, reading: Reading) -> bool:
        """In one state of the lock too long, by clock and by ticks: a pause has few of these."""
        if not reading.lock_state:
            self._lock.pop(reading.slot, None)
            return False
        since, ticks = self._lock.get(reading.slot, (0, 0))
        ticks = ticks + 1 if since == reading.lock_since else 1
        self._lock[reading.slot] = reading.lock_since, ticks
        return ticks >= _STRIKES and now - reading.lock_since > HANG_LIMIT
