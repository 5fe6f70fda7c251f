"""What a health check reads of an answer: the status and the branch of the topmost Via. Pure.

Anybody can send anything to the port that asks, so nothing is read that is
not needed, and nothing raises (RFC 3261, sections 7.2 and 17.1.3).
"""

import re
from typing import Final, NamedTuple

from pe_nfq.packet.sip_head import read_head

#: Of a datagram; status line and Via stand at its top.
LONGEST: Final = 4096
_BRANCH: Final = re.compile(rb";[ \t]*branch[ \t]*=[ \t]*([^\s;,]+)", re.IGNORECASE)


class Answer(NamedTuple):
    """A final answer (200 to 699) to the request of this branch."""

    code: int
    branch: bytes


def read_answer(payload: bytes) -> Answer | None:
    """None for a request, a provisional answer (the final one may follow), and for garbage."""
    head = read_head(payload, 0, min(len(payload), LONGEST))
    if head.status is None or not 200 <= head.status < 700:
        return None
    # Several values of one header line: the first is the topmost.
    top = head.headers.get(b"via", b"").partition(b",")[0]
    found = _BRANCH.search(top)
    return Answer(head.status, found[1]) if found else None
