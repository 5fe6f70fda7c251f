"""Wire bytes and foreign text as something a terminal, a log and a column can bear. Pure.

Whoever can send a datagram chooses a Call-ID, so neither its bytes nor its
length may reach a terminal as they are: control sequences, right-to-left
marks and line ends all stay behind. What is shown is ASCII, and what is not
cut can be turned back into the bytes.
"""

import re
from typing import Final

#: Longer than any Call-ID that a user agent makes by itself; a log line stays readable.
DEFAULT_LIMIT: Final = 256
#: Ends what was cut. No escape sequence of ours begins like this, so it cannot be part of a value.
CUT: Final = "\\..."

_ESCAPED: Final = tuple(
    "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
    for byte in range(256)
)


def show_bytes(data: bytes, limit: int | None = DEFAULT_LIMIT) -> str:
    r"""Printable ASCII stays; a backslash becomes ``\\``, any other byte ``\xNN``.

    The text has at most `limit` characters (at least ``len(CUT)``), `CUT`
    included where it was cut; None does not cut. An escape sequence is never
    cut in two.
    """
    text = data.decode("latin-1")
    if text.isascii() and text.isprintable() and "\\" not in text:
        # Nothing to escape, as in almost every Call-ID: three times as fast.
        return text if limit is None or len(text) <= limit else text[: limit - len(CUT)] + CUT
    if limit is None:
        return "".join(map(_ESCAPED.__getitem__, data))
    # Every byte gives a character or more: what lies beyond the limit need not be looked at.
    shown = "".join(map(_ESCAPED.__getitem__, data[: limit + 1]))
    if len(shown) <= limit and len(data) <= limit:
        return shown
    kept = ""
    for byte in data:
        if len(kept) + len(_ESCAPED[byte]) > limit - len(CUT):
            break
        kept += _ESCAPED[byte]
    return kept + CUT


def show_text(text: str, limit: int | None = DEFAULT_LIMIT) -> str:
    """Text of unknown origin: printable ASCII stays as it is, all else goes the way of bytes.

    A text that `show_bytes` made is therefore not escaped twice.
    """
    if text.isascii() and text.isprintable() and (limit is None or len(text) <= limit):
        return text
    if limit is not None:
        text = text[: limit + 1]
    return show_bytes(text.encode("utf-8", "surrogatepass"), limit)


#: A backslash and what may follow it in what `show_bytes` makes.
_ESCAPE: Final = re.compile(rb"\\(\\|x[0-9A-Fa-f]{2}|)")


def read_bytes(text: str) -> bytes:
    r"""The bytes that `show_bytes` has shown uncut. What is not ASCII is UTF-8.

    Raises ValueError for a backslash that is neither ``\\`` nor ``\xNN``.
    """

    def byte(found: "re.Match[bytes]") -> bytes:
        escaped = found[1]
        if not escaped:
            raise ValueError(r"a backslash is written \\, and any other byte \xNN")
        return b"\\" if escaped == b"\\" else bytes((int(escaped[1:], 16),))

    return _ESCAPE.sub(byte, text.encode("utf-8", "surrogateescape"))
