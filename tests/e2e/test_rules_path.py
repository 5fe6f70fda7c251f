"""Where datagrams go under the rules: workers in turn, the second chance, the fallback mark."""

import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.model import Endpoint
from tests.e2e.rules_lab import (
    DIRECTOR,
    FIRST_MARK,
    MANY_CLIENTS,
    PORT,
    SECOND_MARK,
    VARIANTS,
    VIP,
    RulesLab,
    seen,
)
from tests.lab.waiting import wait_until

INVITE = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"


@pytest.fixture(params=VARIANTS)
def lab(request: pytest.FixtureRequest) -> Iterator[RulesLab]:
    with RulesLab(request.param) as built:
        yield built


@pytest.fixture(params=(4, 6))
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def slots(family: int) -> range:
    """The fallback marks of the service of a family, as the daemon computes them."""
    first = Marks().fallback(f"udp {Endpoint.parse(_service(family))}")
    return range(first, first + FALLBACK_SLOTS)


def _service(family: int) -> str:
    return f"{VIP[4]}:{PORT}" if family == 4 else f"[{VIP[6]}]:{PORT}"


def test_the_lab_carries_datagrams_without_rules_and_without_marks(
    lab: RulesLab, family: int
) -> None:
    """What the other tests see is due to the rules."""
    assert lab.exchange([INVITE, b"\0"], family) == [(INVITE, 0), (b"\0", 0)]


@pytest.mark.parametrize("workers", [2, 3])
def test_one_address_and_port_is_spread_evenly_over_the_workers(
    lab: RulesLab, family: int, workers: int
) -> None:
    """Every worker in turn: a trunk is one 5-tuple, so a hash of addresses would not do."""
    lab.load("--workers", str(workers))
    listeners = [lab.listen(5060 + number, FIRST_MARK) for number in range(workers)]

    arrivals = lab.exchange([INVITE] * 60, family)

    assert Counter(arrival.mark for arrival in arrivals) == {FIRST_MARK: 60}
    assert [len(seen(listener)) for listener in listeners] == [60 // workers] * workers


def test_a_decided_datagram_does_not_visit_the_second_stage(lab: RulesLab, family: int) -> None:
    """The standby worker sees nothing as long as the workers decide."""
    lab.load()
    worker, standby = lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)

    arrivals = lab.exchange([INVITE] * 20, family)

    assert {arrival.mark for arrival in arrivals} == {FIRST_MARK}
    assert (len(seen(worker)), seen(standby)) == (20, [])


def test_what_a_killed_worker_misses_reaches_the_standby_worker(lab: RulesLab, family: int) -> None:
    """A bypassed datagram goes on at the next hook, which queues it again."""
    lab.load("--workers", "2")
    first, second = lab.listen(5060, FIRST_MARK), lab.listen(5061, FIRST_MARK)
    standby = lab.listen(5059, SECOND_MARK)
    first.stop(signal.SIGKILL)

    arrivals = lab.exchange([INVITE] * 20, family)

    assert Counter(arrival.mark for arrival in arrivals) == {FIRST_MARK: 10, SECOND_MARK: 10}
    assert [len(seen(listener)) for listener in (first, second, standby)] == [0, 10, 10]


def test_with_no_listener_at_all_the_fallback_mark_stands(lab: RulesLab, family: int) -> None:
    """Traffic flows, and a client's datagrams stay together: one slot for one address."""
    lab.load("--workers", "2")

    arrivals = lab.exchange([INVITE] * 10, family) + lab.exchange([INVITE] * 10, family)

    assert len({arrival.mark for arrival in arrivals}) == 1
    assert arrivals[0].mark in slots(family)


def test_clients_are_spread_over_the_fallback_slots(lab: RulesLab, family: int) -> None:
    """250 addresses hit most of 64 slots, and none of them far too often."""
    lab.load()
    for number in range(1, 251):
        lab.send([INVITE], family, f"{MANY_CLIENTS[family]}{number}")

    marks = Counter(arrival.mark for arrival in lab.receive(250, family))

    assert set(marks) <= set(slots(family))
    # 64 * (1 - (63/64)**250) = 62.7 are expected, and about 4 clients in each.
    assert len(marks) >= 50
    assert max(marks.values()) <= 20


