"""Datagrams that an engine is tried with: the author's own, cut, changed, and made up.

All come from a seeded generator: a failure comes back with the same seed.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

#: The largest UDP payload over IPv4: 65,535 less 20 and 8 bytes of headers.
MAX_PAYLOAD: Final = 65_507
#: A datagram is cut at each of its lengths up to so many, and at as many of a longer one's.
_MAX_CUTS: Final = 4096
#: Bytes in a made-up datagram: most that matters stands in the first few hundred.
_MADE_UP: Final = 600
#: What parsers stumble over, beside random bytes.
_TRAPS: Final = (b"\0", b"\xff", b"\r\n", b"\n", b"\r\n\r\n", b" ", b":", b"-1", b"9" * 40, b"\x80")


class Probe(NamedTuple):
    """`payload`, and what may stand behind it in the packet, to lead astray who reads on."""

    payload: bytes
    behind: bytes


def probes(given: Sequence[bytes], random: Random, rounds: int) -> Iterator[Probe]:
    """The given datagrams first; `rounds` changed ones and as many made up of random bytes."""
    for payload in given:
        yield Probe(payload, random.choice(given))
    for payload in given:
        sizes = range(len(payload))
        for size in sizes if len(sizes) <= _MAX_CUTS else random.sample(sizes, _MAX_CUTS):
            yield Probe(payload[:size], payload[size:])
    for _ in range(rounds):
        yield Probe(changed(given, random), random.choice(given))
        yield Probe(random.randbytes(random.randrange(_MADE_UP)), random.choice(given))


def changed(given: Sequence[bytes], random: Random) -> bytes:
    """One of the given datagrams with one to three changes."""
    payload = random.choice(given)
    for _ in range(random.randint(1, 3)):
        at, to = sorted(random.randrange(len(payload) + 1) for _ in range(2))
        to = min(to, at + random.choice((0, 1, 4, len(payload))))
        other = random.choice(given)
        between = random.choice(
            (
                b"",
                random.randbytes(random.randint(1, 4)),
                random.choice(_TRAPS),
                payload[at:to] * 2,
                other[random.randrange(len(other) + 1) :],
            )
        )
        payload = (payload[:at] + between + payload[to:])[:MAX_PAYLOAD]
    return payload


def patterns(given: Sequence[bytes], random: Random, rounds: int) -> Iterator[bytes]:
    """What, repeated, shows an engine that looks at the same bytes again and again."""
    values = set(b"".join(given)) | {0, 0xFF, *b" \t\r\n:"}
    yield from (bytes([value]) for value in sorted(values))
    yield from (payload for payload in given if payload)
    for _ in range(rounds):
        payload = random.choice(given)
        at = random.randrange(len(payload) + 1)
        if piece := payload[at : at + random.randint(2, 40)]:
            yield piece
