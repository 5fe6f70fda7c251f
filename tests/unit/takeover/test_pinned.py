"""Which connections override marks, and which of them end by being held only."""

from pe_nfq.ipvs.connections import Connection
from pe_nfq.model import Endpoint, RealServer, VirtualService
from pe_nfq.takeover.pinned import Talkers, pinned

CLIENT, VIP, SERVER, OTHER = (bytes((192, 0, 2, n)) for n in (1, 2, 3, 4))
DESTS = (RealServer(1, Endpoint(SERVER, 5060)),)
SERVICE = VirtualService(1, Endpoint(VIP, 5060), DESTS)
BY_MARK = VirtualService(2, Endpoint(bytes(4), 0), DESTS, fwmark=5)


def connection(
    *, port: int = 6000, virtual: bytes = VIP, dest: bytes = SERVER, expires: int = 1
) -> Connection:
    return Connection("UDP", CLIENT, port, virtual, 5060, dest, 5060, "UDP", expires)


def test_those_to_our_services() -> None:
    """Not the templates, not other services, not other protocols."""
    ours = connection()
    others = [
        connection(port=0),
        connection(virtual=OTHER),
        ours._replace(virtual_port=5061),
        ours._replace(protocol="TCP"),
        ours._replace(protocol="IP", virtual=bytes((0, 0, 0, 5))),
    ]

    assert pinned([*others, ours], [SERVICE]) == [ours]


def test_those_to_the_servers_of_a_marks_service() -> None:
    """It has no address of its own."""
    elsewhere, other = connection(virtual=OTHER), connection(virtual=OTHER, dest=OTHER)

    assert pinned([elsewhere, other], [BY_MARK]) == [elsewhere]


def test_who_talks_every_second_is_stubborn() -> None:
    """After more time than a silence would have needed."""
    talkers, talking, silent = Talkers(), connection(), connection(port=6001, expires=200)

    assert talkers.stubborn([talking, silent], 10.0) == []
    assert talkers.stubborn([talking, silent], 12.4) == []
    assert talkers.stubborn([talking._replace(expires=0), silent], 12.5) == [
        talking._replace(expires=0)
    ]


def test_who_was_gone_in_between_is_not() -> None:
    """It fell silent, and something made it anew."""
    talkers, talking = Talkers(), connection()
    talkers.stubborn([talking], 10.0)
    talkers.stubborn([], 11.0)

    assert talkers.stubborn([talking], 12.6) == []


def test_who_comes_back_is_held_twice_at_most() -> None:
    """A third time would harm without help: its datagrams have no mark."""
    talkers, talking, now = Talkers(), connection(), 0.0
    holds = 0
    for _ in range(10):
        if stubborn := talkers.stubborn([talking], now):
            assert talkers.hopeless([talking]) == []
            talkers.held(stubborn)
            holds += 1
        now += 2.5

    assert holds == 2
    assert talkers.hopeless([talking]) == [talking]
