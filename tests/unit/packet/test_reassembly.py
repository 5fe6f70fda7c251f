"""Fragments into packets: the kernel's rules, and what keeps a hostile capture from growing us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP

from pe_nfq.packet.reassembly import MAX_FRAGMENTS, MAX_PENDING, TIMEOUT, Reassembler


def piece(offset: int, body: bytes, more: bool = True, number: int = 1) -> bytes:
    """An IPv4 fragment; `offset` in bytes."""
    flags = "MF" if more else 0
    ends = {"src": "192.0.2.1", "dst": "192.0.2.2"}
    return bytes(IP(**ends, id=number, frag=offset // 8, flags=flags, proto=17) / body)


def joined(reassembler: Reassembler, *pieces: bytes) -> list[bytes]:
    """The payloads of the packets that come out."""
    wholes = [reassembler.add(each, 0.0) for each in pieces]
    return [whole[20:] for whole in wholes if whole]


@given(st.permutations([(0, b"a" * 8), (8, b"b" * 16), (24, b"c" * 8), (32, b"d" * 3)]))
def test_order_does_not_matter(parts: list[tuple[int, bytes]]) -> None:
    reassembler = Reassembler()
    pieces = [piece(at, body, more=at != 32) for at, body in parts]
    assert joined(reassembler, *pieces) == [b"a" * 8 + b"b" * 16 + b"c" * 8 + b"d" * 3]
    assert reassembler.incomplete == 0


def test_a_repeated_fragment_is_ignored() -> None:
    first, last = piece(0, b"a" * 8), piece(8, b"b", more=False)
    assert joined(Reassembler(), first, first, last) == [b"a" * 8 + b"b"]


@pytest.mark.parametrize(
    "second",
    [
        piece(8, b"x" * 16),  # over the end of the first
        piece(0, b"x" * 8),  # within it
        piece(0, b"x" * 16),  # other bytes at the same place
        piece(8, b"x", more=False),  # ends before the first does
        piece(16, b"x" * 7),  # not the last, and not a multiple of 8
        piece(65_528, b"x" * 8),  # ends beyond 65,535
    ],
)
def test_what_does_not_fit_voids_the_datagram(second: bytes) -> None:
    """Overlaps (RFC 5722), and offsets and lengths that cannot be."""
    reassembler = Reassembler()
    assert joined(reassembler, piece(0, b"a" * 16), second) == []
    assert reassembler.given_up == 1
    assert joined(reassembler, piece(16, b"b", more=False)) == []


def test_a_last_fragment_that_is_not_the_last_voids_the_datagram() -> None:
    """It ends where the datagram does; another lies beyond that."""
    reassembler = Reassembler()
    assert joined(reassembler, piece(24, b"b" * 8), piece(8, b"a", more=False)) == []
    assert reassembler.given_up == 1


def test_datagrams_do_not_mix() -> None:
    a, b = piece(0, b"a" * 8, number=1), piece(8, b"b", more=False, number=2)
    reassembler = Reassembler()
    assert joined(reassembler, a, b) == []
    assert reassembler.incomplete == 2


def test_the_oldest_gives_way() -> None:
    reassembler = Reassembler()
    for number in range(MAX_PENDING + 1):
        reassembler.add(piece(0, b"a" * 8, number=number), 0.0)
    assert (reassembler.given_up, reassembler.incomplete) == (1, MAX_PENDING + 1)
    assert joined(reassembler, piece(8, b"b", more=False, number=0)) == []
    assert joined(reassembler, piece(8, b"b", more=False, number=9)) == [b"a" * 8 + b"b"]


def test_fragments_are_waited_for_so_long() -> None:
    last = piece(8, b"b", more=False)
    for wait, whole in ((TIMEOUT, True), (TIMEOUT + 1, False)):
        reassembler = Reassembler()
        reassembler.add(piece(0, b"a" * 8), 100.0)
        assert (reassembler.add(last, 100.0 + wait) is not None) == whole


def test_a_datagram_has_so_many_fragments() -> None:
    for count, whole in ((MAX_FRAGMENTS, True), (MAX_FRAGMENTS + 1, False)):
        pieces = [piece(8 * at, b"a" * 8, more=at < count - 1) for at in range(count)]
        assert bool(joined(Reassembler(), *pieces)) == whole


@given(
    st.lists(
        st.tuples(st.sampled_from([b"\x45", b"\x60", b""]), st.binary(max_size=80)), max_size=6
    )
)
def test_any_bytes_are_taken(packets: list[tuple[bytes, bytes]]) -> None:
    reassembler = Reassembler()
    for start, rest in packets:
        assert isinstance(reassembler.add(start + rest, 0.0), bytes | None)
