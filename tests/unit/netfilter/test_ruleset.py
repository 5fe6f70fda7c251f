"""What the rules are filled in with: what cannot work is refused in one line."""

from typing import Any

import pytest

from pe_nfq.errors import RulesError
from pe_nfq.model import Endpoint
from pe_nfq.netfilter.ruleset import RuleSet

SERVICE = Endpoint.parse("203.0.113.10:5060")
SIX = Endpoint.parse("[2001:db8::10]:5070")


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
    first: dict[int, Endpoint] = {}
    for port in range(1, 65536):
        service = SERVICE._replace(port=port)
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
    services = (SERVICE, SERVICE._replace(address=b"\1\1\1\1"), SIX)
    four, six = bytes([192, 0, 2, 1]), bytes(16)

    assert RuleSet(services, (four, six)).server_endpoints == (
        Endpoint(four, 5060),
        Endpoint(six, 5070),
    )
