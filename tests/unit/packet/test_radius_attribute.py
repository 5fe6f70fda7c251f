"""The RADIUS attribute scanner: what it finds, and why it finds nothing."""

import pytest

from pe_nfq.model import Reason
from pe_nfq.packet.radius_attribute import MAX_ATTRIBUTES, MAX_PACKET, scan_attribute
from tests.radius import attribute, radius

NAS = attribute(32, b"nas")
SOUGHT = attribute(31, b"00-11-22-33-44-55")
EMPTY = b"\x1f\x02"


def scan(payload: bytes, number: int = 31) -> bytes | Reason:
    """The answer for a payload inside a packet, which goes on behind it."""
    packet = bytes(28) + payload + SOUGHT
    return scan_attribute(packet, 28, 28 + len(payload), number)


@pytest.mark.parametrize(
    "attributes",
    [
        [SOUGHT],
        [NAS, SOUGHT, NAS],
        [SOUGHT, attribute(31, b"a second one")],
        [EMPTY, SOUGHT],
        [attribute(26, SOUGHT), SOUGHT],  # inside another attribute it is none
    ],
)
def test_the_first_with_a_value_wins(attributes: list[bytes]) -> None:
    assert scan(radius(1, *attributes)) == b"00-11-22-33-44-55"


@pytest.mark.parametrize("value", [b"\0", b"\xff" * 253, b"a\x1b[2J"])
def test_values_are_taken_as_they_are(value: bytes) -> None:
    assert scan(radius(1, NAS, attribute(31, value))) == value


@pytest.mark.parametrize(
    "payload", [radius(1), radius(1, NAS), radius(1, EMPTY), radius(1, attribute(26, SOUGHT))]
)
def test_a_packet_without_it_is_told_from_no_packet(payload: bytes) -> None:
    assert scan(payload) == b""


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\x01", Reason.NO_KEY),
        (b"\x01\x07\x00", Reason.NO_KEY),
        (radius(1, SOUGHT, length=0), Reason.NO_KEY),
        (radius(1, SOUGHT, length=19), Reason.NO_KEY),
        (radius(1, SOUGHT, length=MAX_PACKET + 1), Reason.NO_KEY),
        (radius(1, b"\x20\x00", SOUGHT), Reason.NO_KEY),
        (radius(1, b"\x20\x01\x02", SOUGHT), Reason.NO_KEY),
        (radius(1, b"\x20\xff", SOUGHT), Reason.NO_KEY),
        (radius(1, NAS, b"\x1f"), Reason.NO_KEY),
        (radius(1, b"\x1f\x04abc", length=23), Reason.NO_KEY),
    ],
)
def test_what_is_malformed_before_it_has_no_key(payload: bytes, reason: Reason) -> None:
    """RFC 2865, section 3: such a packet is discarded by whoever receives it."""
    assert scan(payload) is reason


def test_what_follows_the_packet_is_padding() -> None:
    assert scan(radius(1, NAS) + SOUGHT) == b""
    assert scan(radius(1, SOUGHT) + b"\x01\x00") == b"00-11-22-33-44-55"


def test_of_cut_bytes_the_attributes_that_are_whole_count() -> None:
    """The netfilter queue hands out less than the largest packet."""
    payload = radius(1, NAS, SOUGHT, NAS)
    whole = 20 + len(NAS) + len(SOUGHT)
    answers = [scan(payload[:size]) for size in range(4, len(payload))]

    assert set(answers[: whole - 4]) == {Reason.KEY_CUT}
    assert set(answers[whole - 4 :]) == {b"00-11-22-33-44-55"}
    assert {scan(payload[:size], 40) for size in range(4, len(payload))} == {Reason.KEY_CUT}


def test_packets_have_a_largest_size() -> None:
    """RFC 2865, section 3: 4096 bytes."""
    filler = [attribute(26, bytes(253))] * 15
    largest = radius(1, *filler, attribute(26, bytes(MAX_PACKET - 20 - 15 * 255 - 21)), SOUGHT)

    assert len(largest) == MAX_PACKET
    assert scan(largest) == b"00-11-22-33-44-55"
    assert scan(radius(1, *filler, attribute(26, bytes(MAX_PACKET)[:253]), SOUGHT)) is Reason.NO_KEY


def test_attributes_are_counted() -> None:
    """What would keep a worker is not looked at: the search ends behind so many."""
    assert scan(radius(1, *[EMPTY] * (MAX_ATTRIBUTES - 1), SOUGHT)) == b"00-11-22-33-44-55"
    assert scan(radius(1, *[EMPTY] * MAX_ATTRIBUTES)) == b""
    assert scan(radius(1, *[EMPTY] * MAX_ATTRIBUTES, SOUGHT)) is Reason.NO_KEY
