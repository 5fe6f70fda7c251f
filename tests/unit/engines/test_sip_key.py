"""The sip engine's `key` option: what it may be, and what key each datagram of a dialog has."""

import re

import pytest

from pe_nfq.engines import Engine, load_engine
from pe_nfq.engines.sip import KeyedSipEngine, SipEngine
from pe_nfq.errors import RegistryError
from pe_nfq.lifetime import Kind, Lifetimes
from pe_nfq.model import Reason

CALLER = b'"Alice <x>;@" <sip:alice:secret@client.example>;tag=1'
CALLED = b"<tel:+123;phone-context=example.com>;tag=2"


def message(
    start_line: bytes, from_: bytes = CALLER, to: bytes = CALLED, headers: bytes = b""
) -> bytes:
    return (
        start_line
        + b"\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nf: "
        + from_
        + b"\r\nTo: "
        + to
        + b"\r\nCall-ID: abc@host\r\n"
        + headers
        + b"CSeq: 1 INVITE\r\n\r\n"
    )


INVITE = b"INVITE sip:conference@203.0.113.10 SIP/2.0"
BYE = b"BYE sip:192.0.2.1 SIP/2.0"
OK = b"SIP/2.0 200 OK"
#: (what, datagram, whether a real server sends it) of one dialog, by whom is clear.
DIALOG = [
    ("the client calls", message(INVITE), False),
    ("a server answers it", message(OK), True),
    ("a server asks", message(BYE, CALLED, CALLER), True),
    ("the client answers it", message(OK, CALLED, CALLER), False),
    ("the client answers it, late", message(b"\r\nsip/2.0 200 OK", CALLED, CALLER), False),
]


def key_of(engine: Engine, payload: bytes, outbound: bool = False) -> bytes | Reason:
    """In a packet whose other bytes are no part of the datagram."""
    packet = b"SIP/ From: <sip:before@h>\r\n" + payload + b"\r\nFrom: <sip:after@h>\r\n\r\n"
    at = packet.index(payload) if payload else 20
    find = engine.outbound_key if outbound else engine.key
    return find(packet, at, at + len(payload))


@pytest.mark.parametrize(
    ("payload", "outbound"), [case[1:] for case in DIALOG], ids=[case[0] for case in DIALOG]
)
@pytest.mark.parametrize(("key", "user"), [("from-user", b"alice"), ("to-user", b"+123")])
def test_all_datagrams_of_a_dialog_have_one_user_at_each_end(
    key: str, user: bytes, payload: bytes, outbound: bool
) -> None:
    """Whoever asks and whoever answers: the client's user is `from-user`, the other `to-user`."""
    assert key_of(SipEngine().keyed(key), payload, outbound) == user
    assert key_of(SipEngine().keyed(f"{key} + call-id"), payload, outbound) == user + b"\nabc@host"


@pytest.mark.parametrize("outbound", [False, True])
@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (message(INVITE), b"conference"),
        (message(b"ACK tel:42;phone-context=x SIP/2.0"), b"42"),
        (message(OK), b"+123"),
        (message(OK, to=b"<sip:conference@h>;tag=2"), b"conference"),
        (message(BYE), Reason.NO_KEY),
        (message(b"REGISTER sip:example.com SIP/2.0"), Reason.NO_KEY),
        (message(b"INVITE urn:service:sos SIP/2.0"), Reason.NO_KEY),
        (b"INVITE sip:conference", Reason.KEY_CUT),
    ],
)
def test_the_request_user_is_the_one_in_the_request_line(
    payload: bytes, expected: bytes | Reason, outbound: bool
) -> None:
    """A response has no such line: it is the To header's, which the request was first for."""
    assert key_of(SipEngine().keyed("request-user"), payload, outbound) == expected


