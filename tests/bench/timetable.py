"""When each datagram of an open-loop run is due, whatever becomes of the others. Pure.

Coordinated omission: a sender that waits for what is slow asks less often
just then, and reports the fewer. So times are set beforehand.
"""

import heapq
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

#: (ns from the beginning, which datagram of the file)
Line = tuple[int, int]

SECOND: Final = 1_000_000_000


def steady(
    rate: float, seconds: float, datagrams: range, *, begin: float = 0.0, once: bool = False
) -> Iterator[Line]:
    """`rate` a second for `seconds`, evenly, from `begin` (s) on.

    `datagrams` in their order, over and over; with `once` it ends behind the last.
    Times are computed from the first, so that no rounding adds up.
    """
    count = round(rate * seconds)
    if once:
        count = min(count, len(datagrams))
    start = round(begin * SECOND)
    for number in range(count):
        yield start + round(number * SECOND / rate), datagrams[number % len(datagrams)]


def merge(*streams: Iterable[Line]) -> list[Line]:
    """Several streams in the order of time."""
    return list(heapq.merge(*streams))


def encode_payloads(payloads: Sequence[bytes]) -> bytes:
    """The datagrams for `pacer.c`: each behind its length."""
    return b"".join(struct.pack("!H", len(payload)) + payload for payload in payloads)


def encode(lines: Iterable[Line]) -> bytes:
    """The timetable for `pacer.c`."""
    return array("q", [number for line in lines for number in line]).tobytes()
