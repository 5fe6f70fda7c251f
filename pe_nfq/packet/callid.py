"""The Call-ID scanner: the look at SIP that every datagram gets.

A datagram of a known dialog needs nothing but its Call-ID, so the worker's hot
path calls this and not the scapy layer (`pe_nfq.packet.sip`), which gives the
same answer for every input. The reference is the kernel's `get_callid`
(net/netfilter/ipvs/ip_vs_pe_sip.c) on the header block (RFC 3261, sections 7.3
and 20.8); the rule:

1. The header block runs from the first line that is not empty to the next
   empty line, or to the payload's end. CRLF, LF and CR each end a line, so LF
   CR ends two. The first line of the block is the start line and never a
   header, whatever it looks like; also when empty lines lead it. (The kernel
   takes such a line for a header when empty lines lead it.)
2. A header named ``Call-ID`` or ``i``, in any case, starts at the start of a
   line. Blanks (SP, TAB and folds) may stand before and after its colon. A
   line that starts with SP or TAB continues the one before: that is a fold.
3. The value runs to the next CR or LF; blanks at its end are cut. The first
   header with a value wins. Its bytes are the key as they are, of any length.
4. A value that the payload's end cuts off is no value, and ends the search.
"""

import re
from typing import Final

from pe_nfq.model import Reason

_BLANKS: Final = rb"(?:[ \t]|(?:\r\n|\r|\n)[ \t])*+"

#: Stops at the first CR that does not simply end a line before some other header, and
#: captures a value only where nothing is unusual about it. Begins with a literal and spells
#: out both cases: re.IGNORECASE costs 4 us. The lookahead passes over most lines at once.
_FAST: Final = re.compile(
    rb"\r(?!\n[^CcIi\r\n])"
    rb"(?:\n(?:[Cc][Aa][Ll][Ll]-[Ii][Dd]|[Ii])[ \t]*+"
    rb"(?::[ \t]*+([^ \t\r\n]++)[\r\n]|[:\r\n])"
    rb"|\n[\r\n]"
    rb"|[^\n])"
).search

_EMPTY_LINES: Final = re.compile(rb"[\r\n]*+").match
_LINE_END: Final = re.compile(rb"\r\n|\r|\n").search
_HEADER: Final = re.compile(rb"(?i:Call-ID|i)" + _BLANKS + rb":" + _BLANKS + rb"([^\r\n]*+)").match


def scan_call_id(packet: bytes, at: int, end: int) -> bytes | Reason:
    """The Call-ID of the SIP message in ``packet[at:end]``.

    Reasons: EMPTY (no payload), KEY_CUT (the payload ends within the value)
    and NO_KEY.
    """
    found = _FAST(packet, at, end)
    if found is not None:
        value: bytes | None = found[1]
        start = found.start()
        # Up to `start` every CR is part of a CRLF; as many LF as CR: every LF is, too.
        # A match at `at` has no start line before it.
        if (
            value is not None
            and start > at
            and packet.count(b"\n", at, start) == packet.count(b"\r", at, start)
        ):
            return value
    return _scan_lines(packet, at, end)


def _scan_lines(packet: bytes, at: int, end: int) -> bytes | Reason:
    """The same, line by line; for every message that is unusual in any way."""
    if at >= end:
        return Reason.EMPTY
    at = _EMPTY_LINES(packet, at, end).end()  # type: ignore[union-attr] # matches always
    while line_end := _LINE_END(packet, at, end):
        at = line_end.end()
        header = _HEADER(packet, at, end)
        if header is None:
            if packet[at : at + 1] in (b"\r", b"\n"):
                break
            continue
        at = header.end()
        if at == end:
            return Reason.KEY_CUT
        value: bytes = header[1]
        if value:
            return value.rstrip(b" \t")
    return Reason.NO_KEY
