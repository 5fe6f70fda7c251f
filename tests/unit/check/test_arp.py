"""ARP frames (RFC 826, RFC 5227)."""

import pytest

from pe_nfq.check.arp import Answer, claim, probe

OWN = bytes.fromhex("020000000001")
VIP = bytes([203, 0, 113, 10])
REPLY = (
    bytes.fromhex("02000000000102000000000208060001080006040002020000000002")
    + VIP
    + bytes.fromhex("02000000000100000000")
)


def test_a_probe_names_no_sender() -> None:
    """So that no cache learns from it."""
    frame = probe(OWN, VIP)
    assert frame[:14] == b"\xff" * 6 + OWN + b"\x08\x06"
    assert frame[14:22] == bytes.fromhex("0001080006040001")
    assert frame[22:] == OWN + bytes(4) + bytes(6) + VIP


def test_a_reply_claims_the_senders_address() -> None:
    """Padding, as Ethernet has it, does not matter."""
    assert claim(REPLY + bytes(18)) == Answer(VIP, "02:00:00:00:00:02")


@pytest.mark.parametrize("end", range(len(REPLY)))
def test_a_short_frame_claims_nothing(end: int) -> None:
    assert claim(REPLY[:end]) is None


def test_a_request_claims_nothing() -> None:
    assert claim(probe(OWN, VIP)) is None
