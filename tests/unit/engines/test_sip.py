"""The SIP engine: key, facts and text of a datagram."""

import pytest

from pe_nfq.engines import API_VERSION
from pe_nfq.engines.sip import SipEngine
from pe_nfq.model import Reason

BYE = b"BYE sip:a SIP/2.0\r\nCall-ID: 4711@192.0.2.1\r\nCSeq: 2  BYE\r\n\r\n"


def test_states_name_and_api_version() -> None:
    assert (SipEngine.name, SipEngine.api_version) == ("sip", API_VERSION)


def test_key_is_the_call_id_of_the_payload_within_the_packet() -> None:
    packet = bytes(28) + BYE + b"beyond"
    assert SipEngine().key(packet, 28, 28 + len(BYE)) == b"4711@192.0.2.1"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\r\n\r\n", Reason.NO_KEY),
        (b"A\r\nVia: x\r\n\r\nCall-ID: body\r\n", Reason.NO_KEY),
        (b"A\r\nCall-ID: a", Reason.KEY_CUT),
        (b"A\r\nCall-ID: \r\n ", Reason.KEY_CUT),
        (b"A\r\nCall-ID", Reason.NO_KEY),
    ],
)
def test_says_why_there_is_no_key(payload: bytes, reason: Reason) -> None:
    assert SipEngine().key(payload, 0, len(payload)) is reason


@pytest.mark.parametrize(
    ("payload", "facts"),
    [
        (BYE, {"method": "BYE", "cseq": "2 BYE"}),
        (b"SIP/2.0 200 OK\r\n\r\n", {"status": 200}),
        (b"\x1b[2J sip:a SIP/2.0\r\nCSeq: \xff\r\n", {"method": r"\x1b[2J", "cseq": r"\xff"}),
        (b"\x00\x01", {}),
        (b"", {}),
    ],
)
def test_facts_are_those_that_are_there(payload: bytes, facts: dict[str, str | int]) -> None:
    assert SipEngine().facts(payload) == facts


def test_shows_hostile_bytes_escaped() -> None:
    assert SipEngine().show(b"a b\\\x1b\x7f\xe9@x") == r"a b\\\x1b\x7f\xe9@x"


@pytest.mark.parametrize(
    ("payload", "asks"),
    [
        (b"INVITE sip:a SIP/2.0\r\n", True),
        (b"SIP/2.0 200 OK\r\n", False),
        (b"sip/2.0 481 x\r\n", False),
        (b"\r\n\r\nSIP/2.0 200 OK\r\n", False),
        (b"\r\nBYE sip:a SIP/2.0\r\n", True),
        (b"SIPPING sip:a SIP/2.0\r\n", True),
    ],
)
def test_tells_requests_from_responses(payload: bytes, asks: bool) -> None:
    """By the start line, behind the keepalives that may precede it; nothing beyond the payload."""
    packet = b"SIP/" + payload + b"SIP/2.0"
    assert SipEngine().is_request(packet, 4, 4 + len(payload)) is asks
    assert SipEngine().is_request(b"\r\nSIP/2.0", 0, 4) is True
