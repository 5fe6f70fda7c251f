"""The servers' link-layer addresses, kept for the services: see `pe_nfq.steering.neighbours`.

Only servers with route and tunnel need one: they send from the virtual
address, and so do all others of the service.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from pe_nfq.model import Method, RealServer, Snapshot
from pe_nfq.steering.neighbours import Neighbours
from pe_nfq.templates import Ids

#: Seconds between two looks: a server that takes over another's address is known so soon.
LOOK_EVERY: Final = 2.0
#: At the beginning, while one is missing: how often, and how long after each other (s). A
#: neighbour that lives answers in less; a start need not wait for one that does not.
FIRST_LOOKS: Final = 5
FIRST_LOOK_EVERY: Final = 0.1

Build = Callable[[int, Ids], Snapshot]


class Links:
    """What is known of each server's address. What was known stays until it is known better."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}
        #: Whether the last look found one for every server.
        self.complete = False

    def recall(self, snapshot: Snapshot | None) -> None:
        """Begin with what an earlier supervisor knew."""
        for dest in _without_masq(snapshot):
            if dest.link:
                self._known.setdefault(dest.endpoint.address, dest.link)

    def filled(self, build: Build) -> Build:
        """`build`, its servers with their links."""

        def build_with_links(number: int, ids: Ids) -> Snapshot:
            snapshot = build(number, ids)
            services = tuple(
                replace(service, dests=tuple(map(self._with_link, service.dests)))
                for service in snapshot.services
            )
            return replace(snapshot, services=services)

        return build_with_links

    def look(self, snapshot: Snapshot | None) -> bool:
        """Ask the kernel; whether anything is new. Blocks. Raises SteeringError."""
        addresses = {dest.endpoint.address for dest in _without_masq(snapshot)}
        with Neighbours() as neighbours:
            looked = {address: neighbours.link(address) for address in addresses}
        known = self._known
        self._known = known | {address: link for address, link in looked.items() if link}
        self.complete = addresses <= self._known.keys()
        return self._known != known

    def _with_link(self, dest: RealServer) -> RealServer:
        if dest.method is Method.MASQ:
            return dest
        return replace(dest, link=self._known.get(dest.endpoint.address, b""))


def _without_masq(snapshot: Snapshot | None) -> Iterator[RealServer]:
    services: Iterable[tuple[RealServer, ...]] = (
        () if snapshot is None else (service.dests for service in snapshot.services)
    )
    return (dest for dests in services for dest in dests if dest.method is not Method.MASQ)
