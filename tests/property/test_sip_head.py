"""The header block as values is what the scapy layer says, for any bytes."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from pe_nfq.packet.sip import SIP
from pe_nfq.packet.sip_head import MAX_LINES, read_head
from pe_nfq.packet.sip_header import Header

NAMES: Final = (
    b"to from via cseq expires session-expires contact replaces join target-dialog"
    b" subscription-state".split()
)
KERNEL: Final = Path(__file__).parents[1] / "data" / "kernel_pe_sip.jsonl"

WORDS = (
    b"INVITE sip:a SIP/2.0 200 OK To t TO: f:a From Via v:b, Via: x CSeq Expires Session-Expires"
    b' Contact m Replaces Join Target-Dialog Subscription-State : , < > " \\ \xff \x00'.split()
)
LINES = [
    b"INVITE sip:a SIP/2.0\r\n",
    b"SIP/2.0 200 OK\r\n",
    b"CSeq: 1 INVITE\r\n",
    b"To: <sip:b>;tag=1\r\n",
    b"t:\r\n <sip:c>\r\n",
    b"From : <sip:a>\n",
    b"Via: a, b\r",
    b"Expires: 3600 \r\n",
    b"Contact: ",
    b"\r\nx: 90",
]
FRAGMENTS = st.sampled_from([*WORDS, *LINES, b"\r\n", b"\n", b"\r", b" ", b"\t"])
PAYLOADS = st.one_of(
    st.lists(FRAGMENTS, max_size=30).map(b"".join), st.binary(min_size=1, max_size=80)
)
MESSAGES = st.builds(
    lambda start, lines, end: start + b"".join(lines) + end,
    st.sampled_from(LINES[:2]),
    st.lists(st.sampled_from(LINES[2:8]), max_size=12),
    st.sampled_from([b"\r\n", b"\r\nv=0\r\nTo: body\r\n", b"\n", b""]),
)


def assert_is_as_the_layer_says(payload: bytes) -> None:
    layer, head = (
        SIP(payload),
        read_head(b"To: before\r\n" + payload + b"x\r\n", 12, 12 + len(payload)),
    )
    assert (head.method, head.status) == (layer.method, layer.status)
    for name in NAMES:
        value = head.headers.get(name)
        first = None if value is None else next(iter(Header.of((name, value)).values), b"")
        assert first == layer.header(name), name


@given(st.one_of(MESSAGES, PAYLOADS))
@example(b"A\r\nVia: a\r\n\tb\r\nTo\r\n : c\r\n\r\n")
@example(b"A\r\nVia: a\r\n b\n\n To: body\r\n")
@example(b"\r\n\r\nINVITE sip:a\r\n SIP/2.0\r\nTo: x\n\rTo: y\r\n\r\n")
def test_agrees_with_the_layer(payload: bytes) -> None:
    """Whatever it is; ended by a line end, for what the payload's end cuts off is not there."""
    assert_is_as_the_layer_says(payload + b"\r\n")
    assert_is_as_the_layer_says(payload + b"\r\n\r\n")


def test_agrees_with_the_layer_on_what_the_kernel_was_asked() -> None:
    payloads = [b64decode(json.loads(line)["payload"]) for line in KERNEL.read_text().splitlines()]
    assert len(payloads) > 1000
    for payload in payloads:
        if payload.endswith(b"\n"):
            assert_is_as_the_layer_says(payload)


@given(MESSAGES, st.integers(0, 400))
def test_what_is_cut_off_is_not_there(message: bytes, size: int) -> None:
    """No header of a part has another value than in the whole, but for folds cut off whole."""
    whole = read_head(message, 0, len(message)).headers
    part = read_head(message, 0, min(size, len(message))).headers
    for name, value in part.items():
        assert whole[name].startswith(value)
        folded = message[size : size + 2].removeprefix(b"\n")[:1] in (b" ", b"\t")
        assert value == whole[name] or folded


def test_reads_so_many_lines_and_no_more() -> None:
    lines = [
        b"INVITE sip:a SIP/2.0",
        *[b"Server: y"] * (MAX_LINES - 2),
        b"To: last",
        b"From: beyond",
    ]
    for end in (b"\r\n", b"\n", b"\r\n\r\n", b"\r\n "):
        message = b"\r\n".join(lines) + end
        assert set(read_head(message, 0, len(message)).headers) == {b"server", b"to"}
