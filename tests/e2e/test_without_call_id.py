"""Datagrams without a Call-ID: keepalives pass by the queue, the rest is declined."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab import counter
from tests.lab.counter import Leaving
from tests.lab.messages import call
from tests.lab.steered import Steered, steer

PORTS = range(5060, 5080)
KEEPALIVES = {
    "CRLF": b"\r\n",
    "double CRLF": b"\r\n\r\n",
    "a NUL": b"\x00",
    "4 NULs": b"\x00\x00\x00\x00",
    "nothing": b"",
}


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param, clients=3) as steered:
        yield steered


def test_keepalives_pass_by_the_queue(steered: Steered) -> None:
    """None of any kind and port is queued, each reaches a server, all the same one."""
    queued = steered.daemon.queued()

    for port in PORTS:
        steered.lab.client.send(list(KEEPALIVES.values()), src_port=port)
    steered.settle()

    assert steered.daemon.queued() == queued
    arrivals = steered.arrivals()
    received = {name: arrivals[payload] for name, payload in KEEPALIVES.items()}
    server = received["CRLF"][0]
    assert received == dict.fromkeys(KEEPALIVES, (server,) * len(PORTS))
    assert not steered.traffic.lost()


def test_keepalives_do_not_move_calls(steered: Steered) -> None:
    """Calls of a client that sends keepalives in between spread and stick as ever."""
    calls = [f"kept-alive-{number}@example.net".encode() for number in range(6)]

    steered.send(
        [
            payload
            for messages in zip(*map(call, calls), strict=True)
            for message in messages
            for payload in (message, b"\r\n\r\n")
        ]
    )

    placed = steered.placed(calls).values()
    assert sorted(placed) == sorted(2 * [[server.role] for server in steered.lab.servers])
    assert len(set(steered.arrivals()[b"\r\n\r\n"])) == 1


def test_five_bytes_are_queued(steered: Steered) -> None:
    """The border: what is longer than a keepalive is looked at, by a worker."""
    before = sum(steered.daemon.queued().values())

    steered.send([b"12345"])

    assert sum(steered.daemon.queued().values()) == before + 1
    assert len(steered.arrivals()[b"12345"]) == 1


def test_fallback_keeps_a_client_on_one_server(steered: Steered) -> None:
    """20 ports of a client: one server and one template. Three clients: three servers (`rr`)."""
    _configure(steered, "fallback")

    servers = [_servers_of_client(steered, number, "fallback") for number in range(3)]

    assert sorted(map(list, servers)) == [["server1"], ["server2"], ["server3"]]
    plain = [template for template in steered.daemon.templates() if not template["pe_data"]]
    assert sorted(template["client"] for template in plain) == sorted(
        client.address for client in steered.lab.clients
    )
    assert not steered.traffic.lost()


def test_fallback_does_not_touch_calls(steered: Steered) -> None:
    """Calls of a client that also sends datagrams without a Call-ID spread as ever."""
    _configure(steered, "fallback")
    _servers_of_client(steered, 0, "beside calls")
    calls = [f"beside-{number}@example.net".encode() for number in range(3)]

    steered.send([message for call_id in calls for message in call(call_id)])

    assert sorted(steered.placed(calls).values()) == [["server1"], ["server2"], ["server3"]]


def test_drop_drops_these_and_only_these(steered: Steered) -> None:
    """No server gets them, they are logged as declined; calls are not concerned."""
    _configure(steered, "drop")
    lost = steered.traffic.lost()
    declined = [_payload("drop", port) for port in PORTS]
    call_id = b"beside-drops@example.net"

    steered.send([*declined, *call(call_id)])

    dropped = steered.traffic.lost() - lost
    client = steered.traffic.entered()[-1].src
    assert dropped == Counter((client, payload) for payload in declined)
    assert len(steered.placed([call_id])[call_id]) == 1
    assert steered.daemon.events("declined")[-1]["why"] == "no-key"


def test_accept_leaves_the_fallback_mark(steered: Steered) -> None:
    """They reach the server of the client's fallback slot; no template is made for them."""
    _configure(steered, "accept")
    templates = len(steered.daemon.templates())
    marked = Leaving(steered.lab, counter.FALLBACK)

    servers = [_servers_of_client(steered, number, "accept") for number in range(3)]

    assert [len(found) for found in servers] == [1, 1, 1]
    assert marked.read() == 3 * len(PORTS)
    assert len(steered.daemon.templates()) == templates


def _configure(steered: Steered, on_decline: str) -> None:
    steered.daemon.configure(on_decline=on_decline)
    steered.daemon.reload()


def _payload(name: str, port: int) -> bytes:
    return f"NOTIFY {name} {port}\r\nThis: names no dialog\r\n\r\n".encode()


def _servers_of_client(steered: Steered, number: int, name: str) -> set[str]:
    """Send a datagram without a Call-ID from each port of a client; the servers that got them."""
    client = steered.lab.clients[number]
    for port in PORTS:
        client.send([_payload(f"{name} {number}", port)], src_port=port)
    steered.settle()
    arrivals = steered.arrivals()
    found = [arrivals[_payload(f"{name} {number}", port)] for port in PORTS]
    assert [len(servers) for servers in found] == [1] * len(PORTS)
    return {server for servers in found for server in servers}
