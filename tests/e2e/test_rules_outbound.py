"""What servers send through the director is queued in FORWARD: to the workers, then to standby."""

import signal
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from pe_nfq.marks import Marks
from tests.e2e.rules_lab import LISTENER, seen
from tests.e2e.rules_returns import Returns
from tests.lab.daemon import endpoint
from tests.lab.process import Process

BYE: Final = b"BYE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
OTHER_PORT: Final = 40000


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def returns(request: pytest.FixtureRequest) -> Iterator[Returns]:
    with Returns(request.param) as built:
        yield built


def listen(returns: Returns, queue: int, service: tuple[str, int]) -> Process:
    """A worker that has everything leave in the name of `service`."""
    mark = Marks().returning(f"udp {endpoint(*service)}")
    words = [sys.executable, str(LISTENER), str(queue), str(mark)]
    process = returns.lab.director.start(words, f"queue{queue}")
    process.wait_for_output("ready")
    return process


def lengths(returns: Returns, listener: Process) -> list[int]:
    """Bytes behind the UDP headers of what a listener has got; nothing came with a mark."""
    header = 28 if returns.lab.family == 4 else 48
    assert {mark for _, mark in seen(listener)} <= {0}
    return [length - header for length, _ in seen(listener)]


def test_a_worker_says_in_whose_name_a_servers_datagram_leaves(returns: Returns) -> None:
    """From the port that it listens on and from others; large ones as one packet."""
    returns.rules("load")
    worker, standby = (listen(returns, 5060, returns.second), listen(returns, 5059, returns.first))
    large = BYE.ljust(3001, b"x")

    sources = {
        returns.answer(payload, src_port=port)
        for payload in (BYE, large)
        for port in (returns.port, OTHER_PORT)
    }

    assert sources == {returns.second}
    assert lengths(returns, worker) == [len(BYE), len(BYE), len(large), len(large)]
    assert lengths(returns, standby) == []


def test_the_standby_worker_sees_what_a_killed_worker_misses(returns: Returns) -> None:
    """A call that nobody saw go would come back to any server."""
    returns.rules("load")
    worker, standby = (listen(returns, 5060, returns.first), listen(returns, 5059, returns.second))
    worker.stop(signal.SIGKILL)

    assert returns.answer(BYE) == returns.second
    assert lengths(returns, standby) == [len(BYE)]


def test_speech_and_keepalives_are_not_queued(returns: Returns) -> None:
    """A keepalive leaves in the name of the first service."""
    returns.rules("load")
    worker = listen(returns, 5060, returns.second)

    assert returns.answer(b"\r\n\r\n") == returns.first
    assert returns.answer(b"\x80speech", src_port=OTHER_PORT, dst_port=40002)[1] == OTHER_PORT
    assert lengths(returns, worker) == []


def test_outbound_can_be_switched_off(returns: Returns) -> None:
    """Replies leave in the name of the first service, unseen."""
    text = returns.config.read_text()
    returns.config.write_text(f"outbound = false\n{text}")
    returns.rules("load")
    worker = listen(returns, 5060, returns.second)

    assert returns.answer(BYE) == returns.first
    assert lengths(returns, worker) == []


def test_route_servers_are_queued_where_it_is_asked_for(returns: Returns) -> None:
    """By their own addresses and by the virtual one; none of it is rewritten."""
    text = returns.config.read_text().replace('"masq"', '"route"')
    text = text[: text.rindex("[[service]]")]
    returns.config.write_text(text)
    returns.rules("load")
    worker = listen(returns, 5060, returns.second)
    (server,) = returns.lab.servers[:1]
    server.ip(f"address add {returns.lab.vip} dev lo {returns.lab.nodad}")
    returns.lab.director.sysctl({"net/ipv4/conf/all/accept_local": 1})
    assert returns.answer(BYE) == (server.address, returns.port)
    assert returns.answer(BYE, source=returns.lab.vip) == returns.first
    assert lengths(returns, worker) == []
    returns.config.write_text(f"outbound = true\n{text}")
    returns.rules("load")

    assert returns.answer(BYE) == (server.address, returns.port)
    assert returns.answer(BYE, source=returns.lab.vip) == returns.first
    assert lengths(returns, worker) == [len(BYE)] * 2
