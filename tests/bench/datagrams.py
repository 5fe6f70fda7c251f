"""Realistic SIP datagrams of many dialogs of one trunk. Pure: the same seed, the same bytes."""

import random
import struct
from collections.abc import Sequence
from typing import Final

#: Bytes of a request with SDP and of one without, as carriers' trunks send them.
WITH_SDP: Final = 1143
WITHOUT_SDP: Final = 531

_SDP: Final = (
    "v=0\r\no=trunk 3847 3847 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n"
    "m=audio 16384 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    "a=ptime:20\r\na=sendrecv\r\n"
)


def dialogs(count: int, seed: int = 5060) -> list[bytes]:
    """INVITE, ACK and BYE of `count` dialogs, shuffled."""
    random_ = random.Random(seed)
    datagrams = []
    for _ in range(count):
        call_id = f"{random_.getrandbits(64):016x}@192.0.2.11"
        datagrams += [
            request("INVITE", call_id, WITH_SDP, _SDP),
            request("ACK", call_id, WITHOUT_SDP),
            request("BYE", call_id, WITHOUT_SDP),
        ]
    random_.shuffle(datagrams)
    return datagrams


def request(method: str, call_id: str, size: int, body: str = "") -> bytes:
    """A request of exactly `size` bytes; the name of the user agent takes up the rest."""
    lines = [
        f"{method} sip:+4930123456@203.0.113.10:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK{call_id[:16]};rport",
        "Max-Forwards: 69",
        f"From: <sip:+4940987654@192.0.2.11>;tag={call_id[:8]}",
        "To: <sip:+4930123456@203.0.113.10>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
        "User-Agent: ",
    ]
    head = "\r\n".join(lines)
    agent = "trunk".ljust(size - len(head) - len("\r\n\r\n") - len(body), "x")
    return f"{head}{agent}\r\n\r\n{body}".encode()


def encode(datagrams: Sequence[bytes]) -> bytes:
    """The file that `sender.c` reads: each datagram behind its length."""
    return b"".join(struct.pack("!H", len(datagram)) + datagram for datagram in datagrams)
