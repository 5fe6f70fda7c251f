"""The few words of a usual SIP message that engines take note of, by one walk down its lines.

Beside the packet's path, for what may be news of a dialog: reading all headers
as values (`pe_nfq.packet.sip_head`) takes twice as long. It has an answer
only where nothing is unusual: CRLF ends lines, none is folded, names are
written as in RFC 3261 (section 20) or compact, Via comes first and CSeq last,
From and To are addresses in angle brackets, the topmost Via has a branch. Then
it says what the headers say, which a property test holds it to; of all else,
also of what needs an Expires, it says None.
"""

import re
from typing import Final

#: Other headers that are passed over between two of ours, and behind the last. Fewer than
#: `sip_head.MAX_LINES` in all, so that what is found here is found there.
_MAX_BETWEEN: Final = 40
_MAX_BEHIND: Final = 80

#: Of a header that is looked for: how its names begin, in any case, and how they go on, so that
#: no line of it is passed over, however it is written. re.IGNORECASE would cost 4 us.
_SPELLINGS: Final = {
    "Via": (b"Vv", rb"[Ii \t:]"),
    "From": (b"Ff", rb"[Rr \t:]"),
    "To": (b"Tt", rb"[Oo \t:]"),
    "CSeq": (b"Cc", rb"[Ss]"),
    "Session-Expires": (b"Ss", rb"[Ee][Ss][Ss][Ii][Oo][Nn]-[Ee]"),
    "x": (b"Xx", rb"[ \t:]"),
}
_REST: Final = ("CSeq", "Session-Expires", "x")


def _lines_without(*names: str, at_most: int = _MAX_BETWEEN) -> bytes:
    """Lines that are neither of these headers, nor empty, nor the fold of another.

    There may be an LF within one: to pass over all but CR and LF takes three times as long.
    """
    initials = b"".join(_SPELLINGS[name][0] for name in names)
    others = [b"[%b](?!%b)" % _SPELLINGS[name] for name in names]
    begin = rb"(?:[^" + initials + rb" \t\r\n]|" + b"|".join(others) + b")"
    return rb"(?:%b[^\r]*+\r\n){0,%d}+" % (begin, at_most)


_END: Final = rb"\r\n(?![ \t])"
#: Its method decides what there is to be read; a response's is known at its CSeq.
_START: Final = (
    rb"(?:(?!REGISTER|SUBSCRIBE|PUBLISH)([A-Z]++) \S++ SIP/2\.0"
    rb"|SIP/2\.0 ([1-6][0-9][0-9]) [^\r]*+)\r\n"
)
#: Of the first Via line the first branch before a comma; real ones have a few parameters.
_VIA: Final = (
    rb"(?:Via|v):[^\r\n,;]*+(?:;(?![Bb \t])[^\r\n,;]*+){0,20}+;branch=([^ \t\r\n,;]++)[^\r]*+"
    + _END
)
#: The last `>;tag=` of the line. A display name may have anything in it, in quotes.
_ADDRESS: Final = rb':[^\r\n"<>;=]*+(?:"[^\r\n"\\]*+"[ \t]*+)?+<[^\r\n<>]*+>'
_TAG: Final = rb';tag=([^\s>;,"]++)(?:;[^\r\n>]*+)?+'
_FROM: Final = b"(?:From|f)" + _ADDRESS + _TAG + _END
_TO: Final = b"(?:To|t)" + _ADDRESS + b"(?:" + _TAG + b")?+" + _END
#: The first Session-Expires behind the CSeq, or the empty line.
_SESSION: Final = (
    _lines_without("Session-Expires", "x", at_most=_MAX_BEHIND)
    + rb"(?:\r\n|(?:Session-Expires|x):[ \t]*+([0-9]{1,9}+)(?:;[^\r\n]*+)?+"
    + _END
    + b")"
)
_CSEQ: Final = (
    rb"CSeq:[ \t]*+([0-9]++) (?:(INVITE|UPDATE)"
    + _END
    + _SESSION
    + b"|(?!INVITE|UPDATE|REGISTER|SUBSCRIBE|PUBLISH)([A-Z]++)"
    + _END
    + b")"
)
_walk: Final = re.compile(
    _START
    + _lines_without("Via", "From", "To", *_REST)
    + _VIA
    + _lines_without("From", "To", *_REST)
    + b"(?:%b|%b)"
    % (
        _FROM + _lines_without("To", *_REST) + _TO,
        _TO + _lines_without("From", *_REST) + _FROM,
    )
    + _lines_without(*_REST)
    + _CSEQ
).match


def glance(packet: bytes, at: int, end: int) -> re.Match[bytes] | None:
    """What engines note of ``packet[at:end]``, where it is usual.

    The groups: the method of a request, or else the status of a response; the
    topmost branch; the tags of From and To, or else those of To and From, as
    they stand in the message (None: a To without one); the number of the CSeq; its
    method and the Session-Expires (None: there is none), or else its method
    where that may have none.
    """
    found = _walk(packet, at, end)
    # Every CR up to here is part of a CRLF; as many LF as CR: every LF is, too.
    if found is not None:
        stop = found.end()
        if packet.count(b"\n", at, stop) == packet.count(b"\r", at, stop):
            return found
    return None
