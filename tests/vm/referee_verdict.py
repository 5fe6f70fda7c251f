"""The comparison: which server got which datagram here and there, and the table of it. Pure.

A match is valid when both sides were in time: what a script says of a gap
between two datagrams of a call, shorter or longer than the persistence
timeout, must have been so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.vm.referee_script import Say, Scenario
from tests.vm.referee_wire import DROPPED, REFUSED

#: How much later than the timeout a template may end, as a part of it: the kernel's timers and
#: our deadlines are rounded up, both by an eighth at most. And seconds for the scheduling of
#: programs.
_LATE: Final = 1.125
_SLACK: Final = 0.2
#: Outcomes that are no server.
NOWHERE: Final = (REFUSED, DROPPED)
#: Under which a test report has its row: see `referee_table`.
PROPERTY: Final = "referee"
#: Differences that a report names.
_MOST_SHOWN: Final = 10


class Carried(NamedTuple):
    """A datagram and what became of it; `time` (s, monotonic) is when it had arrived."""

    said: Say
    outcome: str
    time: float


class Row(NamedTuple):
    """A line of the table. `moved` counts Call-IDs, `nowhere` datagrams, both of the kernel's."""

    scenario: str
    call_ids: int
    datagrams: int
    equal: int
    moved: int
    nowhere: int


class OutOfTimeError(Exception):
    """The machine was so slow that a script's gap was not what it says."""


@dataclass(frozen=True, slots=True)
class Match:
    """A scenario as both sides played it."""

    scenario: Scenario
    kernel: Sequence[Carried]
    ours: Sequence[Carried]

    def differing(self) -> list[str]:
        """The datagrams that came out differently, told in a line each; the first of them."""
        pairs = zip(self.kernel, self.ours, strict=True)
        return [
            f"datagram {n} of {k.said.call_id.decode()} from {k.said.client}: "
            f"kernel {k.outcome}, pe-nfq {o.outcome}"
            for n, (k, o) in enumerate(pairs, 1)
            if k.outcome != o.outcome
        ]

    def report(self) -> str:
        """What differs, for people."""
        differing = self.differing()
        shown = differing[:_MOST_SHOWN]
        return "\n".join([f"{self.scenario}: {len(differing)} datagrams differ", *shown])

    def row(self) -> Row:
        """Its line of the table."""
        return Row(
            self.scenario.name,
            len({carried.said.call_id for carried in self.kernel}),
            len(self.kernel),
            len(self.kernel) - len(self.differing()),
            len(moved(self.kernel)),
            sum(carried.outcome in NOWHERE for carried in self.kernel),
        )


def moved(carried: Iterable[Carried]) -> set[bytes]:
    """The calls of which the datagrams of a client reached several servers."""
    servers: dict[tuple[str, bytes], set[str]] = {}
    for said, outcome, _ in carried:
        if outcome not in NOWHERE:
            servers.setdefault((said.client, said.call_id), set()).add(outcome)
    return {call_id for (_, call_id), roles in servers.items() if len(roles) > 1}


def check_times(scenario: Scenario, carried: Iterable[Carried]) -> None:
    """Raise OutOfTimeError where a call was silent for about a timeout: neither less nor more."""
    last: dict[bytes, float] = {}
    for said, _, time in carried:
        gap = time - last.get(said.call_id, time)
        last[said.call_id] = time
        for timeout in scenario.timeouts:
            if timeout - _SLACK < gap < timeout * _LATE + _SLACK:
                name = said.call_id.decode()
                raise OutOfTimeError(f"{scenario}: {name} was silent for {gap:.2f} s of {timeout}")


def outcomes(carried: Iterable[Carried], call_id: bytes) -> list[str]:
    """What became of the datagrams of a call, in order."""
    return [each.outcome for each in carried if each.said.call_id == call_id]
