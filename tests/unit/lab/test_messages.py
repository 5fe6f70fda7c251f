"""Requests made by hand: where the Call-ID stands in them, and how long they are."""

import pytest

from pe_nfq.packet.callid import scan_call_id
from tests.lab.messages import CALL, call, interleaved, request


@pytest.mark.parametrize(("size", "behind"), [(0, 0), (3000, 0), (3000, 2800), (8000, 7000)])
def test_size_and_place_of_the_call_id(size: int, behind: int) -> None:
    """At least as long and as far behind as wanted, by no more than a header line; it is found."""
    message = request(b"here", size=size, behind=behind)

    assert scan_call_id(message, 0, len(message)) == b"here"
    assert behind <= message.index(b"Call-ID:") < behind + 200
    assert size <= len(message) < max(size, behind) + 250


def test_a_call_is_of_different_datagrams() -> None:
    """Its requests share their Call-ID alone, so that each can be recognised where it arrives."""
    messages = call(b"one")

    assert len({*messages}) == len(CALL)
    assert {scan_call_id(message, 0, len(message)) for message in messages} == {b"one"}


def test_interleaved_calls() -> None:
    """A step of all calls before the next step of any."""
    assert interleaved([[b"a1", b"a2"], [b"b1", b"b2"]]) == [b"a1", b"b1", b"a2", b"b2"]
