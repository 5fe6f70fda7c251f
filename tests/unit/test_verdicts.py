"""Verdicts as the kernel reads them; that it does is e2e (a worker forwards by nothing else)."""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pe_nfq.model import Decision
from pe_nfq.verdicts import MAX_WAITING, Verdicts

QUEUE = 5060
NF_DROP, NF_ACCEPT = 0, 1


class Verdict(NamedTuple):
    verdict: int
    packet_id: int
    mark: int | None


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that keeps messages apart, as netlink does, and its other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def read(messages: bytes) -> list[Verdict]:
    """Take a message block apart (include/uapi/linux/netlink.h, nfnetlink.h, nfnetlink_queue.h)."""
    verdicts = []
    while messages:
        length, kind, flags, _, port = struct.unpack_from("=IHHII", messages)
        assert (kind, flags, port, length % 4) == (3 << 8 | 1, 1, 0, 0)
        assert struct.unpack_from("!BBH", messages, 16) == (socket.AF_UNSPEC, 0, QUEUE)
        attributes, rest = {}, messages[20:length]
        while rest:
            size, name = struct.unpack_from("=HH", rest)
            attributes[name], rest = rest[4:size], rest[size:]
        verdict, packet_id = struct.unpack("!II", attributes.pop(2))
        mark = attributes.pop(3, None)
        assert not attributes
        verdicts.append(Verdict(verdict, packet_id, None if mark is None else int.from_bytes(mark)))
        messages = messages[length:]
    return verdicts


def test_each_verdict_has_its_own_mark(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    verdicts = Verdicts(ours, QUEUE)
    verdicts.give(1, Decision(0x50600001, "match"))
    verdicts.give(0xFFFFFFFF, Decision(0x50600002, "created"))
    verdicts.give(3, Decision(0, "passed"))
    verdicts.give(4, Decision(0, "dropped", drop=True))
    verdicts.flush()
    assert read(theirs.recv(1 << 16)) == [
        (NF_ACCEPT, 1, 0x50600001),
        (NF_ACCEPT, 0xFFFFFFFF, 0x50600002),
        (NF_ACCEPT, 3, None),
        (NF_DROP, 4, None),
    ]


def test_few_wait(ends: tuple[socket.socket, socket.socket]) -> None:
    """Without a flush they are sent when there are enough of them; a flush of none sends none."""
    ours, theirs = ends
    verdicts = Verdicts(ours, QUEUE)
    for number in range(MAX_WAITING):
        verdicts.give(number, Decision(7, "match"))
    assert len(read(theirs.recv(1 << 16))) == MAX_WAITING
    verdicts.flush()
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_none_is_lost_where_the_kernel_takes_none(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """They are sent later, each once and in order."""
    ours, theirs = ends
    verdicts = Verdicts(ours, QUEUE)
    count = 0
    # Until the other end is full, and twice a block beyond it.
    while len(verdicts._waiting) <= 2 * MAX_WAITING:
        verdicts.give(count, Decision(7, "match"))
        count += 1
    assert not verdicts.flush()
    received: list[Verdict] = []
    while len(received) < count:
        received += read(theirs.recv(1 << 16))
        verdicts.flush()
    assert verdicts.flush()
    assert [verdict.packet_id for verdict in received] == list(range(count))


def test_marks_are_noted_for_whoever_counts_them(ends: tuple[socket.socket, socket.socket]) -> None:
    """One a datagram, in whatever messages they are sent; those without a mark are not."""
    verdicts = Verdicts(ends[0], QUEUE)
    for number in range(MAX_WAITING + 2):
        verdicts.give(number, Decision(0x50600001 + number % 2, "match"))
    verdicts.give(99, Decision(0, "passed"))

    half = MAX_WAITING // 2 + 1
    assert sorted(verdicts.marks) == [0x50600001] * half + [0x50600002] * half


def test_messages_are_timed_while_somebody_watches(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """And are sent as ever."""
    ours, theirs = ends
    verdicts = Verdicts(ours, QUEUE)
    took: list[int] = []
    for number, watch in enumerate((None, took.append, took.append, None)):
        verdicts.watch(watch)
        verdicts.give(number, Decision(0, "passed"))
        assert verdicts.flush()

    assert [read(theirs.recv(1 << 16))[0].packet_id for _ in range(4)] == [0, 1, 2, 3]
    assert len(took) == 2
    assert min(took) > 0
