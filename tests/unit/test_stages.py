"""Samples of what the stages of the path take."""

import json
from collections import Counter

from pe_nfq.stages import EDGES, KNOWN, SAMPLE_EVERY, SETTLE, SUM, Stages
from pe_nfq.tally import Tally


def told(tally: Tally) -> Counter[tuple[str, int]]:
    """What the tally would tell the supervisor."""
    found: Counter[tuple[str, int]] = Counter()

    def write(line: bytes) -> bool:
        for word, number, amount in json.loads(line)["grown"]:
            found[word, number] += amount
        return True

    tally.tell("1", write)
    return found


def test_a_sample_falls_into_the_first_bucket_that_holds_it() -> None:
    """An edge belongs to its bucket, as Prometheus has it (le); the last bucket takes the rest."""
    tally = Tally()
    stages = Stages(tally)
    for ns in (0, 1000, 1001, 20_000_000, 20_000_001):
        stages.took(KNOWN, ns)

    last = len(EDGES)
    assert told(tally) == {
        (KNOWN, 0): 2,
        (KNOWN, 1): 1,
        (KNOWN, last - 1): 1,
        (KNOWN, last): 1,
        (KNOWN, SUM): 40_002_002,
    }


def test_what_was_done_together_counts_for_each() -> None:
    tally = Tally()
    Stages(tally).took(SETTLE, 30_000, times=32)

    assert told(tally) == {(SETTLE, 5): 32, (SETTLE, SUM): 960_000}


def test_a_sample_is_due_now_and_then() -> None:
    """By the clock, however often it is asked."""
    stages = Stages(Tally())
    asked = range(10_000, 10_000 + 10 * SAMPLE_EVERY)

    assert [now - 10_000 for now in asked if stages.is_due(now)] == [
        number * SAMPLE_EVERY for number in range(10)
    ]
