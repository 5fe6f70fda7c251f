"""Two workers meet the same new calls at the same moment and place them on the same servers."""

from collections.abc import Iterator

import pytest

from tests.lab.messages import call_ids, request
from tests.lab.steered import Steered, steer

CALLS = 3000


@pytest.fixture(scope="module")
def steered() -> Iterator[Steered]:
    with steer() as steered:
        yield steered


def test_workers_agree_on_new_calls(steered: Steered) -> None:
    """3,000 new calls, two datagrams of each in a row: one for each worker, both to one server.

    The rules deal datagrams out in turn. Round robin makes every disagreement visible: a call
    that two workers placed would be on two servers.
    """
    calls = call_ids("new", CALLS)
    before = steered.daemon.queued()

    steered.send([request(call_id, "INFO", number) for call_id in calls for number in (1, 2)])

    queued = steered.daemon.queued()
    assert {queue: queued[queue] - before[queue] for queue in queued} == {
        5059: 0,
        5060: CALLS,
        5061: CALLS,
    }
    assert not steered.traffic.split()
    assert not steered.traffic.lost()
    assert len(steered.traffic.placed()) == CALLS
    dests = steered.daemon.services()[0]["dests"]
    assert [dest["templates"] for dest in dests] == [CALLS // 3] * 3
