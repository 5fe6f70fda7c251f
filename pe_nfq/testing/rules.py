"""What the packet path relies on in an engine, rule by rule, and what to do about a breach."""

from collections.abc import Mapping
from typing import Any, Final

from pe_nfq.engines import Engine
from pe_nfq.escape import show_bytes

#: Rule -> remedy.
RULES: Final[Mapping[str, str]] = {
    "registered": "give check_engine what the entry point gives: an object of the class, "
    "with all that the registry asks for",
    "quiet-bytes": "write frozenset(b'...') of first bytes, or ANY_BYTE, or frozenset()",
    "key-found": "without a key nothing can be checked: give datagrams of the protocol, as sent",
    "together": "take the key from what all datagrams of a dialog carry",
    "apart": "take the key from what no two dialogs share",
    "never-raises": "answer a Reason, or nothing, where bytes make no sense: they may be any",
    "types": "answer as pe_nfq.engines.Engine says",
    "repeatable": "answer by the arguments alone: each of several workers asks of some datagrams",
    "payload-only": "look at packet[at:end] and nothing else, and do not count from either end "
    "of packet",
    "keyed": "raise ValueError, one line for the operator, or return an engine",
    "life-legal": "return Life with a Kind, 1 to lifetimes.longest(timeout) seconds and at most "
    "MAX_STATE bytes",
    "life-pure": "work life out of its arguments alone, and leave them as they are",
    "retransmission": "the same note again must change nothing: whether one is noted depends on "
    "which worker gets it",
    "quiet": "leave this first byte out of quiet, or the life as it is",
    "time": "scan once: a worker that gives no verdict for 250 ms is killed",
}


class ConformanceError(AssertionError):
    """An engine breaks a rule: `rule` is its name in `RULES`, `datagram` the bytes that show it.

    The text is one line: engine, rule, what was seen, the datagram (escaped,
    and cut where it is long) and the remedy.
    """

    def __init__(self, engine: object, rule: str, what: str, datagram: bytes | None = None) -> None:
        self.rule = rule
        self.datagram = datagram
        text = f"engine {getattr(engine, 'name', None)!a:.40} breaks rule {rule!r}: {what}"
        if datagram is not None:
            text += f"; datagram of {len(datagram)} bytes: {show_bytes(datagram)}"
        super().__init__(f"{text}; remedy: {RULES[rule]}")


def ask(engine: Engine, method: str, payload: bytes | None, *arguments: Any) -> Any:
    """What `method` answers; `payload` is the datagram in question. Raises ConformanceError."""
    try:
        return getattr(engine, method)(*arguments)
    except Exception as error:
        what = f"{method} raised {error!a:.200}"
        raise ConformanceError(engine, "never-raises", what, payload) from error
