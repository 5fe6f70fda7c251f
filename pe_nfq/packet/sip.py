"""A scapy layer for SIP over UDP (RFC 3261): dissects any bytes, and builds them again exactly.

The worker dissects the first datagram of a dialog with it; `pe-nfq explain`,
tests and anyone in a scapy shell use it too::

    >>> packet = IP(dst="192.0.2.1") / UDP() / SIP(method="OPTIONS", uri="sip:192.0.2.1")
    >>> packet[SIP].method, packet[SIP].call_id, packet[SIP].header("Via")

A body ends where Content-Length says; what follows it in the datagram is
padding, which RFC 3261, section 18.3, tells receivers to discard. `call_id`
follows the rule of `pe_nfq.packet.callid`, in the layer's own terms.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from scapy.fields import Field, StrField
from scapy.layers.inet import UDP
from scapy.packet import Packet, bind_bottom_up, bind_layers

from pe_nfq.escape import show_bytes
from pe_nfq.packet.sip_header import BLANKS, COMPACT_FORMS, FULL_NAMES, Header

PORT: Final = 5060
VERSION: Final = b"SIP/2.0"
#: Digits of a Content-Length that is believed; no UDP payload has more than 65,527 bytes.
_MAX_LENGTH_DIGITS: Final = 9

_CRLF: Final = b"\r\n"
_BLANK: Final = b" \t"
_SPACE: Final = 0x20
_PARTS: Final = ("method", "uri", "version", "status", "reason")


class _Part(Field):  # type: ignore[misc]
    """A part of the start line; `_StartLine` puts it on the wire."""

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x.encode() if isinstance(x, str) else x

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s


class _StartLine(StrField):  # type: ignore[misc]
    """All before the first header as it stands. None: the usual form, from the parts."""

    def addfield(self, pkt: Any, s: bytes, val: bytes | None) -> bytes:
        return s + (_start_line_of(pkt) if val is None else val)


class _Headers(Field):  # type: ignore[misc]
    """The headers in order, as `Header`; text, bytes and (name, value) pairs are taken too."""

    islist = 1

    def any2i(self, pkt: Any, x: Any) -> list[Header]:
        return [Header.of(item) for item in x or ()]

    def addfield(self, pkt: Any, s: bytes, val: list[Header]) -> bytes:
        return s + b"".join(val)


class SIP(Packet):  # type: ignore[misc]
    """A SIP message in a datagram; its body is the payload.

    A request has `method`, `uri` and `version`, a response `version`, `status`
    (int) and `reason`; the others are None, and all are when the start line is
    neither. A build writes what is None: `start_line` from those parts (a dissected
    one is kept when it is unusual, with the empty lines before it), and as `end`
    a Content-Length, unless it is there, and the empty line.
    """

    name = "SIP"
    fields_desc: Final = [
        _Part("method", None),
        _Part("uri", None),
        _Part("version", VERSION),
        _Part("status", None),
        _Part("reason", None),
        _StartLine("start_line", None),
        _Headers("headers", []),
        StrField("end", None),  # the empty line after the headers
    ]

    def do_dissect(self, s: bytes) -> bytes:
        """Take everything up to the body; whatever the bytes are, they are a message."""
        start_line, headers, end, body = _split(s)
        parts = _parts(start_line)
        self.fields.update(parts, headers=headers, end=end)
        if _start_line(parts) != start_line:
            self.fields["start_line"] = start_line
        self.raw_packet_cache = s[: len(s) - len(body)]
        self.raw_packet_cache_fields = {"headers": headers[:]}
        self.explicit = 1
        return body

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        """Part the body from what follows it."""
        length = self.content_length if s else None
        return (s, None) if length is None else (s[:length], s[length:])

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Finish the header block where `end` is None."""
        if self.getfieldval("end") is None:
            if self.header("Content-Length") is None:
                pkt += Header.of((b"Content-Length", b"%d" % len(pay)))
            pkt += _CRLF
        return pkt + pay

    def named(self, name: str | bytes) -> Iterator[Header]:
        """The headers called `name`: in any case, in full or compact form."""
        key, size, compact = _sought(name)
        for header in self.getfieldval("headers"):
            # The cheap look first: it is right about nearly every header.
            if (header[:size].lower() == key or header.startswith(compact)) and header.key == key:
                yield header

    def header(self, name: str | bytes) -> bytes | None:
        """The first value of a header, on one line; None without such a header."""
        for header in self.named(name):
            return next(iter(header.values), b"")
        return None

    def header_values(self, name: str | bytes) -> list[bytes]:
        """All values of a header: of all its lines, and of each list in them."""
        return [value for header in self.named(name) for value in header.values]

    @property
    def call_id(self) -> bytes | None:
        """The first Call-ID that is not empty, unless the message ends within it.

        It has no blanks, so folds can stand around it only: it is on one line.
        """
        for header in self.named(b"Call-ID"):
            for line in header.lines:
                value = line.strip(BLANKS)
                if value:
                    return value if line.endswith((b"\r", b"\n")) else None
        return None

    @property
    def cseq(self) -> bytes | None:
        """Number and method, ``1 INVITE``."""
        value = self.header(b"CSeq")
        return value and b" ".join(value.split())

    @property
    def content_length(self) -> int | None:
        """Content-Length, when it is a number."""
        for header in self.named(b"Content-Length"):
            value = header.value
            believed = value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS
            return int(value) if believed else None
        return None

    def hashret(self) -> bytes:
        """What a request and its responses have in common, for ``sr()``."""
        return b"%b %b" % (self.call_id or b"", self.cseq or b"")

    def answers(self, other: Any) -> int:
        """Whether this is a response to `other`: same Call-ID and CSeq."""
        return int(
            isinstance(other, SIP)
            and self.getfieldval("status") is not None
            and other.getfieldval("status") is None
            and self.call_id is not None
            and self.hashret() == other.hashret()
        )

    def mysummary(self) -> str:
        """The start line and the Call-ID, safe to print."""
        start_line = self.getfieldval("start_line") or _start_line_of(self)
        return f"SIP {show_bytes(start_line.strip())} {show_bytes(self.call_id or b'')}".rstrip()


