"""Who fills which slot, and what each says of itself in the heartbeats."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pe_nfq.heartbeat import MAX_WORKERS, STANDBY, Cell, Heartbeats, State, lives
from pe_nfq.supervisor.member import Member


class Roster:
    """The members of a crew by slot, in order; iterating gives them."""

    def __init__(self, state_dir: Path, queues: Mapping[int, int]) -> None:
        """`queues`: the queue of each slot."""
        self.heartbeats = Heartbeats(state_dir)
        self._members = {slot: Member(slot, queue) for slot, queue in queues.items()}

    def __iter__(self) -> Iterator[Member]:
        return iter(sorted(self._members.values(), key=lambda member: member.slot))

    def __contains__(self, slot: int) -> bool:
        return slot in self._members

    def __getitem__(self, slot: int) -> Member:
        return self._members[slot]

    def add(self, slot: int, queue: int) -> Member:
        """A new member, whom nobody fills yet."""
        return self._members.setdefault(slot, Member(slot, queue))

    def remove(self, member: Member) -> None:
        """It is none any more."""
        del self._members[member.slot]

    def cells(self, member: Member) -> Any:
        """Its slot of the heartbeats."""
        return self.heartbeats.slot(member.slot)

    def found(self) -> Iterator[tuple[int, Any]]:
        """The slots that a process of an earlier supervisor has claimed, with their cells."""
        for slot in range(MAX_WORKERS + 1):
            cells = self.heartbeats.slot(slot)
            if cells[Cell.PID]:
                yield slot, cells

    def serving(self) -> list[Member]:
        """Those that serve, the standby among them."""
        return [member for member in self if self.serves(member)]

    def workers(self) -> int:
        """How many serve, the standby not counted."""
        return sum(member.slot != STANDBY for member in self.serving())

    def serves(self, member: Member) -> bool:
        """Whether it decides datagrams."""
        cells = self.cells(member)
        return bool(member.pid == cells[Cell.PID] != 0 and cells[Cell.STATE] == State.SERVING)

    def is_starting(self, member: Member) -> bool:
        """Not serving yet. A worker that leaves its queue does not serve either."""
        cells = self.cells(member)
        return bool(member.pid != cells[Cell.PID] or cells[Cell.STATE] == State.STARTING)

    def runs(self, member: Member, stamp: int) -> bool:
        """Whether it serves by the code of `stamp` (`pe_nfq.code_stamp`)."""
        return self.serves(member) and bool(self.cells(member)[Cell.CODE] == stamp)

    def is_old(self, member: Member) -> bool:
        """Whether `make_old` has said so."""
        return self.runs(member, 0)

    def make_old(self) -> None:
        """Have all of them replaced, whatever code they run."""
        for _, cells in self.found():
            if lives(cells):
                cells[Cell.CODE] = 0
