"""The kernel's own engine as referee: the same traffic, the same servers, call by call.

Each scenario is played by `ip_vs_pe_sip` and then by pe-nfq (`referee_match`), with one
datagram in flight and one worker. What may differ has a name in `referee_differences`. The
table of all matches is printed at the end of the run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import pytest

from tests.lab.messages import call_ids
from tests.vm.referee_differences import (
    BETWEEN,
    DIFFERENCES,
    IN_BODY,
    NO_DEST,
    STRANGE,
    deadlines,
    decline,
    grammar,
    load,
    no_dest,
)
from tests.vm.referee_match import Referee, referee
from tests.vm.referee_scenarios import CALLS, scenarios
from tests.vm.referee_script import service
from tests.vm.referee_verdict import NOWHERE, PROPERTY, Carried, Match, moved, outcomes
from tests.vm.referee_wire import DROPPED, REFUSED

pytest_plugins = ("tests.vm.referee_summary",)

EQUAL: Final = scenarios()
RR, MASK, WRR = (
    next(scenario for scenario in EQUAL if scenario.name == name)
    for name in ("rr", "rr, mask 0.0.0.0", "wrr")
)
#: What the kernel is told, and what pe-nfq is told instead.
WRONG: Final = {
    "scheduler": (RR, replace(RR, name="wrong scheduler", options=service("mh"))),
    "mask": (MASK, replace(MASK, name="wrong mask", options=service("rr"))),
    "weight": (WRR, replace(WRR, name="wrong weight", weights=(5, 3, 1, 1))),
}
ALL: Final = (
    *EQUAL,
    *(decline(), grammar(), no_dest(), *deadlines(), load()),
    *(wrong for _, wrong in WRONG.values()),
)
SERVERS: Final = tuple(f"server{number}" for number in range(1, 5))
BY_NAME: Final = {scenario.name: scenario for scenario in ALL}


@pytest.fixture(scope="module")
def at_work() -> Iterator[Referee]:
    """Both directors, with the services of all scenarios."""
    with referee(ALL) as at_work:
        yield at_work


Play = Callable[[str], Match]


@pytest.fixture
def play(at_work: Referee, record_property: Callable[[str, object], None]) -> Play:
    """Have a scenario played by its name; the match goes into the table."""

    def play(name: str) -> Match:
        match = at_work.match(BY_NAME[name])
        record_property(PROPERTY, list(match.row()))
        return match

    return play


@pytest.mark.parametrize("name", [scenario.name for scenario in EQUAL])
def test_the_same_server_gets_the_same_call(play: Play, name: str) -> None:
    """Every datagram comes out at the same server on both sides, or nowhere on both."""
    match = play(name)

    if match.differing():
        pytest.fail(match.report())
    assert match.row().call_ids >= CALLS
    assert bool(moved(match.kernel)) == match.scenario.moves
    assert any(carried.outcome in NOWHERE for carried in match.kernel) == match.scenario.fails


def test_the_differences_are_five() -> None:
    """Each has a scenario, and so a test below, and a reason."""
    assert len(DIFFERENCES) <= 5
    assert set(DIFFERENCES) < set(BY_NAME)


def test_decline_falls_back_instead_of_dropping(play: Play) -> None:
    """All of a client's go to one server, which counts as one dialog in the rotation."""
    match = play("decline")

    early, late = call_ids("decline", CALLS), call_ids("late-decline", CALLS)
    for client in (b"trunk", b"lone"):
        assert set(outcomes(match.kernel, client)) == {DROPPED}
        assert len(set(outcomes(match.ours, client)) - {*NOWHERE}) == 1
    assert servers(match.kernel, early) == servers(match.ours, early)
    assert servers(match.kernel, late)[2:] == servers(match.ours, late)[:-2]
    assert not moved(match.ours)


def test_call_ids_that_the_kernel_does_not_take_are_call_ids(play: Play) -> None:
    """Their calls are placed and stay; one in a body is none."""
    match = play("grammar")

    usual = call_ids("grammar", CALLS)
    assert servers(match.kernel, usual) == servers(match.ours, usual)
    for call_id in STRANGE:
        assert set(outcomes(match.kernel, call_id)) == {DROPPED}
    assert Counter(servers(match.ours, STRANGE)).keys() == {*SERVERS}
    assert set(servers(match.kernel, IN_BODY)) == {*SERVERS}
    assert len(set(servers(match.ours, IN_BODY))) == 1


def test_a_dialog_that_finds_no_server_keeps_its_own(play: Play) -> None:
    """Nobody else has had a datagram of it meanwhile."""
    match = play("no dest")

    calls = call_ids("no-dest", CALLS + 1)
    for call_id in calls[:NO_DEST]:
        for side in (match.kernel, match.ours):
            assert outcomes(side, call_id)[1] == REFUSED
    assert moved(match.kernel) == {*calls[:NO_DEST]}
    assert not moved(match.ours)
    assert servers(match.kernel, calls[NO_DEST:]) == servers(match.ours, calls[NO_DEST:])


def test_a_template_ends_late_and_never_early(play: Play) -> None:
    """Between the two deadlines the kernel has forgotten what is kept here."""
    for scenario in ALL:
        if not scenario.name.startswith("deadline"):
            continue
        match = play(scenario.name)
        if all(in_between(side) for side in (match.kernel, match.ours)):
            break
    else:
        pytest.fail("the machine is too slow: no pause was as long as it should be")

    assert len(moved(match.kernel)) == match.row().call_ids
    assert not moved(match.ours)


def in_between(side: Sequence[Carried]) -> bool:
    """Whether all calls paused for so long that only the kernel has forgotten them."""
    times: dict[bytes, list[float]] = {}
    for said, _, time in side:
        times.setdefault(said.call_id, []).append(time)
    return all(BETWEEN[0] < second - first < BETWEEN[1] for first, second in times.values())


def test_least_connections_count_calls(play: Play) -> None:
    """The kernel has no connections to count; here they are even."""
    match = play("load")

    assert len({carried.outcome for carried in match.kernel}) == 1
    assert Counter(servers(match.ours, call_ids("load", CALLS))) == dict.fromkeys(SERVERS, 75)
    assert not moved(match.ours)


@pytest.mark.parametrize("name", WRONG)
def test_the_referee_sees_what_is_wrong(at_work: Referee, name: str) -> None:
    """Another scheduler, mask or weight than the kernel has is told."""
    scenario, wrong = WRONG[name]
    match = at_work.match(scenario, against=wrong)

    assert len(match.differing()) >= 50
    assert match.row().equal == match.row().datagrams - len(match.differing())


def servers(side: Sequence[Carried], call_ids: Iterable[bytes]) -> list[str]:
    """The one server of each call, in their order; a call that has moved fails the test."""
    found = [set(outcomes(side, call_id)) for call_id in call_ids]
    assert all(len(each) == 1 for each in found)
    return [each.pop() for each in found]
