"""The netfilter queue as a worker uses it: whole datagrams, fail-open, leaving without a loss."""

import functools
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.nfqueue import BATCH_DATAGRAMS, Queue, QueueState, parse_queues
from tests.lab.namespace import PREFIX, Namespace, inside
from tests.lab.waiting import wait_until

QUEUE = 7
#: A socket buffer for a few datagrams.
SMALL = 4096
_numbers = itertools.count(1)


class Loop:
    """A namespace in which datagrams to 127.0.0.1 meet the queue."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.receiver = namespace.socket("127.0.0.1")
        self.receiver.settimeout(5)
        self._sender = namespace.socket("127.0.0.1")
        port = self.receiver.getsockname()[1]
        rule = f"iptables -w -t mangle -A PREROUTING -p udp --dport {port}"
        namespace.run(f"{rule} -j NFQUEUE --queue-num {QUEUE} --queue-bypass".split())

    def bind(self, decide: Callable[[Any], None]) -> Queue:
        """The queue, bound in the namespace."""
        with inside(self._namespace.name):
            return Queue(QUEUE, decide)

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            self._sender.sendto(payload, self.receiver.getsockname())

    def waiting(self) -> int:
        """How many datagrams the kernel keeps for the queue."""
        table = self._namespace.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout
        return next((int(line.split()[2]) for line in table.splitlines()), 0)

    def state(self) -> QueueState:
        """What the kernel says of the queue."""
        tables = ("netfilter/nfnetlink_queue", "netlink")
        texts = [self._namespace.run(["cat", f"/proc/net/{table}"]).stdout for table in tables]
        return parse_queues(*(text.splitlines() for text in texts))[QUEUE]

    def receive(self, count: int) -> list[bytes]:
        return [self.receiver.recv(65535) for _ in range(count)]

    def close(self) -> None:
        self.receiver.close()
        self._sender.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    name = f"{PREFIX}-{os.getpid()}-queue{next(_numbers)}"
    with Namespace(name, tmp_path) as namespace:
        loop = Loop(namespace)
        yield loop
        loop.close()


def is_last_batch(queue: Queue) -> bool:
    queue.run_batch()
    return not queue.socket.cut


def accept(packet: Any) -> None:
    packet.accept()


def test_without_a_listener_datagrams_pass(loop: Loop) -> None:
    """The lab without a queue: bypass works."""
    loop.send(b"a", b"b")

    assert loop.receive(2) == [b"a", b"b"]


def test_a_datagram_is_handed_over_whole(loop: Loop) -> None:
    """Also one of 60,000 bytes, far beyond the 4,016 that the library stops at."""
    seen: list[int] = []

    def note(packet: Any) -> None:
        seen.append(len(packet.get_payload()))
        packet.accept()

    queue = loop.bind(note)
    loop.send(b"x" * 10, b"x" * 8000, b"x" * 60000)
    wait_until(lambda: loop.waiting() == 3, "the datagrams to be queued")
    queue.run_batch()
    queue.close()

    assert seen == [28 + 10, 28 + 8000, 28 + 60000]
    assert [len(payload) for payload in loop.receive(3)] == [10, 8000, 60000]


def test_a_batch_ends_although_there_is_more(loop: Loop) -> None:
    """The loop comes round under saturation."""
    queue = loop.bind(accept)
    loop.send(*[b"x"] * (BATCH_DATAGRAMS + 10))
    wait_until(lambda: loop.waiting() == BATCH_DATAGRAMS + 10, "the datagrams to be queued")

    queue.run_batch()
    first = (queue.socket.taken, queue.socket.cut)
    wait_until(functools.partial(is_last_batch, queue), "the last batch")
    queue.close()

    assert 0 < first[0] <= BATCH_DATAGRAMS
    assert first[1]
    assert loop.receive(BATCH_DATAGRAMS + 10) == [b"x"] * (BATCH_DATAGRAMS + 10)


def test_what_does_not_fit_passes_on_and_is_counted(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail-open: a full socket costs the decision, not the datagram; the kernel says how many."""
    monkeypatch.setattr("pe_nfq.nfqueue._SOCKET_BUFFER", SMALL)
    queue = loop.bind(accept)
    payloads = [b"%d" % number for number in range(20)]
    loop.send(*payloads)

    waiting, passed = loop.state().waiting, loop.state().passed
    assert (waiting + passed, loop.state().dropped) == (20, 0)
    assert 0 < passed < 20
    assert loop.receive(passed) == payloads[waiting:]
    queue.run_batch()
    queue.close()
    assert loop.receive(waiting) == payloads[:waiting]


def test_a_socket_that_was_full_takes_what_there_is_room_for(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NETLINK_NO_ENOBUFS: without it nothing is taken until all has been read."""
    monkeypatch.setattr("pe_nfq.nfqueue._SOCKET_BUFFER", SMALL)
    monkeypatch.setattr("pe_nfq.nfqueue.BATCH_DATAGRAMS", 1)
    queue = loop.bind(accept)
    loop.send(*[b"x"] * 20)
    before = loop.state()
    queue.run_batch()
    assert loop.waiting() == before.waiting - 1
    loop.send(b"y")
    after = loop.state()
    queue.close()

    assert (after.waiting, after.passed) == (before.waiting, before.passed)


@pytest.mark.parametrize("size", [500, 1500])
def test_a_socket_holds_thousands_of_datagrams(loop: Loop, size: int) -> None:
    """Its buffer is what we ask for, beyond what net.core.rmem_max allows."""
    queue = loop.bind(accept)
    for _ in range(8):
        loop.send(*[b"x" * size] * 1024)
    state = loop.state()
    buffer = queue.socket.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    queue.close()

    assert buffer > 2 * int(Path("/proc/sys/net/core/rmem_max").read_text())
    assert (state.waiting, state.passed) == (8192, 0)


def test_leaving_loses_nothing(loop: Loop) -> None:
    """After `refuse_more` new datagrams pass on and those that wait are still decided."""
    queue = loop.bind(accept)
    loop.send(b"waits")
    wait_until(loop.waiting, "the datagram to be queued")
    queue.refuse_more()
    loop.send(b"passes")

    assert loop.receive(1) == [b"passes"]
    queue.run_batch()
    assert loop.waiting() == 0
    queue.close()
    assert loop.receive(1) == [b"waits"]


def test_a_queue_that_is_taken_is_refused(loop: Loop) -> None:
    """Another program on the same queue: an error, not a silent share."""
    first = loop.bind(accept)
    with pytest.raises(OSError, match="queue 7; if another program holds it, choose another queue"):
        loop.bind(accept)
    first.close()
