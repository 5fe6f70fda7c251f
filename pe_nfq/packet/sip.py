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
from typing import Any, Final

from scapy.fields import Field, StrField
from scapy.layers.inet import UDP
from scapy.packet import Packet, bind_bottom_up, bind_layers

from pe_nfq.escape import show_bytes
from pe_nfq.packet.sip_header import BLANKS, COMPACT_FORMS, FULL_NAMES, Header
from pe_nfq.packet.sip_lines import split_message

PORT: Final = 5060
VERSION: Final = b"SIP/2.0"
#: Digits of a Content-Length that is believed; no UDP payload has more than 65,527 bytes.
_MAX_LENGTH_DIGITS: Final = 9

#: Attributes of packets as scapy sets them: its own `__setattr__` looks for a field first.
_set: Final = object.__setattr__

_CRLF: Final = b"\r\n"
#: What a line without a name can begin with: anything, or it is empty.
_ANY_INITIAL: Final = frozenset((b"", *(bytes((byte,)) for byte in range(256))))
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
        start_line, headers, end, body = split_message(s)
        fields = _parts(start_line)
        if _start_line(fields) != start_line:
            fields["start_line"] = start_line
        fields["headers"] = headers
        fields["end"] = end
        _set(self, "fields", fields)
        _set(self, "raw_packet_cache", s[: len(s) - len(body)])
        _set(self, "raw_packet_cache_fields", {"headers": headers[:]})
        _set(self, "explicit", 1)
        return body

    def reread(self, message: bytes) -> None:
        """Become the head of another message, without its body.

        For those who look at many messages, one after the other: scapy takes
        longer to make a packet than to dissect all these fields.
        """
        if self.payload:
            self.remove_payload()
        _set(self, "original", message)
        self.do_dissect(message)

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
        key, initials = _sought(name)
        for header in self.getfieldval("headers"):
            # The cheap look first: it is right about most headers.
            if header[:1] in initials and header.key == key:
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
        for header in self.named(b"CSeq"):
            return b" ".join(header.value.split())
        return None

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


def _parts(start_line: bytes) -> dict[str, Any]:
    """The fields that a start line is made of; all None when it is neither kind."""
    parts: dict[str, Any] = dict.fromkeys(_PARTS)
    words = start_line.split()
    if len(words) >= 2 and words[0].startswith(b"SIP/"):
        if len(words[1]) == 3 and words[1].isdigit():
            reason = start_line.split(None, 2)[2:]
            parts["version"], parts["status"] = words[0], int(words[1])
            parts["reason"] = b"".join(reason).strip()
    elif len(words) >= 3 and words[-1].startswith(b"SIP/"):
        parts["method"], parts["version"] = words[0], words[-1]
        parts["uri"] = b" ".join(words[1:-1])
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
def _sought(name: str | bytes) -> tuple[bytes, frozenset[bytes]]:
    """A name as headers are compared by, and what the headers called so can begin with."""
    written = (name.encode() if isinstance(name, str) else name).lower()
    key = FULL_NAMES.get(written, written)
    if not key:
        return key, _ANY_INITIAL
    initials = {key[:1], COMPACT_FORMS.get(key, key)[:1]}
    return key, frozenset(initials | {initial.upper() for initial in initials})


bind_bottom_up(UDP, SIP, dport=PORT)
bind_bottom_up(UDP, SIP, sport=PORT)
bind_layers(UDP, SIP, sport=PORT, dport=PORT)
