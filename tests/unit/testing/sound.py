"""An engine without a fault; what the broken ones are made of."""

import re
from typing import Any

from pe_nfq.engines import ANY_BYTE, API_VERSION, Engine
from pe_nfq.lifetime import Kind, Life, Lifetimes
from pe_nfq.model import Reason
from pe_nfq.testing import FromServer

#: Two dialogs of its protocol.
ONE = (b"B one\n", b"M one\n", FromServer(b"M one\n"), b"E one\n")
TWO = (b"B two\n", b"E two\n")

_MESSAGE = re.compile(rb"([BME]) (\w+)\n")


class Sound(Engine):
    """Begin, middle and end of a dialog, and its name: an engine without a fault."""

    name = "sound"
    api_version = API_VERSION
    quiet = ANY_BYTE - frozenset(b"BE")

    def key(self, packet: bytes, at: int, end: int) -> Any:
        message = _MESSAGE.match(packet, at, end)
        return message[2] if message else Reason.NO_KEY

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        message = _MESSAGE.match(packet, at, end)
        return message[1] if message and message[1] in b"BE" else None

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        if note == b"E":
            return Life(Kind.CALL, lifetimes.ending)
        return Life(Kind.CALL, lifetimes.dialog) if note or old is None else old
