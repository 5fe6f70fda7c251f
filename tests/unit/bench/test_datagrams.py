"""The datagrams that are measured are what they are said to be."""

from collections import Counter

from pe_nfq.packet.callid import scan_call_id
from tests.bench import datagrams


def test_the_mix() -> None:
    """An INVITE with SDP, an ACK and a BYE of each dialog, of the stated sizes, shuffled."""
    made = datagrams.dialogs(20)
    kinds = [(datagram.split()[0], len(datagram)) for datagram in made]

    assert Counter(kinds) == {(b"INVITE", 1143): 20, (b"ACK", 531): 20, (b"BYE", 531): 20}
    assert len({scan_call_id(datagram, 0, len(datagram)) for datagram in made[:3]}) > 1
    assert made == datagrams.dialogs(20)


def test_every_datagram_has_the_call_id_of_its_dialog() -> None:
    """Three datagrams carry each; without one the worker would be measured declining."""
    found = Counter(scan_call_id(made, 0, len(made)) for made in datagrams.dialogs(20))

    assert set(map(type, found)) == {bytes}
    assert list(found.values()) == [3] * 20


def test_the_file_for_the_sender() -> None:
    """Length in network order, then the bytes."""
    assert datagrams.encode([b"ab", b"", b"c" * 300]) == b"\0\2ab\0\0\1\x2c" + b"c" * 300
