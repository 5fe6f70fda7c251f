import re
from typing import Any

from pe_nfq.engines import API_VERSION, Engine
from pe_nfq.lifetime import Kind, Life, Lifetimes
from pe_nfq.model import Reason

_COMMAND = re.compile(rb"\S+ ([CDLPQRSU])\S* (\S+) ", re.IGNORECASE)  # cookie, command, Call-ID


class RtpproxyEngine(Engine):
    name = "rtpproxy"
    api_version = API_VERSION
    quiet = frozenset()  # a command begins with its cookie: any byte, whatever it says

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        command = _COMMAND.match(packet, at, end)
        return command[2] if command else Reason.NO_KEY

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        command = _COMMAND.match(packet, at, end)
        return command[1].upper() if command else None

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Life:
        if note == b"D":  # delete
            return Life(Kind.CALL, lifetimes.ending)
        if note in (b"U", b"L"):  # update, by the caller; lookup, by the callee
            return Life(Kind.CALL, max(timeout, lifetimes.dialog))
        return old or Life(Kind.CALL, timeout)
