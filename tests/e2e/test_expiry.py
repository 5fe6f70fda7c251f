"""Templates live while their calls talk and end after the timeout, never early: in real time.

By the kernel's one timer, since what an engine makes of a call takes minutes.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.lab.messages import call_ids, request
from tests.lab.steered import Steered, steer
from tests.lab.waiting import wait_until

#: Seconds (`-p 1`): the shortest there is.
TIMEOUT = 1


@pytest.fixture(scope="module")
def steered() -> Iterator[Steered]:
    with steer(service={"timeout": TIMEOUT, "lifetime": "fixed"}) as steered:
        yield steered


def test_a_talking_call_stays(steered: Steered) -> None:
    """Datagrams less than the timeout apart keep a call on its server for several timeouts.

    A template that ended would be seen as a move: round robin has gone on.
    """
    call_id = b"talking@example.net"
    messages = [request(call_id, "INFO", number) for number in range(6)]

    steered.lab.client.send(messages, interval=TIMEOUT * 0.7)
    steered.settle()

    assert len(steered.placed([call_id])[call_id]) == 1
    assert not steered.traffic.lost()
    assert len(_created(steered, call_id)) == 1


def test_a_silent_call_is_forgotten(steered: Steered) -> None:
    """After the timeout, not before, its template is gone, and its next datagram is placed anew."""
    call_id = b"silent@example.net"
    steered.send([request(call_id, "INFO", 1)])
    started = time.monotonic()
    steered.send([request(call_id, "INFO", 2)])
    first = steered.last_servers([call_id])[call_id]

    wait_until(lambda: not _is_listed(steered, call_id), "the end of the template")
    silent = time.monotonic() - started
    steered.send([request(call_id, "INFO", 3)])

    assert silent > TIMEOUT
    assert steered.last_servers([call_id])[call_id] != first
    assert len(_created(steered, call_id)) == 2


def test_expired_templates_are_swept(steered: Steered) -> None:
    """The log counts each of them once, and the counts of their servers come down to 0."""
    wait_until(lambda: _counted(steered) == [0, 0, 0], "the end of earlier templates")
    since = datetime.now(UTC)

    steered.send([request(call_id) for call_id in call_ids("swept", 30)])

    wait_until(lambda: _expired(steered, since) == 30, "30 expired templates in the log")
    assert _counted(steered) == [0, 0, 0]


def _counted(steered: Steered) -> list[int]:
    return [dest["templates"] for dest in steered.daemon.services()[0]["dests"]]


def _expired(steered: Steered, since: datetime) -> int:
    events = steered.daemon.events("expired")
    return sum(event["count"] for event in events if datetime.fromisoformat(event["ts"]) >= since)


def _is_listed(steered: Steered, call_id: bytes) -> bool:
    return call_id.decode() in [template["pe_data"] for template in steered.daemon.templates()]


def _created(steered: Steered, call_id: bytes) -> list[dict[str, str]]:
    events = steered.daemon.events("template-created")
    return [event for event in events if event["pe_data"] == call_id.decode()]
