"""The value of one header, found without reading the others: for keys that are not the Call-ID.

The header block, its lines, names and folds are those of the Call-ID scanner
(`pe_nfq.packet.callid`), and the first header with a value wins here, too.
Two differences, as values other than a Call-ID may have blanks in them:

* A value runs over its folds, each of which is one space (RFC 3261, section
  7.3.1); blanks at its ends are cut.
* A value is whole only when something follows its line end: before that, the
  next line may continue it. What the payload's end cuts off is no value.

So a datagram of which only the first bytes are at hand has the value of the
whole, or none.
"""

import re
from collections.abc import Callable
from typing import Final

from pe_nfq.model import Reason
from pe_nfq.packet.sip_header import COMPACT_FORMS, FULL_NAMES

#: Looks at ``packet[at:end]``.
Search = Callable[[bytes, int, int], bytes | Reason]

_BLANKS: Final = rb"(?:[ \t]|(?:\r\n|\r|\n)[ \t])*+"
_VALUE: Final = rb"([^\r\n]*+(?:(?:\r\n|\r|\n)[ \t]++[^\r\n]*+)*+)"
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*+").match
_LINE_END: Final = re.compile(rb"\r\n|\r|\n").search


def header_search(name: str) -> Search:
    """A search for the value of the header `name`, a token (RFC 3261, section 25.1) in any case.

    Its reasons: EMPTY (no payload), KEY_CUT (the payload ends within the value) and NO_KEY.
    """
    key = name.lower().encode()
    key = FULL_NAMES.get(key, key)
    names = [key, COMPACT_FORMS[key]] if key in COMPACT_FORMS else [key]
    fast = re.compile(_fast_pattern(names)).search
    slow = re.compile(
        b"(?i:" + b"|".join(map(re.escape, names)) + b")" + _BLANKS + b":" + _BLANKS + _VALUE
    ).match

    def search(packet: bytes, at: int, end: int) -> bytes | Reason:
        found = fast(packet, at, end)
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
                return value.rstrip(b" \t")
        return _search_lines(slow, packet, at, end)

    return search


def _fast_pattern(names: list[bytes]) -> bytes:
    """As the Call-ID scanner's: finds the header where nothing before it or in it is unusual.

    Stops at the first CR that does not simply end a line before some other header.
    """
    initials = b"".join(sorted({_either_case(name[:1])[1:-1] for name in names}))
    spelt = b"|".join(b"".join(_either_case(bytes([c])) for c in name) for name in names)
    return (
        rb"\r(?!\n[^" + initials + rb"\r\n])"
        rb"(?:\n(?:" + spelt + rb")[ \t]*+"
        rb"(?::[ \t]*+([^ \t\r\n][^\r\n]*+)\r\n[^ \t]|[:\r\n])"
        rb"|\n[\r\n]"
        rb"|[^\n])"
    )


def _either_case(char: bytes) -> bytes:
    """A set of one character; spelt out, as re.IGNORECASE costs 4 us."""
    return b"[" + b"".join(map(re.escape, sorted({char.upper(), char.lower()}))) + b"]"


def _search_lines(
    header_at: Callable[[bytes, int, int], re.Match[bytes] | None], packet: bytes, at: int, end: int
) -> bytes | Reason:
    """The same, line by line; for every message that is unusual in any way."""
    if at >= end:
        return Reason.EMPTY
    at = _EMPTY_LINES(packet, at, end).end()  # type: ignore[union-attr] # matches always
    while line_end := _LINE_END(packet, at, end):
        at = line_end.end()
        header = header_at(packet, at, end)
        if header is None:
            if packet[at : at + 1] in (b"\r", b"\n"):
                break
            continue
        at = header.end()
        line_end = _LINE_END(packet, at, end)  # it begins here: a value ends nowhere else
        if line_end is None or line_end.end() == end:
            return Reason.KEY_CUT
        value = b" ".join(filter(None, (line.strip(b" \t") for line in header[1].splitlines())))
        if value:
            return value
    return Reason.NO_KEY
