"""One SIP header (RFC 3261, section 7.3) as the scapy layer holds it: raw bytes that can be read.

A `Header` is its bytes in the message, so a message is built again exactly as
it came, whatever its folds, blanks and line ends are.
"""

import re
from typing import Final

#: Compact form -> name: RFC 3261, section 7.3.3, and the extensions in the IANA registry.
FULL_NAMES: Final = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}

COMPACT_FORMS: Final = {full: compact for compact, full in FULL_NAMES.items()}

#: Headers whose grammar is a list, so that commas part values (RFC 3261, section 7.3.1); in
#: all others (Date, Subject, Authorization ...) a comma belongs to the value.
LISTS: Final = frozenset(
    b"accept accept-contact accept-encoding accept-language alert-info allow allow-events"
    b" call-info contact content-encoding content-language diversion error-info history-info"
    b" in-reply-to p-asserted-identity p-preferred-identity path proxy-require reason"
    b" record-route reject-contact request-disposition require route security-client"
    b" security-server security-verify service-route supported unsupported via warning".split()
)

#: What may stand around a value: blanks and the line ends of folds.
BLANKS: Final = b" \t\r\n"

#: A list's value: a comma inside quotes or angle brackets does not end it. Those that are
#: never closed run to the end, so that no byte is looked at twice.
_VALUE: Final = re.compile(rb'(?:"(?:[^"\\]|\\.?)*+"?|<[^>]*+>?|[^,])++', re.DOTALL)


class Header(bytes):
    """A header line with its folds and its line end."""

    __slots__ = ()

    @classmethod
    def of(cls, header: "Header | bytes | str | tuple[bytes | str, bytes | str]") -> "Header":
        """A header from one, from its line without the line end, or from name and value."""
        if isinstance(header, Header):
            return header
        if isinstance(header, tuple):
            name, value = map(_encoded, header)
            return cls(b"%b: %b\r\n" % (name, value))
        line = _encoded(header)
        return cls(line if line.endswith((b"\r", b"\n")) else line + b"\r\n")

    @property
    def name(self) -> bytes:
        """The name as written; empty when the line has no colon."""
        name, colon, _ = self.partition(b":")
        return name.rstrip(BLANKS) if colon else b""

    @property
    def key(self) -> bytes:
        """The name that headers are compared by: lower case, never the compact form."""
        name, colon, _ = self.partition(b":")
        key = name.rstrip(BLANKS).lower() if colon else b""
        return FULL_NAMES.get(key, key)

    @property
    def value(self) -> bytes:
        """The value on one line: each fold is one space (RFC 3261, section 7.3.1)."""
        value = self.partition(b":")[2].strip(BLANKS)
        if b"\n" not in value and b"\r" not in value:
            return value
        return b" ".join(filter(None, (line.strip(BLANKS) for line in value.splitlines())))

    @property
    def values(self) -> list[bytes]:
        """The values of a list header, one by one; of any other header its one value."""
        if self.key not in LISTS:
            return [self.value]
        values = (value.strip(BLANKS) for value in _VALUE.findall(self.value))
        return [value for value in values if value]

    @property
    def lines(self) -> list[bytes]:
        """The value's lines as they stand, folds not undone."""
        return self.partition(b":")[2].splitlines(keepends=True)


def _encoded(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
