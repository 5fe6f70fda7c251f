"""Calls that a server starts come back to it, where the servers' traffic passes the director."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from pe_nfq.templates import Table
from tests.lab.messages import call_ids, request
from tests.lab.network import SIP_PORT
from tests.lab.steered import Steered, steer
from tests.lab.waiting import PATIENCE, wait_until

#: Where the client gets calls: not where the lab's traffic to the service comes from.
CLIENT_PORT: Final = 5070
#: Nobody listens there (RFC 863).
DISCARD_PORT: Final = 9


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    """Three servers behind the director, which speak as the VIP; each is known by its link."""
    with steer(family=request.param, transit=True, top={"outbound": True}) as steered:
        assert _links(steered) == _real_links(steered)
        yield steered


def _links(steered: Steered) -> list[str]:
    """What workers know, in order of the servers."""
    table = Table.attach(steered.lab.directory / "state")
    try:
        snapshot = table.snapshot()
        assert snapshot is not None
    finally:
        table.close()
    links = {d.endpoint.address: d.link.hex(":") for s in snapshot.services for d in s.dests}
    return [links[_packed(server.address)] for server in steered.lab.servers]


def _real_links(steered: Steered) -> list[str]:
    path = "/sys/class/net/eth0/address"
    return [server.run(["cat", path]).stdout.strip() for server in steered.lab.servers]


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def response(call_id: bytes, cseq: int = 1) -> bytes:
    """A response to what `request` makes."""
    return b"SIP/2.0 200 OK\r\n" + request(call_id, cseq=cseq).split(b"\r\n", 1)[1]


def send(steered: Steered, server: int, payloads: Sequence[bytes]) -> None:
    """Server number `server` (1 ..) sends as the VIP, and all reaches the client."""
    lab = steered.lab
    with lab.client.socket(lab.client.address, CLIENT_PORT) as client:
        client.settimeout(10 * PATIENCE)
        for payload in payloads:
            steered.listeners[server - 1].send(payload, (lab.client.address, CLIENT_PORT))
            got, source = client.recvfrom(65535)
            assert (got, source[:2]) == (payload, (lab.vip, SIP_PORT))


def answer(steered: Steered, payloads: Sequence[bytes]) -> list[tuple[str, ...]]:
    """The servers that the client's datagrams come to, each once."""
    steered.send(payloads)
    arrivals = steered.arrivals()
    return [arrivals[payload] for payload in payloads]


def test_the_answers_to_a_servers_calls_come_to_it(steered: Steered) -> None:
    """30 calls of each server, requests of the client inside of them too; 0 split, 0 lost."""
    calls = {number: call_ids(f"own-{number}", 30) for number in (1, 2, 3)}
    for number, own in calls.items():
        send(steered, number, [request(call_id) for call_id in own])

    for number, own in calls.items():
        to = [(f"server{number}",)] * len(own)
        assert answer(steered, [response(call_id) for call_id in own]) == to
        assert answer(steered, [request(call_id, "BYE", 2) for call_id in own]) == to

    assert not steered.traffic.lost()
    created = steered.daemon.events("template-created")
    ours = [event for event in created if event["pe_data"].startswith("own-")]
    assert Counter(event["direction"] for event in ours) == {"outbound": 90}
    assert {event["method"] for event in ours} == {"INVITE"}


def test_without_the_call_of_a_server_answers_are_spread(steered: Steered) -> None:
    """The lab can tell: nobody sent these calls."""
    answers = answer(steered, [response(call_id) for call_id in call_ids("nobodys", 30)])
    assert Counter(answers) == {(f"server{number}",): 10 for number in (1, 2, 3)}


def test_a_request_of_another_server_takes_the_dialog(steered: Steered) -> None:
    """As with the kernel's engine; its response does not."""
    (call_id,) = call_ids("taken", 1)
    send(steered, 1, [request(call_id)])
    send(steered, 2, [response(call_id)])
    assert answer(steered, [response(call_id)]) == [("server1",)]
    send(steered, 2, [request(call_id, "BYE", 2)])
    assert answer(steered, [response(call_id, 2)]) == [("server2",)]
    (moved,) = [e for e in steered.daemon.events("template-moved") if "taken" in e["pe_data"]]
    assert moved["why"].endswith("sent a request")
    assert moved["direction"] == "outbound"


def test_what_answers_in_a_dialog_keeps_it(steered: Steered) -> None:
    """A dialog without a template, as one that was placed while no worker lived."""
    calls = call_ids("placed", 10)
    send(steered, 3, [response(call_id) for call_id in calls])
    assert answer(steered, [request(c, "BYE", 2) for c in calls]) == [("server3",)] * 10


def test_a_server_that_moves_to_another_link_is_known_there(steered: Steered) -> None:
    """A standby machine takes over the address: calls that it starts are its own."""
    server, inner = steered.lab.servers[2], steered.lab.director.inner_address
    server.ip("link set eth0 address 02:00:5e:10:00:03", "neighbour flush dev eth0")
    # It has to ask for the director's link, and says its own.
    with server.socket(server.address) as probe:
        probe.sendto(b"", (inner, DISCARD_PORT))
    wait_until(lambda: _links(steered) == _real_links(steered), "the new link")
    calls = call_ids("moved", 10)
    send(steered, 3, [request(call_id) for call_id in calls])
    assert answer(steered, [response(c) for c in calls]) == [("server3",)] * 10
