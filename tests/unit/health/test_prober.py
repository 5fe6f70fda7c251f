"""Probes over real sockets of the loopback: whose answer counts, and who waits for whom."""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pe_nfq.health import Outcome, Prober, Target
from pe_nfq.model import Endpoint

#: Longer than any machine needs for a datagram to itself; nobody waits for it but who is silent.
PATIENT = 10.0
BRIEF = 0.2

Answer = Callable[[bytes, tuple[str, int]], object]


class Responder:
    """A UDP server of the loop: `answer(request, client)` is called for each datagram."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.answer: Answer = lambda request, client: None
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.parse("{}:{}".format(*self.socket.getsockname()))

    def ok(self, request: bytes, client: tuple[str, int]) -> None:
        self.socket.sendto(answer(request), client)

    def _read(self) -> None:
        self.answer(*self.socket.recvfrom(4096))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


def answer(request: bytes, code: int = 200) -> bytes:
    """As a server gives it: with the request's Via."""
    via = re.search(rb"Via: [^\r]*\r\n", request)
    assert via is not None
    return b"SIP/2.0 %d Any\r\n%s\r\n" % (code, via[0])


Life = Callable[[Prober, Responder], Coroutine[Any, Any, None]]


def probing(life: Life) -> None:
    """Run `life` with a prober and a server."""

    async def run() -> None:
        prober, server = Prober(), Responder()
        try:
            await life(prober, server)
        finally:
            prober.close()
            server.close()

    asyncio.run(run())


@contextlib.contextmanager
def sending_from(host: str) -> Iterator[socket.socket]:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind((host, 0))
        yield other


def test_an_answer_has_its_code_and_its_time() -> None:
    async def life(prober: Prober, server: Responder) -> None:
        server.answer = lambda request, client: server.socket.sendto(answer(request, 503), client)
        outcome = await prober.probe(Target(server.endpoint), PATIENT)
        assert (outcome.code, outcome.why, outcome.is_asked) == (503, "answered 503", True)
        assert outcome.rtt is not None
        assert 0 < outcome.rtt < PATIENT

    probing(life)


def test_silence_is_no_code() -> None:
    async def life(prober: Prober, server: Responder) -> None:
        outcome = await prober.probe(Target(server.endpoint), BRIEF)
        assert outcome == Outcome("no answer within 0.2 s")

    probing(life)


@pytest.mark.parametrize(
    ("host", "alias", "counts"),
    [
        ("127.0.0.1", b"", True),  # the server's own, by another port
        ("127.0.0.3", bytes((127, 0, 0, 3)), True),  # the service's, as masq makes it
        ("127.0.0.2", bytes((127, 0, 0, 3)), False),  # a stranger's, though it knows the branch
    ],
)
def test_who_may_answer(host: str, alias: bytes, counts: bool) -> None:
    async def life(prober: Prober, server: Responder) -> None:
        with sending_from(host) as other:
            server.answer = lambda request, client: other.sendto(answer(request), client)
            timeout = PATIENT if counts else BRIEF
            outcome = await prober.probe(Target(server.endpoint, alias=alias), timeout)
            assert outcome.code == (200 if counts else 0)

    probing(life)


@pytest.mark.parametrize(
    "forge",
    [
        lambda request: b"",
        lambda request: bytes(1400),
        lambda request: request,
        lambda request: answer(request, 100),
        lambda request: answer(request).replace(b"z9hG4bK", b"z9hG4bKx"),
    ],
)
def test_what_is_no_answer_is_passed_over(forge: Callable[[bytes], bytes]) -> None:
    """The one that follows counts."""

    async def life(prober: Prober, server: Responder) -> None:
        def both(request: bytes, client: tuple[str, int]) -> None:
            server.socket.sendto(forge(request), client)
            server.socket.sendto(answer(request, 405), client)

        server.answer = both
        assert (await prober.probe(Target(server.endpoint), PATIENT)).code == 405

    probing(life)


