"""Which netlink notifications call for another look."""

import struct

import pytest

from pe_nfq.steering.events import Events, concerns

NEW_LINK, NEW_ADDRESS, NEW_ROUTE, DELETE_ROUTE, NEW_RULE = 16, 20, 24, 25, 32
BOOT, STATIC, KERNEL, BGP, OURS = 3, 4, 2, 186, 163


def message(kind: int, protocol: int = 0) -> bytes:
    """A notification; `protocol` is a route's."""
    body = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, protocol, 0, 1, 0)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


@pytest.mark.parametrize("kind", [NEW_LINK, NEW_ADDRESS, NEW_RULE])
def test_links_addresses_and_rules_matter(kind: int) -> None:
    """A link takes its routes along silently; an address may be a VIP."""
    assert concerns(message(kind, BGP))


@pytest.mark.parametrize(
    ("kind", "protocol", "matters"),
    [
        (NEW_ROUTE, KERNEL, True),
        (NEW_ROUTE, BOOT, True),
        (DELETE_ROUTE, STATIC, True),
        (NEW_ROUTE, BGP, False),
        (DELETE_ROUTE, BGP, False),
        (NEW_ROUTE, OURS, False),
        (DELETE_ROUTE, OURS, True),
    ],
)
def test_routes_matter_by_who_made_them(kind: int, protocol: int, matters: bool) -> None:
    """Not those of routing daemons, nor those that we make ourselves."""
    assert concerns(message(kind, protocol)) is matters


def test_a_message_without_a_body_matters() -> None:
    """What cannot be told apart is looked at."""
    assert concerns(message(NEW_ROUTE)[:16])


def test_waiting_ends_without_an_event() -> None:
    """Also when there is no time to wait."""
    events = Events()
    try:
        events.wait(0)
        assert events.wait(0) is False
    finally:
        events.close()
