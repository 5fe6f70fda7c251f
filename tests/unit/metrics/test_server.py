"""The HTTP server: what it answers, and what no client can do to it."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from pe_nfq.errors import TableError
from pe_nfq.metrics import server as module
from pe_nfq.metrics.pages import Pages
from pe_nfq.metrics.server import MAX_CONNECTIONS, MAX_HEAD, PAUSE, Server
from pe_nfq.model import Endpoint
from tests.status import status

HOST = "127.0.0.1"


class Looks:
    """A director that was asked so often; waits while it is `held`."""

    def __init__(self) -> None:
        self.count = 0
        self.status = status()
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> Mapping[str, Any]:
        self.count += 1
        self.free.wait()
        if self.error is not None:
            raise self.error
        return self.status


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def server(looks: Looks) -> Iterator[Server]:
    found = Server(free_endpoint(), Pages(looks))
    found.start()
    yield found
    looks.free.set()
    found.stop()


def free_endpoint() -> Endpoint:
    """An address of the loopback interface on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return Endpoint.parse(f"{HOST}:{probe.getsockname()[1]}")


def port(server: Server) -> int:
    return int(server.server_address[1])


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, str]:
    """An answer and its body."""
    connection = HTTPConnection(HOST, port(server), timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def raw(server: Server, data: bytes = b"") -> socket.socket:
    peer = socket.create_connection((HOST, port(server)), timeout=10)
    peer.sendall(data)
    return peer


def test_metrics_are_prometheus_text(server: Server) -> None:
    answer, body = ask(server, "/metrics")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'pe_nfq_build_info{version="0.5.0"} 1.0' in body


def test_the_status_is_the_same_for_all(server: Server) -> None:
    answer, body = ask(server, "/status.json?x=1")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert '"pid": 4242' in body


def test_the_page_runs_its_own_script_and_loads_nothing(server: Server) -> None:
    """Its policy names the scripts that are in it, by hash."""
    answer, body = ask(server, "/")
    policy = answer.headers["Content-Security-Policy"]

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert body.count("<script>") + body.count("<style>") == policy.count("'sha256-") > 0
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_get_without_its_body(server: Server) -> None:
    whole, body = ask(server, "/metrics")
    answer, nothing = ask(server, "/metrics", "HEAD")

    assert (answer.status, nothing) == (200, "")
    assert answer.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/data/pe-nfq.toml", 404),
        ("GET", "http://203.0.113.1/metrics", 404),
        ("POST", "/metrics", 501),
        ("DELETE", "/status.json", 501),
    ],
)
def test_there_is_nothing_else(server: Server, method: str, path: str, status_code: int) -> None:
    answer, _ = ask(server, path, method)

    assert answer.status == status_code


@pytest.mark.parametrize(
    ("host", "status_code"),
    [
        ("127.0.0.1:9506", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:9506", 200),
        ("rebound.example:9506", 421),
        ("127.0.0.1.rebound.example", 421),
        ("", 421),
    ],
)
def test_a_name_that_points_here_is_refused(server: Server, host: str, status_code: int) -> None:
    """A stranger's page could else read the status through the operator's browser."""
    answer, _ = ask(server, "/status.json", Host=host)

    assert answer.status == status_code


def test_who_was_bound_to_the_world_is_asked_by_any_name(looks: Looks) -> None:
    at = Endpoint(bytes(4), free_endpoint().port)
    found = Server(at, Pages(looks))
    found.start()
    answer, _ = ask(found, "/metrics", Host="director.example")
    found.stop()

    assert answer.status == 200


def test_ipv6_is_served(looks: Looks) -> None:
    at = Endpoint.parse(f"[::1]:{free_endpoint().port}")
    found = Server(at, Pages(looks))
    found.start()
    connection = HTTPConnection("::1", at.port, timeout=10)
    connection.request("GET", "/metrics")

    assert connection.getresponse().status == 200
    connection.close()
    found.stop()


def test_an_address_that_is_taken_is_an_error(server: Server, looks: Looks) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(Endpoint.parse(f"{HOST}:{port(server)}"), Pages(looks))


def test_of_one_status_each_page_is_made_once(looks: Looks) -> None:
    """However often it is asked; of the next one anew."""
    pages = Pages(looks)
    first = pages.of("/metrics")
    again = pages.of("/metrics")
    looks.status = status(version="9")
    after = pages.of("/metrics")

    assert first is again
    assert after is not None
    assert b'version="9"' in after.body


def test_a_director_that_cannot_say_is_unavailable(server: Server, looks: Looks) -> None:
    """And whoever asks learns why, without being able to run it."""
    looks.error = TableError("the table is <script>")
    answer, body = ask(server, "/metrics")

    assert answer.status == 503
    assert "the table is &lt;script&gt;" in body


def test_only_so_many_are_served_at_a_time(server: Server, looks: Looks) -> None:
    """Who comes on top is turned away at once; when one has left there is room again."""
    looks.free.clear()
    peers = [raw(server, b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(MAX_CONNECTIONS)]
    turned_away = raw(server)
    refusal = turned_away.recv(1000)
    turned_away.close()
    looks.free.set()
    answers = [read_all(peer) for peer in peers]

    assert refusal.startswith(b"HTTP/1.0 503 ")
    assert all(answer.startswith(b"HTTP/1.0 200 ") for answer in answers)
    assert read_all(raw(server, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.0 200 ")


def test_where_no_thread_can_be_had_others_are_served_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of tasks, or memory: what could not be served takes nobody's place for ever."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        for _ in range(MAX_CONNECTIONS):
            with raw(server) as peer:
                assert peer.recv(1) == b""
    assert ask(server, "/metrics")[0].status == 200


def test_who_floods_waits(server: Server) -> None:
    """So many a second, however fast they come: the processor is the supervisor's."""
    began = time.monotonic()
    for _ in range(20):
        read_all(raw(server, b"GET /nothing HTTP/1.1\r\n\r\n"))

    assert time.monotonic() - began >= 19 * PAUSE


def read_all(peer: socket.socket) -> bytes:
    """Until the other end closes."""
    data = b""
    while chunk := peer.recv(1 << 16):
        data += chunk
    peer.close()
    return data


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_head_has_a_longest_length(beyond: int) -> None:
    """What has no end by then is not read on."""
    ours, theirs = socket.socketpair()
    end = b"\r\n\r\n"
    theirs.sendall(b"x" * (MAX_HEAD + beyond))
    if beyond:
        with pytest.raises(ConnectionError, match="too long"):
            module._head(ours, 0.05)
    else:
        theirs.sendall(end)
        assert module._head(ours) == b"x" * MAX_HEAD + end
    ours.close()
    theirs.close()


def test_a_slow_client_has_its_time_and_no_more() -> None:
    """Also one that says something all the time: the limit is of the whole head."""
    ours, theirs = socket.socketpair()
    now = iter(range(100))

    def clock() -> float:
        """A byte comes each second."""
        theirs.send(b"x")
        return next(now)

    with pytest.raises(TimeoutError):
        module._head(ours, 5, clock)
    # One reading to begin with, and one before each byte that was waited for.
    assert next(now) == 6
    ours.close()
    theirs.close()


def test_a_silent_client_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        module._head(ours, 0.05)
    assert time.monotonic() - began < 5
    ours.close()
    theirs.close()
