"""Whether the kernel's IPVS rewrites what masq servers send, told from its services."""

import pytest

from pe_nfq.ipvs.objects import ONE_PACKET, UDP, KernelDest, KernelService
from pe_nfq.model import Endpoint, Method
from pe_nfq.netfilter.rewriting import is_rewritten_by_ipvs
from pe_nfq.netfilter.ruleset import Server, Service

VIP = Endpoint.parse("203.0.113.10:5060")
FIRST, SECOND = map(Endpoint.parse, ("10.0.0.1:5060", "10.0.0.2:5070"))
SERVICE = Service(VIP, servers=(Server(FIRST, Method.MASQ), Server(SECOND, Method.MASQ)))
DESTS = tuple(KernelDest(end.address, end.port, Method.MASQ) for end in (FIRST, SECOND))
OWN = KernelService(
    4, UDP, VIP.address, VIP.port, 0, "rr", flags=ONE_PACKET, pe_name="sip", dests=DESTS
)


def test_an_own_service_with_an_engine_and_all_servers_does() -> None:
    """One-packet scheduling, so that nothing outlives the datagram."""
    assert is_rewritten_by_ipvs(SERVICE, [OWN._replace(port=1), OWN])


@pytest.mark.parametrize(
    "own",
    [
        OWN._replace(flags=0),
        OWN._replace(pe_name=""),
        OWN._replace(protocol=6),
        OWN._replace(port=5070),
        OWN._replace(dests=DESTS[:1]),
        OWN._replace(dests=(DESTS[0], DESTS[1]._replace(method=Method.ROUTE))),
        OWN._replace(dests=(DESTS[0], DESTS[1]._replace(port=5060))),
        KernelService.of_fwmark(4, 5, "rr")._replace(flags=ONE_PACKET, pe_name="sip", dests=DESTS),
    ],
    ids=["no -o", "no --pe", "tcp", "port", "a server less", "not masq", "its port", "a mark"],
)
def test_nothing_less_does(own: KernelService) -> None:
    """Each is another reason for which replies leave as they are."""
    assert not is_rewritten_by_ipvs(SERVICE, [own])
