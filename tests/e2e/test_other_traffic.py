"""What is not SIP to a service passes the director as if pe-nfq were not there."""

import socket
from collections.abc import Iterator

import pytest

from tests.lab import counter, forwarding
from tests.lab.counter import Leaving
from tests.lab.messages import request
from tests.lab.network import SIP_PORT, Node
from tests.lab.steered import Steered, steer


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param) as steered:
        client, server = steered.lab.client, steered.lab.servers[0]
        client.ip(f"route add {server.address} via {steered.lab.director.address}")
        yield steered


def test_forwarded_traffic_is_untouched(steered: Steered) -> None:
    """UDP and TCP to addresses of others, port 5060 included: forwarded, not queued, not marked."""
    server = steered.lab.servers[0]
    forwarded, marked = Leaving(steered.lab, counter.ANY), Leaving(steered.lab, counter.OURS)
    queued = steered.daemon.queued()

    for port in (SIP_PORT, 7000):
        _say(steered, server, server.address, port)
        _connect(steered, server, server.address, port)

    assert steered.daemon.queued() == queued
    assert marked.read() == 0
    assert forwarded.read() > 2 * 4  # a datagram, SYN, ACK and FIN each


def test_the_rest_of_the_address_is_untouched(steered: Steered) -> None:
    """Other ports, and TCP, of the virtual address stay the director's own."""
    lab = steered.lab
    queued = steered.daemon.queued()

    _say(steered, lab.director, lab.vip, SIP_PORT + 20)
    for port in (SIP_PORT, SIP_PORT + 20):
        _connect(steered, lab.director, lab.vip, port)

    assert steered.daemon.queued() == queued


def test_the_counters_count(steered: Steered) -> None:
    """What is SIP to the service is queued once, leaves marked, and is seen by these counters."""
    forwarded, marked = Leaving(steered.lab, counter.ANY), Leaving(steered.lab, counter.DECIDED)
    queued = sum(steered.daemon.queued().values())

    steered.send([request(b"counted@example.net")])

    assert sum(steered.daemon.queued().values()) == queued + 1
    assert marked.read() == 1
    assert forwarded.read() >= 1


def test_forwarding_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """The measurement of `tests.lab.forwarding` forwards in all its labs, and gives its ratios."""
    assert forwarding.main(["--rounds", "2", "--seconds", "0.02", "--servers", "1"]) == 0

    _, *rounds, ruled, bare = capsys.readouterr().out.splitlines()
    assert len(rounds) == 2
    assert all(int(rate) > 0 for turns in rounds for rate in turns.split())
    assert ruled.startswith("forwarding: steered/ruled ")
    assert bare.startswith("forwarding: steered/bare ")


def _say(steered: Steered, listener: Node, address: str, port: int) -> None:
    """A datagram from the client to a listener."""
    client = steered.lab.client
    with (
        listener.socket(address, port) as receiver,
        client.socket(client.address, SIP_PORT) as sender,
    ):
        receiver.settimeout(5)
        sender.sendto(request(b"other@example.net"), (address, port))
        assert receiver.recv(2048) == request(b"other@example.net")


def _connect(steered: Steered, listener: Node, address: str, port: int) -> None:
    """A TCP connection from the client to a listener, with a message in it."""
    client = steered.lab.client
    with (
        listener.socket(address, port, kind=socket.SOCK_STREAM) as acceptor,
        client.socket(client.address, kind=socket.SOCK_STREAM) as caller,
    ):
        acceptor.listen()
        acceptor.settimeout(5)
        caller.settimeout(5)
        caller.connect((address, port))
        accepted, _ = acceptor.accept()
        with accepted:
            caller.sendall(b"a word")
            accepted.settimeout(5)
            assert accepted.recv(100) == b"a word"
