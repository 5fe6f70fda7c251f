"""SIP requests made by hand: any Call-ID, any size, the Call-ID header wherever it is wanted."""

from collections.abc import Iterable
from typing import Final

#: The requests of a short call, each a datagram that has to reach the same real server.
CALL: Final = ("INVITE", "ACK", "INFO", "INFO", "BYE")

_FILLER: Final = b"X-Filler: " + b"f" * 60 + b"\r\n"


def request(
    call_id: bytes, method: str = "INVITE", cseq: int = 1, *, size: int = 0, behind: int = 0
) -> bytes:
    """A request of at least `size` bytes, by its body; its Call-ID header is `behind` or later."""
    lines = [
        f"{method} sip:100@example.net SIP/2.0\r\n".encode(),
        b"Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK-1\r\n",
        f"CSeq: {cseq} {method}\r\n".encode(),
    ]
    while sum(map(len, lines)) < behind:
        lines.append(_FILLER)
    head = b"".join([*lines, b"Call-ID: " + call_id + b"\r\n\r\n"])
    return head.ljust(size, b"b")


def call(call_id: bytes) -> list[bytes]:
    """The requests of one call, no two of them the same bytes."""
    return [request(call_id, method, cseq) for cseq, method in enumerate(CALL, 1)]


def interleaved(calls: Iterable[list[bytes]]) -> list[bytes]:
    """The first requests of all calls, then the second ones, as a trunk carries them."""
    return [message for step in zip(*calls, strict=True) for message in step]


def call_ids(name: str, count: int) -> list[bytes]:
    """Call-IDs that no other `name` has."""
    return [f"{name}-{number}@example.net".encode() for number in range(count)]
