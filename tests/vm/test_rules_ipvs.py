"""The rules in INPUT before a real IPVS: a mark decides, and nothing comes there without one."""

import signal
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.rules_lab import seen
from tests.lab.network import SIP_PORT, Family, Lab
from tests.lab.waiting import wait_until
from tests.vm.rules_ipvs import RuledIpvs

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
KEEPALIVE: Final = b"\r\n\r\n"

both_families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def director(request: pytest.FixtureRequest) -> Iterator[RuledIpvs]:
    with Lab(servers=2, family=request.param) as lab:
        yield RuledIpvs(lab)


def test_a_keepalive_before_the_rules_pins_the_trunk(director: RuledIpvs) -> None:
    """Why nothing may reach a service without one-packet scheduling unmarked."""
    pin(director)

    director.lab.client.send([INVITE] * 10)

    wait_until(lambda: own_packets(director) == 11, "all in the director's own service")
    assert director.taken(director.decided) == 0


def test_a_keepalive_under_the_rules_pins_nothing(director: RuledIpvs) -> None:
    """It goes by the net; what a worker decides goes by its mark, from the same port."""
    director.have_services()
    director.ipvs.add("-s", "rr")
    director.load()
    director.listen()

    for _ in range(5):
        director.lab.client.send([KEEPALIVE, INVITE, INVITE])

    director.wait_until_taken(director.decided, 10)
    director.wait_until_taken(director.net, 5)
    assert own_packets(director) == 0
    assert director.connections() == []


def test_with_nobody_at_the_queues_the_mark_of_the_net_reaches_ipvs(director: RuledIpvs) -> None:
    """After two killed workers as from the start."""
    director.have_services()
    director.load()
    director.lab.client.send([INVITE] * 5)
    director.wait_until_taken(director.net, 5)
    workers = [director.listen(5060), director.listen(5059)]
    director.lab.client.send([INVITE] * 5)
    director.wait_until_taken(director.decided, 5)
    for worker in workers:
        worker.stop(signal.SIGKILL)

    director.lab.client.send([INVITE] * 5)

    director.wait_until_taken(director.net, 10)


def test_the_standby_worker_decides_for_ipvs(director: RuledIpvs) -> None:
    """Its stage is before IPVS as well."""
    director.have_services()
    director.load()
    standby = director.listen(5059)

    director.lab.client.send([INVITE] * 5)

    director.wait_until_taken(director.decided, 5)
    assert {mark for _, mark in seen(standby)} == {director.net}


@pytest.mark.parametrize("size", [3000, 8000])
def test_a_fragmented_datagram_is_decided_and_carried_whole(director: RuledIpvs, size: int) -> None:
    """One packet for the worker, one for IPVS, the same bytes for the server."""
    director.have_services()
    director.load()
    worker = director.listen()
    payload = INVITE.ljust(size, b"x")

    with director.lab.servers[0].record() as record:
        director.lab.client.send([payload])
        wait_until(lambda: len(record.received) == 1, "the datagram at the server")

    assert record.received[0].payload == payload
    header = 28 if director.lab.family == 4 else 48
    assert [length for length, _ in seen(worker)] == [header + size]


@both_families
def test_a_service_of_the_operators_own_mark(family: Family) -> None:
    """His rule marks in PREROUTING, whatever the address: ours take it from there, and put theirs.

    Other marks and unmarked UDP are left alone.
    """
    name = "fwmark 5 ipv6" if family == 6 else "fwmark 5"
    with Lab(servers=2, family=family) as lab:
        director = RuledIpvs(lab, name)
        director.have_services()
        director.ipvs.adm("-A", *director.of_mark(5), "-s", "rr")
        director.ipvs.adm("-A", *director.of_mark(6), "-o", "-s", "rr")
        address = lab.servers[0].address
        dest = f"[{address}]:0" if family == 6 else f"{address}:0"
        director.ipvs.adm("-a", *director.of_mark(6), "-r", dest, "-g")
        tool = "iptables-legacy" if family == 4 else "ip6tables-legacy"
        for port, mark in ((SIP_PORT, 5), (5070, 5), (5080, 6)):
            rule = f"-t mangle -A PREROUTING -d {lab.vip} -p udp --dport {port} -j MARK"
            lab.director.run([tool, *rule.split(), "--set-mark", str(mark)])
        director.load()
        worker = director.listen()

        for port in (SIP_PORT, 5070, 5080, 5090):
            lab.client.send([INVITE, INVITE, KEEPALIVE], dst_port=port)

        director.wait_until_taken(director.decided, 4)
        director.wait_until_taken(director.net, 2)
        director.wait_until_taken(6, 3)
        assert director.taken(5) == 0
        assert [mark for _, mark in seen(worker)] == [director.net] * 4


def pin(director: RuledIpvs) -> None:
    """A keepalive by the director's own service, then the rules with a worker."""
    director.have_services()
    director.ipvs.add("-s", "rr")
    director.lab.client.send([KEEPALIVE])
    wait_until(lambda: len(director.connections()) == 1, "its connection")
    director.load()
    director.listen()


def own_packets(director: RuledIpvs) -> int:
    """What the director's own service has taken."""
    counters = director.ipvs.counters()
    return sum(counters[name][""].packets_in for name in counters if name.startswith("UDP"))
