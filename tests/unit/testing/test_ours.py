"""Our own engines pass the kit for writers of engines."""

import importlib.metadata

import pytest

from pe_nfq.engines import load_engine
from pe_nfq.packet.radius_number import AcctStatus
from pe_nfq.testing import FromServer, check_engine
from tests.radius import access, accounting, attribute


def sip(
    start: bytes, cseq: bytes, *headers: bytes, call_id: bytes, tag: bytes, branch: bytes
) -> bytes:
    """A SIP message of a user who is called like the dialog."""
    to = b";tag=" + tag if tag else b""
    lines = [
        start,
        b"Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK" + branch,
        b"From: <sip:%b-from@a.example>;tag=f" % call_id,
        b"To: <sip:%b-to@b.example>" % call_id + to,
        b"Call-ID: " + call_id,
        b"X-Account: %b-account" % call_id,
        b"CSeq: " + cseq,
        *headers,
        b"Content-Length: 0\r\n\r\n",
    ]
    return b"\r\n".join(lines)


def request(
    call_id: bytes, method: bytes, *headers: bytes, tag: bytes = b"", branch: bytes = b"1"
) -> bytes:
    start = b"%b sip:%b-to@203.0.113.10 SIP/2.0" % (method, call_id)
    return sip(start, b"1 " + method, *headers, call_id=call_id, tag=tag, branch=branch)


def response(
    call_id: bytes,
    status: int,
    method: bytes,
    *headers: bytes,
    tag: bytes = b"",
    branch: bytes = b"1",
) -> FromServer:
    start = b"SIP/2.0 %d Whatever" % status
    message = sip(start, b"1 " + method, *headers, call_id=call_id, tag=tag, branch=branch)
    return FromServer(message)


#: A call with two forks, of which one is transferred; a registration; a subscription; a ping.
SIP: list[list[bytes]] = [
    [
        request(b"call", b"INVITE"),
        response(b"call", 180, b"INVITE", tag=b"t1"),
        request(b"call", b"PRACK", tag=b"t1", branch=b"2"),
        response(b"call", 200, b"INVITE", b"Session-Expires: 1800", tag=b"t1"),
        request(b"call", b"ACK", tag=b"t1", branch=b"3"),
        response(b"call", 200, b"INVITE", tag=b"t2"),
        request(b"call", b"ACK", tag=b"t2", branch=b"4"),
        request(b"call", b"REFER", tag=b"t1", branch=b"5"),
        request(b"call", b"BYE", tag=b"t1", branch=b"6"),
        response(b"call", 200, b"BYE", tag=b"t2", branch=b"7"),
        request(b"call", b"CANCEL"),
        response(b"call", 487, b"INVITE", tag=b"t3"),
        request(b"call", b"INFO", tag=b"t2", branch=b"8"),
    ],
    [
        request(b"register", b"REGISTER", b"Contact: <sip:a@b>;expires=60"),
        response(b"register", 200, b"REGISTER", b"Expires: 1200"),
        request(b"register", b"REGISTER", b"Expires: 0", branch=b"2"),
    ],
    [
        request(b"subscribe", b"SUBSCRIBE", b"Expires: 600"),
        request(b"subscribe", b"NOTIFY", tag=b"t1", branch=b"2"),
    ],
    [request(b"ping", b"OPTIONS")],
    [request(b"transfer", b"INVITE", b"Replaces: call;to-tag=t1;from-tag=f")],
]

#: Log-ins and sessions of two devices.
RADIUS = [
    [
        access(attribute(1, user), attribute(31, device), attribute(24, state)),
        accounting(AcctStatus.START, session, attribute(1, user), attribute(31, device)),
        accounting(AcctStatus.STOP, session, attribute(1, user), attribute(31, device)),
    ]
    for user, device, session, state in (
        (b"alice", b"00-11-22-33-44-55", b"5F3A", b"state-1"),
        (b"bob", b"66-77-88-99-AA-BB", b"5F3B", b"state-2"),
    )
]

#: Two datagrams of each dialog are enough where it is the key that differs.
SHORT_SIP = [dialog[:2] for dialog in SIP]


@pytest.mark.parametrize(
    ("name", "key", "dialogs"),
    [
        ("source", "", []),
        ("sip", "", SIP),
        ("sip", "from-user", SHORT_SIP),
        ("sip", "to-user", SHORT_SIP),
        ("sip", "request-user", SHORT_SIP),
        ("sip", "X-Account", SHORT_SIP),
        ("sip", "X-Account + call-id", SHORT_SIP),
        ("radius", "", RADIUS),
        ("radius", "user-name", RADIUS),
        ("radius", "state", []),
    ],
)
def test_ours_pass(name: str, key: str, dialogs: list[list[bytes]]) -> None:
    """With each kind of `key` option; no dialog shares its key with another."""
    others = [b"\r\n\r\n", SIP[0][0], *RADIUS[0]]
    check_engine(load_engine(name, key), others, together=dialogs)


def test_none_of_ours_is_left_out() -> None:
    """What this distribution brings is what is tried above."""
    entries = importlib.metadata.distribution("pe-nfq").entry_points
    assert entries.select(group="pe_nfq.engines").names == {"radius", "sip", "source"}
