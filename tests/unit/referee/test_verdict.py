"""The referee's judgement, on matches made by hand."""

from collections.abc import Iterator

import pytest

from tests.vm.referee_script import Adm, Say, Scenario, requests, service, without_call_id
from tests.vm.referee_verdict import (
    Carried,
    Match,
    OutOfTimeError,
    check_times,
    moved,
    outcomes,
)
from tests.vm.referee_wire import DROPPED, REFUSED


def said(call_id: bytes, client: str = "trunk") -> Say:
    return Say(client, call_id, b"payload of " + call_id)


def side(*outcomes: str, call_ids: bytes = b"") -> list[Carried]:
    """Datagrams of calls that are called by one letter each, a second apart."""
    letters = call_ids or bytes(range(ord("a"), ord("a") + len(outcomes)))
    return [
        Carried(said(letters[n : n + 1]), outcome, float(n)) for n, outcome in enumerate(outcomes)
    ]


def scenario(*timeouts: int) -> Scenario:
    return Scenario("name", service("rr"), (1, 1), (), timeouts=timeouts)


def test_what_differs_is_told_by_number_call_and_outcomes() -> None:
    """Also where one side has a server and the other has none, or none in another way."""
    kernel = side("server1", "server2", "server1", DROPPED)
    ours = side("server1", "server1", REFUSED, REFUSED)
    match = Match(scenario(), kernel, ours)

    assert match.differing() == [
        "datagram 2 of b from trunk: kernel server2, pe-nfq server1",
        "datagram 3 of c from trunk: kernel server1, pe-nfq refused",
        "datagram 4 of d from trunk: kernel dropped, pe-nfq refused",
    ]
    assert match.report().startswith("name: 3 datagrams differ\ndatagram 2")
    assert match.row() == ("name", 4, 4, 1, 0, 1)


def test_a_side_that_carried_less_is_no_match() -> None:
    """Two sides of different length cannot be compared one by one."""
    with pytest.raises(ValueError, match="shorter"):
        Match(scenario(), side("server1", "server1"), side("server1")).differing()


def test_a_call_has_moved_when_one_clients_datagrams_reached_two_servers() -> None:
    """Not when two clients use one Call-ID, nor when it found no server in between."""
    carried = side("server1", REFUSED, "server2", "server1", call_ids=b"aabb")
    other = [Carried(said(b"a", "mate"), "server2", 4.0)]

    assert moved([*carried, *other]) == {b"b"}
    assert outcomes(carried, b"a") == ["server1", REFUSED]


@pytest.mark.parametrize(
    ("gap", "in_time"), [(3.7, True), (3.9, False), (4.4, False), (4.65, False), (4.8, True)]
)
def test_a_gap_about_a_timeout_says_nothing(gap: float, in_time: bool) -> None:
    """Both sides may be an eighth late: 4.5 s, and what programs take."""
    carried = [Carried(said(b"a"), "server1", time) for time in (1.0, 1.0 + gap)]
    if in_time:
        check_times(scenario(4), carried)
    else:
        with pytest.raises(OutOfTimeError, match=f"a was silent for {gap:.2f} s of 4"):
            check_times(scenario(4), carried)
    check_times(scenario(), carried)


def test_a_change_is_said_in_ipvsadms_words() -> None:
    """With the forwarding method, but where a server is removed."""
    dests = {"server2": "192.0.2.102:5071"}
    vip = "203.0.113.10:5071"

    assert Adm("-E", options=service("wrr", timeout=4, mask="0.0.0.0")).words(vip, dests) == (
        f"-E -u {vip} -s wrr -p 4 -M 0.0.0.0 --pe sip -o".split()
    )
    assert Adm("-e", "server2", "-w 0").words(vip, dests) == (
        f"-e -u {vip} -r 192.0.2.102:5071 -g -w 0".split()
    )
    assert Adm("-d", "server2").words(vip, dests) == f"-d -u {vip} -r 192.0.2.102:5071".split()


def _some() -> Iterator[Say]:
    yield from requests([b"a", b"b"], clients=("trunk", "lone"))
    yield from requests([b"a"], "BYE")
    yield from without_call_id(2)


def test_no_two_datagrams_are_the_same_bytes() -> None:
    """So that one that is late is not taken for another."""
    payloads = [say.payload for say in _some()]

    assert len(payloads) == len(set(payloads)) == 7
