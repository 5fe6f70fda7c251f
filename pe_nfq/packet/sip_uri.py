"""Whose address is it? The user of a URI, alone or in a From or To header.

RFC 3261, sections 19.1.1 (sip and sips URIs) and 20.10 (From: a URI in angle
brackets behind a display name, or alone, and then what follows a semicolon is
the header's); RFC 3966, section 3 (tel URIs).

A user is bytes as they stand, in their case, without a password; of a tel URI
it is the number up to its parameters, visual separators kept. Escapes that
make no difference (section 19.1.4) are undone: ``%61lice`` is ``alice``, but
``%2B1`` is not ``+1``. Escapes of reserved bytes stay, in upper case, and so do
those of ``%`` and of line ends: two users never become one, and no user has a
line end in it.
"""

import re
from typing import Final

#: RFC 3261, section 25.1, `reserved`, and what must not stand in a user unescaped.
_STAYS_ESCAPED: Final = b";/?:@&=+$," + b"%\r\n"

#: Scheme, user and password. In brackets, and in a request line, a user may have `;`, `?` and `,`.
_ENCLOSED: Final = rb"(?i:sips?):([^:@<>]++)(?::[^@;?<>]*+)?+@|(?i:tel):([^;<>]++)"
_BARE: Final = rb'(?i:sips?):([^:@<>;?, \t"]++)(?::[^@<>;?, \t"]*+)?+@|(?i:tel):([^;<>?, \t"]++)'
#: A quoted display name may have an angle bracket in it. Possessive: no byte is looked at twice.
_DISPLAY_NAME: Final = rb'((?:[^"<]++|"(?:[^"\\]++|\\.)*+")*+<)?+'

_URI: Final = re.compile(_ENCLOSED).match
_ADDRESS: Final = re.compile(
    _DISPLAY_NAME + rb"(?(1)(?:" + _ENCLOSED + rb")|(?:" + _BARE + rb"))", re.DOTALL
).match
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})").sub


def uri_user(uri: bytes) -> bytes:
    """The user of a sip, sips or tel URI; empty where it has none, as has any other URI."""
    found = _URI(uri)
    return b"" if found is None else _unescaped(found[found.lastindex or 0])


def address_user(value: bytes) -> bytes:
    """The same of the value of a From or To header, on one line."""
    found = _ADDRESS(value)
    return b"" if found is None else _unescaped(found[found.lastindex or 0])


def _unescaped(user: bytes) -> bytes:
    return _ESCAPE(_unescape, user) if b"%" in user else user


def _unescape(escape: re.Match[bytes]) -> bytes:
    byte = bytes.fromhex(escape[1].decode())
    return escape[0].upper() if byte in _STAYS_ESCAPED else byte
