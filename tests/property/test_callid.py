"""The Call-ID rule, stated three times: fast, line by line, and plainly here."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from pe_nfq.model import Reason
from pe_nfq.packet.callid import _scan_lines, scan_call_id
from pe_nfq.packet.sip import SIP

LINE_ENDS = [b"\r\n", b"\n", b"\r"]
#: What a rule about lines, names, colons and blanks can stumble over.
WORDS = b"i I i= Call-ID cALL-id Call-IDx Call- abc@host : \x00 \xe9".split()
LINES = [b"INVITE sip:a SIP/2.0", b"Via: x", b"\r\nCall-ID: abc", b"\ni:", b"\r\n\r\n"]
FRAGMENTS = st.sampled_from([*LINE_ENDS, b" ", b"\t", b"\v", b"\x85", *WORDS, *LINES])
SOUP = st.lists(FRAGMENTS, max_size=24).map(b"".join)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages that are nearly or wholly right: usually CRLF, sometimes folded, compact or cut."""
    end = draw(st.sampled_from([b"\r\n"] * 6 + LINE_ENDS))
    blanks = st.sampled_from([b"", b" ", b"\t ", end + b" ", end + b"\t" + end + b" "])
    name = st.sampled_from(
        [b"Via", b"Call-ID", b"i", b"I", b"call-id", b"Identity", b"CSeq", b"In"]
    )
    value = st.sampled_from([b"", b"a@b", b"x y", b"v; c=1", b"Call-ID: z", b"\xff", b"a" * 300])
    header = st.tuples(name, blanks, st.just(b":"), blanks, value, blanks).map(b"".join)
    start_line = draw(st.sampled_from([b"BYE sip:a SIP/2.0", b"SIP/2.0 200 OK", b"Call-ID: first"]))
    lines = [
        start_line,
        *draw(st.lists(header, max_size=8)),
        b"",
        b"v=0",
        b"i=x",
        b"Call-ID: body",
        b"",
    ]
    message = draw(st.sampled_from([b"", b"", end, end + end])) + end.join(lines)
    return message[: draw(st.integers(0, len(message)))] if draw(st.booleans()) else message


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Messages with a few bytes put in, taken out or changed."""
    message = bytearray(draw(messages()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(message)))
        message[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from([b"", b"\r", b"\n", b" ", b":", b"i"])
        )
    return bytes(message)


PAYLOADS = st.one_of(messages(), mutated(), SOUP, st.binary(max_size=80))


def plainly(payload: bytes) -> bytes | Reason:
    """The rule of `pe_nfq.packet.callid`, for readers and not for speed."""
    if not payload:
        return Reason.EMPTY
    *ended, last = re.split(rb"\r\n|\r|\n", payload)
    lines = [line + b"\n" for line in ended] + [last]
    while lines and lines[0] == b"\n":
        lines.pop(0)
    block = lines[: lines.index(b"\n")] if b"\n" in lines else lines
    headers: list[bytes] = []
    for line in block:
        if headers and line.startswith((b" ", b"\t")):
            headers[-1] += line
        else:
            headers.append(line)
    for header in headers[1:]:
        name, colon, value = header.partition(b":")
        if colon and name.rstrip(b" \t\n").lower() in (b"call-id", b"i"):
            value, end, _ = value.lstrip(b" \t\n").partition(b"\n")
            if not end and not header.endswith(b"\n"):
                return Reason.KEY_CUT
            if value:
                return value.rstrip(b" \t")
    return Reason.NO_KEY


@given(PAYLOADS)
@example(b"INVITE sip:a SIP/2.0\r\nVia: x\r\n Call-ID: folded\r\nCall-ID: a\r\n")
@example(b"INVITE sip:a SIP/2.0\nVia: x\rCall-ID: one\r\nCall-ID: two\r\n")
@example(b"INVITE sip:a SIP/2.0\n\nVia: x\r\r\r\nCall-ID: body\r\n")
@example(b"\r\nCall-ID: start line\r\n")
@example(b"A\r\nCall-ID: \r\n\r\n abc\r\n")
@example(b"A\r\nCall-ID: \n\r abc\r\n")
@example(b"A\r\nCall-ID: a\r")
@example(b"A\r\nCall-ID\r\n : one\r\nCall-ID: two\r\n")
@example(b"A\r\ni \r\n\t: one\r\nCall-ID: two\r\n")
@example(b"A\r\nCall-ID: one \r\nCall-ID: two\r\n")
@example(b"A\r\nCall-ID:\r\n one\r\nCall-ID: two\r\n")
def test_fast_slow_and_plain_agree(payload: bytes) -> None:
    """Also where the payload stands in the middle of other bytes, that could change the answer."""
    expected = plainly(payload)
    before = b"E\r\nCall-ID: before\r\n"
    packet, at = before + payload + b"\r\nCall-ID: after\r\n", len(before)
    assert scan_call_id(packet, at, at + len(payload)) == expected
    assert _scan_lines(packet, at, at + len(payload)) == expected


@given(PAYLOADS.filter(bool))
def test_layer_agrees(payload: bytes) -> None:
    """The scapy layer has the scanner's Call-ID, and none where the scanner has a reason."""
    key = scan_call_id(payload, 0, len(payload))
    assert SIP(payload).call_id == (None if isinstance(key, Reason) else key)


@given(messages())
def test_a_longer_payload_never_changes_a_found_key(message: bytes) -> None:
    """A datagram that the queue's copy range cuts gets the key of the whole, or none."""
    whole = scan_call_id(message, 0, len(message))
    for end in range(len(message)):
        key = scan_call_id(message, 0, end)
        assert isinstance(key, Reason) or key == whole
