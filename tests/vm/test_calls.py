"""pe-nfq steers IPVS: real calls, in every forwarding method, from one ip:port (SIPp)."""

import pytest

from tests.lab import sipp
from tests.lab.daemon import Options, PeNfq, endpoint
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.method import Method
from tests.lab.network import SIP_PORT, Family, Lab
from tests.lab.scenarios import Scenario
from tests.lab.sipp import Caller, Calls
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import wait_until

#: More than an MTU, twice: in the headers before the Call-ID, and in the body.
LARGE = 3000
COUNT = 15
#: Longer than a queue of a slow guest holds a datagram (s).
RING = 1.0
IPVS: Options = {"steering": "ipvs", "workers": 2}

both_families = pytest.mark.parametrize("family", [4, 6])


def assert_good(lab: Lab, traffic: Traffic) -> None:
    """Nothing split, lost or damaged; all servers used; every reply from the VIP."""
    assert traffic.split() == {}
    assert traffic.lost().total() == 0
    assert traffic.damaged() == []
    assert all(traffic.received().values())
    assert {seen.src for seen in traffic.answered()} == {endpoint(lab.vip)}


def carried(ipvs: Ipvs) -> int:
    """Datagrams that the mark services say they have forwarded; NET's are not among them."""
    counters = ipvs.counters()
    return sum(
        service[""].packets_in
        for name, service in counters.items()
        if name.startswith("FWM") and int(name.split()[1]) & 0xFFF00000 == 0x50600000
    )


@both_families
@pytest.mark.parametrize("transit", [False, True])
@pytest.mark.parametrize("method", ["route", "tunnel"])
def test_calls(family: Family, method: Method, transit: bool) -> None:
    """Small and larger than an MTU, both ways; IPVS's own counters say that it carried them."""
    carry_calls(Lab(family=family, method=method, transit=transit, offload=False))


@both_families
def test_calls_by_masq_over_the_directors_own_engine(family: Family) -> None:
    """Its own service, `-o --pe sip`, rewrites the replies of what our marks steered."""
    lab = Lab(family=family, method="masq", offload=False)
    carry_calls(lab, own=SIP_PERSISTENCE)


@pytest.mark.nft
def test_calls_by_masq() -> None:
    """Without a service of the director's own, rules of ours rewrite the replies.

    One family, as each takes minutes in emulation; test_returns has the rules for both.
    """
    carry_calls(Lab(family=4, method="masq", offload=False))


def carry_calls(lab: Lab, own: tuple[str, ...] = ()) -> None:
    """Calls of both sizes, then registrations; `own` are options of a service of the director's."""
    with lab:
        ipvs = Ipvs(lab)
        if own:
            ipvs.add(*own)
        with PeNfq(lab, top=IPVS), watch(lab, clients=True) as traffic:
            servers = [
                sipp.serve(server, filler=LARGE, retransmit=False, ring=RING)
                for server in lab.servers
            ]
            for filler in (0, LARGE):
                call(lab, filler=filler)
            for server in servers:
                server.stop()
            for node in lab.servers:
                sipp.serve(node, scenario=Scenario.REGISTRAR)
            call(lab, scenario=Scenario.REGISTERING)
            wait_until(
                lambda: carried(ipvs) == len(traffic.entered()), "IPVS to count what entered"
            )

        assert_good(lab, traffic)
        sizes = [len(seen.payload) for seen in traffic.entered()]
        # INVITE, ACK and BYE of each call, two REGISTER of each registration
        assert len(sizes) == (2 * 3 + 2) * COUNT
        assert sum(size > LARGE for size in sizes) == 3 * COUNT
        assert sum(len(seen.payload) > LARGE for seen in traffic.answered()) >= 2 * 3 * COUNT


def call(lab: Lab, *, filler: int = 0, scenario: Scenario = Scenario.UAC) -> None:
    """Every call completes, and nothing had to be sent twice."""
    calls = Calls(COUNT, rate=30, retransmit=False, filler=filler, scenario=scenario)
    assert sipp.call(lab.client, calls) == (COUNT, COUNT, 0, 0)


@both_families
@pytest.mark.parametrize("method", ["route", "tunnel"])
def test_calls_that_a_server_starts(family: Family, method: Method) -> None:
    """Where the servers' traffic passes the director, the answers come to the server that called.

    It calls from the VIP, as its siblings do: only the link-layer address tells them apart.
    """
    call_from_a_server(Lab(family=family, method=method, transit=True, offload=False), True)


@both_families
def test_calls_that_a_server_starts_by_masq_over_the_directors_own_engine(family: Family) -> None:
    """Nothing has to be switched on for it."""
    call_from_a_server(Lab(family=family, method="masq", offload=False), "auto", SIP_PERSISTENCE)


@pytest.mark.nft
def test_calls_that_a_server_starts_by_masq() -> None:
    """Rules of ours rewrite what it sends; the other family."""
    call_from_a_server(Lab(family=6, method="masq", offload=False), "auto")


def call_from_a_server(lab: Lab, outbound: bool | str, own: tuple[str, ...] = ()) -> None:
    with lab:
        ipvs = Ipvs(lab)
        if own:
            ipvs.add(*own)
        caller, *others = lab.servers
        for server in others:
            sipp.serve(server)
        sipp.serve(lab.client, filler=LARGE, retransmit=False, ring=RING)
        top = {**IPVS, "outbound": outbound}
        with PeNfq(lab, top=top), watch(lab, clients=True) as traffic:
            calls = Calls(COUNT, rate=30, retransmit=False, filler=LARGE)
            statistics = Caller(caller, calls, lab.client.address).wait()
            wait_until(
                lambda: carried(ipvs) == len(traffic.entered()), "IPVS to count what entered"
            )

        assert statistics == (COUNT, COUNT, 0, 0)
        assert {seen.src for seen in traffic.answered()} == {endpoint(lab.vip, SIP_PORT)}
        assert len(traffic.entered()) == 3 * COUNT  # 180, 200, and 200 to the BYE
        assert {*map(tuple, traffic.placed().values())} == {(caller.role,)}
        assert traffic.lost().total() == 0
        assert traffic.damaged() == []
