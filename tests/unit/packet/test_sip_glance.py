"""What the walk down a message's lines is for: usual messages. What it says is a property."""

import pytest

from pe_nfq.packet.sip_glance import glance
from tests.dialogs import request, response

BYE = request("BYE", to="bob")


def at_a_glance(message: bytes) -> tuple[bytes | None, ...] | None:
    """Of a message within a packet."""
    found = glance(b"\r\n" + message + b"x", 2, 2 + len(message))
    return None if found is None else found.groups()


def swapped(message: bytes, one: int, other: int) -> bytes:
    lines = message.split(b"\r\n")
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def test_request() -> None:
    expected = (
        b"BYE",
        None,
        b"z9hG4bK-BYE",
        b"alice",
        b"bob",
        None,
        None,
        b"1",
        None,
        None,
        b"BYE",
    )
    assert at_a_glance(BYE) == expected


def test_response_with_a_session() -> None:
    message = response(200, "INVITE", "i1", "Supported: timer", "Session-Expires: 90;refresher=uas")
    assert at_a_glance(message) == (
        *(None, b"200", b"z9hG4bK-i1", b"alice", b"bob", None, None, b"1", b"INVITE", b"90", None),
    )


def test_to_before_from() -> None:
    found = at_a_glance(swapped(BYE, 2, 3))
    assert found is not None
    assert found[3:7] == (None, None, b"bob", b"alice")


@pytest.mark.parametrize(
    "message",
    [
        request("INVITE"),
        request("INVITE", "i1", "x: 90", "Session-ID: 1", "Subject: x", "X-A: b", "s: x"),
        request("ACK", "a1", "Record-Route: <sip:a>", to="bob"),
        request("UPDATE", to="bob"),
        request("OPTIONS"),
        response(180, "INVITE", "i1"),
        response(486, "INVITE", "i1", "Reason: x"),
        response(200, "BYE", "b1"),
        swapped(BYE, 4, 5),  # Call-ID behind CSeq
        BYE.replace(b"Via", b"Route: <sip:x>\r\nMax-Forwards: 9\r\nTimestamp: 1\r\nVia", 1),
        BYE.replace(b"From", b"Via: SIP/2.0/UDP a;branch=1\r\nv: SIP/2.0/UDP b\r\nFrom"),
        BYE.replace(b"Via:", b"v:").replace(b"From:", b"f:").replace(b"To:", b"t:"),
        BYE.replace(b"CSeq", b"Contact: <sip:x>\r\nContent-Type: x\r\nc: x\r\nCSeq"),
        BYE.replace(b"bob@192.0.2.9>", b"b@c;user=phone>"),
        request("INVITE").replace(b"bob@192.0.2.9>", b"b@c;user=phone>"),
        BYE.replace(b";rport", b""),
        BYE.replace(b";branch", b";rport;branch").replace(b"5060;", b"5060;received=1.2.3.4;"),
        BYE.replace(b'"Alice"', b"Alice"),
        BYE.replace(b'"Alice"', b'"<;tag=x>"'),
        BYE.replace(b"tag=bob", b"tag=bob;x=y"),
        BYE[:-2],
    ],
)
def test_usual(message: bytes) -> None:
    """Each is read without a look at its other headers, in half the time."""
    assert at_a_glance(message) is not None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n" + BYE,
        BYE.replace(b"\r\n", b"\n"),
        BYE.replace(b"BYE ", b"bye "),
        BYE.replace(b"CSeq", b"CSEQ"),
        BYE.replace(b"To: ", b"To: \r\n "),
        request("REGISTER"),
        response(200, "REGISTER", "g1"),
        request("INVITE")[:-2],
    ],
)
def test_unusual(message: bytes) -> None:
    assert at_a_glance(message) is None
