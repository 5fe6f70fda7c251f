"""What rows and ratios are made of, run by run."""

from typing import Any

import pytest

from tests.bench import rows
from tests.bench.counters import Losses, parse_queues
from tests.bench.results import Results
from tests.bench.rig import Sample
from tests.bench.runner import Runs

C = "C null verdict"
KNOWN = "pe-nfq 1 worker, known dialogs"
TWO = "pe-nfq 2 workers, known dialogs"
NEW = "pe-nfq 1 worker, new dialog every third datagram"


def sample(packets: float, cpu: float, **more: Any) -> Sample:
    nothing = Sample(packets, cpu, 0.0, 0.0, 0.5, Losses(0, 0, 0, 0), {})
    return nothing._replace(**more)


def reported(**runs: list[Sample]) -> dict[str, Any]:
    """The JSON of these runs; names as in `rows.ROWS`, by their names above."""
    names = {name: globals()[name] for name in runs}
    taken: Runs[Sample] = Runs(list(names.values()))
    for name, samples in runs.items():
        taken.of[names[name]] = samples
    results = Results()
    rows.report(taken, results)
    return results.as_json({})


def test_a_ratio_is_of_pairs_and_above_1_where_we_are_faster() -> None:
    """What slowed both of a pair down leaves it alone: the C program's CPU by the worker's."""
    c = [sample(200.0, 4.0), sample(100.0, 8.0), sample(200.0, 4.0)]
    known = [sample(100.0, 8.0), sample(50.0, 10.0), sample(50.0, 8.0)]
    pairs = reported(C=c, KNOWN=known)["pairs"]

    assert pairs == {
        "worker_vs_c_null": [0.5, 0.8, 0.5],
        "worker_vs_c_null_by_packets": [0.5, 0.5, 0.25],
    }


def test_two_workers_are_compared_by_packets() -> None:
    """Their CPU a datagram says nothing of how many they carry."""
    found = reported(KNOWN=[sample(100.0, 8.0)], TWO=[sample(150.0, 9.0)])

    assert found["pairs"] == {"workers_2_vs_1": [1.5]}


def test_new_dialogs_say_what_share_was_dissected_and_logged() -> None:
    """Budgets leave most out: nobody is to believe that all were."""
    counts = {"created": 1000, "dissected": 250, "logged": 100}
    found = reported(NEW=[sample(10.0, 80.0, counts=counts)])
    shares = {row["name"]: row["median"] for row in found["rows"] if row["unit"] == "share"}

    assert shares[f"{NEW}: new dialogs dissected by scapy"] == 0.25
    assert shares[f"{NEW}: new dialogs logged"] == 0.1


def test_losses_are_a_row() -> None:
    """Of the queue, of the worker's socket, to the standby, and at the receiver."""
    counts = {"created": 1, "dissected": 1, "logged": 1}
    found = reported(NEW=[sample(10.0, 80.0, losses=Losses(1, 2, 3, 4), counts=counts)])

    assert {row["name"]: row["median"] for row in found["rows"]}[f"{NEW}: lost"] == 10


def test_cpu_seconds_a_million_datagrams() -> None:
    """By a million: so many ns a datagram are as many ms."""
    found = reported(C=[sample(10.0, 4000.0)])

    assert {row["name"]: row["median"] for row in found["rows"]}[
        f"{C}: CPU s/million datagrams"
    ] == 4.0


@pytest.mark.parametrize("lost", [Losses(1, 0, 0, 0), Losses(0, 0, 0, 1)])
def test_a_known_row_with_losses_is_no_measurement(lost: Losses) -> None:
    """What was lost was not decided; of new dialogs losses are reported."""
    with pytest.raises(RuntimeError, match="not a measurement"):
        rows.checked(KNOWN, sample(10.0, 8.0, losses=lost))

    assert rows.checked(NEW, sample(10.0, 8.0, losses=lost)).losses == lost


def test_a_full_table_is_no_measurement() -> None:
    """Without a record a new dialog costs less."""
    with pytest.raises(RuntimeError, match="fewer --seconds"):
        rows.checked(NEW, sample(10.0, 8.0, counts={"unrecorded": 1}))


def test_losses_come_from_the_kernel() -> None:
    """The columns of nfnetlink_queue: dropped, user dropped; what the standby worker got."""
    before = parse_queues(" 5059  7 0 2 65535 0 0 10 1\n 5060  8 3 2 65535 4 5 600 1\n", 5059)
    after = parse_queues(" 5059  7 0 2 65535 0 0 12 1\n 5060  8 3 2 65535 5 8 900 1\n", 5059)

    assert after.since(before, lost=1) == Losses(queue=1, socket=3, standby=2, receiver=1)
