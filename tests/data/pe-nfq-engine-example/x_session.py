"""An example engine: requests with the same X-Session header belong together."""

import re

from pe_nfq.engines import Engine
from pe_nfq.model import Reason

_HEADER = re.compile(rb"\r\nX-Session:[ \t]*([^\r\n]+)\r\n")


class SessionEngine(Engine):
    """The key is the header's value."""

    name = "x-session"
    api_version = 1

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The value, or why there is none."""
        found = _HEADER.search(packet, at, end)
        return found[1] if found else Reason.NO_KEY