def _split(message: bytes) -> tuple[bytes, list[Header], bytes, bytes]:
    """Start line with the empty lines before it, headers, the empty line after them, body."""
    lines = message.splitlines(keepends=True)  # of bytes: at CRLF, LF and CR, no others
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


def _parts(start_line: bytes) -> dict[str, Any]:
    """The fields that a start line is made of; all None when it is neither kind."""
    parts: dict[str, Any] = dict.fromkeys(_PARTS)
    words = start_line.split()
    if len(words) >= 2 and words[0].startswith(b"SIP/"):
        if len(words[1]) == 3 and words[1].isdigit():
            reason = start_line.split(None, 2)[2:]
            parts.update(version=words[0], status=int(words[1]), reason=b"".join(reason).strip())
    elif len(words) >= 3 and words[-1].startswith(b"SIP/"):
        parts.update(method=words[0], uri=b" ".join(words[1:-1]), version=words[-1])
    return parts


def _start_line(parts: Mapping[str, Any]) -> bytes:
    """A start line in the form that RFC 3261, section 7, gives it; an OPTIONS by default."""
    version = parts["version"] or VERSION
    if parts["status"] is not None:
        return b"%b %03d %b\r\n" % (version, parts["status"], parts["reason"] or b"")
    return b"%b %b %b\r\n" % (
        parts["method"] or b"OPTIONS",
        parts["uri"] or b"sip:localhost",
        version,
    )


def _start_line_of(pkt: Any) -> bytes:
    return _start_line({part: pkt.getfieldval(part) for part in _PARTS})


@lru_cache(maxsize=64)
def _sought(name: str | bytes) -> tuple[bytes, int, tuple[bytes, ...]]:
    """A name as headers are compared by, its length, and its compact form in both cases."""
    written = (name.encode() if isinstance(name, str) else name).lower()
    key = FULL_NAMES.get(written, written)
    compact = COMPACT_FORMS.get(key)
    return key, len(key), (compact, compact.upper()) if compact else ()


bind_bottom_up(UDP, SIP, dport=PORT)
bind_bottom_up(UDP, SIP, sport=PORT)
bind_layers(UDP, SIP, sport=PORT, dport=PORT)
