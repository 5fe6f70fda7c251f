"""The rules before IPVS, in the INPUT hook: where datagrams go, and one kind of rules for another.

Without IPVS: what gets through arrives at a socket on the director, with its mark.
"""

import itertools
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint
from tests.e2e.rules_lab import (
    CLIENT,
    FIRST_MARK,
    PORT,
    SECOND_MARK,
    SERVICES,
    VIP,
    RulesLab,
    seen,
)

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
IPVS: Final = ("--steering", "ipvs")
#: Datagrams that are sent while rules are replaced, at most.
_LOAD: Final = 2000
#: Loads as often as it is told, for one steering and the other in turn, in one process.
_SWITCHER: Final = """
import sys
from pe_nfq.cli import main
for number in range(int(sys.argv[1])):
    steering = ("ipvs", "route")[number % 2]
    assert main(["rules", "load", "--steering", steering, *sys.argv[2:]]) == 0
"""


@pytest.fixture
def lab() -> Iterator[RulesLab]:
    with RulesLab("iptables-legacy") as built:
        yield built


@pytest.fixture(params=(4, 6))
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def net(family: int) -> int:
    """The mark of the service that has all servers."""
    service = f"{VIP[4]}:{PORT}" if family == 4 else f"[{VIP[6]}]:{PORT}"
    return Marks().fallback(f"udp {Endpoint.parse(service)}")


def test_one_address_and_port_is_spread_evenly_over_the_workers(lab: RulesLab, family: int) -> None:
    """And what they decide does not visit the standby worker."""
    lab.load(*IPVS, "--workers", "3")
    workers = [lab.listen(5060 + number, FIRST_MARK) for number in range(3)]
    standby = lab.listen(5059, SECOND_MARK)

    arrivals = lab.exchange([INVITE] * 60, family)

    assert Counter(arrival.mark for arrival in arrivals) == {FIRST_MARK: 60}
    assert [len(seen(worker)) for worker in workers] == [20, 20, 20]
    assert seen(standby) == []


def test_what_a_killed_worker_misses_reaches_the_standby_worker(lab: RulesLab, family: int) -> None:
    """It comes with the mark of the net, which stands when nobody is left."""
    lab.load(*IPVS)
    worker, standby = lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)
    worker.stop(signal.SIGKILL)

    arrivals = lab.exchange([INVITE] * 10, family)

    assert Counter(arrival.mark for arrival in arrivals) == {SECOND_MARK: 10}
    assert {mark for _, mark in seen(standby)} == {net(family)}
    standby.stop(signal.SIGKILL)
    assert lab.exchange([INVITE], family) == [(INVITE, net(family))]


def test_the_standby_worker_decides_while_mangle_is_not_there(lab: RulesLab, family: int) -> None:
    """A foreign rule accepts before ours: neither mark nor queue in stage 1."""
    lab.load(*IPVS)
    lab.director.run([lab.tool(family), "-t", "mangle", "-I", "INPUT", "-j", "ACCEPT"])
    assert lab.exchange([INVITE], family) == [(INVITE, net(family))]
    lab.listen(5059, SECOND_MARK)

    assert lab.exchange([INVITE], family) == [(INVITE, SECOND_MARK)]


def test_keepalives_have_the_mark_of_the_net_and_are_not_queued(lab: RulesLab, family: int) -> None:
    """Four bytes or less; five are queued."""
    lab.load(*IPVS)
    worker, standby = lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)

    arrivals = lab.exchange([b"", b"\0", b"\r\n\r\n", b"12345"], family)

    assert [arrival.mark for arrival in arrivals] == [*[net(family)] * 3, FIRST_MARK]
    assert [len(seen(listener)) for listener in (worker, standby)] == [1, 0]


@pytest.mark.parametrize("size", [3000, 8000])
def test_a_fragmented_datagram_is_queued_as_one_packet(
    lab: RulesLab, family: int, size: int
) -> None:
    """For IPv6 the INPUT hook is not whole by itself."""
    lab.load(*IPVS)
    worker = lab.listen(5060, FIRST_MARK)

    assert lab.exchange([b"x" * size] * 3, family) == [(b"x" * size, FIRST_MARK)] * 3
    header = 28 if family == 4 else 48
    assert [length for length, _ in seen(worker)] == [header + size] * 3


