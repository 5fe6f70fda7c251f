"""What is noted at a glance is what the headers say, of any bytes."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Final

from hypothesis import event, example, given
from hypothesis import strategies as st

from pe_nfq.engines.sip_note import read_any_note, read_note
from pe_nfq.packet.sip_glance import glance
from pe_nfq.packet.sip_head import MAX_LINES

KERNEL: Final = Path(__file__).parents[1] / "data" / "kernel_pe_sip.jsonl"

STARTS: Final = [
    *(b"%b sip:bob@h SIP/2.0" % m for m in b"INVITE INVITE ACK ACK BYE UPDATE REGISTER".split()),
    b"SIP/2.0 180 Ringing",
    b"SIP/2.0 200 OK",
]
VIAS: Final = [
    b"SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport",
    b"SIP/2.0/UDP h;rport;branch=z9hG4bK2",
    b"h;branch=old",
    b"h;Branch=z9hG4bK3;branch=4",
    b"a, h;branch=z9hG4bK5",
    b"h;branch=z9hG4bK6,h;branch=7",
    b"h;branch=a\x0bb",
    b"h;branch=",
]
ADDRESSES: Final = [
    *[b"<sip:a@h>;tag=1", b'"A, B" <sip:a@h;user=phone>;tag=2', b"<sip:b@h>", b"Bob <sip:b@h>"],
    *[b"sip:a@h;tag=3", b"<sip:a@h>;x=1;tag=4", b"<sip:a@h>;tag=5;x", b"<sip:a@h>;tag=6>;tag=7"],
    *[b'";tag=8" <sip:a@h>', b'"\\">;tag=9" <sip:a@h>', b"x;tag=10<sip:a@h>", b"<a>;tag=b c;d"],
    *[b"<a>;tag=1\x0c;x", b'"a>;tag=1" <b>', b"<a>;tag=;x", b""],
]
CSEQS: Final = [b"1 INVITE", b"7 INVITE", b"9 BYE", b"1 ACK", b"2 UPDATE", b"3 REGISTER"]
CSEQS_ALIKE: Final = [b"1  INVITE", b"1 INVITE 2", b"x INVITE", b"1", b"1 invite", b"1 INVITEX"]
SECONDS: Final = [b"90", b"1800;refresher=uac", b"90 ;x", b"-1", b"9999999999", b"1;a\x0c", b""]
OTHERS: Final = [
    *b"Call-ID:i\rSession-ID:1\rX-A:b\rTimestamp:1\rContact:<sip:a@h>\rS:x\rV\rVias:x".split(b"\r"),
    *b"CSeqs:1\rcs:1\rVia\rFromm:x\rFr:x\rTag:x\rTo\rX:\rExpires:60\rno colon\r:".split(b"\r"),
]


CHANGES: Final = [
    *[b"", b"\r", b"\n", b" ", b":", b";", b"\r\n", b"\r\n ", b"=", b">", b'"', b"v:x\r"],
]


@st.composite
def headers(draw: st.DrawFn) -> list[bytes]:
    """Those that are noted, in some order, at most one of them unusual, and some others."""
    odd = draw(st.sampled_from([*[None] * 9, b"Via", b"From", b"To", b"CSeq", b"x", b""]))

    def header(spellings: bytes, values: list[bytes], usual: int) -> bytes:
        names = spellings.split()
        is_usual = names[0] != odd
        name = draw(st.sampled_from(names[:2] if is_usual else names))
        value = draw(st.sampled_from(values[:usual] if is_usual else values))
        return name + draw(st.sampled_from([b": ", b": ", b":", b":\t"])) + value

    via = header(b"Via v VIA via V vIa", VIAS, 2)
    ends = [
        header(b"From f FROM from F fROM", ADDRESSES, 2),
        header(b"To t TO to T tO", ADDRESSES, 4),
    ]
    cseq = header(b"CSeq CSeq cseq CSEQ Cseq cSeq", CSEQS + CSEQS_ALIKE, len(CSEQS))
    session = header(b"x Session-Expires X SESSION-EXPIRES session-expires", SECONDS, 2)
    lines = [via, *draw(st.permutations(ends)), cseq]
    if odd == b"":
        lines = draw(st.permutations(lines))
    more = [*(OTHERS[: 6 if odd is None else None]), session, *(lines if odd is not None else ())]
    for other in draw(st.lists(st.sampled_from(more), max_size=4)):
        lines.insert(draw(st.integers(0, len(lines))), other)
    return [*lines, *draw(st.sampled_from([[], [session], [session, b"x: 1"]]))]


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages that are usual in all, or in all but a few bytes."""
    lines = [draw(st.sampled_from(STARTS)), *draw(headers())]
    message = bytearray(
        b"\r\n".join(lines) + b"\r\n\r\n" + draw(st.sampled_from([b"", b"v=0\r\n"]))
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        breaks = [at for at in range(len(message)) if message[at] in b"\r\n:; "]
        at = draw(st.sampled_from(breaks) | st.integers(0, len(message)))
        message[at : at + draw(st.integers(0, 2))] = draw(st.sampled_from(CHANGES))
    return bytes(message)


def assert_is_as_the_headers_say(payload: bytes) -> None:
    packet, end = b"To: x;tag=1\r\n" + payload + b"Session-Expires: 60\r\n\r\n", 13 + len(payload)
    assert read_note(packet, 13, end) == read_any_note(packet, 13, end)


USUAL: Final = b"Via: h;branch=z9hG4bK1\r\nFrom: <a>;tag=1\r\nTo: <b>;tag=2\r\nCSeq: 1 INVITE\r\n"


@given(messages(), st.integers(0, 400) | st.none())
@example(b"INVITE a SIP/2.0\r\n" + USUAL + b"A: \rx: 90\r\n\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL + b"A: \nx: 90\r\n\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL + b"A: b\r\n\nx: 90\r\n\r\n", None)
@example(b"BYE a SIP/2.0\r\nA: \nTo: <b>\r\n" + USUAL.replace(b"INVITE", b"BYE") + b"\r\n", None)
@example(b"BYE a SIP/2.0\r\n" + USUAL.replace(b"INVITE", b"BYE") + b" \r\n", None)
@example(b"BYE a SIP/2.0\r\n" + USUAL + b"\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL + b"x: 90\r\n 5\r\n\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL.replace(b"=2", b"=2;x>;tag=3") + b"\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL.replace(b"tag=2", b'tag="2"') + b"\r\n", None)
@example(b"BYE a SIP/2.0\r\n" + USUAL.replace(b"tag=2", b'tag=2,3;x="4"') + b"\r\n", None)
@example(b"ACK a SIP/2.0\r\n" + USUAL.replace(b"INVITE", b"ACK").replace(b"z9", b"z8"), None)
@example(b"INVITE a SIP/2.0\r\n" + b"a\r\n" * MAX_LINES + USUAL + b"\r\n", None)
@example(b"INVITE a SIP/2.0\r\n" + USUAL + b"a\r\n" * (MAX_LINES - 5) + b"x: 9\r\n\r\n", None)
def test_agrees_with_the_headers(message: bytes, size: int | None) -> None:
    """Also of its first bytes alone, as of whatever is cut."""
    event("at a glance" if glance(message, 0, len(message)) else "by its headers")
    assert_is_as_the_headers_say(message[:size])


def test_agrees_with_the_headers_on_what_the_kernel_was_asked() -> None:
    payloads = [b64decode(json.loads(line)["payload"]) for line in KERNEL.read_text().splitlines()]
    assert len(payloads) > 1000
    for payload in payloads:
        assert_is_as_the_headers_say(payload)