@pytest.mark.parametrize("outbound", [False, True])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("X-Account", b"Tom & Co, 7"),
        ("x-account", b"Tom & Co, 7"),
        ("X-Account + call-id", b"Tom & Co, 7\nabc@host"),
        ("Call-ID+X-Account", b"Tom & Co, 7\nabc@host"),
        ("X-Absent", Reason.NO_KEY),
        ("X-Absent + call-id", Reason.NO_KEY),
        ("X-Empty", Reason.NO_KEY),
    ],
)
def test_a_header_is_a_key_as_it_stands(key: str, expected: bytes | Reason, outbound: bool) -> None:
    """The same in both directions, in requests and responses."""
    headers = b"X-Accounts: 1\r\nX-ACCOUNT:\r\nX-Account : Tom & Co,\r\n\t7 \r\nX-Empty: \r\n"
    for start_line in (INVITE, OK):
        payload = message(start_line, headers=headers)
        assert key_of(SipEngine().keyed(key), payload, outbound) == expected


@pytest.mark.parametrize(
    ("key", "payload", "reason"),
    [
        ("from-user", b"", Reason.EMPTY),
        ("request-user", b"", Reason.EMPTY),
        ("from-user + call-id", b"", Reason.EMPTY),
        ("from-user", b"\r\n\r\n", Reason.NO_KEY),
        ("from-user", b"\x00\x01noise", Reason.NO_KEY),
        ("from-user", message(INVITE, b"<sip:client.example>;tag=1"), Reason.NO_KEY),
        ("from-user", message(INVITE, b"sip:alice;tag=@x"), Reason.NO_KEY),
        ("from-user", message(INVITE, b""), Reason.NO_KEY),
        ("from-user", b"A\r\n\r\nFrom: <sip:body@h>\r\n\r\n", Reason.NO_KEY),
        ("from-user", b"From: <sip:start-line@h>\r\n\r\n", Reason.NO_KEY),
        ("from-user", b"A\r\nFrom: <sip:alice@h", Reason.KEY_CUT),
        ("from-user", b"A\r\nFrom: Alice\r\n", Reason.KEY_CUT),
        ("to-user", b"A\r\nFrom: <sip:alice@h>\r\n\r\n", Reason.NO_KEY),
        ("from-user + call-id", b"A\r\nFrom: <sip:alice@h>\r\n\r\n", Reason.NO_KEY),
        ("from-user + call-id", b"A\r\nFrom: <sip:a@h>\r\nCall-ID: a", Reason.KEY_CUT),
    ],
)
def test_says_why_there_is_no_key(key: str, payload: bytes, reason: Reason) -> None:
    assert key_of(SipEngine().keyed(key), payload) is reason


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("from-user", "FROM-USER"),
        ("from-user + call-id", "call-id+from-user"),
        ("X-Account + call-id", "i + x-account"),
        ("Subject", "s"),
    ],
)
def test_case_order_and_compact_forms_make_no_difference(key: str, same: str) -> None:
    payload = message(INVITE, headers=b"X-ACCOUNT: 1\r\nS: Lunch\r\n")
    expected = key_of(SipEngine().keyed(key), payload)
    assert isinstance(expected, bytes)
    assert key_of(SipEngine().keyed(same), payload) == expected


@pytest.mark.parametrize("key", ["call-id", "Call-ID", "i", " call-id "])
def test_the_call_id_alone_is_the_engine_as_it_is(key: str) -> None:
    assert type(SipEngine().keyed(key)) is SipEngine
    assert type(SipEngine().keyed("from-user").keyed(key)) is SipEngine


#: (option, what the error has to say)
WRONG = [
    ("from", '"from-user"'),
    ("f", '"from-user"'),
    ("To", '"to-user"'),
    ("to + call-id", '"to-user"'),
    ("Via", "differs within a dialog"),
    ("v", "differs within a dialog"),
    ("CSeq", "differs within a dialog"),
    ("m", "differs within a dialog"),
    ("Max-Forwards + call-id", "differs within a dialog"),
    ("content-length", '"from-user"'),
    ("form-user", 'did you mean "from-user"?'),
    ("from_user", 'did you mean "from-user"?'),
    ("request-uri", 'did you mean "request-user"?'),
    ("callid", 'did you mean "call-id"?'),
    ("X-Account + callid", 'did you mean "call-id"?'),
    ("a + b + call-id", "more than two parts"),
    ("from-user + to-user", '"call-id"'),
    ("X-Account + X-Tenant", '"call-id"'),
    ("call-id + call-id", '"call-id"'),
    ("X-Account +", "not the name"),
    ("+", "not the name"),
    ("", "not the name"),
    ("X Account", "not the name"),
    ("X-Account:", "not the name"),
    ("x@y", "not the name"),
    ("X-Accoünt", "not the name"),
    ("a\nb", "not the name"),
    ("\x1b[2J", "not the name"),
    ("x" * 300 + ":", "not the name"),
]


