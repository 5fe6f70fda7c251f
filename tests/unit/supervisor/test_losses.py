"""What passed workers by is counted over restarts of anybody, and told at a bounded rate."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq.heartbeat import Cell, Heartbeats, State, worker_facts
from pe_nfq.nfqueue import QueueState, parse_queues
from pe_nfq.supervisor.losses import LOOK_EVERY, TELL_EVERY, Losses
from pe_nfq.supervisor.member import Member

QUEUE = 5060
WORKER, STANDBY = Member(1, QUEUE), Member(0, QUEUE - 1)

QUEUES = """\
 5060  21431    12 2 65531     3     4     8192  1
 5059 4294963213     0 2 65531     0     0        0  1
"""
SOCKETS = """\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000044934ff2 0   21431      00000000 0        0        0     2        900      4
00000000c0cea09c 12  21431      00000000 18874368 0        0     2        104      1585
00000000c0cea09d 12  4294963213 00000000 0        0        0     2        5        1586
00000000c0cea09e 12  77         00000000 0        0        0     2        6        1587
"""


class Counted:
    """Losses of a state directory, and what was told."""

    def __init__(self, directory: Path) -> None:
        self.told: list[dict[str, Any]] = []
        self.heartbeats = Heartbeats(directory)
        self._directory = directory
        self.restart()

    def restart(self) -> None:
        """Another supervisor takes over."""
        self.losses = Losses(self.heartbeats, lambda event, **facts: self.told.append(facts))

    def look(self, now: int, port: int, passed: int, dropped: int = 0) -> tuple[int, int]:
        """The sums after a look at worker 1's queue."""
        self.losses.look(now, [WORKER], {QUEUE: QueueState(port, 0, passed, dropped)})
        return self.sums()

    def sums(self) -> tuple[int, int]:
        """(passed on, lost) of worker 1, as `pe-nfq list` reads them."""
        self.heartbeats.slot(WORKER.slot)[Cell.PID] = 1
        (facts,) = worker_facts(self._directory)
        return facts["passed-on"], facts["lost"]

    def wait(self, waiting: int, state: State) -> None:
        """So many datagrams wait for worker 1, which is in that state."""
        self.losses.wait({QUEUE: waiting})
        self.heartbeats.slot(WORKER.slot)[Cell.STATE] = state


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path)


def test_the_kernels_tables_are_joined_by_the_netlink_port() -> None:
    """Drops of the socket are what passed on, without those that the queue counts as dropped."""
    assert parse_queues(QUEUES.splitlines(), SOCKETS.splitlines()) == {
        5060: QueueState(port=21431, waiting=12, passed=100, dropped=7),
        5059: QueueState(port=4294963213, waiting=0, passed=5, dropped=0),
    }
    assert parse_queues([], []) == {}
    assert parse_queues(QUEUES.splitlines()[:1], [])[5060].passed == 0


def test_counters_that_begin_anew_are_added(counted: Counted) -> None:
    """Another port is another bind; so is a counter that runs backwards, on the same port."""
    assert counted.look(0, port=7, passed=10) == (10, 0)
    assert counted.look(1, port=7, passed=15, dropped=1) == (15, 1)
    assert counted.look(2, port=7, passed=15, dropped=1) == (15, 1)
    assert counted.look(3, port=8, passed=20) == (35, 1)
    assert counted.look(4, port=8, passed=2) == (37, 1)


def test_a_successor_counts_nothing_twice(counted: Counted) -> None:
    """A supervisor that adopts a worker goes on where the last one ended."""
    counted.look(0, port=7, passed=10, dropped=2)
    counted.restart()

    assert counted.look(0, port=7, passed=11, dropped=2) == (11, 2)
    assert [facts["passed_on"] for facts in counted.told] == [10, 1]


def test_lines_are_rare_and_leave_nothing_out(counted: Counted) -> None:
    """The first at once, then one in ten seconds, with all that was counted meanwhile."""
    for now in range(0, 2 * TELL_EVERY + 1, LOOK_EVERY):
        counted.look(now, port=7, passed=5 + now // LOOK_EVERY)

    assert [facts["passed_on"] for facts in counted.told] == [5, 10, 10]
    counted.look(4 * TELL_EVERY, port=7, passed=25)
    counted.look(6 * TELL_EVERY, port=7, passed=25)
    assert len(counted.told) == 3


def test_a_line_says_where_they_went(counted: Counted) -> None:
    """A worker's go to the standby worker; the standby's have had both chances."""
    state = QueueState(7, 0, 3, 0)
    queues = {WORKER.queue: state, STANDBY.queue: state}
    counted.losses.look(0, [WORKER, STANDBY], queues)

    assert [
        (f["worker"], f["queue"], f["passed_on"], f["lost"], f["to"]) for f in counted.told
    ] == [
        ("1", 5060, 3, 0, "the standby worker"),
        ("standby", 5059, 3, 0, "the fallback mark"),
    ]


def test_what_waits_dies_with_a_worker(counted: Counted) -> None:
    """The kernel drops it; by the time that we hear of the death the queue is gone."""
    counted.wait(12, State.SERVING)
    counted.losses.wait({})

    assert counted.losses.died(WORKER, served=True) == 12
    assert counted.losses.died(WORKER, served=True) == 0
    assert counted.sums() == (0, 12)


def test_who_leaves_in_order_loses_nothing(counted: Counted) -> None:
    """The queue was empty at its end, though not when we looked; drained too slowly it was not."""
    counted.wait(12, State.NONE)
    assert counted.losses.died(WORKER, served=True) == 0
    counted.wait(12, State.DRAINING)
    assert counted.losses.died(WORKER, served=True) == 12


def test_what_waits_for_another_program_is_not_ours(counted: Counted) -> None:
    """A worker that finds its queue taken has never had what waits there."""
    counted.wait(12, State.STARTING)
    assert counted.losses.died(WORKER, served=False) == 0
    assert counted.sums() == (0, 0)


def test_the_kernel_is_asked_once_a_second(counted: Counted) -> None:
    """And at once by a supervisor that has just begun."""
    assert counted.losses.is_due(0)
    counted.look(0, port=7, passed=0)
    assert not counted.losses.is_due(LOOK_EVERY - 1)
    assert counted.losses.is_due(LOOK_EVERY)
