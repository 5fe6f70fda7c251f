"""Bytes of the wire as text that is safe in a terminal, a log line and a table."""

from typing import Final

#: Everything but printable ASCII; the backslash too, so that the text says one thing only.
_ESCAPES: Final = {byte: f"\\x{byte:02x}" for byte in range(256) if not 0x20 <= byte <= 0x7E} | {
    ord("\\"): "\\\\"
}


def printable(wire: bytes) -> str:
    r"""ASCII text; any other byte as ``\xNN``, a backslash doubled."""
    return wire.decode("latin-1").translate(_ESCAPES)
