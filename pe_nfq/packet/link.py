"""Link-layer frame of a capture -> the IP packet in it. Pure.

Link types and their headers are those of libpcap (LINKTYPE_*). NFQUEUE hands
over IP packets, so the packet path itself has no use for this.
"""

from typing import Final, NamedTuple


class _Header(NamedTuple):
    """Bytes before what is carried, and where the EtherType stands; None: IP always."""

    size: int
    ethertype: int | None


LINK_TYPES: Final = {
    0: _Header(4, None),  # NULL, BSD loopback: an address family, in the host's byte order
    1: _Header(14, 12),  # ETHERNET
    12: _Header(0, None),  # RAW, as some systems write it
    14: _Header(0, None),  # RAW, as OpenBSD writes it
    101: _Header(0, None),  # RAW
    108: _Header(4, None),  # LOOP, OpenBSD loopback
    113: _Header(16, 14),  # LINUX_SLL
    228: _Header(0, None),  # IPV4
    229: _Header(0, None),  # IPV6
    276: _Header(20, 0),  # LINUX_SLL2
}

#: VLAN tags in a frame; IEEE 802.1ad has two, some carriers stack more.
MAX_TAGS: Final = 4
#: 802.1Q, 802.1ad, and what was used for the outer tag before that.
_TAGS: Final = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_IP: Final = (b"\x08\x00", b"\x86\xdd")


def ip_packet(link_type: int, frame: bytes) -> bytes | None:
    """The IP packet in a frame of one of `LINK_TYPES`; None when it carries something else.

    What has no EtherType is taken for IP: `dissect` looks at the version.
    """
    size, ethertype_at = LINK_TYPES[link_type]
    if ethertype_at is not None:
        ethertype = frame[ethertype_at : ethertype_at + 2]
        for _ in range(MAX_TAGS):
            if ethertype not in _TAGS:
                break
            ethertype = frame[size + 2 : size + 4]
            size += 4
        if ethertype not in _IP:
            return None
    return frame[size:]
