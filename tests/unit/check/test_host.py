"""The machine's items, from what a machine says of itself."""

import pytest

from pe_nfq.check.host import capability_items, kernel_item
from pe_nfq.check.items import Status

ALL = 0x1FFFFFFFFFF


@pytest.mark.parametrize(
    ("release", "status"),
    [
        ("6.1.0-56-amd64", Status.OK),
        ("6.18.5", Status.OK),
        ("10.0", Status.OK),
        ("6.0.12", Status.WARN),
        ("5.10.0-30-amd64", Status.WARN),
        ("unknown", Status.WARN),
    ],
)
def test_kernel(release: str, status: Status) -> None:
    """Versions are compared as numbers."""
    assert kernel_item(release).status == status


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        (ALL, [(Status.OK, "CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE")]),
        (ALL & ~(1 << 23), [(Status.WARN, "CAP_SYS_NICE is missing")]),
        (ALL & ~(1 << 12), [(Status.FAIL, "CAP_NET_ADMIN is missing")]),
        (0, [(Status.FAIL, "CAP_NET_ADMIN"), (Status.WARN, "NET_RAW"), (Status.WARN, "SYS_NICE")]),
    ],
)
def test_capabilities(effective: int, expected: list[tuple[Status, str]]) -> None:
    """Each missing one is an item."""
    status = f"Name:\tpe-nfq\nCapPrm:\t{ALL:016x}\nCapEff:\t{effective:016x}\n"
    items = list(capability_items(status))
    assert [item.status for item in items] == [status for status, _ in expected]
    assert all(text in item.what for item, (_, text) in zip(items, expected, strict=True))
