"""Real servers come and go: calls of the one that went move, all others stay where they are."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab.messages import call_ids, request
from tests.lab.steered import Steered, steer


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=getattr(request, "param", 4)) as steered:
        yield steered


#: Steering differs by family; what is decided does not.
both_families = pytest.mark.parametrize(
    "shared", [4, 6], ids=["ipv4", "ipv6"], indirect=True, scope="module"
)


@pytest.fixture
def steered(shared: Steered) -> Steered:
    """With all three servers at weight 1."""
    _reload(shared, [1, 1, 1], expire_quiescent=False)
    return shared


@both_families
def test_calls_of_a_removed_server_move(steered: Steered) -> None:
    """At their next datagram, and then they stay; all others stay where they are."""
    calls = call_ids("removed", 30)
    before = _talk(steered, calls)

    _reload(steered, [1, 1])
    moved = _talk(steered, calls, 2)

    assert Counter(before.values()) == {"server1": 10, "server2": 10, "server3": 10}
    assert Counter(moved.values()) == {"server1": 15, "server2": 15}
    assert {call_id: moved[call_id] for call_id in calls if before[call_id] != "server3"} == {
        call_id: server for call_id, server in before.items() if server != "server3"
    }
    assert _talk(steered, calls, 3) == moved
    told = {event["old_dest"] for event in _moves(steered, b"removed")}
    assert told == {_endpoint(steered, 2)}
    assert len(_moves(steered, b"removed")) == 10


def test_a_server_that_comes_back_has_its_calls(steered: Steered) -> None:
    """Removed and added again before its calls spoke: nothing moves."""
    calls = call_ids("returned", 30)
    before = _talk(steered, calls)

    _reload(steered, [1, 1])
    _reload(steered, [1, 1, 1])

    assert _talk(steered, calls, 2) == before
    assert not _moves(steered, b"returned")


def test_calls_that_moved_do_not_move_back(steered: Steered) -> None:
    """A server that comes back gets new calls only, beside those that were silent meanwhile."""
    calls = call_ids("moved", 6)
    _talk(steered, calls)
    _reload(steered, [1, 1])
    moved = _talk(steered, calls, 2)

    _reload(steered, [1, 1, 1])

    assert _talk(steered, calls, 3) == moved
    assert "server3" in _talk(steered, call_ids("afterwards", 3)).values()


def test_a_new_server_takes_new_calls_only(steered: Steered) -> None:
    """Added while calls run: they stay, new ones are spread over all."""
    _reload(steered, [1, 1])
    calls = call_ids("before", 20)
    before = _talk(steered, calls)

    _reload(steered, [1, 1, 1])

    assert _talk(steered, calls, 2) == before
    assert Counter(_talk(steered, call_ids("added", 30)).values())["server3"] == 10


def test_weight_0_drains(steered: Steered) -> None:
    """Calls of a server at weight 0 stay on it, new ones go to the others."""
    calls = call_ids("draining", 30)
    before = _talk(steered, calls)

    _reload(steered, [1, 1, 0])

    assert _talk(steered, calls, 2) == before
    assert Counter(before.values())["server3"] == 10
    new = Counter(_talk(steered, call_ids("undrained", 30)).values())
    assert new == {"server1": 15, "server2": 15}


def test_expire_quiescent_moves_calls_off_weight_0(steered: Steered) -> None:
    """With `expire_quiescent` calls of a server at weight 0 move, all others stay."""
    calls = call_ids("quiescent", 30)
    before = _talk(steered, calls)

    _reload(steered, [1, 1, 0], expire_quiescent=True)
    moved = _talk(steered, calls, 2)

    assert Counter(moved.values()) == {"server1": 15, "server2": 15}
    changed = {call_id for call_id in calls if moved[call_id] != before[call_id]}
    assert changed == {call_id for call_id in calls if before[call_id] == "server3"}


def test_all_servers_at_weight_0_take_no_new_calls(steered: Steered) -> None:
    """Running calls go on; a new one has no dest, and no template is made for it."""
    calls = call_ids("closed", 3)
    before = _talk(steered, calls)
    _reload(steered, [0, 0, 0])

    steered.send([request(b"refused@example.net")])

    assert _talk(steered, calls, 2) == before
    listed = [template["pe_data"] for template in steered.daemon.templates()]
    assert "refused@example.net" not in listed


def _reload(steered: Steered, weights: list[int], **service: bool) -> None:
    steered.daemon.configure(weights, **service)
    steered.daemon.reload()


def _talk(steered: Steered, calls: list[bytes], number: int = 1) -> dict[bytes, str]:
    """Send the request `number` of each call, and once more; the one server that got both."""
    messages = {call_id: request(call_id, "INFO", number) for call_id in calls}
    steered.send([*messages.values()] * 2)
    arrivals = steered.arrivals()
    found = {call_id: arrivals[message] for call_id, message in messages.items()}
    assert [len(servers) for servers in found.values()] == [2] * len(calls)
    assert [len(set(servers)) for servers in found.values()] == [1] * len(calls)
    return {call_id: servers[0] for call_id, servers in found.items()}


def _moves(steered: Steered, name: bytes) -> list[dict[str, str]]:
    events = steered.daemon.events("template-moved")
    return [event for event in events if event["pe_data"].startswith(name.decode())]


def _endpoint(steered: Steered, number: int) -> str:
    address = steered.lab.servers[number].address
    return f"[{address}]:5060" if ":" in address else f"{address}:5060"
