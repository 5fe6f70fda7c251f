"""What a SIP message says of its dialog's life: the little that `pe_nfq.engines.sip_life` needs.

Taken outside of any lock, once a datagram that may matter. Tags and branches
are kept as their CRC: they are compared with each other and nothing else, and
who makes two collide harms the own call alone.
"""

import re
from itertools import islice
from typing import Final, NamedTuple
from zlib import crc32

from pe_nfq.packet.sip_glance import glance
from pe_nfq.packet.sip_head import Head, read_head

#: First letters of the methods, and of "SIP/2.0", that can change the life of a live template:
#: ACK BYE CANCEL INFO INVITE PRACK PUBLISH REFER REGISTER SIP SUBSCRIBE UPDATE. Empty lines may
#: lead.
_TELLING: Final = b"ABCIPRSU\r\n"
#: What all other payloads begin with: OPTIONS, MESSAGE, NOTIFY, keepalives.
QUIET: Final = frozenset(range(256)) - frozenset(_TELLING)

#: What RFC 3261, section 20.19, and RFC 3903 allow in delta-seconds; more is as much as this.
_MAX_SECONDS: Final = (1 << 32) - 1
_MAX_DIGITS: Final = 10

_EXPIRING: Final = frozenset((b"REGISTER", b"PUBLISH", b"SUBSCRIBE"))
_TIMED_SESSION: Final = frozenset((b"INVITE", b"UPDATE"))

#: Quoted strings and addresses are passed over: what looks like a parameter there is none.
_OUTSIDE: Final = rb'"(?:[^"\\]|\\.?)*+"?|<[^>]*+>?|;[ \t]*+%b[ \t]*+=[ \t]*+([^ \t;,"]++)'
_TAG: Final = re.compile(_OUTSIDE % b"tag", re.IGNORECASE | re.DOTALL).finditer
_EXPIRES: Final = re.compile(_OUTSIDE % b"expires", re.IGNORECASE | re.DOTALL).finditer
#: So many of these are looked at in a header; the other datagrams that are settled with it wait.
_MAX_PARTS: Final = 256
_BRANCH: Final = re.compile(rb"^[^,]*?;[ \t]*+branch[ \t]*+=[ \t]*+([^ \t;,]++)", re.I).search
#: How a branch begins that is another one for each transaction (RFC 3261, section 8.1.1.7).
_COOKIE: Final = b"z9hg4bk"
_USUAL_COOKIE: Final = b"z9hG4bK"
#: The bits of a transaction that hold the last digit of its CSeq's number.
_ATTEMPT: Final = 0xF
#: That of an ACK which does not tell; no CRC is below 0.
_NO_TRANSACTION: Final = -1


class Note(NamedTuple):
    """A message, as far as lives are concerned.

    `method` is the request's own, or that of the request a response answers
    (CSeq); `status` is 0 in a request. `transaction` tells INVITE transactions
    of a Call-ID apart: an INVITE's is that of its CANCEL, its responses and the
    ACK of a failure, and not that of the ACK of a 2xx (RFC 3261, sections 9.1,
    17.1.1.3 and 13.2.2.4). `dialog` is the same from both ends.
    `expires` and `session` are seconds, -1 where the message does not say.
    """

    method: bytes
    status: int
    in_dialog: bool
    transaction: int
    dialog: int
    expires: int
    session: int


def read_note(packet: bytes, at: int, end: int, outbound: bool = False) -> Note | None:
    """What ``packet[at:end]`` says; None of what is neither request nor response."""
    usual = glance(packet, at, end)
    note = None if usual is None else _note_of(*usual.groups())
    return note or read_any_note(packet, at, end)


