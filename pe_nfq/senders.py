"""Which real server sent this datagram, and in the name of which service? Pure.

The other direction of the path: datagrams from real servers, queued where
they pass the director. Follows the kernel's `ip_vs_find_real_service`, which
knows masq servers by their address and port, and goes further: a server may
send from another port than it listens on, may stand behind several services,
and with route and tunnel sends from the virtual address. Then its link-layer
address tells it from the others, and nobody when it is a router's.

Services of a fwmark have no address in whose name a server could send, and
take no part (kernel: `ip_vs_new_conn_out`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pe_nfq.flow import Queued, Served
from pe_nfq.marks import Marks
from pe_nfq.model import Datagram, Endpoint, Method, RealServer


class Sender(NamedTuple):
    """In whose name a datagram leaves, and which dests may have sent it; one: it did.

    `mark` says so to the rules that rewrite its source; 0: it stays as it is.
    """

    served: Served
    dests: tuple[RealServer, ...]
    mark: int


@dataclass(slots=True)
class _Known:
    """A service, the addresses inside of which it is not its own client, its returning mark."""

    served: Served
    inside: frozenset[bytes]
    returning: int


class Senders:
    """All real servers under one snapshot."""

    def __init__(self, services: Iterable[Served], marks: Marks) -> None:
        self._by_address: dict[bytes, list[tuple[_Known, RealServer]]] = {}
        self._by_vip: dict[Endpoint, _Known] = {}
        for served in services:
            service = served.service
            if service.fwmark:
                continue
            inside = {service.endpoint.address, *(d.endpoint.address for d in service.dests)}
            known = _Known(served, frozenset(inside), marks.returning(str(service)))
            self._by_vip[service.endpoint] = known
            for dest in service.dests:
                if dest.endpoint.family != service.endpoint.family:
                    continue  # a tunnel's other end: it sends from the virtual address
                self._by_address.setdefault(dest.endpoint.address, []).append((known, dest))

    def of(self, datagram: Datagram, queued: Queued) -> tuple[Sender, ...]:
        """One for each service, in order of listing; none when no real server sent it to a client.

        What a server sends to another of its service, or to the service, is
        not a client's: answers come from a server's own address, and a
        template would say that one server is the other's.
        """
        src, dst = datagram.src, datagram.dst
        if src.address in self._by_address:
            return tuple(self._by_own_address(src, dst))
        known = self._by_vip.get(src)
        if known is None or dst.address in known.inside:
            return ()
        link = queued.get_hw() or b""
        dests = known.served.service.dests
        found = tuple(dest for dest in dests if dest.link and link.startswith(dest.link))
        return (Sender(known.served, found, known.returning),)

    def _by_own_address(self, src: Endpoint, dst: Endpoint) -> Iterator[Sender]:
        found = self._by_address[src.address]
        exact = [(known, dest) for known, dest in found if _port(known, dest) == src.port]
        by_service: dict[int, tuple[_Known, list[RealServer]]] = {}
        for known, dest in exact or found:
            by_service.setdefault(known.served.service.id, (known, []))[1].append(dest)
        for known, dests in by_service.values():
            if dst.address not in known.inside:
                # With route and tunnel it speaks for itself: the client has to answer there.
                is_masq = any(dest.method is Method.MASQ for dest in dests)
                yield Sender(known.served, tuple(dests), known.returning if is_masq else 0)


def _port(known: _Known, dest: RealServer) -> int:
    """Where a dest listens: one of port 0 gets datagrams on the port that they were sent to."""
    return dest.endpoint.port or known.served.service.endpoint.port
