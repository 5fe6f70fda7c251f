"""The totals of what workers tally."""

from typing import Any

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, RealServer, Reason, Snapshot, VirtualService
from pe_nfq.stages import KNOWN, SUM
from pe_nfq.supervisor.tallies import Tallies
from pe_nfq.tally import CREATED, MARK, MOVED_IN, MOVED_OUT, TALLY
from tests.tables import MARK_BASE, VIP, dest

ONE, TWO = dest(1), dest(2)
MARKS = Marks(MARK_BASE)


def service(*dests: RealServer) -> VirtualService:
    return VirtualService(9, VIP, dests)


def record(*grown: Any) -> dict[str, Any]:
    return {"event": TALLY, "worker": "1", "grown": list(grown)}


def test_records_of_all_workers_are_added_up() -> None:
    """Marks are of a server, or of what servers sent; reasons are of a service."""
    tallies = Tallies(MARK_BASE)
    returning = MARKS.returning(str(service()))
    for _ in range(2):
        tallies.takes(record([MARK, MARKS.decided(1), 5], [MARK, returning, 3]))
        tallies.takes(record([CREATED, 1, 2], [MOVED_OUT, 1, 1], [MOVED_IN, 2, 1]))
        tallies.takes(record([Reason.NO_DEST.value, 9, 4]))

    assert tallies.of_dest(ONE) == {"datagrams": 10, "dialogs": 4, "moved_in": 0, "moved_out": 2}
    assert tallies.of_dest(TWO) == {"datagrams": 0, "dialogs": 0, "moved_in": 2, "moved_out": 0}
    assert tallies.passed(service()) == {"no-dest": 8}
    assert tallies.outbound(service()) == 6


def test_samples_become_cumulative_histograms() -> None:
    tallies = Tallies(MARK_BASE)
    tallies.takes(record([KNOWN, 0, 1], [KNOWN, 2, 4], [KNOWN, 12, 2], [KNOWN, SUM, 50_000_000]))
    known = tallies.stages()[KNOWN]

    assert known["buckets"][:4] == [[1, 1], [2, 1], [5, 5], [10, 5]]
    assert known["buckets"][-1] == [20000, 5]
    assert (known["count"], known["sum_us"]) == (7, 50_000.0)


def test_what_is_no_tally_is_left_to_others() -> None:
    assert not Tallies(MARK_BASE).takes({"event": "template-created"})


@pytest.mark.parametrize(
    "grown",
    [None, "x", [1], [[]], [["mark", 1]], [["mark", "1", 1]], [["unheard-of", 1, 1]], [[[], 1, 1]]],
)
def test_a_damaged_record_adds_nothing(grown: Any) -> None:
    """Nor does it raise: who reads it is the supervisor."""
    tallies = Tallies(MARK_BASE)

    assert tallies.takes({"event": TALLY, "grown": grown})
    assert tallies._totals == {}


def test_numbers_of_servers_that_are_no_more_begin_anew() -> None:
    """They may be another's one day; what is still there goes on."""
    tallies = Tallies(MARK_BASE)
    other = VirtualService(8, Endpoint(bytes([203, 0, 113, 11]), 5060), ())
    for id_ in (1, 2):
        tallies.takes(record([MARK, MARKS.decided(id_), 5], [CREATED, id_, 5]))
    for found in (service(), other):
        tallies.takes(record([MARK, MARKS.returning(str(found)), 1], ["no-dest", found.id, 1]))
    tallies.takes(record([KNOWN, 0, 1]))
    tallies.learn(Snapshot(1, MARK_BASE, 10, (service(ONE),)))

    assert tallies.of_dest(ONE)["datagrams"] == tallies.of_dest(ONE)["dialogs"] == 5
    assert tallies.of_dest(TWO)["datagrams"] == tallies.of_dest(TWO)["dialogs"] == 0
    assert (tallies.outbound(service()), tallies.passed(service())) == (1, {"no-dest": 1})
    assert (tallies.outbound(other), tallies.passed(other)) == (0, {})
    assert tallies.stages()[KNOWN]["count"] == 1
