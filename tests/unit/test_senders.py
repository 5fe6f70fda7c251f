"""Whose datagram is it that comes from behind the director?"""

from collections.abc import Sequence

import pytest

from pe_nfq.engines import load_engine
from pe_nfq.flow import Served
from pe_nfq.marks import Marks
from pe_nfq.model import Datagram, Endpoint, Method, RealServer, Snapshot, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.senders import Senders

VIP = Endpoint.parse("203.0.113.10:5060")
OTHER_VIP = Endpoint.parse("203.0.113.11:5060")
VIP6 = Endpoint.parse("[2001:db8::10]:5060")
ONE, TWO = "192.0.2.1", "192.0.2.2"
CLIENT = Endpoint.parse("198.51.100.7:5060")
CLIENT6 = Endpoint.parse("[2001:db8:1::7]:5060")
LINKS = [bytes([2, 0, 0, 0, 0, number]) for number in range(4)]
MARKS = Marks()


class Queued:
    """A packet with a link-layer source, as the queue gives it; `asked` counts how often."""

    def __init__(self, link: bytes | None = None) -> None:
        self.link = link
        self.asked = 0

    def get_mark(self) -> int:
        return 0

    def get_hw(self) -> bytes | None:
        self.asked += 1
        return None if self.link is None else self.link + bytes(2)


def dest(number: int, endpoint: str, method: Method = Method.MASQ, link: bytes = b"") -> RealServer:
    return RealServer(number, Endpoint.parse(endpoint), method=method, link=link)


def service(vip: Endpoint, *dests: RealServer, fwmark: int = 0) -> VirtualService:
    mask = b"\xff" * len(vip.address)
    return VirtualService(100 + dests[0].id, vip, dests, mask=mask, fwmark=fwmark)


def found(
    services: Sequence[VirtualService],
    src: str,
    dst: Endpoint = CLIENT,
    queued: Queued | None = None,
) -> list[tuple[str, list[int], int]]:
    """(service, ids of dests, mark) of each sender."""
    snapshot = Snapshot(1, MARKS.base, 10, tuple(services))
    served = [Served(s, load_engine(s.engine), Placement(s, snapshot)) for s in services]
    datagram = Datagram(Endpoint.parse(src), dst, 0, 0, cut=False)
    senders = Senders(served, MARKS).of(datagram, queued or Queued())
    return [(str(s.served.service), [d.id for d in s.dests], s.mark) for s in senders]


MASQ = service(VIP, dest(1, f"{ONE}:5060"), dest(2, f"{TWO}:5060"))


@pytest.mark.parametrize("port", [5060, 40000])
def test_a_server_is_known_by_its_address_whatever_port_it_sends_from(port: int) -> None:
    assert found([MASQ], f"{TWO}:{port}") == [(str(MASQ), [2], MARKS.returning(str(MASQ)))]


def test_who_is_no_server_is_nobody() -> None:
    assert found([MASQ], "192.0.2.3:5060") == []


@pytest.mark.parametrize("dst", [f"{ONE}:5060", f"{ONE}:9", f"{VIP}"])
def test_what_stays_inside_of_the_service_is_left_alone(dst: str) -> None:
    """From server to server, and to the service itself."""
    assert found([MASQ], f"{TWO}:5060", Endpoint.parse(dst)) == []


def test_another_services_server_is_a_client() -> None:
    """Proxies in front of registrars: theirs is a dialog as any."""
    registrars = service(OTHER_VIP, dest(3, "192.0.2.3:5060"))
    assert [s for s, *_ in found([MASQ, registrars], "192.0.2.3:5060", MASQ.dests[0].endpoint)] == [
        str(registrars)
    ]


def test_a_server_of_two_services_is_one_of_each_in_their_order() -> None:
    other = service(OTHER_VIP, dest(3, f"{ONE}:5060"))
    marks = [MARKS.returning(str(MASQ)), MARKS.returning(str(other))]
    assert found([MASQ, other], f"{ONE}:5060") == [
        (str(MASQ), [1], marks[0]),
        (str(other), [3], marks[1]),
    ]
    assert [s for s, *_ in found([other, MASQ], f"{ONE}:5060")] == [str(other), str(MASQ)]


def test_the_port_a_server_listens_on_tells_two_services_apart() -> None:
    """Two programs on one host; from a third port it may be either."""
    other = service(OTHER_VIP, dest(3, f"{ONE}:5070"))
    assert [ids for _, ids, _ in found([MASQ, other], f"{ONE}:5070")] == [[3]]
    assert [ids for _, ids, _ in found([MASQ, other], f"{ONE}:5060")] == [[1]]
    assert [ids for _, ids, _ in found([MASQ, other], f"{ONE}:9999")] == [[1], [3]]


def test_two_programs_of_one_service_may_be_either() -> None:
    two = service(VIP, dest(1, f"{ONE}:5060"), dest(2, f"{ONE}:5070"))
    assert [ids for _, ids, _ in found([two], f"{ONE}:5070")] == [[2]]
    assert [ids for _, ids, _ in found([two], f"{ONE}:9999")] == [[1, 2]]


DIRECT = service(
    VIP,
    dest(1, f"{ONE}:5060", Method.ROUTE, LINKS[1]),
    dest(2, f"{TWO}:5060", Method.TUNNEL, LINKS[2]),
    dest(3, "192.0.2.3:5060", Method.ROUTE),
)


@pytest.mark.parametrize(("link", "ids"), [(1, [1]), (2, [2]), (3, [])])
def test_who_sends_from_the_vip_is_known_by_the_link_layer(link: int, ids: list[int]) -> None:
    returning = MARKS.returning(str(DIRECT))
    assert found([DIRECT], str(VIP), queued=Queued(LINKS[link])) == [(str(DIRECT), ids, returning)]


def test_a_packet_without_a_link_layer_is_nobodys() -> None:
    assert [ids for _, ids, _ in found([DIRECT], str(VIP))] == [[]]


def test_behind_one_router_it_may_be_any() -> None:
    routed = service(
        VIP,
        dest(1, f"{ONE}:5060", Method.ROUTE, LINKS[1]),
        dest(2, f"{TWO}:5060", Method.ROUTE, LINKS[1]),
    )
    assert [ids for _, ids, _ in found([routed], str(VIP), queued=Queued(LINKS[1]))] == [[1, 2]]


def test_only_the_services_port_is_the_service() -> None:
    assert found([DIRECT], "203.0.113.10:9", queued=Queued(LINKS[1])) == []


def test_route_and_tunnel_servers_keep_an_address_of_their_own() -> None:
    """Rewritten, the client would answer to the service."""
    queued = Queued(LINKS[1])
    assert found([DIRECT], f"{ONE}:5060", queued=queued) == [(str(DIRECT), [1], 0)]
    assert queued.asked == 0


def test_a_service_of_a_mark_takes_no_part() -> None:
    marked = service(Endpoint(bytes(4), 0), dest(1, f"{ONE}:5060"), fwmark=5)
    assert found([marked], f"{ONE}:5060") == []


def test_a_tunnel_to_the_other_family_sends_from_the_vip_only() -> None:
    """IPv6 in IPv4: the server's IPv4 address is no client's service."""
    mixed = service(VIP6, dest(1, f"{ONE}:5060", Method.TUNNEL, LINKS[1]))
    assert found([mixed], f"{ONE}:5060") == []
    senders = found([mixed], str(VIP6), CLIENT6, Queued(LINKS[1]))
    assert [ids for _, ids, _ in senders] == [[1]]