def test_the_fallback_mark_is_there_while_raw_is_not(lab: RulesLab, family: int) -> None:
    """Between the two tables of a load, and where a foreign rule in raw accepts before ours."""
    lab.load()
    before = lab.exchange([INVITE], family)
    lab.director.run([lab.tool(family), "-t", "raw", "-I", "PREROUTING", "-j", "ACCEPT"])

    assert lab.exchange([INVITE], family) == before


def test_keepalives_keep_the_fallback_mark_and_are_not_queued(lab: RulesLab, family: int) -> None:
    """Four bytes or less carry no Call-ID; neither stage queues them."""
    lab.load()
    listeners = [lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)]

    arrivals = lab.exchange([b"", b"\0", b"\r\n", b"\r\n\r\n"], family)

    assert {arrival.mark for arrival in arrivals} <= set(slots(family))
    assert [seen(listener) for listener in listeners] == [[], []]


def test_five_bytes_are_queued(lab: RulesLab, family: int) -> None:
    """The limit is exact."""
    lab.load()
    listener = lab.listen(5060, FIRST_MARK)

    assert lab.exchange([b"12345"], family) == [(b"12345", FIRST_MARK)]
    assert len(seen(listener)) == 1


@pytest.mark.parametrize("size", [3000, 8000])
def test_a_fragmented_datagram_is_queued_as_one_packet(
    lab: RulesLab, family: int, size: int
) -> None:
    """Without the rule that switches on defragmentation, PREROUTING sees the fragments."""
    whole = [*("-m", "length", "--length", f"{size}:65535")]
    count = [lab.tool(family), "-t", "mangle", "-A", "PREROUTING", "-p", "udp", *whole]
    lab.director.run(count)
    lab.exchange([b"x" * size], family)
    assert lab.packets(f"--length {size}:65535", family) == 0

    lab.load()
    listener = lab.listen(5060, FIRST_MARK)
    arrivals = lab.exchange([b"x" * size] * 3, family)

    assert arrivals == [(b"x" * size, FIRST_MARK)] * 3
    header = 28 if family == 4 else 48
    assert [length for length, _ in seen(listener)] == [header + size] * 3


def test_defragmentation_ends_with_unload(lab: RulesLab, family: int) -> None:
    """The rule that holds it is gone, so the hook is."""
    lab.load()
    lab.unload()
    whole = [*("-m", "length", "--length", "3000:65535")]
    lab.director.run([lab.tool(family), "-t", "mangle", "-A", "PREROUTING", "-p", "udp", *whole])

    lab.exchange([b"x" * 3000] * 3, family)

    assert lab.packets("--length 3000:65535", family) == 0


def test_the_service_is_not_tracked_and_other_ports_are_left_alone(
    lab: RulesLab, family: int
) -> None:
    """Only UDP to the service: what goes elsewhere keeps its mark and its conntrack entry."""
    states = [
        [lab.tool(family), "-A", "INPUT", "-p", "udp", "-m", "conntrack", "--ctstate", state]
        for state in ("NEW", "UNTRACKED")
    ]
    lab.load()
    for rule in states:
        lab.director.run(rule)
    with lab.director.socket(VIP[family], PORT + 1), lab.client.socket(_client(family)) as sender:
        sender.sendto(INVITE, (VIP[family], PORT + 1))
        wait_until(lambda: lab.packets("--ctstate NEW", family) == 1, "the other port's datagram")
        lab.exchange([INVITE] * 3, family)

    assert lab.packets("--ctstate UNTRACKED", family) == 3
    assert lab.packets("--ctstate NEW", family) == 1
    assert lab.packets(f"-d {VIP[family]}", family) == 2 * 3


def test_replies_from_the_virtual_address_and_named_servers_are_not_tracked(
    lab: RulesLab, family: int
) -> None:
    """LVS-DR servers answer with the virtual address; others with one that is named."""
    server = _client(family)
    lab.load("--server", server)
    lab.client.ip(f"address add {VIP[family]} dev lo", family=family)

    for source in (server, VIP[family]):
        with lab.client.socket(source, PORT) as sender:
            sender.sendto(INVITE, (DIRECTOR[family], 9))
        _wait_for_packet(lab, f"-A PENFQ-ANSWERS -s {source}", family)


def _client(family: int) -> str:
    return f"{MANY_CLIENTS[family]}1"


def _wait_for_packet(lab: RulesLab, rule: str, family: int) -> None:
    wait_until(lambda: lab.packets(rule, family) == 1, f"a packet in {rule}")
