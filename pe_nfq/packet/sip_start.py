"""The start line of a SIP message (RFC 3261, sections 7.1 and 7.2), as the hot path reads it.

Empty lines may lead it (section 7.5); the version is not checked.
"""

import re
from typing import Final

from pe_nfq.model import Reason

_RESPONSE: Final = re.compile(rb"[\r\n]*+SIP/", re.IGNORECASE).match
#: Method, Request-URI and what ends it: a URI that the payload's end cuts off is none.
_REQUEST: Final = re.compile(rb"[\r\n]*+[^ \t\r\n]++[ \t]++([^ \t\r\n]++)[ \t\r\n]").match
_LINE: Final = re.compile(rb"[\r\n]*+[^\r\n]++[\r\n]").match


def is_response(packet: bytes, at: int, end: int) -> bool:
    """Whether ``packet[at:end]`` begins with a status line; whatever does not is a request."""
    return _RESPONSE(packet, at, end) is not None


def request_uri(packet: bytes, at: int, end: int) -> bytes | Reason:
    """The second word of a request line. Reasons: EMPTY, KEY_CUT and NO_KEY."""
    found = _REQUEST(packet, at, end)
    if found is not None:
        uri: bytes = found[1]
        return uri
    if at >= end:
        return Reason.EMPTY
    return Reason.NO_KEY if _LINE(packet, at, end) else Reason.KEY_CUT