def test_a_slow_server_delays_nobody() -> None:
    """A hundred that are silent are asked before one that answers."""

    async def life(prober: Prober, server: Responder) -> None:
        silent = Responder()
        waiting = [
            asyncio.create_task(prober.probe(Target(silent.endpoint), PATIENT)) for _ in range(100)
        ]
        server.answer = server.ok
        outcome = await prober.probe(Target(server.endpoint), PATIENT)
        assert outcome.code == 200
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        silent.close()

    probing(life)


def test_a_supervisor_that_was_held_up_takes_no_server_down() -> None:
    """The answer waits in the socket when its time is over: it counts."""

    async def life(prober: Prober, server: Responder) -> None:
        def answer_and_be_late(request: bytes, client: tuple[str, int]) -> None:
            server.ok(request, client)
            time.sleep(2 * BRIEF)

        server.answer = answer_and_be_late
        assert (await prober.probe(Target(server.endpoint), BRIEF)).code == 200

    probing(life)


def test_no_two_questions_are_alike() -> None:
    """Who has seen one cannot answer the next."""

    async def life(prober: Prober, server: Responder) -> None:
        seen: list[bytes] = []

        def note(request: bytes, client: tuple[str, int]) -> None:
            seen.append(request)
            server.ok(request, client)

        server.answer = note
        for _ in range(2):
            await prober.probe(Target(server.endpoint), PATIENT)
        for name in (
            rb"branch=z9hG4bK([0-9a-f]{32});",
            rb"tag=([0-9a-f]{32})",
            rb"ID: ([0-9a-f]{32})",
        ):
            first, second = (re.search(name, request) for request in seen)
            assert first is not None
            assert second is not None
            assert first[1] != second[1]

    probing(life)


def test_what_cannot_be_asked_says_nothing_of_the_server() -> None:
    """A source address that is not ours: of TEST-NET-1, RFC 5737."""

    async def life(prober: Prober, server: Responder) -> None:
        target = Target(server.endpoint, source=bytes((192, 0, 2, 1)))
        outcome = await prober.probe(target, PATIENT)
        assert not outcome.is_asked
        assert outcome.why.startswith("cannot be asked: ")
        assert outcome.why.endswith(" (from 192.0.2.1)")

    probing(life)


def test_a_source_is_kept_and_a_socket_serves_all() -> None:
    """One for each source, closed when nobody asks from there any more."""

    async def life(prober: Prober, server: Responder) -> None:
        clients: set[tuple[str, int]] = set()

        def note(request: bytes, client: tuple[str, int]) -> None:
            clients.add(client)
            server.ok(request, client)

        server.answer = note
        source = bytes((127, 0, 0, 5))
        for _ in range(5):
            await prober.probe(Target(server.endpoint), PATIENT)
            await prober.probe(Target(server.endpoint, source=source), PATIENT)
        assert sorted(host for host, _ in clients) == ["127.0.0.1", "127.0.0.5"]
        prober.keep_only({b""})
        await prober.probe(Target(server.endpoint, source=source), PATIENT)
        assert sorted(host for host, _ in clients) == ["127.0.0.1", "127.0.0.5", "127.0.0.5"]

    probing(life)


def test_answers_wait_for_a_supervisor_that_stands_still() -> None:
    """Twice as many as the usual buffer takes: what it does not take would count as failures."""

    async def life(prober: Prober, server: Responder) -> None:
        asked: list[tuple[bytes, tuple[str, int]]] = []
        server.answer = lambda request, client: asked.append((request, client))
        probes: list[asyncio.Task[Outcome]] = []
        for _ in range(3):
            target = Target(server.endpoint)
            probes += [asyncio.create_task(prober.probe(target, PATIENT)) for _ in range(100)]
            while len(asked) < len(probes):
                await asyncio.sleep(0)
        for request, client in asked:
            server.ok(request, client)
        assert {outcome.code for outcome in await asyncio.gather(*probes)} == {200}

    probing(life)
