"""The datagrams that are measured are what they are said to be, and real SIP."""

import struct
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from pe_nfq.engines.sip_life import life
from pe_nfq.engines.sip_note import read_note
from pe_nfq.lifetime import Kind, Life, Lifetimes
from pe_nfq.packet.callid import scan_call_id
from pe_nfq.packet.sip import SIP
from tests.bench import datagrams
from tests.bench.datagrams import LAP

MIXES = (datagrams.dialogs, datagrams.fresh_calls, datagrams.new_third, datagrams.one_shots)
INVITE, ACK, BYE = (b"INVITE", 1143), (b"ACK", 531), (b"BYE", 531)
OPTIONS = (b"OPTIONS", 531)


def call_id(datagram: bytes) -> bytes:
    found = scan_call_id(datagram, 0, len(datagram))
    assert isinstance(found, bytes), found
    return found


def kinds(made: Iterable[bytes]) -> list[tuple[bytes, int]]:
    return [(datagram.split()[0], len(datagram)) for datagram in made]


def header(message: SIP, name: bytes) -> bytes:
    found = message.header(name)
    assert isinstance(found, bytes), message.summary()
    return found


def is_new(datagram: bytes) -> bool:
    return LAP.encode() in datagram


def test_known_dialogs() -> None:
    """An INVITE with SDP, an ACK and a BYE of each, of the stated sizes, shuffled, none new."""
    made = datagrams.dialogs(20)

    assert Counter(kinds(made)) == {INVITE: 20, ACK: 20, BYE: 20}
    assert len(set(map(call_id, made[:3]))) > 1
    assert sorted(Counter(map(call_id, made)).values()) == [3] * 20
    assert not any(map(is_new, made))
    assert made == datagrams.dialogs(20)


def test_new_dialog_every_third_datagram() -> None:
    """Two of known dialogs, then the INVITE of a new one."""
    made = datagrams.new_third(20)

    assert list(map(is_new, made)) == [False, False, True] * 30
    assert set(kinds(made[2::3])) == {INVITE}
    assert len(set(map(call_id, made[2::3]))) == 30
    assert [one for one in made if not is_new(one)] == datagrams.dialogs(20)


def test_two_thirds_one_shot() -> None:
    """One of a known dialog, then two OPTIONS that nobody has seen before."""
    made = datagrams.one_shots(20)

    assert list(map(is_new, made)) == [False, True, True] * 60
    assert set(kinds(filter(is_new, made))) == {OPTIONS}
    assert len(set(map(call_id, filter(is_new, made)))) == 120


def test_fresh_calls_are_in_order() -> None:
    """Of each call INVITE, ACK, BYE, with other calls' datagrams between; all are new."""
    made = datagrams.fresh_calls(20)

    assert all(map(is_new, made))
    calls: dict[bytes, list[bytes]] = {}
    for datagram in made:
        calls.setdefault(call_id(datagram), []).append(datagram)
    assert [kinds(call) for call in calls.values()] == [[INVITE, ACK, BYE]] * 20
    assert [call_id(one) for one in made[:3]] != [call_id(made[0])] * 3
    assert len(set(kinds(made[:20]))) > 1


@pytest.mark.parametrize("mix", MIXES)
def test_scapy_and_the_scanner_read_them(mix: Callable[[int], list[bytes]]) -> None:
    """A whole message each: what the layer understands, and a body as long as it says."""
    for datagram in mix(5):
        message = SIP(datagram)
        assert message.start_line is None
        assert header(message, b"CSeq").split()[1] == message.method
        assert message.call_id == call_id(datagram)
        assert len(bytes(message.payload)) == int(header(message, b"Content-Length"))


def test_a_call_is_one_for_the_engine() -> None:
    """Unanswered, answered by its ACK, ended by its BYE (RFC 3261, 13.2.2.4 and 15.1.1)."""
    lifetimes = Lifetimes()
    seconds = []
    lived: Life | None = None
    for datagram in datagrams.call("0123456789abcdef"):
        note = read_note(datagram, 0, len(datagram))
        lived = life(lived, note, 60, lifetimes)
        assert lived.kind is Kind.CALL
        seconds.append(lived.timeout)

    assert seconds == [lifetimes.early, lifetimes.dialog, lifetimes.ending]


def test_requests_of_a_call() -> None:
    """Branches of their own, one From tag, To tags within the dialog, CSeq 2 of the BYE."""
    invite, ack, bye = map(SIP, datagrams.call("0123456789abcdef"))

    assert len({header(one, b"Via") for one in (invite, ack, bye)}) == 3
    assert len({header(one, b"From") for one in (invite, ack, bye)}) == 1
    assert b"tag=" not in header(invite, b"To")
    assert b";tag=" in header(ack, b"To")
    assert header(ack, b"To") == header(bye, b"To")
    assert [one.cseq for one in (invite, ack, bye)] == [b"1 INVITE", b"1 ACK", b"2 BYE"]


def test_the_file_of_datagrams() -> None:
    """Length in network order, then the bytes."""
    assert datagrams.encode([b"ab", b"", b"c" * 300]) == b"\0\2ab\0\0\1\x2c" + b"c" * 300


def test_the_file_of_laps() -> None:
    """The length, how many fields hold the lap and where each begins; then the bytes."""
    lap = LAP.encode()
    made = [b"ab", b"i:" + lap + b"@" + lap]

    assert datagrams.encode_laps(made) == (
        struct.pack("!HH", 2, 0) + b"ab" + struct.pack("!HHHH", 19, 2, 2, 11) + made[1]
    )
