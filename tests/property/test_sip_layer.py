"""The scapy layer on anything: it dissects, it builds the same bytes, it never raises."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.config import conf
from scapy.layers.inet import IP, UDP

from pe_nfq.packet.sip import SIP

WORDS = (
    b'INVITE sip:a SIP/2.0 200 OK l:3 Content-Length: i:a Via : body , < > " \\ \xff \x00'.split()
)
LINES = [
    b"INVITE sip:a SIP/2.0\r\n",
    b"\r\nCSeq: 1 INVITE\r\n",
    b"\r\nContact: ",
    b"\r\nCall-ID: b",
]
FRAGMENTS = st.sampled_from([*WORDS, *LINES, b"\r\n", b"\n", b"\r", b" ", b"\t"])
PAYLOADS = st.one_of(
    st.lists(FRAGMENTS, min_size=1, max_size=30).map(b"".join), st.binary(min_size=1, max_size=80)
)
TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FFF), max_size=30)


@pytest.fixture(autouse=True)
def strict_scapy() -> Iterator[None]:
    """A dissector that raises is an error, not a Raw layer."""
    conf.debug_dissector = True
    yield
    conf.debug_dissector = False


@given(PAYLOADS)
def test_builds_the_bytes_that_it_dissected(payload: bytes) -> None:
    """From scapy's cache of the packet, and from the fields alone."""
    message = SIP(payload)
    assert bytes(message) == payload
    message.clear_cache()
    assert bytes(message) == payload
    assert bytes(message.copy()) == payload


@given(PAYLOADS)
def test_whatever_is_asked_is_answered(payload: bytes) -> None:
    message = SIP(payload)
    assert message.method is None or message.status is None
    assert message.summary().isprintable()
    assert (message.call_id, message.cseq, message.content_length) is not None
    assert isinstance(message.header("Via"), bytes | None)
    assert all(isinstance(value, bytes) for value in message.header_values("Contact"))
    assert isinstance(message.hashret(), bytes)
    assert message.answers(message) == 0
    message.show2(dump=True)


@given(PAYLOADS, PAYLOADS)
def test_a_message_reread_is_a_message_made(before: bytes, payload: bytes) -> None:
    """But for its body; whatever the packet held before."""
    made, message = SIP(payload), SIP(before)
    message.reread(payload)
    assert message.fields == made.fields
    assert (message.call_id, message.cseq) == (made.call_id, made.cseq)
    assert payload.startswith(bytes(message))
    made.remove_payload()
    assert bytes(message) == bytes(made)


@given(PAYLOADS)
def test_is_found_inside_a_packet(payload: bytes) -> None:
    packet = IP(bytes(IP() / UDP(sport=1024, dport=5060) / payload))
    assert bytes(packet[SIP]) == payload


@given(TOKENS, TOKENS, st.lists(st.tuples(TOKENS, TEXTS), max_size=6), st.binary(max_size=40))
def test_dissects_what_it_built(
    method: str, uri: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    built = SIP(method=method, uri=uri, headers=headers) / body
    message = SIP(bytes(built))
    assert (message.method, message.uri) == (method.encode(), uri.encode())
    names = [header.name for header in message.headers]
    assert names[: len(headers)] == [name.encode() for name, _ in headers]
    for (_, value), header in zip(headers, message.headers, strict=False):
        assert header.value == value.encode().strip(b" \t\r\n")
    assert bytes(message.payload) == body or message.content_length != len(body)
