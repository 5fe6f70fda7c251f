"""Which IPVS connections override marks, and which of them never fall silent. Pure."""

from collections.abc import Iterable
from typing import Final

from pe_nfq.ipvs.connections import Connection
from pe_nfq.model import VirtualService

#: While the UDP timeout is 1 s, a connection with so little left has seen a datagram since (s).
_TALKING: Final = 1
#: One that has talked for so long (s) would have ended in any second's silence. The rest is for
#: the timer wheel, which is late by a hundredth, and for the listing's whole seconds.
_STUBBORN: Final = 2.5
#: Holding its datagrams has not helped so often: they make it anew, being unmarked.
_MOST_HOLDS: Final = 2


def pinned(
    connections: Iterable[Connection], services: Iterable[VirtualService]
) -> list[Connection]:
    """The connections (not the templates) that datagrams to `services` would meet."""
    services = tuple(services)
    addresses = {s.endpoint for s in services if not s.fwmark}
    # Of a mark's service the connection has the address that the client sent to.
    servers = {d.endpoint.address for s in services if s.fwmark for d in s.dests}
    return [
        c
        for c in connections
        if c.protocol == "UDP"
        and not c.is_template
        and ((c.virtual, c.virtual_port) in addresses or c.dest in servers)
    ]


class Talkers:
    """Follows connections from listing to listing; time is an argument, in seconds."""

    def __init__(self) -> None:
        self._since: dict[tuple[object, ...], float] = {}
        self._held: dict[tuple[object, ...], int] = {}

    def stubborn(self, connections: Iterable[Connection], now: float) -> list[Connection]:
        """Those that end by being held only."""
        talking = {ends(c): c for c in connections if c.expires <= _TALKING}
        self._since = {key: self._since.get(key, now) for key in talking}
        return [
            connection
            for key, connection in talking.items()
            if now - self._since[key] >= _STUBBORN and self._held.get(key, 0) < _MOST_HOLDS
        ]

    def held(self, connections: Iterable[Connection]) -> None:
        """Tell that these have just been held."""
        for connection in connections:
            key = ends(connection)
            self._held[key] = self._held.get(key, 0) + 1
            self._since.pop(key, None)

    def hopeless(self, connections: Iterable[Connection]) -> list[Connection]:
        """Those that came back although they had been held."""
        return [c for c in connections if self._held.get(ends(c), 0) >= _MOST_HOLDS]


def ends(connection: Connection) -> tuple[object, ...]:
    """What makes it the same connection in two listings."""
    return connection[1:7]
