"""The lab proves itself by the kernel's own engine: IPVS carries calls, and can split them."""

import pytest

from tests.lab import sipp
from tests.lab.daemon import endpoint
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

both_families = pytest.mark.parametrize("family", [4, 6])
all_methods = pytest.mark.parametrize("method", ["route", "tunnel", "masq"])


def assert_good(lab: Lab, traffic: Traffic) -> None:
    """Nothing split, lost or damaged; all servers used; every reply from the VIP."""
    assert traffic.split() == {}
    assert traffic.lost().total() == 0
    assert traffic.damaged() == []
    assert all(traffic.received().values())
    assert {seen.src for seen in traffic.answered()} == {endpoint(lab.vip)}


def wait_for_packets(ipvs: Ipvs, count: int) -> None:
    """Wait until the lab's service, and its dests together, have counted `count`."""

    def counted() -> bool:
        [[service, *dests]] = [[*counters.values()] for counters in ipvs.counters().values()]
        return service.packets_in == sum(dest.packets_in for dest in dests) == count

    wait_until(counted, f"IPVS to count {count} packets")


@both_families
@pytest.mark.parametrize("transit", [False, True])
@pytest.mark.parametrize("method", ["route", "tunnel"])
def test_the_kernels_engine_carries_calls(family: Family, method: Method, transit: bool) -> None:
    """From one ip:port, of any size both ways, by an ordinary service with `-o --pe sip`."""
    carry_calls(family, method, transit)


@pytest.mark.stock
@both_families
def test_the_kernels_engine_carries_calls_by_masq(family: Family) -> None:
    """It also rewrites the replies: what the stock kernel does is what user-mode Linux does."""
    carry_calls(family, "masq", False)


def carry_calls(family: Family, method: Method, transit: bool) -> None:
    with Lab(family=family, method=method, transit=transit, offload=False) as lab:
        ipvs = Ipvs(lab)
        ipvs.add(*SIP_PERSISTENCE)
        for server in lab.servers:
            sipp.serve(server, filler=LARGE, retransmit=False)
        with watch(lab, clients=True) as traffic:
            for filler in (0, LARGE):
                calls = Calls(COUNT, rate=30, retransmit=False, filler=filler)
                assert sipp.call(lab.client, calls) == (COUNT, COUNT, 0, 0)

        assert_good(lab, traffic)
        sizes = [len(seen.payload) for seen in traffic.entered()]
        assert len(sizes) == 2 * 3 * COUNT  # INVITE, ACK and BYE of each
        assert sum(size > LARGE for size in sizes) == 3 * COUNT
        assert all(len(seen.payload) > LARGE for seen in traffic.answered())
        wait_for_packets(ipvs, len(sizes))


@both_families
@all_methods
def test_ipvs_without_persistence_splits_calls(family: Family, method: Method) -> None:
    """One-packet scheduling alone: each datagram goes to the next server, so the lab can fail."""
    with Lab(family=family, method=method) as lab:
        Ipvs(lab).add("-s", "rr", "-o")
        for server in lab.servers:
            sipp.serve(server, retransmit=False)
        with watch(lab) as traffic:
            calls = Calls(COUNT, rate=30, retransmit=False, answer_within=1.0)
            statistics = sipp.call(lab.client, calls)

        assert statistics.completed < COUNT
        assert len(traffic.split()) > COUNT / 2
        assert all(traffic.received().values())


@both_families
@all_methods
def test_registrations(family: Family, method: Method) -> None:
    """A refresh, which has the same Call-ID, reaches the registrar of the registration."""
    with Lab(family=family, method=method, offload=False) as lab:
        Ipvs(lab).add(*SIP_PERSISTENCE)
        for server in lab.servers:
            sipp.serve(server, scenario=Scenario.REGISTRAR, retransmit=False)
        with watch(lab, clients=True) as traffic:
            calls = Calls(COUNT, rate=30, retransmit=False, scenario=Scenario.REGISTERING)
            assert sipp.call(lab.client, calls) == (COUNT, COUNT, 0, 0)

        assert_good(lab, traffic)
        assert len(traffic.entered()) == 2 * COUNT


@both_families
def test_calls_that_a_server_starts(family: Family) -> None:
    """With masq the kernel's engine has the answers come back to the server that called."""
    with Lab(family=family, method="masq", offload=False) as lab:
        Ipvs(lab).add(*SIP_PERSISTENCE)
        caller, *others = lab.servers
        for server in others:
            sipp.serve(server, retransmit=False)
        sipp.serve(lab.client, filler=LARGE, retransmit=False)
        with watch(lab, clients=True) as traffic:
            calls = Calls(COUNT, rate=30, retransmit=False, filler=LARGE)
            statistics = Caller(caller, calls, lab.client.address).wait()

        assert statistics == (COUNT, COUNT, 0, 0)
        assert {seen.src for seen in traffic.answered()} == {endpoint(lab.vip, SIP_PORT)}
        assert len(traffic.entered()) == 3 * COUNT  # 180, 200, and 200 to the BYE
        assert {*map(tuple, traffic.placed().values())} == {(caller.role,)}
        assert traffic.lost().total() == 0
        assert traffic.damaged() == []
