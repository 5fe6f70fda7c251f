"""A call stays on one server, calls from one ip:port part ways: with real packets, two workers."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from pe_nfq.templates.layout import MAX_SHOWN_PE_DATA
from tests.lab.messages import call, call_ids, interleaved, request
from tests.lab.steered import Steered, steer

#: Call-IDs that no user agent makes, which a terminal, a log or a listing must survive.
HOSTILE = {
    "300 bytes": b"h" * 300,
    "3,000 bytes": b"H" * 3000,
    "bytes 80 to FF": bytes(range(0x80, 0x100)),
    "control bytes": bytes(byte for byte in range(0x20) if byte not in b"\r\n\t") + b"\x7f",
    "quotes": b"'\"`\\\"','event':'stop'}",
    "escape sequences": b"\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b2J",
    "a format": b"%s%n{0}$(reboot)",
}

#: What a log or a listing may consist of.
PRINTABLE = {*map(chr, range(0x20, 0x7F)), "\n"}


@pytest.fixture(scope="module")
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param, clients=2) as steered:
        yield steered


both_families = pytest.mark.parametrize(
    "steered", [4, 6], ids=["ipv4", "ipv6"], indirect=True, scope="module"
)


@both_families
def test_calls_from_one_socket_part_ways_and_each_sticks(steered: Steered) -> None:
    """300 calls of one ip:port: 100 on each of three servers, none split, no datagram lost."""
    calls = call_ids("trunk", 300)
    payloads = interleaved(map(call, calls))
    random.Random(5060).shuffle(payloads)

    steered.send(payloads)

    placed = steered.placed(calls)
    assert [len(servers) for servers in placed.values()] == [1] * 300
    assert Counter(servers[0] for servers in placed.values()) == {
        "server1": 100,
        "server2": 100,
        "server3": 100,
    }
    assert not steered.traffic.lost()


@both_families
def test_hostile_call_ids_stick_and_are_shown_in_ascii(steered: Steered) -> None:
    """Whatever bytes they are, and how many: one server for each; log and listing stay ASCII."""
    calls = {name: call(call_id) for name, call_id in HOSTILE.items()}

    steered.send(interleaved(calls.values()))

    arrivals = steered.arrivals()
    servers = {name: [arrivals[payload] for payload in sent] for name, sent in calls.items()}
    assert {name: len(set(found)) for name, found in servers.items()} == dict.fromkeys(HOSTILE, 1)
    assert not steered.traffic.lost()
    listed = {template["pe_data_hex"] for template in steered.daemon.templates()}
    assert listed >= {call_id[:MAX_SHOWN_PE_DATA].hex() for call_id in HOSTILE.values()}
    logged = {event["pe_data"] for event in steered.daemon.events("template-created")}
    assert len(logged) == len(steered.daemon.events("template-created"))
    for text in (
        steered.daemon.listing("--templates"),
        steered.daemon.listing("--templates", "--json"),
        steered.daemon.process.out.read_bytes().decode("latin-1"),
    ):
        assert set(text) <= PRINTABLE


@both_families
def test_similar_call_ids_are_different_calls(steered: Steered) -> None:
    """Case counts and nothing is cut off: what differs in its 3,000th byte gets its own server."""
    pairs = [(b"Case@example.net", b"case@example.net"), (b"p" * 3000 + b"1", b"p" * 3000 + b"2")]

    for pair in pairs:
        steered.send([request(call_id) for call_id in pair])

        assert len(set(steered.last_servers(pair).values())) == 2


@pytest.mark.parametrize(
    ("steered", "mask", "clients"),
    [
        (4, 32, ["192.0.2.11", "192.0.2.12"]),
        (4, 24, ["192.0.2.0"]),
        (4, 0, ["0.0.0.0"]),
        (6, 128, ["2001:db8::11", "2001:db8::12"]),
        (6, 64, ["2001:db8::"]),
        (6, 0, ["::"]),
    ],
    indirect=["steered"],
    scope="module",
)
def test_one_call_id_from_two_clients(steered: Steered, mask: int, clients: list[str]) -> None:
    """A template for each masked client, and (by rr) a server for each template, no more."""
    call_id = f"shared-{mask}@example.net".encode()
    steered.daemon.configure(mask=mask)
    steered.daemon.reload()

    for client in steered.lab.clients:
        steered.send(call(call_id), client=client)

    templates = [t for t in steered.daemon.templates() if t["pe_data"] == call_id.decode()]
    assert sorted(template["client"] for template in templates) == clients
    assert len(steered.placed([call_id])[call_id]) == len(clients)
    assert not steered.traffic.lost()
