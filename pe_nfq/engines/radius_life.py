"""How long a template of the RADIUS engine lives: what requests say of log-ins and sessions. Pure.

An Access-Request: somebody is logging in. EAP takes seconds, a person with a
one-time password minutes; a server that is to be emptied keeps it until then.
An Accounting-Request with Start or Interim-Update: a session that lasts until
its Stop (RFC 2866), however long nothing is heard of it.

A template whose key is a user's stands for all of the user's sessions, and a
new one may start before the old one's Stop is here. So its state names those
that are open, and only the Stop of the last one shortens anything.
"""

import enum
import hashlib
from typing import Final, NamedTuple

from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from pe_nfq.packet.radius_attribute import scan_attribute
from pe_nfq.packet.radius_number import AcctStatus, Attribute, Code

#: Bytes by which a session is told from a user's others.
_NAME: Final = 8
#: State of a template with more open sessions than it can name, and no session's name: nothing
#: shortens it any more.
_TOO_MANY: Final = b"*"


class Says(enum.Enum):
    """What a packet means to its template."""

    LOGIN = enum.auto()
    SESSION = enum.auto()
    STOP = enum.auto()
    NOTHING = enum.auto()  # of users, that is: Accounting-On, Status-Server, what is unknown


class Note(NamedTuple):
    """`session`: the name of the session that starts, goes on or stops."""

    says: Says
    session: bytes = b""


_ACCOUNTING: Final[dict[int, Says]] = {
    AcctStatus.START: Says.SESSION,
    AcctStatus.INTERIM_UPDATE: Says.SESSION,
    AcctStatus.STOP: Says.STOP,
}
_LOGIN: Final = Note(Says.LOGIN)
NOTHING: Final = Note(Says.NOTHING)


def note_of(packet: bytes, at: int, end: int) -> Note:
    """What the RADIUS packet in ``packet[at:end]`` says."""
    code = packet[at] if at < end else None
    if code in (Code.ACCESS_REQUEST, Code.ACCESS_CHALLENGE):
        return _LOGIN
    if code != Code.ACCOUNTING_REQUEST:
        return NOTHING
    status = scan_attribute(packet, at, end, Attribute.ACCT_STATUS_TYPE)
    if not isinstance(status, bytes):
        return NOTHING
    says = _ACCOUNTING.get(int.from_bytes(status))
    if says is None:
        return NOTHING
    session = scan_attribute(packet, at, end, Attribute.ACCT_SESSION_ID)
    named = session if isinstance(session, bytes) else b""
    return Note(says, hashlib.blake2b(named, digest_size=_NAME).digest())


def life(old: Life | None, note: Note, timeout: int, lifetimes: Lifetimes, *, shared: bool) -> Life:
    """See `Engine.life`; `shared`: whether a template may stand for several sessions."""
    if note.says is Says.NOTHING:
        return old or Life(Kind.ONE_SHOT, min(timeout, lifetimes.one_shot))
    sessions = b"" if old is None else old.state
    if note.says is Says.SESSION:
        sessions = _opened(sessions, note.session)
    elif note.says is Says.STOP:
        sessions = _closed(sessions, note.session)
    if sessions:
        return Life(Kind.CALL, max(timeout, lifetimes.dialog), sessions)
    if note.says is Says.STOP and not shared:
        return Life(Kind.CALL, lifetimes.ending)
    return Life(Kind.CALL, max(timeout, lifetimes.early))


def _opened(sessions: bytes, session: bytes) -> bytes:
    if sessions == _TOO_MANY or session in _names(sessions):
        return sessions
    sessions += session
    return sessions if len(sessions) <= MAX_STATE else _TOO_MANY


def _closed(sessions: bytes, session: bytes) -> bytes:
    return b"".join(name for name in _names(sessions) if name != session)


def _names(sessions: bytes) -> list[bytes]:
    return [sessions[at : at + _NAME] for at in range(0, len(sessions), _NAME)]