def _note_of(
    asks: bytes | None,
    status: bytes | None,
    branch: bytes,
    from_tag: bytes | None,
    to_tag: bytes | None,
    other_to_tag: bytes | None,
    other_from_tag: bytes | None,
    number: bytes,
    timed: bytes | None,
    session: bytes | None,
    untimed: bytes | None,
) -> Note | None:
    """What `glance` has found as a note; None where the one cannot be said by the other."""
    method = timed or untimed or b""
    if method != asks is not None or (method == b"ACK" and branch[:7] != _USUAL_COOKIE):
        return None
    tag, other = from_tag or other_from_tag or b"", to_tag or other_to_tag or b""
    return Note(
        method,
        0 if status is None else int(status),
        other != b"",
        crc32(branch) & ~_ATTEMPT | number[-1] & _ATTEMPT,
        crc32(tag + b";" + other if tag < other else other + b";" + tag),
        -1,
        -1 if session is None else int(session),
    )


def read_any_note(packet: bytes, at: int, end: int) -> Note | None:
    """The same of any message, by all of its headers: in twice the time."""
    head = read_head(packet, at, end)
    headers = head.headers
    cseq = headers.get(b"cseq", b"").split()
    if head.status is not None:
        if len(cseq) < 2:
            return None
        method, status = cseq[1], head.status
    elif head.method is not None:
        method, status = head.method, 0
    else:
        return None
    from_tag, to_tag = _tag(headers.get(b"from", b"")), _tag(headers.get(b"to", b""))
    session = _seconds(headers.get(b"session-expires")) if method in _TIMED_SESSION else -1
    return Note(
        method,
        status,
        bool(to_tag),
        _transaction(method, headers.get(b"via", b""), cseq[0] if cseq else b""),
        crc32(b"%b;%b" % ((from_tag, to_tag) if from_tag < to_tag else (to_tag, from_tag))),
        _expires(method, headers) if method in _EXPIRING else -1,
        session,
    )


def same_attempt(transaction: int, other: int) -> bool:
    """Whether two INVITEs are branches of one, and not one the retry of the other.

    After a 401, 302 or 422 a client counts its CSeq on (RFC 3261, section
    8.1.3.5); forks are copies.
    """
    return not (transaction ^ other) & _ATTEMPT


def has_to_tag(head: Head) -> bool:
    """Whether a message belongs to a dialog, of whatever state."""
    return bool(_tag(head.headers.get(b"to", b"")))


def _tag(value: bytes) -> bytes:
    """The tag of a From or To."""
    _, usual, rest = value.rpartition(b">;tag=")
    if usual and b'"' not in rest:
        return rest.partition(b";")[0].rstrip(b" \t")
    if b"=" not in value:
        return b""
    return next((match[1] for match in islice(_TAG(value), _MAX_PARTS) if match[1]), b"")


def _transaction(method: bytes, via: bytes, number: bytes) -> int:
    """The topmost branch and the attempt: peers that reuse branches (RFC 2543) count on, too."""
    match = _BRANCH(via)
    branch: bytes = match[1] if match else b""
    if method == b"ACK" and branch[: len(_COOKIE)].lower() != _COOKIE:
        return _NO_TRANSACTION  # it cannot tell which response it is for
    attempt = number[-1] & _ATTEMPT if number else 0
    return crc32(branch) & ~_ATTEMPT | attempt


def _expires(method: bytes, headers: dict[bytes, bytes]) -> int:
    """Expires; of a REGISTER the greatest of it and those of the first Contact line."""
    expires = _seconds(headers.get(b"expires"))
    contact = headers.get(b"contact") if method == b"REGISTER" else None
    if contact is None:
        return expires
    parts = islice(_EXPIRES(contact), _MAX_PARTS)
    return max(expires, *(_seconds(match[1]) for match in parts), -1)


def _seconds(value: bytes | None) -> int:
    """Delta-seconds before any parameter; -1 where there are none (RFC 2543 had dates there)."""
    if value is None:
        return -1
    digits = value.partition(b";")[0].rstrip(b" \t")
    if not digits.isdigit():
        return -1
    return min(int(digits), _MAX_SECONDS) if len(digits) <= _MAX_DIGITS else _MAX_SECONDS
