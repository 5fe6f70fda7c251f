"""Where workers run: on their processor, in turn, or anywhere when that cannot be."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pe_nfq.supervisor.affinity import cpu_of, place
from pe_nfq.supervisor.member import Member

#: No kernel has so many.
NO_CPU = 1 << 16


@pytest.fixture
def member() -> Iterator[Member]:
    """Worker 1, whose process does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield Member(1, 5060, pid=process.pid)
        process.kill()


def test_workers_take_the_cpus_in_turn() -> None:
    """Round again when there are more workers than processors; the standby has none."""
    assert [cpu_of(slot, (4, 2, 7)) for slot in range(6)] == [None, 4, 2, 7, 4, 2]
    assert [cpu_of(slot, ()) for slot in range(3)] == [None] * 3


def test_a_worker_runs_on_its_cpu_and_without_one_where_we_may(member: Member) -> None:
    """One that was pinned by another configuration is let go."""
    ours = os.sched_getaffinity(0)
    last = max(ours)
    told: list[Any] = []

    place(member, [last], lambda *_, **facts: told.append(facts))
    assert os.sched_getaffinity(member.pid) == {last}
    place(member, [], lambda *_, **facts: told.append(facts))
    assert os.sched_getaffinity(member.pid) == ours
    assert told == []


def test_a_cpu_that_is_offline_stops_no_worker(member: Member) -> None:
    """It runs as before, and one line says why; as for one that we may not use."""
    told: list[tuple[str, dict[str, Any]]] = []

    place(member, [NO_CPU], lambda event, **facts: told.append((event, facts)))

    assert os.sched_getaffinity(member.pid) == os.sched_getaffinity(0)
    ((event, facts),) = told
    assert (event, facts["worker"], facts["pid"]) == ("worker-unpinned", "1", member.pid)
    assert facts["cpu"] == NO_CPU
    assert facts["why"].startswith("Invalid argument: it runs on any; bring CPU 65536 online")


def test_a_worker_that_has_just_died_is_nobodys_trouble(member: Member) -> None:
    """Its death is told elsewhere."""
    told: list[Any] = []
    member.pid = 2**22 + 1  # beyond any pid

    place(member, [0], lambda *_, **facts: told.append(facts))

    assert told == []