def test_what_the_operator_filters_never_arrives(lab: RulesLab, family: int) -> None:
    """Decided or not, by a worker or the standby worker: his filter comes before IPVS."""
    lab.load(*IPVS)
    worker = lab.listen(5060, FIRST_MARK)
    # before: it arrives, and the ends know each other's link-layer addresses
    assert len(lab.exchange([INVITE], family)) == 1
    drop = [lab.tool(family), "-A", "INPUT", "-s", CLIENT[family], "-p", "udp", "-j", "DROP"]
    lab.director.run(drop)
    for _ in ("with a worker", "without"):
        lab.send([INVITE] * 3, family)
        with pytest.raises(TimeoutError):
            lab.receive(1, family, timeout=0.5)
        worker.stop(signal.SIGKILL)

    assert lab.packets(f"-A INPUT -s {CLIENT[family]}", family) == 6


def test_iptables_nft_is_refused_and_says_why(lab: RulesLab) -> None:
    """Its security table stands behind IPVS: stage 2 would come too late."""
    done = lab.rules("load", *SERVICES, *IPVS, "--backend", "iptables-nft")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "its security table comes after IPVS; install nftables instead" in done.stderr


def test_check_looks_at_the_hooks_of_the_steering(lab: RulesLab) -> None:
    """Complete for IPVS is not complete for routes, and the other way round."""
    lab.listen(5060, FIRST_MARK)
    lab.listen(5059, SECOND_MARK)
    for loaded, asked in itertools.product(("ipvs", "route"), repeat=2):
        lab.load("--steering", loaded)
        status = lab.rules("check", *SERVICES, "--steering", asked).returncode
        assert (loaded, asked, status) == (loaded, asked, 0 if loaded == asked else 2)


def test_check_sees_a_filter_in_input_that_takes_datagrams_away(lab: RulesLab) -> None:
    """There it is before IPVS; for routes it is behind."""
    lab.load(*IPVS, "--family", "4")
    lab.listen(5060, FIRST_MARK)
    lab.listen(5059, SECOND_MARK)
    lab.director.run([lab.tool(4), "-A", "INPUT", "-d", VIP[4], "-p", "udp", "-j", "DROP"])

    done = lab.rules("check", "--vip", VIP[4], *IPVS)

    assert done.returncode == 1
    assert f"drops udp to {VIP[4]}:{PORT}" in done.stdout


def test_one_kind_of_rules_leaves_nothing_of_the_other(lab: RulesLab) -> None:
    """A load for another steering is as a first load, and unload takes any."""
    for steering in ("route", "ipvs", "route"):
        lab.load("--steering", steering)
        switched = [lab.save(4), lab.save(6)]
        lab.unload()
        assert "PENFQ" not in lab.save(4) + lab.save(6)
        lab.load("--steering", steering)
        assert [_ours(lab.save(4)), _ours(lab.save(6))] == [*map(_ours, switched)]


def test_switching_under_load_loses_and_splits_nothing(lab: RulesLab) -> None:
    """20 switches while datagrams flow: each arrives once and decided, none overlooked."""
    lab.load("--workers", "2")
    for queue in (5060, 5061):
        lab.listen(queue, FIRST_MARK)
    lab.listen(5059, SECOND_MARK)
    options = [*SERVICES, "--workers", "2", "--backend", lab.variant]
    switcher = lab.director.start([sys.executable, "-c", _SWITCHER, "20", *options])
    sent: list[bytes] = []
    pause = threading.Event()
    while switcher.status is None and len(sent) < _LOAD:
        batch = [INVITE + str(len(sent) + n).encode() for n in range(5)]
        lab.send(batch)
        sent += batch
        pause.wait(0.03)
    assert switcher.wait(90) == 0

    arrivals = lab.receive(len(sent))
    assert len(sent) > 100
    assert sorted(arrival.payload for arrival in arrivals) == sorted(sent)
    assert all(arrival.is_decided for arrival in arrivals)


def _ours(saved: str) -> list[str]:
    """Without the built-in chains: the kernel never removes a table of the legacy variant."""
    return sorted(line for line in saved.splitlines() if "PENFQ" in line)
