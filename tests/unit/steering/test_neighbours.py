"""What an entry of the kernel's neighbour table says of a server's link-layer address."""

from typing import Any

import pytest

from pe_nfq.steering.neighbours import Neighbours

PERMANENT = 0x80


class _Entry(dict[str, Any]):
    """As the netlink library gives it: an address of 4 bytes is an IP address's text."""

    def get_attr(self, name: str) -> Any:
        return {"NDA_LLADDR": self["link"], "RTA_OIF": 3}.get(name)


class _Table:
    """A route without a gateway, over a device whose entries have `link`."""

    def __init__(self, link: str) -> None:
        self._entry = _Entry(link=link, state=PERMANENT)

    def route(self, *_: Any, **__: Any) -> tuple[_Entry, ...]:
        return (self._entry,)

    def neigh(self, *_: Any, **__: Any) -> tuple[_Entry, ...]:
        return (self._entry,)


@pytest.mark.parametrize(
    ("link", "known"),
    [("02:00:00:00:00:01", bytes([2, 0, 0, 0, 0, 1])), ("192.0.2.5", b""), ("", b"")],
    ids=["Ethernet", "the other end of a GRE tunnel", "none"],
)
def test_what_no_queue_can_show_is_not_known(link: str, known: bytes) -> None:
    """A tunnel over many ends has IP addresses in the place of link-layer addresses."""
    neighbours = Neighbours.__new__(Neighbours)
    neighbours._ip = _Table(link)
    assert neighbours.link(bytes([10, 0, 0, 1])) == known
