"""Reading captures, on frames made by hand."""

import ipaddress
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import scapy.all as scapy

from tests.lab import pcap
from tests.lab.pcap import Seen

_IPV4 = ("192.0.2.11", "203.0.113.10")
_IPV6 = ("2001:db8::11", "2001:db8:5060::10")
_ETHERNET, _RAW, _LINUX_SLL = 1, 101, 113


def _udp(payload: bytes) -> bytes:
    return struct.pack("!HHHH", 5060, 5061, 8 + len(payload), 0) + payload


def _ipv4(body: bytes, at: int = 0, more: bool = False, protocol: int = 17) -> bytes:
    fragment = at // 8 | (0x2000 if more else 0)
    fields = (0x46, 0, 24 + len(body), 7, fragment, 64, protocol, 0)  # 0x46: with an option
    addresses = b"".join(ipaddress.ip_address(host).packed for host in _IPV4)
    return (
        b"\0" * 12 + b"\x08\x00" + struct.pack("!BBHHHBBH", *fields) + addresses + b"\1" * 4 + body
    )


def _ipv6(body: bytes, protocol: int = 17) -> bytes:
    addresses = b"".join(ipaddress.ip_address(host).packed for host in _IPV6)
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return b"\0" * 12 + b"\x86\xdd" + header + addresses + body


def _ipv6_fragment(body: bytes, at: int, more: bool) -> bytes:
    return _ipv6(struct.pack("!BBHI", 17, 0, at | more, 7) + body, protocol=44)


def _file_header(link: int) -> bytes:
    return struct.pack("=IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)


def _capture(
    tmp_path: Path, frames: list[bytes], cut: int = 0, link: int = _ETHERNET
) -> list[Seen]:
    records = [struct.pack("=IIII", 3, 500000, len(f), len(f)) + f for f in frames]
    data = _file_header(link) + b"".join(records)
    path = tmp_path / "x.pcap"
    path.write_bytes(data[: len(data) - cut])
    return pcap.read(path)


def test_an_ipv4_datagram(tmp_path: Path) -> None:
    """Addresses, ports, time and payload, whatever the length of the header and the padding."""
    seen = _capture(tmp_path, [_ipv4(_udp(b"hello")) + b"padding"])

    assert seen == [Seen(3.5, "192.0.2.11:5060", "203.0.113.10:5061", b"hello")]


def test_an_ipv6_datagram(tmp_path: Path) -> None:
    """IPv6 addresses stand in brackets."""
    seen = _capture(tmp_path, [_ipv6(_udp(b"hello"))])

    assert seen == [Seen(3.5, "[2001:db8::11]:5060", "[2001:db8:5060::10]:5061", b"hello")]


def test_other_packets_are_passed_over(tmp_path: Path) -> None:
    """ARP, ICMP and ICMPv6 are no datagrams."""
    arp = b"\0" * 12 + b"\x08\x06" + b"\0" * 28

    assert _capture(tmp_path, [arp, _ipv4(b"\x08\0\0\0", protocol=1), _ipv6(b"\x80", 58)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_fragments_are_put_together_in_any_order(tmp_path: Path, seed: int) -> None:
    """A datagram in four fragments is one, complete with its last fragment; IPv4 and IPv6."""
    udp = _udp(bytes(range(256)) * 12)
    cuts = [(at, udp[at : at + 800], at + 800 < len(udp)) for at in range(0, len(udp), 800)]
    random.Random(seed).shuffle(cuts)
    frames = [_ipv4(part, at, more) for at, part, more in cuts]
    frames += [_ipv6_fragment(part, at, more) for at, part, more in cuts]

    assert [seen.payload for seen in _capture(tmp_path, frames)] == [udp[8:], udp[8:]]
    assert _capture(tmp_path, frames[1:4]) == []


def test_a_record_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    """A live capture can be read at any length of its last record."""
    frame = _ipv4(_udp(b"hello"))
    for cut in range(1, 16 + len(frame)):
        assert len(_capture(tmp_path, [frame, frame], cut)) == 1


@pytest.mark.parametrize(
    ("message", "call_id"),
    [
        (b"INVITE sip:x SIP/2.0\r\nCall-ID: a@b\r\n\r\n", b"a@b"),
        (b"INVITE sip:x SIP/2.0\r\ni:a@b\r\n\r\n", b"a@b"),
        (b"INVITE sip:x SIP/2.0\r\nCALL-ID \t:\ta@b\r\n\r\n", b"a@b"),
        (b"INVITE sip:x SIP/2.0\r\nX-Call-ID: no\r\n\r\n", None),
        (b"\r\n\r\n", None),
    ],
)
def test_the_call_id_of_a_message(message: bytes, call_id: bytes | None) -> None:
    """The header in its long and its compact form; none in a keepalive."""
    assert Seen(0.0, "", "", message).call_id == call_id


@pytest.mark.parametrize("frame", [_ipv4, _ipv6])
def test_tunnels_have_frames_of_their_own(frame: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """IP at once, or behind a header that ends in the ethertype."""
    ethernet = frame(_udp(b"hello"))
    seen = _capture(tmp_path, [ethernet])

    assert [datagram.payload for datagram in seen] == [b"hello"]
    assert _capture(tmp_path, [ethernet[14:]], link=_RAW) == seen
    assert _capture(tmp_path, [b"\0" * 2 + ethernet], link=_LINUX_SLL) == seen


@pytest.mark.parametrize("payload", [b"even", b"odd", b""])
@pytest.mark.parametrize(("frame", "hosts"), [(_ipv4, _IPV4), (_ipv6, _IPV6)])
def test_damaged_datagrams_are_found(
    frame: Callable[[bytes], bytes], hosts: tuple[str, str], payload: bytes, tmp_path: Path
) -> None:
    """By the checksum that scapy computes; one bit more or less is too much."""
    ip = scapy.IP if frame is _ipv4 else scapy.IPv6
    packet = ip(src=hosts[0], dst=hosts[1]) / scapy.UDP(sport=5060, dport=5061) / payload
    good = bytes(ip(bytes(packet))[scapy.UDP])
    bad = bytearray(good)
    bad[0] ^= 1
    _capture(tmp_path, [frame(good), frame(bytes(bad)), frame(good)])

    assert len(pcap.read(tmp_path / "x.pcap")) == 3
    [found] = pcap.damaged(tmp_path / "x.pcap")
    assert found.src.endswith(f":{5060 ^ 0x100}")


def test_only_ipv4_may_leave_out_the_checksum(tmp_path: Path) -> None:
    """RFC 768 and RFC 8200 section 8.1."""
    _capture(tmp_path, [_ipv4(_udp(b"hello")), _ipv6(_udp(b"hello"))])

    assert [seen.src for seen in pcap.damaged(tmp_path / "x.pcap")] == ["[2001:db8::11]:5060"]
