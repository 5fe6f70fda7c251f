"""What scapy's RADIUS layer is asked of a packet."""

import pytest

from pe_nfq.packet.radius import Understood, understand
from pe_nfq.packet.radius_number import AcctStatus, Code
from tests.radius import access, accounting, attribute, radius

ALICE = attribute(1, b"alice")
EAP = attribute(79, b"\x02\x01\x00\x0a\x01alice")


@pytest.mark.parametrize(
    ("payload", "understood"),
    [
        (access(EAP, ALICE, EAP), ("Access-Request", b"alice", None)),
        (accounting(AcctStatus.START, b"5F3A"), ("Accounting-Request", None, "Start")),
        (
            accounting(AcctStatus.INTERIM_UPDATE, b"5F3A", ALICE),
            ("Accounting-Request", b"alice", "Interim-Update"),
        ),
        (radius(Code.ACCESS_CHALLENGE), ("Access-Challenge", None, None)),
        (radius(Code.STATUS_SERVER), ("Status-Server (experimental)", None, None)),
        (radius(99, attribute(40, b"\0\0\0\x63")), ("99", None, "99")),
        (radius(4, attribute(40, b"\x01"), attribute(1, b"")), ("Accounting-Request", None, None)),
        (radius(4, ALICE, b"\x28\x00"), ("Accounting-Request", b"alice", None)),
    ],
)
def test_names_code_user_and_status(payload: bytes, understood: Understood) -> None:
    assert understand(payload) == Understood(*understood)


@pytest.mark.parametrize("payload", [b"", b"\x01", radius(1)[:19]])
def test_less_than_a_header_is_no_packet(payload: bytes) -> None:
    assert understand(payload) is None


def test_other_attributes_cost_nothing() -> None:
    """However many there are: scapy takes tens of ms for two thousand, or gives up."""
    assert understand(access(ALICE, *[b"\x4f\x02"] * 2000)) == ("Access-Request", b"alice", None)
