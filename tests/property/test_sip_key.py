"""The sip engine's keys, stated plainly over the scapy layer: of any bytes the same, or none."""

from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pe_nfq.engines.sip import SipEngine
from pe_nfq.model import Reason
from pe_nfq.packet.sip import SIP
from pe_nfq.packet.sip_search import header_search
from pe_nfq.packet.sip_uri import address_user

HEX: Final = b"0123456789abcdefABCDEF"
RESERVED: Final = b";/?:@&=+$,"

#: What a rule about addresses can stumble over.
PIECES = [
    *(b'sip: SIPS: tel: sip @ : ; ? , < > " \\ % %61 %2b %0A %25 alice bob tag=1 h'.split()),
    b" ",
    b"\t",
    b"\xe9",
    b'"Alice" <sip:',
    b"<sip:alice",
    b"@h>;tag=",
]
ADDRESSES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join),
    st.tuples(
        st.sampled_from([b"", b"Bob ", b'"<sip:x@y>;" ', b'"\\"" ', b'"', b"a@b "]),
        st.sampled_from([b"<", b""]),
        st.sampled_from([b"sip:", b"sips:", b"Tel:", b"urn:", b""]),
        st.sampled_from([b"alice", b"a;b=1", b"%61", b"", b"+1?2", b"a,b", b"a b"]),
        st.sampled_from([b"", b"", b":secret", b":", b":5060;x=1"]),
        st.sampled_from([b"@h", b"@h", b"", b"@h@i"]),
        st.sampled_from([b">", b""]),
        st.sampled_from([b"", b";tag=1", b';x="<sip:a@b>"', b"\r\n ;tag=1", b" "]),
    ).map(b"".join),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages that are nearly or wholly right: usually CRLF, sometimes folded, compact or cut."""
    end = draw(st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r"]))
    blanks = st.sampled_from([b"", b" ", b" ", b"\t ", end + b" ", end + b"\t" + end + b" "])
    name = st.sampled_from(
        b"From f F FROM To t To Via X-A x-a X-Ab i Call-ID Fro T Timestamp".split()
    )
    value = st.one_of(ADDRESSES, st.sampled_from([b"", b"v; c=1", b"a@b", b"a" + end + b" b"]))
    header = st.tuples(
        name, blanks, st.sampled_from([b":", b":", b":", b""]), blanks, value, blanks
    )
    start_line = st.sampled_from(
        [b"BYE sip:carol@h SIP/2.0", b"SIP/2.0 200 OK", b"From: first", b"BYE tel:1 SIP/2.0"]
    )
    lines = [draw(start_line), *draw(st.lists(header.map(b"".join), max_size=8))]
    lines += draw(st.sampled_from([[], [b""], [b"", b"From: <sip:body@h>", b"X-A: body", b""]]))
    message = draw(st.sampled_from([b"", b"", b"", end, end + end])) + end.join(lines)
    return message[: draw(st.integers(0, len(message)))] if draw(st.booleans()) else message


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Messages with a few bytes put in, taken out or changed."""
    message = bytearray(draw(messages()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(message)))
        change = draw(st.sampled_from([b"", b"\r", b"\n", b" ", b":", b"f", b"\r\n"]))
        message[at : at + draw(st.integers(0, 2))] = change
    return bytes(message)


PAYLOADS = st.one_of(messages(), mutated(), st.binary(max_size=80))
KEYS = [
    "from-user",
    "to-user",
    "request-user",
    "X-A",
    "X-A + call-id",
    "from-user + call-id",
    "request-user + call-id",
]
ENGINES = {key: SipEngine().keyed(key) for key in KEYS}


def plain_value(payload: bytes, name: bytes) -> bytes | Reason:
    """The first header with a value, in the scapy layer's terms."""
    if not payload:
        return Reason.EMPTY
    message = SIP(payload)
    headers = message.getfieldval("headers")
    for number, header in enumerate(headers, 1):
        if header.key == name:
            if number == len(headers) and not message.getfieldval("end"):
                return Reason.KEY_CUT  # nothing follows that shows that it is not continued
            if header.value:
                return bytes(header.value)
    return Reason.NO_KEY


def plain_address(value: bytes) -> bytes:
    """The user of an address, byte by byte."""
    at, quoted = 0, False
    while at < len(value) and (quoted or value[at] != ord("<")):
        if value[at] == ord('"'):
            quoted = not quoted
        at += 2 if quoted and value[at] == ord("\\") else 1
    if at < len(value):
        return plain_uri(value[at + 1 :], b"<>")
    return plain_uri(value, b'<>;?, \t"')


def plain_uri(uri: bytes, ends: bytes = b"<>") -> bytes:
    """The user of a URI that ends before any of `ends`."""
    scheme, _, rest = uri.partition(b":")
    if scheme.lower() == b"tel":
        return plain_unescaped(rest[: first_of(rest, ends + b";")])
    userinfo, at_sign, _ = rest.partition(b"@")
    user, _, password = userinfo.partition(b":")
    if scheme.lower() not in (b"sip", b"sips") or not at_sign:
        return b""
    if first_of(user, ends) < len(user) or first_of(password, ends + b";?") < len(password):
        return b""
    return plain_unescaped(user)


def first_of(text: bytes, stops: bytes) -> int:
    return next((at for at, byte in enumerate(text) if byte in stops), len(text))


