"""What the rules are filled in with: what cannot work is refused in one line."""

from typing import Any

import pytest

from pe_nfq.errors import RulesError
from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, Method, RealServer
from pe_nfq.netfilter.ruleset import Kind, Return, RuleSet, Server, Service

SERVICE = Service(Endpoint.parse("203.0.113.10:5060"))
SIX = Service(Endpoint.parse("[2001:db8::10]:5070"))
MARKED = Service(Endpoint(bytes(4), 0), fwmark=5)
MASQ, OTHER, DIRECT = map(Endpoint.parse, ("10.0.0.1:5070", "10.0.0.2:5060", "10.0.0.3:5060"))


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"services": ()}, "no service"),
        ({"services": (SERVICE, SERVICE)}, "given twice"),
        ({"workers": 0}, "--workers 0"),
        ({"workers": 33}, "--workers 33"),
        ({"queue": -1}, "--queue -1"),
        ({"queue": 65535, "workers": 2}, "--queue 65535"),
        ({"standby_queue": -1}, "--standby-queue -1"),
        ({"standby_queue": 65536}, "--standby-queue 65536"),
        ({"standby_queue": 5061, "workers": 2}, "--standby-queue 5061"),
        ({"mark_base": 0}, "--mark-base 0x0"),
        ({"mark_base": 0x100000}, "--mark-base 0x100000"),
    ],
)
def test_what_cannot_work_is_refused(facts: dict[str, Any], text: str) -> None:
    """The message names the option."""
    with pytest.raises(RulesError, match=text) as caught:
        RuleSet(**{"services": (SERVICE,), **facts})

    assert "\n" not in str(caught.value)


def test_two_services_with_one_fallback_number_are_refused() -> None:
    """16,384 numbers: found by trying, as configuration finds them."""
    first: dict[int, Service] = {}
    for port in range(1, 65536):
        service = Service(SERVICE.endpoint._replace(port=port))
        other = first.setdefault(RuleSet((service,)).fallback(service), service)
        if other is not service:
            with pytest.raises(RulesError, match="same fallback marks"):
                RuleSet((other, service))
            return
    pytest.fail("no two services meet")


def test_the_limits_themselves_are_allowed() -> None:
    """The highest queues, the most workers, any aligned base."""
    rules = RuleSet((SERVICE,), queue=65504, workers=32, standby_queue=0, mark_base=0xFFE00000)

    assert (rules.queues[-1], rules.families) == (65535, (4,))


def test_named_servers_answer_from_every_port_of_their_family() -> None:
    """Once each, however many services share a port."""
    services = (SERVICE, Service(Endpoint(b"\1\1\1\1", 5060)), SIX)
    four, six = bytes([192, 0, 2, 1]), bytes(16)

    assert RuleSet(services, (four, six)).server_endpoints == (
        Endpoint(four, 5060),
        Endpoint(six, 5070),
    )


def served(service: Service, *servers: tuple[Endpoint, Method]) -> Service:
    return service._replace(servers=tuple(Server(*server) for server in servers))


BEHIND = served(SERVICE, (MASQ, Method.MASQ), (OTHER, Method.MASQ), (DIRECT, Method.ROUTE))


def test_masq_servers_answer_from_where_they_listen() -> None:
    """And send calls from there; the others answer in the name of the service."""
    rules = RuleSet((BEHIND,))

    assert rules.server_endpoints == (MASQ, OTHER)
    assert rules.senders == (MASQ, OTHER)
    assert rules.called_ports == (5060,)


def test_what_others_send_is_queued_where_it_is_asked_for_and_nothing_where_it_is_not() -> None:
    """True: all servers, and the services' own names. False: nobody."""
    assert RuleSet((BEHIND,), outbound=True).senders == (MASQ, OTHER, DIRECT, SERVICE.endpoint)
    assert RuleSet((BEHIND,), outbound=False).senders == ()


def test_a_server_behind_two_services_leaves_in_the_name_of_the_first() -> None:
    """Where no mark says more."""
    second = served(Service(Endpoint(b"\1\1\1\1", 5060)), (MASQ, Method.MASQ))
    rules = RuleSet((BEHIND, second))

    assert rules.returns == (Return(MASQ, BEHIND), Return(OTHER, BEHIND), Return(MASQ, second))
    assert rules.first_returns == (Return(MASQ, BEHIND), Return(OTHER, BEHIND))
    assert rules.returning(second) == Marks().returning("udp 1.1.1.1:5060")


def test_a_service_of_a_mark_has_no_address_that_anything_could_leave_with() -> None:
    """Its servers' ports are not known where their own are 0: they cannot be told from others."""
    nowhere = served(MARKED, (Endpoint(MASQ.address, 0), Method.MASQ))
    rules = RuleSet((nowhere,), kind=Kind.INPUT)

    assert (rules.returns, rules.senders, rules.addressed, rules.called_ports) == ((), (), (), ())
    assert rules.fallback(nowhere) == Marks().fallback("fwmark 5")


def test_a_service_of_a_mark_is_refused_where_the_mark_comes_too_late() -> None:
    """In raw PREROUTING nothing has set it yet."""
    with pytest.raises(RulesError, match=r'fwmark 5 .* choose steering "ipvs"'):
        RuleSet((MARKED,))


def test_a_dest_without_a_port_listens_on_the_port_of_the_service() -> None:
    """As the kernel forwards it."""
    dest = RealServer(1, Endpoint(MASQ.address, 0), method=Method.MASQ)

    assert Service.of(SERVICE.endpoint, 0, [dest]).servers == (
        Server(Endpoint(MASQ.address, 5060), Method.MASQ),
    )
