"""Attended and blind transfers over three servers: what names a call goes where the call is.

Real SIPp; counted from captures at the servers. The scheduler is one that
places by the Call-ID (mh): dialogs do not meet by taking turns.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.lab import sipp
from tests.lab.daemon import PeNfq
from tests.lab.network import Family, Lab
from tests.lab.traffic import Traffic, watch
from tests.lab.transfer import Kind, from_one_port, namings, to_elsewhere, together

COUNT = 200
#: Of 200 that are placed by a hash of their own 67 are right by luck, give or take 33 (5 sigma).
LUCKY = range(34, 101)

both_kinds = pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())


@contextmanager
def steered(family: Family, lifetime: str) -> Iterator[tuple[Lab, PeNfq, Traffic]]:
    """Three servers that answer calls and REFERs, two clients."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(servers=3, clients=2, family=family))
        for server in lab.servers:
            sipp.serve(server)
        service = {"scheduler": "mh", "lifetime": lifetime}
        daemon = stack.enter_context(PeNfq(lab, top={"workers": 2}, service=service))
        yield lab, daemon, stack.enter_context(watch(lab))


@both_kinds
def test_transfers_within_a_trunk_go_to_the_calls_server(kind: Kind) -> None:
    """200 of 200 where all comes from one ip:port: the INVITEs, and the REFERs before them."""
    asked = Counter(INVITE=COUNT) if kind is Kind.ATTENDED else Counter(REFER=COUNT, INVITE=COUNT)
    with steered(4, "engine") as (lab, daemon, traffic):
        statistics = from_one_port(lab, kind, COUNT)
        traffic.settle()

        assert statistics.completed == COUNT
        assert_related(asked, daemon, traffic)


@both_kinds
def test_transferees_elsewhere_go_to_the_calls_server(kind: Kind) -> None:
    """200 of 200 where the INVITE comes from another address than the call it names; IPv6."""
    with steered(6, "engine") as (lab, daemon, traffic):
        statistics = to_elsewhere(lab, traffic, kind, COUNT)
        traffic.settle()

        assert [each.completed for each in statistics] == [COUNT, COUNT]
        assert_related(Counter(REFER=COUNT, INVITE=COUNT), daemon, traffic)


@both_kinds
def test_two_thirds_go_elsewhere_where_the_engine_is_not_asked(kind: Kind) -> None:
    """`lifetime = "fixed"` wants nothing but the key: the same lab tells right from wrong."""
    with steered(4, "fixed") as (lab, _, traffic):
        to_elsewhere(lab, traffic, kind, COUNT)
        traffic.settle()

        right = counted_right(traffic)
        assert right["INVITE"] in LUCKY
        assert right["REFER"] in LUCKY
        assert not traffic.split()


def assert_related(asked: Counter[str], daemon: PeNfq, traffic: Traffic) -> None:
    """All that was asked for is right, nothing is split, and the daemon knows that it did it."""
    assert Counter(naming.method for naming in namings(traffic.entered())) == asked
    assert counted_right(traffic) == asked
    assert not traffic.split()
    assert not traffic.lost()
    assert sum(worker["related"] for worker in daemon.workers()) == asked.total()
    assert all(traffic.received().values())


def counted_right(traffic: Traffic) -> Counter[str]:
    """How many requests that named a dialog, by method, share its server."""
    placed = traffic.placed()
    found = namings(traffic.entered())
    return Counter(naming.method for naming in found if together(placed, naming))
