"""A SIP message parted for the scapy layer: start line, headers, body (RFC 3261, section 7).

CRLF, LF and CR all end lines; a line that begins with a blank continues the
one before; empty lines may stand before the start line (section 7.5). Joined,
the parts are the message.
"""

from itertools import pairwise
from typing import Final

from pe_nfq.packet.sip_header import Header

_CRLF: Final = b"\r\n"
_BLANK: Final = b" \t"
_SPACE: Final = 0x20


def split_message(message: bytes) -> tuple[bytes, list[Header], bytes, bytes]:
    """Start line with the empty lines before it, headers, the empty line after them, body."""
    lines = message.splitlines(keepends=True)  # of bytes: at CRLF, LF and CR, no others
    try:
        last = lines.index(_CRLF)
    except ValueError:
        return _split_unusual(lines)
    head = lines[:last]
    if not head or min(head)[0] <= _SPACE:  # one is empty or folded
        return _split_unusual(lines)
    return head[0], list(map(Header, head[1:])), _CRLF, b"".join(lines[last + 1 :])


def _split_unusual(lines: list[bytes]) -> tuple[bytes, list[Header], bytes, bytes]:
    """The same for any lines: empty ones first, folds, line ends of all kinds, no end."""
    first = 0
    while first < len(lines) and lines[first][0] in _CRLF:
        first += 1
    folded = False
    last = len(lines)
    for at in range(first, last):
        initial = lines[at][0]
        if initial <= _SPACE:
            if initial in _CRLF:
                last = at
                break
            folded = folded or initial in _BLANK
    head = _unfold_lines(lines[first:last]) if folded else lines[first:last]
    return (
        b"".join(lines[:first] + head[:1]),
        list(map(Header, head[1:])),
        b"".join(lines[last : last + 1]),
        b"".join(lines[last + 1 :]),
    )


def _unfold_lines(lines: list[bytes]) -> list[bytes]:
    """Join each line with the lines that continue it."""
    starts = [at for at, line in enumerate(lines) if at == 0 or line[0] not in _BLANK]
    return [b"".join(lines[at:end]) for at, end in pairwise([*starts, len(lines)])]
