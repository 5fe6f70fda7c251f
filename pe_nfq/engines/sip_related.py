"""Whose server a new SIP dialog has to share: Replaces, Join and Target-Dialog.

RFC 3891, 3911 and 4538: each names a dialog by its Call-ID and tags, as header
of the request that begins another. The server that gets it must hold the one
that is named. The Call-ID stands there as in its own header. In a REFER's
Refer-To it is escaped inside a URI (``?Replaces=``), which is left alone: the
REFER itself is not the one that replaces; the INVITE that comes of it says so
in a header.
"""

import re
from collections.abc import Sequence
from typing import Final

from pe_nfq.engines import Related
from pe_nfq.engines.sip_note import has_to_tag
from pe_nfq.packet.sip_head import read_head

_NAMES: Final = ("Replaces", "Join", "Target-Dialog")
_ANY: Final = rb"[RrJjTt](?i:eplaces|oin|arget-dialog)"
#: Nearly every INVITE has none of them, and is not read for them. Two searches, of 0.7 us each:
#: one for both line ends has no literal to begin with, and takes 6 us.
_AFTER_LF: Final = re.compile(b"\n" + _ANY).search
_AFTER_CR: Final = re.compile(b"\r" + _ANY).search


def related(packet: bytes, at: int, end: int) -> Sequence[Related]:
    """The dialogs that a request outside of dialogs names, by their Call-IDs."""
    if not (_AFTER_LF(packet, at, end) or _AFTER_CR(packet, at, end)):
        return ()
    head = read_head(packet, at, end)
    if head.method is None or has_to_tag(head):
        return ()
    named = ((name, head.headers.get(name.lower().encode(), b"")) for name in _NAMES)
    call_ids = ((name, value.partition(b";")[0].rstrip(b" \t")) for name, value in named)
    return [Related(call_id, name) for name, call_id in call_ids if call_id]
