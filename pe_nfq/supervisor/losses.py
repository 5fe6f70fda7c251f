"""What passed a worker by: its socket was full, or it died with datagrams in its queue.

Sums of the kernel's counters, which begin anew with every bind, in the shared
slots: so they outlive workers and supervisors, and `pe-nfq list` shows them
without either. What is *passed on* goes by the next chance: a worker's to the
standby, the standby's by the fallback mark. What is *lost* is gone, and SIP
sends it again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pe_nfq.heartbeat import STANDBY, Cell, Heartbeats, State
from pe_nfq.nfqueue import QueueState
from pe_nfq.supervisor.member import Member

#: How often the kernel's counters are read (ms): that lists all netlink sockets.
LOOK_EVERY: Final = 1000
#: Of one worker a line is written at most so often (ms).
TELL_EVERY: Final = 10_000

_REMEDY: Final = "say more workers, or see what holds this one up"


class Losses:
    """Counts for all members. Times are ms of boottime."""

    def __init__(self, heartbeats: Heartbeats, tell: Callable[..., None]) -> None:
        self._heartbeats = heartbeats
        self._tell = tell
        self._looked = -LOOK_EVERY
        self._waiting: dict[int, int] = {}
        #: By slot: passed on and dropped since the last line, and when that was written.
        self._untold: dict[int, tuple[int, int]] = {}
        self._told: dict[int, int] = {}

    def is_due(self, now: int) -> bool:
        """Whether it is time to `look` again."""
        return now - self._looked >= LOOK_EVERY

    def wait(self, lengths: Mapping[int, int]) -> None:
        """How many datagrams wait in the queues; of one that is gone the last word counts."""
        self._waiting.update(lengths)

    def look(self, now: int, members: Iterable[Member], states: Mapping[int, QueueState]) -> None:
        """Add what the kernel has counted for serving `members` since the last look, and tell."""
        self._looked = now
        self.wait({number: state.waiting for number, state in states.items()})
        for member in members:
            if member.queue in states:
                self._add(member.slot, states[member.queue])
            self._tell_growth(now, member)

    def died(self, member: Member, *, served: bool) -> int:
        """How many datagrams died with it, as of the last word: the kernel drops what waits."""
        waiting = self._waiting.pop(member.queue, 0)
        cells = self._heartbeats.slot(member.slot)
        if not served or cells[Cell.STATE] == State.NONE:  # it never bound, or left in order
            return 0
        cells[Cell.LOST] += waiting
        return waiting

    def _add(self, slot: int, state: QueueState) -> None:
        cells: Any = self._heartbeats.slot(slot)
        seen = cells[Cell.PASSED_SEEN], cells[Cell.DROPPED_SEEN]
        if cells[Cell.BOUND_BY] != state.port or state.passed < seen[0] or state.dropped < seen[1]:
            seen = 0, 0  # bound anew
        passed, dropped = state.passed - seen[0], state.dropped - seen[1]
        cells[Cell.BOUND_BY] = state.port
        cells[Cell.PASSED_SEEN], cells[Cell.DROPPED_SEEN] = state.passed, state.dropped
        cells[Cell.PASSED_ON] += passed
        cells[Cell.LOST] += dropped
        if passed or dropped:
            before = self._untold.get(slot, (0, 0))
            self._untold[slot] = before[0] + passed, before[1] + dropped

    def _tell_growth(self, now: int, member: Member) -> None:
        slot = member.slot
        if slot not in self._untold or now - self._told.get(slot, now - TELL_EVERY) < TELL_EVERY:
            return
        self._told[slot] = now
        passed, dropped = self._untold.pop(slot)
        self._tell(
            "worker-overrun",
            worker=member.name,
            queue=member.queue,
            passed_on=passed,
            to="the fallback mark" if slot == STANDBY else "the standby worker",
            lost=dropped,
            remedy=_REMEDY,
        )