@pytest.mark.parametrize(("key", "said"), WRONG)
def test_a_wrong_option_is_refused_with_what_would_be_right(key: str, said: str) -> None:
    """In one line for a terminal, short enough to be read."""
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        SipEngine().keyed(key)
    text = str(refused.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 250


@pytest.mark.parametrize(
    "key", ["User-to-User", "Call-Info", "X-From-User", "P-Asserted-Identity", "subject", "a.b!~'"]
)
def test_any_other_header_may_be_a_key(key: str) -> None:
    payload = message(INVITE, headers=key.encode() + b": it\r\n")
    assert key_of(SipEngine().keyed(key), payload) == b"it"


def test_the_registry_hands_the_option_over() -> None:
    assert isinstance(load_engine("sip", "from-user"), KeyedSipEngine)
    with pytest.raises(RegistryError, match="more than two parts"):
        load_engine("sip", "a+b+c")


@pytest.mark.parametrize("key", ["from-user", "to-user", "request-user", "X-Account"])
def test_no_server_takes_what_many_dialogs_share(key: str) -> None:
    """One server's request must not move all of a user's dialogs to it."""
    payload = message(INVITE)
    assert SipEngine().is_request(payload, 0, len(payload)) is True
    assert SipEngine().keyed(key).is_request(payload, 0, len(payload)) is False
    with_call_id = SipEngine().keyed(f"{key} + call-id")
    assert with_call_id.is_request(payload, 0, len(payload)) is True
    assert with_call_id.is_request(OK, 0, len(OK)) is False


def lives(key: str, *payloads: bytes) -> list[tuple[Kind, int]]:
    """A template's kind and timeout after each of the messages."""
    engine, life, found = SipEngine().keyed(key), None, []
    for payload in payloads:
        note = engine.note(payload, 0, len(payload), outbound=False)
        life = engine.life(life, note, 60, Lifetimes())
        found.append((life.kind, life.timeout))
    return found


def test_one_call_s_end_shortens_nothing_that_many_dialogs_share() -> None:
    """A key with the Call-ID is of that call alone, and ends with it."""
    register = message(b"REGISTER sip:h SIP/2.0", to=b"<sip:alice@h>")
    answer = message(OK)
    bye = message(BYE).replace(b"1 INVITE", b"2 BYE")
    call, ended = (Kind.CALL, 14400), (Kind.CALL, 64)
    register = register.replace(b"1 INVITE", b"1 REGISTER")
    assert lives("from-user", register, answer, bye) == [(Kind.REGISTRATION, 3664), call, call]
    assert lives("from-user + call-id", answer, bye) == [call, ended]
    assert lives("call-id", answer, bye) == [call, ended]


def test_what_is_not_the_call_id_names_no_related_dialog() -> None:
    payload = message(INVITE, headers=b"Replaces: other@host;to-tag=1;from-tag=2\r\n")
    for key in ("from-user", "from-user + call-id"):
        assert list(SipEngine().keyed(key).related(payload, 0, len(payload))) == []


def test_shows_hostile_parts_escaped() -> None:
    """So that they can be told apart, and turned back into the bytes."""
    engine = SipEngine().keyed("X-Account + call-id")
    assert engine.show(b"a\\\x1b\xe9\nb@x") == r"a\\\x1b\xe9\x0ab@x"


def test_name_api_version_quiet_and_facts_are_the_engine_s() -> None:
    engine = SipEngine().keyed("from-user")
    payload = message(INVITE)
    assert (engine.name, engine.api_version) == (SipEngine.name, SipEngine.api_version)
    assert engine.quiet == SipEngine.quiet
    assert engine.facts(payload) == SipEngine().facts(payload) != {}
