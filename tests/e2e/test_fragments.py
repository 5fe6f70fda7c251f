"""Messages larger than the LAN's MTU: all fragments reach the server that has the call.

The worker sees whole datagrams: the kernel puts fragments together before the
queue, and its copy range is that of the largest datagram.
"""

import math
from collections.abc import Iterator

import pytest

from tests.lab import fragments
from tests.lab.messages import call, request
from tests.lab.steered import Steered, steer

#: Bytes of UDP in a fragment where the MTU is 1500, by family.
LARGEST = {4: 1480, 6: 1448}


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param) as steered:
        yield steered


@pytest.mark.parametrize(
    ("size", "behind"), [(3000, 0), (3000, 2800), (8000, 0), (8000, 5000), (8000, 7000)]
)
def test_a_large_message_goes_where_its_call_is(steered: Steered, size: int, behind: int) -> None:
    """All fragments reach the server of the call's small datagrams, wherever the Call-ID stands."""
    call_id = f"large-{size}-{behind}@example.net".encode()
    large = request(call_id, size=size, behind=behind)
    before = _received(steered)

    steered.send([large, *call(call_id), large])

    servers = steered.placed([call_id])[call_id]
    assert len(servers) == 1
    assert steered.arrivals()[large] == (*servers, *servers)
    assert not steered.traffic.lost()
    count = 2 * math.ceil((len(large) + 8) / LARGEST[steered.lab.family])
    assert _received(steered) == before | {servers[0]: before[servers[0]] + count}


def test_a_large_first_message_founds_the_call(steered: Steered) -> None:
    """Large INVITEs of new calls spread over all servers like small ones (`rr`)."""
    calls = [f"first-{number}@example.net".encode() for number in range(6)]

    steered.send([request(call_id, size=8000, behind=7000) for call_id in calls])

    servers = steered.last_servers(calls).values()
    assert sorted(servers) == sorted(2 * [server.role for server in steered.lab.servers])


@pytest.mark.parametrize("first", ["last", "middle"])
def test_fragments_out_of_order(steered: Steered, first: str) -> None:
    """A message whose fragments overtook each other goes where its call is."""
    call_id = f"order-{first}@example.net".encode()
    message = request(call_id, size=5000, behind=3000)
    pieces = fragments.fragments(steered.lab.client.address, steered.lab.vip, message)
    order = {"last": [3, 2, 1, 0], "middle": [2, 0, 3, 1]}[first]
    steered.send(call(call_id))

    fragments.send(steered.lab.client, [pieces[number] for number in order])
    steered.settle()

    assert steered.arrivals()[message] == tuple(steered.placed([call_id])[call_id])
    assert not steered.traffic.lost()


def _received(steered: Steered) -> dict[str, int]:
    return {server.role: fragments.received(server) for server in steered.lab.servers}
