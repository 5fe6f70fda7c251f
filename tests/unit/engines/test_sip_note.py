"""What a SIP message says of its dialog's life."""

import pytest

from pe_nfq.engines.sip_note import Note, read_note, same_attempt
from tests.dialogs import request, response


def note(message: bytes) -> Note:
    found = read_note(b"INVITE" + message + b"\r\nExpires: 1\r\n\r\n", 6, 6 + len(message))
    assert found is not None
    return found


def with_line(name: bytes, line: bytes, message: bytes) -> bytes:
    lines = message.split(b"\r\n")
    return b"\r\n".join(line if old.startswith(name) else old for old in lines)


def test_request_and_response() -> None:
    asked, answered = note(request("BYE", to="bob")), note(response(200, "BYE", "BYE"))
    assert (asked.method, asked.status, asked.in_dialog) == (b"BYE", 0, True)
    assert (answered.method, answered.status, answered.in_dialog) == (b"BYE", 200, True)
    assert not note(request("INVITE")).in_dialog


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01",
        b"INVITE sip:a\r\n\r\n",
        b"SIP/2.0 200 OK\r\nCSeq: 1\r\n\r\n",
        b"SIP/2.0 20 OK\r\nCSeq: 1 INVITE\r\n\r\n",
        request("INVITE")[:30],
    ],
)
def test_nothing_is_said_by_what_is_no_message(payload: bytes) -> None:
    assert read_note(payload, 0, len(payload)) is None


def test_a_dialog_is_the_same_from_both_ends_and_another_for_each_fork() -> None:
    alices = note(request("BYE", caller="alice", to="bob")).dialog
    assert note(request("BYE", caller="bob", to="alice")).dialog == alices
    assert note(response(200, "INVITE", "i", caller="alice", to="bob")).dialog == alices
    assert note(request("BYE", caller="alice", to="carol")).dialog != alices
    assert note(request("BYE", caller="ali", to="cebob")).dialog != alices


@pytest.mark.parametrize(
    ("to", "tag"),
    [
        (b"To: <sip:b@c>;tag=bob", True),
        (b"t:<sip:b@c> ; Tag = bob;x=y", True),
        (b"To: sip:b@c;tag=bob", True),
        (b'To: "Bob" <sip:b@c;tag=no>;x=1;tag=bob', True),
        (b'To: "a>;tag=no" <sip:b@c>;tag=bob', True),
        (b'To: "<;tag=no>" <sip:b@c>;x=">";tag=bob', True),
        (b"To:\r\n <sip:b@c>\r\n\t;tag=bob", True),
        (b'To: <sip:b@c>;x=">;tag=no";tag=bob', True),
        (b'To: "a>;tag=no" <sip:b@c>', False),
        (b"To: <sip:b@c;tag=no>", False),
        (b'To: ";tag=no" <sip:b@c>', False),
        (b'To: "never ended ;tag=no', False),
        (b"To: <never ended ;tag=no", False),
        (b"To: sip:b@c;tag=", False),
        (b"To: sip:b@c;tagx=1", False),
        (b"To:", False),
        (b"Tox: a;tag=no", False),
        # 32,000 empty strings took 8 ms, in which nothing got a verdict: no header has so many.
        (b"To: " + b'""' * 200 + b"sip:b@c;tag=bob", True),
        (b"To: " + b'""' * 300 + b"sip:b@c;tag=bob", False),
    ],
)
def test_to_tag(to: bytes, tag: bool) -> None:
    found = note(with_line(b"To:", to, request("BYE", to="bob")))
    assert found.in_dialog is tag
    assert (found.dialog == note(request("BYE", to="bob")).dialog) is tag


def test_an_invite_shares_its_transaction_with_all_but_the_ack_of_a_2xx() -> None:
    invite = note(request("INVITE", "i1")).transaction
    assert note(request("CANCEL", "i1")).transaction == invite
    assert note(request("ACK", "i1", to="bob")).transaction == invite
    assert note(response(486, "INVITE", "i1")).transaction == invite
    assert note(request("ACK", "a1", to="bob")).transaction != invite
    assert note(request("INVITE", "i2")).transaction != invite
    assert note(request("INVITE", "i1", cseq=2)).transaction != invite


def test_a_retry_counts_on_and_a_fork_does_not() -> None:
    first, fork, retry = (
        note(request("INVITE", branch, cseq=cseq)).transaction
        for branch, cseq in (("i1", 99), ("j1", 99), ("i2", 100))
    )
    assert same_attempt(first, fork)
    assert not same_attempt(first, retry)


@pytest.mark.parametrize(
    "via",
    [
        b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-i1",
        b"v:SIP/2.0/UDP 192.0.2.1 ; Branch = z9hG4bK-i1;received=1",
        b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-i1,SIP/2.0/UDP b;branch=z9hG4bK-other",
        b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-i1\r\nVia: b;branch=z9hG4bK-other",
    ],
)
def test_the_topmost_branch_counts(via: bytes) -> None:
    invite = request("INVITE", "i1")
    assert note(with_line(b"Via:", via, invite)).transaction == note(invite).transaction


@pytest.mark.parametrize(
    "via", [b"Via: SIP/2.0/UDP a", b"Via: a;branch=1", b"Via: a, b;branch=z9hG4bK-i1"]
)
def test_an_ack_without_a_branch_of_its_own_is_of_no_invite(via: bytes) -> None:
    """RFC 2543: then it may as well be the ACK of a 2xx."""
    invite, ack = (with_line(b"Via:", via, request(method, "i1")) for method in ("INVITE", "ACK"))
    assert note(ack).transaction != note(invite).transaction


@pytest.mark.parametrize(
    ("method", "headers", "expires"),
    [
        ("REGISTER", ["Expires: 60"], 60),
        ("REGISTER", ["Expires : 0060 "], 60),
        ("REGISTER", [], -1),
        ("REGISTER", ["Expires: 60x"], -1),
        ("REGISTER", ["Expires: -60"], -1),
        ("REGISTER", ["Expires: 4294967296"], 4294967295),
        ("REGISTER", ["Expires: " + "0" * 20], 4294967295),
        ("REGISTER", ["Expires: 60", "Contact: <sip:a>;expires=90"], 90),
        ("REGISTER", ["Expires: 60", "Contact: <sip:a>;expires=0"], 60),
        ("REGISTER", ["m: <sip:a;expires=7>;Expires = 90, <sip:b>;expires=120;q=1"], 120),
        ("REGISTER", ["Contact: <sip:a>;expires=90", "Contact: <sip:b>;expires=120"], 90),
        ("REGISTER", ['Contact: ";expires=7" <sip:a>;expires="8"'], -1),
        ("REGISTER", ["Contact: a" + ";expires=1" * 200 + ";expires=90"], 90),
        ("REGISTER", ["Contact: a" + ";expires=1" * 300 + ";expires=90"], 1),
        ("SUBSCRIBE", ["Contact: <sip:a>;expires=90"], -1),
        ("SUBSCRIBE", ["Expires: 60"], 60),
        ("INVITE", ["Expires: 60"], -1),  # how long it may ring
    ],
)
def test_expires(method: str, headers: list[str], expires: int) -> None:
    assert note(request(method, "", *headers)).expires == expires
