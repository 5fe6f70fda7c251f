"""IP packets for tests, built field by field, independently of the code that reads them."""

import struct

from pe_nfq.model import Endpoint
from tests.tables import VIP, VIP6

CLIENT = Endpoint(bytes([198, 51, 100, 7]), 5060)
CLIENT6 = Endpoint(bytes.fromhex("20010db8000100000000000000000007"), 5060)


def udp(payload: bytes, src: Endpoint = CLIENT, dst: Endpoint = VIP) -> bytes:
    """A UDP datagram in an IP packet of the family of `src`; checksums are 0."""
    ports = struct.pack("!HHHH", src.port, dst.port, 8 + len(payload), 0)
    if src.family == 6:
        return ipv6(ports + payload, 17, src.address, dst.address)
    return ipv4(ports + payload, src.address, dst.address)


def ipv4(
    body: bytes,
    src: bytes = CLIENT.address,
    dst: bytes = VIP.address,
    *,
    protocol: int = 17,
    options: bytes = b"",
    fragment: int = 0,
) -> bytes:
    """An IPv4 packet; `options` are padded, `fragment` is the word of flags and offset."""
    options += bytes(-len(options) % 4)
    size = 20 + len(options)
    fields = (0x40 | size // 4, 0, size + len(body), 1, fragment, 64, protocol, 0)
    return struct.pack("!BBHHHBBH", *fields) + src + dst + options + body


def ipv6(
    body: bytes, next_header: int, src: bytes = CLIENT6.address, dst: bytes = VIP6.address
) -> bytes:
    """An IPv6 packet; `body` begins with the header that `next_header` names."""
    return struct.pack("!IHBB", 6 << 28, len(body), next_header, 64) + src + dst + body


def sip(call_id: bytes, method: bytes = b"INVITE", headers: bytes = b"") -> bytes:
    """A SIP request with a Call-ID, and `headers` before it."""
    return (
        method
        + b" sip:bob@203.0.113.10 SIP/2.0\r\n"
        + b"Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n"
        + headers
        + b"Call-ID: "
        + call_id
        + b"\r\nCSeq: 1 "
        + method
        + b"\r\nContent-Length: 0\r\n\r\n"
    )
