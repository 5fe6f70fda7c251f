"""The attribute scanner against scapy's layer, and the engine on anything."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.radius import Radius, RadiusAttribute

from pe_nfq.engines.radius import RadiusEngine
from pe_nfq.lifetime import MAX_STATE, Life, Lifetimes
from pe_nfq.model import Reason
from pe_nfq.packet.radius_attribute import scan_attribute
from tests.radius import attribute, radius

VALUES = st.binary(max_size=12) | st.binary(max_size=253)
#: What scapy takes for text, or does not know: keys are made of these.
NUMBERS = st.sampled_from([1, 24, 31, 44, 200])
#: What it takes apart, in the form in which it can.
STATUS = st.binary(min_size=4, max_size=4).map(lambda value: attribute(40, value))
EAP = st.binary(max_size=20).map(
    lambda name: attribute(79, struct.pack("!BBHB", 2, 7, 5 + len(name), 1) + name)
)
VENDOR = st.binary(max_size=20).map(lambda value: attribute(26, bytes(4) + attribute(9, value)))
ATTRIBUTES = st.builds(attribute, NUMBERS, VALUES) | STATUS | EAP | VENDOR
WELL_FORMED = st.builds(
    radius, st.integers(0, 255), st.lists(ATTRIBUTES, max_size=12).map(b"".join)
)
DAMAGED = st.tuples(WELL_FORMED, st.integers(0, 300), st.binary(max_size=4)).map(
    lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + len(drawn[2]) :]
)
PAYLOADS = WELL_FORMED | DAMAGED | st.binary(max_size=60)
KEYS = ["calling-station-id", "user-name", "acct-session-id", "state"]


def by_scapy(payload: bytes, number: int) -> bytes:
    """The first attribute with a value, as the layer took the packet apart; empty: none."""
    attributes = Radius(payload).attributes
    assert all(isinstance(found, RadiusAttribute) for found in attributes)
    # its own bytes: what the layer makes of the value differs by type
    raw = [found.original for found in attributes if found.type == number]
    return next((r[2 : r[1]] for r in raw if r[1] > 2), b"")


@given(WELL_FORMED, NUMBERS | st.just(40))
def test_scanner_and_layer_agree(payload: bytes, number: int) -> None:
    assert scan_attribute(payload, 0, len(payload), number) == by_scapy(payload, number)


@given(PAYLOADS, NUMBERS, st.binary(max_size=40))
def test_nothing_beyond_the_datagram_is_looked_at(
    payload: bytes, number: int, beyond: bytes
) -> None:
    alone = scan_attribute(payload, 0, len(payload), number)
    assert scan_attribute(bytes(28) + payload + beyond, 28, 28 + len(payload), number) == alone


@pytest.mark.parametrize("key", KEYS)
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=12))
def test_whatever_comes_the_engine_answers(key: str, payloads: list[bytes]) -> None:
    """Key, note, life, facts and text: none raises, all are of the kind that the path takes."""
    engine = RadiusEngine().keyed(key)
    lifetimes = Lifetimes()
    life: Life | None = None
    for payload in payloads:
        packet, at = bytes(28) + payload, 28
        found = engine.key(packet, at, len(packet))
        assert isinstance(found, Reason) or (found and found in payload)
        assert isinstance(engine.is_request(packet, at, len(packet)), bool)
        note = engine.note(packet, at, len(packet), False)
        life = engine.life(life, note, 360, lifetimes)
        assert 0 < life.timeout <= lifetimes.longest(360)
        assert len(life.state) <= MAX_STATE
        assert all(str(fact).isprintable() for fact in engine.facts(payload).values())
        assert isinstance(found, Reason) or engine.show(found).isprintable()
