"""The header block of a SIP message as values, without scapy: for engines, on the packet's path.

A datagram of a known dialog needs only its Call-ID (`pe_nfq.packet.callid`);
what it says of the dialog is read here. RFC 3261, sections 7.2, 7.3 and 7.5,
by the rules of the Call-ID scanner: empty lines may lead the block; CRLF, LF
and CR end lines; the first line is never a header; a line that starts with SP
or TAB continues the one before. A property test holds it to the scapy layer
(`pe_nfq.packet.sip`), with two intended differences: what the payload's end
cuts off is not there, and only so many lines are read.
"""

import re
from itertools import islice, pairwise
from typing import Final, NamedTuple

from pe_nfq.packet.sip_header import FULL_NAMES

#: Lines that are read of a message, folds counted; real ones have 10 to 60. What follows is
#: not there, so that a payload of 32,000 headers costs no more than a large message.
MAX_LINES: Final = 256

_CRLF: Final = b"\r\n"
_BLANK: Final = b" \t"
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*+").match
_EMPTY_LINE: Final = b"\r\n\r\n"
_SPACE: Final = 0x20

#: The usual spellings, so that most names cost one look: `Call-ID` -> `call-id`, `i` -> `call-id`.
_SPELLINGS: Final = {
    **FULL_NAMES,
    **{
        name: name.lower()
        for name in (
            b"Accept Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authorization"
            b" CSeq Call-ID Contact Content-Disposition Content-Length Content-Type Date Event"
            b" Expires From History-Info Join Max-Forwards Min-SE Organization"
            b" P-Asserted-Identity P-Preferred-Identity P-Access-Network-Info P-Charging-Vector"
            b" Path Privacy Proxy-Authorization Proxy-Require RAck RSeq Reason Record-Route"
            b" Refer-To Referred-By Remote-Party-ID Replaces Require Route Server"
            b" Session-Expires Subject Subscription-State Supported Target-Dialog Timestamp To"
            b" Unsupported User-Agent Via Warning WWW-Authenticate"
        ).split()
    },
}


class Head(NamedTuple):
    """A message's start line and headers.

    A request has `method`, a response `status`; the other is None, and both
    are when the start line is neither. `headers`: lower-case full name -> the
    value of the first such header line, which in a list (Via, Contact) may be
    several. Folds are one space, blanks around a value are cut. A Call-ID is
    better taken from `scan_call_id`, which knows what to do with an empty one.
    """

    method: bytes | None
    status: int | None
    headers: dict[bytes, bytes]


def read_head(packet: bytes, at: int, end: int) -> Head:
    """The header block of the SIP message in ``packet[at:end]``; of any bytes. Never raises."""
    if at < end and packet[at] in _CRLF:
        at = _EMPTY_LINES(packet, at, end).end()  # type: ignore[union-attr] # matches always
    stop = packet.find(_EMPTY_LINE, at, end)
    lines = packet[at : end if stop < 0 else stop].splitlines()  # at CRLF, LF and CR, no others
    if stop < 0 and at < end and packet[end - 1] not in _CRLF:
        _drop_last(lines)
    del lines[MAX_LINES:]
    headers = _headers(lines)
    if headers is None:
        lines = _unfold(lines)
        headers = _headers(lines) or {}
    return Head(*_start(lines[0] if lines else b""), headers)


def _headers(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """The headers behind the start line, up to an empty line; None where one is folded."""
    headers: dict[bytes, bytes] = {}
    spellings = _SPELLINGS
    for line in islice(lines, 1, None):
        name, colon, value = line.partition(b":")
        key = spellings.get(name)
        if key is None:
            if not line:
                break
            if line[0] <= _SPACE and line[0] in _BLANK:
                return None
            key = _key(name)
        if colon and key not in headers:
            headers[key] = value.strip(_BLANK)
    return headers


def _unfold(lines: list[bytes]) -> list[bytes]:
    """The same lines up to an empty one, each fold undone to one space."""
    stop = lines.index(b"") if b"" in lines else len(lines)
    starts = [at for at in range(stop) if at == 0 or lines[at][:1] not in (b" ", b"\t")]
    return [_on_one_line(lines[at:to]) for at, to in pairwise([*starts, stop])]


def _on_one_line(lines: list[bytes]) -> bytes:
    return b" ".join(filter(None, (line.strip(_BLANK) for line in lines)))


def _drop_last(lines: list[bytes]) -> None:
    """Drop a header that the payload's end cuts off, with its folds."""
    while lines and lines.pop()[:1] in (b" ", b"\t"):
        pass


def _key(name: bytes) -> bytes:
    key = name.rstrip(_BLANK).lower()
    return FULL_NAMES.get(key, key)


def _start(line: bytes) -> tuple[bytes | None, int | None]:
    """Method or status of a start line."""
    words = line.split()
    if len(words) >= 2 and words[0].startswith(b"SIP/"):
        code = words[1]
        return None, int(code) if len(code) == 3 and code.isdigit() else None
    if len(words) >= 3 and words[-1].startswith(b"SIP/"):
        return words[0], None
    return None, None
