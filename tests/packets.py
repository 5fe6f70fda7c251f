"""IP packets for tests, built field by field, independently of the code that reads them."""

import struct

from pe_nfq.model import Endpoint
from tests.tables import VIP, VIP6

CLIENT = Endpoint(bytes([198, 51, 100, 7]), 5060)
CLIENT6 = Endpoint(bytes.fromhex("20010db8000100000000000000000007"), 5060)


def udp(payload: bytes, src: Endpoint = CLIENT, dst: Endpoint = VIP) -> bytes:
    """A UDP datagram in an IP packet of the family of `src`, with its checksum."""
    length = 8 + len(payload)
    pseudo = src.address + dst.address + struct.pack("!HHHH", 17, length, src.port, dst.port)
    checksum = internet_checksum(pseudo + struct.pack("!H", length) + payload) or 0xFFFF
    header = struct.pack("!HHHH", src.port, dst.port, length, checksum)
    if src.family == 6:
        return ipv6(header + payload, 17, src.address, dst.address)
    return ipv4(header + payload, src.address, dst.address)


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


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