def plain_unescaped(user: bytes) -> bytes:
    out, at = b"", 0
    while at < len(user):
        escape = user[at : at + 3]
        if len(escape) == 3 and escape[0] == ord("%") and all(c in HEX for c in escape[1:]):
            byte = int(escape[1:], 16)
            out += escape.upper() if byte in RESERVED + b"%\r\n" else bytes([byte])
            at += 3
        else:
            out += user[at : at + 1]
            at += 1
    return out


def plain_user(payload: bytes, request: bytes, response: bytes) -> bytes | Reason:
    value = plain_value(payload, response if is_response(payload) else request)
    return value if isinstance(value, Reason) else plain_address(value) or Reason.NO_KEY


def is_response(payload: bytes) -> bool:
    return payload.lstrip(b"\r\n")[:4].upper() == b"SIP/"


def plain_request_user(payload: bytes) -> bytes | Reason:
    """By the words of the first line; one that nothing follows may go on."""
    if is_response(payload) or not payload:
        return plain_user(payload, b"to", b"to")
    line = b"".join(payload.lstrip(b"\r\n").splitlines(keepends=True)[:1])
    ended = line.endswith((b"\r", b"\n"))
    method, *words = line.strip(b"\r\n").replace(b"\t", b" ").split(b" ")
    followed = [word for word in (words if ended else words[:-1]) if word]
    if method and followed:
        return plain_uri(followed[0]) or Reason.NO_KEY
    return Reason.NO_KEY if ended else Reason.KEY_CUT


def plain_key(key: str, payload: bytes, outbound: bool) -> bytes | Reason:
    """The rules of `pe_nfq.engines.sip_key`, for readers and not for speed."""
    word, with_call_id, _ = key.partition(" + ")
    ends = (b"from", b"to")
    part: bytes | Reason
    if word == "request-user":
        part = plain_request_user(payload)
    elif word == "X-A":
        part = plain_value(payload, b"x-a")
    else:
        asking, answering = ends if (word == "from-user") is not outbound else ends[::-1]
        part = plain_user(payload, asking, answering)
    if isinstance(part, Reason) or not with_call_id:
        return part
    call_id = SipEngine().key(payload, 0, len(payload))
    return call_id if isinstance(call_id, Reason) else part + b"\n" + call_id


@pytest.mark.parametrize("outbound", [False, True])
@pytest.mark.parametrize("key", KEYS)
@given(payload=PAYLOADS)
@example(payload=b"")
@example(payload=b"A\r\nFrom: <sip:a@h>\r\n")
@example(payload=b"A\r\nFrom: <sip:a@h>\r")
@example(payload=b"A\r\nX-A: a\r\n \r\n b\r\nTo: <sip:b@h>\r\n\r\n")
@example(payload=b"A\nX-A: a\rFrom: x\rX-A: b\r\n\r\n")
@example(payload=b"A\r\nB: c\n\nD: e\r\nX-A: body\r\nF: g\r\n\r\n")
@example(payload=b"A\r\nB: c\n\nD: e\r\r\nX-A: body\r\nF: g\r\n\r\n")
@example(payload=b"A\nB: c\n\nD: e\r\r\rF: g\r\nX-A: body\r\nH: i\r\n\r\n")
@example(payload=b"\r\nX-A: start line\r\nX-A: b\r\n\r\n")
@example(payload=b"A\r\nX-A\r\n : b\r\n\r\n")
@example(payload=b"A\r\nVia: x\r\n X-A: folded\r\nX-A: b\r\n\r\n")
@example(payload=b"A\r\nX-A: \r\nX-A: a \v\r\n\r\n")
def test_the_key_is_what_the_plain_rules_say(key: str, outbound: bool, payload: bytes) -> None:
    """Of any bytes, and where other bytes stand around them that could change the answer."""
    before = b"E\r\nFrom: <sip:z@h>\r\nTo: <sip:z@h>\r\nX-A: z\r\n"
    packet, at = before + payload + b"\r\nFrom: <sip:y@h>\r\nX-A: y\r\n\r\n", len(before)
    engine = ENGINES[key]
    find = engine.outbound_key if outbound else engine.key
    assert find(packet, at, at + len(payload)) == plain_key(key, payload, outbound)


@given(ADDRESSES)
def test_the_user_of_an_address_is_what_the_plain_rules_say(value: bytes) -> None:
    assert address_user(value) == plain_address(value)


@given(messages(), st.sampled_from(KEYS))
def test_a_longer_payload_never_changes_a_found_key(message: bytes, key: str) -> None:
    """A datagram that the queue's copy range cuts gets the key of the whole, or none."""
    find = ENGINES[key].key
    whole = find(message, 0, len(message))
    for end in range(len(message)):
        found = find(message, 0, end)
        assert isinstance(found, Reason) or found == whole


@given(st.text("XxFf-.!%*_`'~", min_size=1, max_size=4))
def test_any_token_is_found_as_it_is_spelt(name: str) -> None:
    """Bytes of a name that mean something in a pattern mean themselves."""
    search = header_search(name)
    payload = b"A\r\nB: c\r\n" + name.swapcase().encode() + b": it\r\nD: e\r\n\r\n"
    assert search(payload, 0, len(payload)) == b"it"
    other = payload.replace(name.swapcase().encode(), b"q" * len(name))
    assert search(other, 0, len(other)) is Reason.NO_KEY
