"""In turn, and again where the machine was in the way: bounded, counted, told."""

from typing import NamedTuple

import pytest

from tests.bench.runner import Runs, in_turn


class Ran(NamedTuple):
    """`number`: the how-manieth run of all."""

    waited: float
    number: int = 0


class Machine:
    """Each run waits as long as it is told to beforehand; an error is raised."""

    def __init__(self, **waits: list[float | Exception]) -> None:
        self._waits = {name: iter(values) for name, values in waits.items()}
        self.ran: list[str] = []
        self.told: list[str] = []

    def run(self, name: str) -> Ran:
        self.ran.append(name)
        wait = next(self._waits[name])
        if isinstance(wait, Exception):
            raise wait
        return Ran(wait, len(self.ran))


def test_every_other_round_is_in_turned_order() -> None:
    """What gets slower all the time makes neither of a pair the slower one."""
    machine = Machine(a=[0.0] * 3, b=[0.0] * 3)

    runs = in_turn(["a", "b"], 3, machine.run, machine.told.append)

    assert machine.ran == ["a", "b", "b", "a", "a", "b"]
    assert runs.pairs("a", "b") == [
        (Ran(0.0, 1), Ran(0.0, 2)),
        (Ran(0.0, 4), Ran(0.0, 3)),
        (Ran(0.0, 5), Ran(0.0, 6)),
    ]
    assert runs.notes() == []
    assert machine.told[2] == "round 2/3: b"


def test_a_run_that_waited_is_measured_again_at_once() -> None:
    """Its pair is of the same round; the note says how many there were."""
    machine = Machine(a=[0.0, 0.0], b=[0.11, 0.10, 0.0])

    runs = in_turn(["a", "b"], 2, machine.run, machine.told.append)

    assert machine.ran == ["a", "b", "b", "b", "a"]
    assert [run.waited for run in runs.of["b"]] == [0.10, 0.0]
    assert runs.notes() == [
        "b: in 1 of 3 runs a worker waited for a core more than 10% of the time; 1 were measured"
        " again, 0 are in the figures"
    ]


def test_repeats_are_bounded_and_the_best_counts() -> None:
    """As many as rounds; then what waited least stays, and is said to be in the figures."""
    machine = Machine(a=[0.5, 0.3, 0.4, 0.2])

    runs = in_turn(["a"], 2, machine.run, machine.told.append)

    assert [run.waited for run in runs.of["a"]] == [0.3, 0.2]
    assert (runs.marked["a"], runs.kept["a"]) == (4, 2)


def test_what_cannot_have_a_core_is_marked_only() -> None:
    """Two workers and a sender on two cores wait every time."""
    machine = Machine(a=[0.5])

    runs = in_turn(["a"], 1, machine.run, machine.told.append, hopeless=["a"])

    assert (runs.marked["a"], runs.kept["a"]) == (1, 1)


def test_a_failed_run_is_measured_again_and_told() -> None:
    """As often as a marked one; what came before is kept when it fails once more."""
    lost = RuntimeError("3 lost")
    machine = Machine(a=[lost, 0.0, lost, lost])
    runs: Runs[Ran] = Runs(["a"])

    with pytest.raises(RuntimeError, match="3 lost"):
        in_turn(["a"], 2, machine.run, machine.told.append, runs=runs)

    assert runs.of["a"] == [Ran(0.0, 2)]
    assert runs.notes() == ["a: a run was measured again: 3 lost"] * 2


def test_a_marked_run_is_better_than_a_failed_repeat() -> None:
    """The others of a section are not lost for it."""
    machine = Machine(a=[0.5, RuntimeError("3 lost")])

    runs = in_turn(["a"], 1, machine.run, machine.told.append)

    assert runs.of["a"] == [Ran(0.5, 1)]
    assert (runs.marked["a"], runs.kept["a"]) == (1, 1)
    assert runs.notes()[1] == "a: a repeated run failed: 3 lost"
